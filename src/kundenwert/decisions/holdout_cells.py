"""Who is held out of the action that was chosen for him, by chance and on the record.

Without customers held out at random nobody ever learns what an action brings (docs/statistics.md, section Actions).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kundenwert.errors import UsageError
from kundenwert.streams import stream_seed
from kundenwert.value.counters import FloatArray, check_seed, text_keys

BoolArray = npt.NDArray[np.bool_]

HELD_OUT_SHARE = 0.10
UNIT_BITS = 53


@dataclass(frozen=True)
class Cells:
    """The treated and the held out of one plan.

    Parameters
    ----------
    held_out : (customer,) whether the action chosen for him is withheld; never where none was chosen.
    propensity : (customer,) probability with which the chosen action is carried out: 1 less the share held out, for
        the treated and the held out alike, and 0 where none was chosen. An estimate of what the action brings weighs
        the treated by 1 / propensity and the held out by 1 / (1 - propensity).
    """

    held_out: BoolArray
    propensity: FloatArray


def draw_cells(
    customer_ids: Iterable[object],
    action: npt.ArrayLike,
    names: Sequence[str],
    *,
    share: float | Sequence[float] = HELD_OUT_SHARE,
    seed: int,
) -> Cells:
    """Holds customers out of the actions chosen for them.

    Whom an action is withheld from follows from his id, the action's name and the seed alone: neither from the other
    customers or their order, nor from the run, so that he stays held out from night to night and his later orders
    show what the action would have brought. A larger share keeps those whom a smaller one held out.

    Parameters
    ----------
    customer_ids : (customer,) ids of any type; 7 and "7" are the same customer.
    action : (customer,) number of the chosen action, -1 for none, as in `Allocation.action`.
    names : (action,) names of the actions, each once.
    share : of those for whom an action was chosen, at least 0 and below 1: one number, or one for each action.
    seed : of the random streams, 0 to 2**64 - 1.

    Returns
    -------
    Cells

    Raises
    ------
    UsageError : lengths that differ, a number that names no action, a name given twice, a share or seed out of range.

    Notes
    -----
    docs/statistics.md, section Actions.

    Examples
    --------
    >>> cells = draw_cells(range(10_000), np.zeros(10_000, dtype=int), ["mail"], seed=1)
    >>> int(cells.held_out.sum()), float(cells.propensity[0])
    (1034, 0.9)
    """
    ids = list(customer_ids)
    chosen = _chosen(action, len(ids), names)
    shares = _shares(share, names)
    held_out, propensity = np.zeros(len(ids), dtype=bool), np.zeros(len(ids))
    for number, name in enumerate(names):
        rows = np.flatnonzero(chosen == number)
        held_out[rows] = held_out_of(name, [ids[row] for row in rows], share=float(shares[number]), seed=seed)
        propensity[rows] = 1.0 - shares[number]
    return Cells(held_out, propensity)


def held_out_of(name: str, customer_ids: Iterable[object], *, share: float = HELD_OUT_SHARE, seed: int) -> BoolArray:
    """Whether each customer would be held out of an action, chosen for him or not.

    Parameters
    ----------
    name : of the action.
    customer_ids : (customer,) ids of any type.
    share : at least 0 and below 1.
    seed : 0 to 2**64 - 1.

    Returns
    -------
    (customer,)

    Raises
    ------
    UsageError : a share or a seed out of range.

    Examples
    --------
    >>> held_out_of("mail", ["C17", "C42"], share=0.5, seed=1).tolist()
    [False, True]
    """
    limit = float(_shares(share, [name])[0])
    stream = stream_seed(check_seed(seed), "held out", name)
    # The stream's number ends at the blank, so that no two pairs of stream and id make the same text.
    words = text_keys(f"{stream} {customer}" for customer in customer_ids)
    return (words >> np.uint64(64 - UNIT_BITS)) * 2.0**-UNIT_BITS < limit


def thompson_draw(draws: int, batch: str, *, seed: int) -> int:
    """The one draw of all effects that a batch of decisions is made with.

    Choosing by a draw instead of the mean tries actions as often as they may still be the best (Thompson 1933). All
    customers of a batch share the draw: effects are common to them, and a draw each would only add noise.

    Parameters
    ----------
    draws : number of posterior draws of the effects.
    batch : name of the batch, such as its date; another batch is another draw.
    seed : 0 to 2**64 - 1.

    Returns
    -------
    Index of the draw, 0 to draws - 1.

    Raises
    ------
    UsageError : no draws, or a seed out of range.

    Examples
    --------
    >>> thompson_draw(1000, "2026-01-05", seed=1) == thompson_draw(1000, "2026-01-05", seed=1)
    True
    """
    if draws < 1:
        raise UsageError(f"draws is {draws}: a batch needs at least one draw of the effects to choose from.")
    return int(np.random.default_rng(stream_seed(check_seed(seed), "thompson", batch)).integers(draws))


def _chosen(action: npt.ArrayLike, customers: int, names: Sequence[str]) -> npt.NDArray[np.int64]:
    chosen = np.asarray(action)
    if chosen.shape != (customers,):
        raise UsageError(f"action has shape {chosen.shape}: it must be one number for each of {customers:,} customers.")
    if customers and not np.issubdtype(chosen.dtype, np.integer):
        raise UsageError(f"action holds {chosen.dtype}: it must hold whole numbers, -1 for none.")
    if len(set(names)) < len(names):
        raise UsageError(
            f"names are {', '.join(names)}: an action's name is the key of its stream, each may come once."
        )
    strange = np.unique(chosen[(chosen < -1) | (chosen >= len(names))])
    if len(strange):
        raise UsageError(f"action {strange[0]} has no name: numbers run from -1 for none to {len(names) - 1}.")
    return chosen.astype(np.int64)


def _shares(share: float | Sequence[float], names: Sequence[str]) -> FloatArray:
    shares = np.asarray(share, dtype=np.float64)
    if shares.ndim and shares.shape != (len(names),):
        raise UsageError(f"share has shape {shares.shape}: give one number, or one for each of {len(names)} actions.")
    if not ((shares >= 0) & (shares < 1)).all():
        raise UsageError(f"share {share} must be at least 0 and below 1: of customers, 0.10 for one in ten.")
    return np.broadcast_to(shares, len(names))
