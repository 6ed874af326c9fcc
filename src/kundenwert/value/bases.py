"""Which basis potential value rests on, and what each of those at hand says, side by side.

Bases answer different questions: peers say how far it is to better ones, a wallet what is spent elsewhere, levers what
our own doing is expected to bring. They are never averaged (docs/statistics.md, section Potential value).
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.errors import UsageError, did_you_mean
from kundenwert.names import PotentialBasis
from kundenwert.value.counters import FloatArray

AUTO = "auto"
_PREFERRED: Final = (PotentialBasis.LEVERS, PotentialBasis.WALLET, PotentialBasis.PEERS)
_NEEDS: Final = {
    PotentialBasis.LEVERS: "there are no levers. Declare some with [[levers]]",
    PotentialBasis.WALLET: "there is no wallet. Name a column with potential.wallet or potential.share",
    PotentialBasis.PEERS: "there is no frontier of peers",
}


def basis_of(asked: PotentialBasis | str, at_hand: Collection[PotentialBasis]) -> PotentialBasis:
    """The basis of the table: as asked, else levers, else a wallet, else peers.

    Parameters
    ----------
    asked : "auto", or a basis.
    at_hand : those that were computed.

    Raises
    ------
    UsageError : an unknown basis, or one that nothing was given for.

    Examples
    --------
    >>> basis_of("auto", {PotentialBasis.PEERS, PotentialBasis.WALLET}).value
    'wallet'
    """
    known = [basis.value for basis in PotentialBasis]
    if asked not in (AUTO, *known):
        hint = did_you_mean(str(asked), [AUTO, *known])
        raise UsageError(f"potential basis {str(asked)!r} is not known.{hint} Use one of {', '.join([AUTO, *known])}.")
    if asked != AUTO and asked not in at_hand:
        basis = PotentialBasis(asked)
        raise UsageError(f"potential basis {basis.value!r}: {_NEEDS[basis]}, or leave the basis to 'auto'.")
    found = next((basis for basis in _PREFERRED if basis in at_hand and asked in (AUTO, basis)), None)
    if found is None:
        raise UsageError("no basis of potential value was computed: not even peers.")
    return found


def side_by_side(
    customer_id: "pd.Series[Any]",
    unrealized: Mapping[PotentialBasis, npt.ArrayLike],
    *,
    gap: npt.ArrayLike,
    attainable: npt.ArrayLike,
) -> pd.DataFrame:
    """Unrealized value by every basis at hand.

    Parameters
    ----------
    customer_id : (customer,).
    unrealized : basis -> (customer,) expected money; that of peers after the cap on its total, the others as they are.
    gap : (customer,) expected distance to the peers' frontier while alive, in money that nobody has earned.
    attainable : (customer,) share of it that unrealized value by peers takes for attainable, cap included.

    Returns
    -------
    (customer,) `customer_id, unrealized_peers, unrealized_wallet, unrealized_levers, gap, attainable`; missing under
    bases that are not at hand.
    """
    nothing = np.full(len(customer_id), np.nan)
    columns = {f"unrealized_{basis.value}": unrealized.get(basis, nothing) for basis in PotentialBasis}
    money = {"gap": gap, "attainable": attainable}
    table = {name: np.asarray(values, dtype=np.float64) for name, values in (columns | money).items()}
    return pd.DataFrame({"customer_id": customer_id.array, **table})


def chosen(detail: pd.DataFrame, basis: PotentialBasis) -> FloatArray:
    """(customer,) unrealized value by one basis of the table of `side_by_side`."""
    return detail[f"unrealized_{basis.value}"].to_numpy(dtype=np.float64)


def beyond_wallet(detail: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """(customer,) whether levers promise more than the wallet leaves room for.

    False where either is not at hand. The flag of that name says it in the customers' table.
    """
    levers, wallet = chosen(detail, PotentialBasis.LEVERS), chosen(detail, PotentialBasis.WALLET)
    return np.asarray(levers > wallet)
