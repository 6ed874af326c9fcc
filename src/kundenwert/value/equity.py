"""Customer equity: what all customers together are worth, by cohort and in total.

Two estimands that are never mixed: what is expected, of which the parameters are unknown, and what will have come in,
of which each customer's luck is unknown, too (docs/statistics.md, section Customer equity).
"""

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.units import Currency, Horizon
from kundenwert.value.counters import FloatArray
from kundenwert.value.results import Value

if TYPE_CHECKING:
    from kundenwert.inference.posterior import Posterior


@dataclass(frozen=True)
class Amount:
    """Money that is not known exactly.

    Parameters
    ----------
    mean : over draws.
    low, high : ends of the interval.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, draws: FloatArray, interval: float) -> "Amount":
        """The mean of (draw,) money and its interval of so much mass."""
        low, high = np.quantile(draws, [0.5 - interval / 2, 0.5 + interval / 2])
        return cls(float(draws.mean()), float(low), float(high))

    @property
    def noise(self) -> bool:
        """Whether it cannot be told apart from nothing: its interval holds 0."""
        return self.low <= 0 <= self.high

    @property
    def nothing(self) -> bool:
        """Whether it is 0 by construction, which is less than noise."""
        return self.mean == self.low == self.high == 0


@dataclass(frozen=True, repr=False, eq=False)
class Equity:
    """What all customers together are worth.

    Parameters
    ----------
    expected : of the base, given parameters: how well the worth of these customers is known.
    simulated : of the base, as it may turn out: with the luck of each customer, which mostly cancels.
    by_cohort : one row a cohort with customers: `cohort`, `customers`, `expected` and `simulated`, each with `_low`
        and `_high` behind its name.
    draws : (draw,) expected value of the base.
    left_out : customers without a mean spend, who are simulated and have no expectation.
    interval : mass of the intervals.
    horizon, currency : of the values.
    """

    expected: Amount
    simulated: Amount
    by_cohort: pd.DataFrame
    draws: FloatArray
    left_out: int
    interval: float
    horizon: Horizon
    currency: Currency | None

    def __repr__(self) -> str:
        return f"<{self._summary()}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(self._summary())}</p>{self.by_cohort.to_html(index=False)}"

    def _summary(self) -> str:
        money, one = f" {self.currency}" if self.currency else "", self.expected
        return (
            f"Equity of {int(self.by_cohort['customers'].sum()):,} customers over {self.horizon}: expected "
            f"{one.mean:,.0f}{money} ({self.interval:.0%}: {one.low:,.0f} to {one.high:,.0f}), as it may turn out "
            f"{self.simulated.low:,.0f} to {self.simulated.high:,.0f}"
        )


def customer_equity(value: Value, posterior: "Posterior") -> Equity:
    """What all customers together are worth, in total and by cohort, from the draws that `estimate_value` summed.

    Customers who objected to profiling are in it: a total names nobody.

    Parameters
    ----------
    value : estimated from the posterior.
    posterior : names the cohorts.

    Returns
    -------
    Equity

    Raises
    ------
    UsageError : a posterior with other cohorts.

    Notes
    -----
    docs/statistics.md, section Customer equity.

    Examples
    --------
    >>> value = kw.estimate_value(posterior, summary, horizon="1 year", margin=0.3, draws=100)
    >>> equity = customer_equity(value, posterior)
    >>> bool(np.isclose(equity.expected.mean, value.table["actual_value"].sum()))
    True
    """
    totals, interval = value.totals, value.settings.interval
    counts = value.table["cohort"].astype(str).value_counts().reindex(list(posterior.cohorts), fill_value=0).to_numpy()
    if totals.expected.shape[1] != len(posterior.cohorts) or counts.sum() != len(value.table):
        raise UsageError("the posterior has other cohorts than the value. Pass the one that the value came from.")
    rows = []
    for cohort in np.flatnonzero(counts):
        row = {"cohort": posterior.cohorts[cohort], "customers": int(counts[cohort])}
        for name, draws in (("expected", totals.expected), ("simulated", totals.by_cohort)):
            one = Amount.of(draws[:, cohort], interval)
            row |= {name: one.mean, f"{name}_low": one.low, f"{name}_high": one.high}
        rows.append(row)
    expected = totals.expected.sum(axis=1)
    return Equity(
        expected=Amount.of(expected, interval),
        simulated=Amount.of(totals.base, interval),
        by_cohort=pd.DataFrame(rows),
        draws=expected,
        left_out=int(value.table["actual_value"].isna().sum()),
        interval=interval,
        horizon=value.settings.horizon,
        currency=value.settings.currency,
    )
