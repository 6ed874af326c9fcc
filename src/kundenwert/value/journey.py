"""Where a customer stands on the journey: a filter for levers, not a model of its own.

The phase follows from columns of the value table by thresholds that are arguments, and shifts as they do. Awareness and
consideration come before the first purchase, so nobody in a table of customers is in them; advocacy needs referrals
(docs/statistics.md, section Levers).
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.names import Journey
from kundenwert.units import Horizon, TimeUnit

NEEDED = ("frequency", "T", "churn_probability")
NEWCOMER, SILENT = Horizon(13.0, "week"), 0.8
PHASES_IN_TABLE = (Journey.PURCHASE, Journey.RETENTION, Journey.REACTIVATION)

type PhaseArray = npt.NDArray[np.str_]
type BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class JourneyRules:
    """Thresholds between phases.

    Parameters
    ----------
    newcomer : a customer without a repeat purchase is in the phase `purchase` for so long after the first one, however
        likely silence is: that is what newcomers of the cohort do, not what this one did.
    silent : everybody else is in the phase `reactivation` from this churn probability on, and in `retention` below it.
    """

    newcomer: Horizon = NEWCOMER
    silent: float = SILENT

    def __post_init__(self) -> None:
        if not 0 < self.silent <= 1:
            raise UsageError(f"silent = {self.silent!r} is not a probability above 0. Write 0.8 for 80 %.")


def journey_phases(table: pd.DataFrame, time_unit: TimeUnit, rules: JourneyRules | None = None) -> PhaseArray:
    """The phase of each customer.

    Parameters
    ----------
    table : (customer,) `frequency`, `T` in time units, `churn_probability`; the table of a `Value` has them.
    time_unit : of `T`.
    rules : thresholds.

    Returns
    -------
    (customer,) names of `Journey`: "purchase", "retention" or "reactivation"; "" where the churn probability is
    missing (a customer who objected), who is so in nobody's phase.

    Raises
    ------
    UsageError : a column is missing.

    Examples
    --------
    >>> rows = [(0, 5, 0.9), (0, 50, 0.9), (4, 50, 0.2), (4, 50, 0.9)]
    >>> table = pd.DataFrame(rows, columns=["frequency", "T", "churn_probability"])
    >>> journey_phases(table, TimeUnit.WEEK).tolist()
    ['purchase', 'reactivation', 'retention', 'reactivation']
    """
    rules = JourneyRules() if rules is None else rules
    missing = [column for column in NEEDED if column not in table]
    if missing:
        raise UsageError(
            f"the journey needs the columns {', '.join(NEEDED)}; {', '.join(missing)} is missing. Pass the table of a "
            "Value."
        )
    frequency, age, churn = (table[column].to_numpy(dtype=np.float64, na_value=np.nan) for column in NEEDED)
    new = (frequency == 0) & (age < rules.newcomer.in_units(time_unit))
    conditions = [np.isnan(churn), new, churn >= rules.silent]
    return np.select(conditions, ["", Journey.PURCHASE.value, Journey.REACTIVATION.value], Journey.RETENTION.value)


def in_phases(phases: PhaseArray, wanted: Collection[Journey]) -> BoolArray:
    """(customer,) who is in one of some phases; everybody where none are asked for.

    Examples
    --------
    >>> in_phases(np.array(["retention", "purchase", ""]), [Journey.RETENTION]).tolist()
    [True, False, False]
    """
    return np.isin(phases, [phase.value for phase in wanted]) if wanted else np.ones(len(phases), dtype=bool)
