"""Events that end the patience of every rule: an objection, death, insolvency, deletion; and complaints.

They are facts about a customer and come with the attributes, not from a model (docs/statistics.md, section Segments).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from kundenwert.decisions.hysteresis import BoolArray
from kundenwert.decisions.losses import FloatArray
from kundenwert.decisions.rule import DORMANT
from kundenwert.errors import DataError, UsageError, Violation, did_you_mean


@dataclass(frozen=True, eq=False)
class HardEvents:
    """What is known of each customer besides purchases.

    Parameters
    ----------
    objected : (customer,) has objected to profiling.
    removed : (customer,) has died, is insolvent or is to be deleted.
    complaint : (customer,) has a complaint that is open.
    """

    objected: BoolArray
    removed: BoolArray
    complaint: BoolArray

    @property
    def any(self) -> BoolArray:
        """(customer,) whether a label must change at once. A complaint is none of these events: it only keeps
        `below_zero` from being said, which lets go of that label and of no other.
        """
        return np.asarray(self.objected | self.removed)


def read_hard_events(
    table: pd.DataFrame, *, objection: str | None = None, removed: str | None = None, complaint: str | None = None
) -> HardEvents:
    """Reads the events from columns of true and false, or of 1 and 0; who has no entry has no event.

    Parameters
    ----------
    table : (customer,) a summary with attributes joined, with `customer_id`.
    objection, removed, complaint : names of columns; without one nobody has this event.

    Raises
    ------
    UsageError : a column that the table does not have.
    DataError : a column that holds anything else, for "no" and a date are not to be guessed at.

    Examples
    --------
    >>> table = pd.DataFrame({"customer_id": ["a", "b", "c"], "no_ads": [True, None, False]})
    >>> read_hard_events(table, objection="no_ads").any.tolist()
    [True, False, False]
    """
    named = [name for name in (objection, removed, complaint) if name is not None]
    for name in named:
        if name not in table.columns:
            hint = did_you_mean(name, table.columns)
            raise UsageError(f"customers have no column {name!r}.{hint} Name a column of [customers] source.")
    unclear = [wrong for name in dict.fromkeys(named) if (wrong := _unclear(table, name)) is not None]
    if unclear:
        raise DataError("customer attributes", unclear)
    nobody = np.zeros(len(table), dtype=bool)
    found = [nobody if name is None else _truth(table[name]) for name in (objection, removed, complaint)]
    return HardEvents(*found)


def known_gone(probabilities: FloatArray, removed: BoolArray) -> FloatArray:
    """Probabilities in which whoever was removed is `dormant` for certain: that is known and not estimated.

    Parameters
    ----------
    probabilities : (customer, state), which is left as it is.
    removed : (customer,).

    Returns
    -------
    (customer, state)
    """
    certain = np.zeros(probabilities.shape[1])
    certain[DORMANT] = 1.0
    return np.where(removed[:, None], certain, probabilities)


def _unclear(table: pd.DataFrame, name: str) -> Violation | None:
    values = table[name]
    # 1 == True and 0 == False, in every column that pandas may make of them.
    wrong = ~(values.isin([True, False]) | values.isna()).to_numpy(dtype=bool)
    if not wrong.any():
        return None
    ids = table.loc[wrong, "customer_id"].tolist()
    rule = f"column {name!r} holds '{values[wrong].iloc[0]}', which is neither true nor false"
    return Violation(rule, len(ids), ids, "Write true or false, 1 or 0, or nothing.", "customer")


def _truth(values: "pd.Series[bool]") -> BoolArray:
    return values.isin([True]).to_numpy(dtype=bool)
