"""Replicated purchases: what the posterior would draw before the cut, and what it promises after it.

Before the cut customers are drawn anew from the population, given their first day alone; after it from their
individual posteriors. Every band holds parameters and chance together. Source: docs/statistics.md, section
Predictive checks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from kundenwert.customers.summary import need_summary
from kundenwert.errors import UsageError
from kundenwert.families import get_family
from kundenwert.families.arithmetic import group_rows
from kundenwert.families.identity import annuity
from kundenwert.families.protocol import PurchaseFamily
from kundenwert.families.simulation import purchase_times
from kundenwert.streams import DEFAULT_SEED, stream_seed
from kundenwert.threads import ordered_map, thread_count

if TYPE_CHECKING:
    from kundenwert.customers.holdout import Holdout
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior

FREQUENCY_GROUPS = 8  # 0, 1, ..., 6, 7 or more
RECENCY_EDGES_WEEKS = (0.0, 4.0, 8.0, 13.0, 26.0, 39.0, np.inf)
RECENCY_BINS = len(RECENCY_EDGES_WEEKS) - 1


@dataclass(frozen=True, repr=False)
class Tracking:
    """Replicates of a base's purchases beside what was observed.

    Parameters
    ----------
    week_end : (week,) datetime64[D], the last day of each week; weeks are counted back and forth from the cut.
    calibration_weeks : how many of them lie before the cut.
    observed : (week,) repeat purchases.
    replicated : (replicate, week).
    frequency_observed, frequency_replicated : customers with 0..6, 7+ repeat purchases, (group,), (replicate, group).
    holdout_days : length of the holdout, 0 where the log holds nothing after the cut; the rest is then empty.
    holdout_expected : (customer,) posterior mean of repeat purchases in the holdout.
    holdout_p_silent : (customer,) posterior probability of none.
    holdout_total : (replicate,) purchases of all customers in the holdout.
    group_replicated : (replicate, group) mean holdout purchases by calibration frequency.
    recency_replicated : (replicate, bin) the same by weeks since the last purchase, bins between RECENCY_EDGES_WEEKS.
    holdout_observed : (customer,) purchases that came in the holdout, zero without one.
    """

    week_end: np.ndarray
    calibration_weeks: int
    observed: np.ndarray
    replicated: np.ndarray
    frequency_observed: np.ndarray
    frequency_replicated: np.ndarray
    holdout_days: int
    holdout_expected: np.ndarray
    holdout_p_silent: np.ndarray
    holdout_total: np.ndarray
    group_replicated: np.ndarray
    recency_replicated: np.ndarray
    holdout_observed: np.ndarray

    @property
    def observed_total(self) -> int | None:
        """Purchases that came in the holdout, None without one."""
        return int(self.holdout_observed.sum()) if self.holdout_days else None

    def __repr__(self) -> str:
        head = f"<Tracking {self.calibration_weeks} weeks, {self.replicated.shape[0]} replicates"
        if self.observed_total is None:
            return f"{head}, no holdout>"
        expected = self.holdout_expected.sum()
        return f"{head}; holdout of {self.holdout_days} days: expected {expected:,.0f}, came {self.observed_total:,}>"


@dataclass(frozen=True)
class _Calendar:
    """Weeks counted from the cut: week k covers the days (7 (k - 1), 7 k] after it."""

    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    def histogram(self, days_after_cut: np.ndarray) -> np.ndarray:
        week = np.ceil(days_after_cut / 7).astype(np.int64) - self.first
        return np.bincount(week[(week >= 0) & (week < self.count)], minlength=self.count)


def track(
    posterior: "Posterior",
    summary: "CustomerSummary",
    holdout: "Holdout",
    *,
    replicates: int = 200,
    seed: int = DEFAULT_SEED,
    progress: Callable[[str, float], None] | None = None,
) -> Tracking:
    """Replicates the purchases of a base week by week, before and after the cut.

    Parameters
    ----------
    posterior, summary, holdout : of the same customers; `holdout.days` may be 0.
    replicates : data sets drawn, one parameter draw each, evenly thinned.
    seed : of the replicates.

    Raises
    ------
    UsageError : the summary has no `first_day` (a table that a user brings), so nothing can be put on a calendar.

    Examples
    --------
    >>> tracking = kw.track(posterior, summary, holdout, replicates=50)
    >>> tracking.calibration_weeks, tracking.observed_total
    (39, 1882)
    """
    need_summary(summary)
    table = summary.table
    if "first_day" not in table.columns or summary.observation_end is None:
        raise UsageError("tracking needs the days of the first purchases. Summarize from a transaction log.")
    unit_days = summary.time_unit.days
    base = _Base(
        family=_purchase_family(posterior),
        cohort=posterior.cohort_codes(table["cohort"]),
        x=table["frequency"].to_numpy(dtype=float),
        t_x=table["recency"].to_numpy(dtype=float),
        T=table["T"].to_numpy(dtype=float),
        unit_days=unit_days,
        span=holdout.days / unit_days,
    )
    theta = posterior.thinned(replicates)
    # A base whose customers all came on the last day has seen less than a week: that week is there, and empty.
    weeks = max(1, int(np.ceil(base.T.max() * unit_days / 7)))
    calendar = _Calendar(first=1 - weeks, last=holdout.days // 7)

    def replicate(s: int) -> tuple[_Replicate, _Means]:
        rng = np.random.Generator(np.random.Philox(stream_seed(seed, "tracking", str(s))))
        return _replicate(base, {name: theta[name][s] for name in base.family.parameters}, calendar, rng)

    drawn, count = [], len(theta["r"])
    expected, silent = np.zeros(len(table)), np.zeros(len(table))
    for s, (one, means) in ordered_map(replicate, range(count), thread_count(None)):
        drawn.append(one)
        expected += means.expected
        silent += means.silent
        if progress is not None:
            progress("replicate", (s + 1) / count)
    cut = np.datetime64(summary.observation_end, "D")
    days = holdout.daily["day"].to_numpy().astype("datetime64[D]") - cut
    observed = np.repeat(days.astype(np.int64), holdout.daily["purchases"].to_numpy(dtype=np.int64))
    return Tracking(
        week_end=cut + 7 * np.arange(calendar.first, calendar.last + 1),
        calibration_weeks=1 - calendar.first,
        observed=calendar.histogram(observed),
        replicated=np.stack([one.weekly for one in drawn]),
        frequency_observed=_group_counts(base.x),
        frequency_replicated=np.stack([one.frequencies for one in drawn]),
        holdout_days=holdout.days,
        holdout_expected=expected / len(drawn),
        holdout_p_silent=silent / len(drawn),
        holdout_total=np.array([one.total for one in drawn]),
        group_replicated=np.stack([one.by_group for one in drawn]),
        recency_replicated=np.stack([one.by_recency for one in drawn]),
        holdout_observed=holdout.table["purchases"].to_numpy(dtype=np.int64),
    )


@dataclass(frozen=True)
class _Base:
    """The customers as arrays; `span` is the length of the holdout in time units."""

    family: PurchaseFamily
    cohort: np.ndarray
    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    unit_days: float
    span: float

    @cached_property
    def histories(self) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Distinct cohort, x, t_x and T, and which of them each customer has: many share a history."""
        return group_rows(self.cohort, self.x, self.t_x, self.T)

    @cached_property
    def group(self) -> np.ndarray:
        return np.asarray(np.minimum(self.x, FREQUENCY_GROUPS - 1), dtype=np.int64)

    @cached_property
    def recency_bin(self) -> np.ndarray:
        weeks = (self.T - self.t_x) * self.unit_days / 7
        return np.asarray(np.digitize(weeks, RECENCY_EDGES_WEEKS[1:-1]))


@dataclass(frozen=True)
class _Replicate:
    """What is kept of one data set drawn from one parameter draw: no array grows with the number of customers."""

    weekly: np.ndarray
    frequencies: np.ndarray
    total: int
    by_group: np.ndarray
    by_recency: np.ndarray


@dataclass(frozen=True)
class _Means:
    """Given one parameter draw, (customer,): expected purchases in the holdout, and the probability of none."""

    expected: np.ndarray | float
    silent: np.ndarray | float


def _replicate(
    base: _Base, theta: dict[str, np.ndarray], calendar: _Calendar, rng: np.random.Generator
) -> tuple[_Replicate, _Means]:
    """Draws one data set from one parameter draw, name -> (cohort,)."""
    customers = base.x.size
    who, when = base.family.simulate_times({name: v[base.cohort] for name, v in theta.items()}, base.T, rng)
    weekly = calendar.histogram((when - base.T[who]) * base.unit_days)
    frequencies = _group_counts(np.bincount(who, minlength=customers))
    bought = np.zeros(customers, dtype=np.int64)
    means = _Means(0.0, 0.0)
    if base.span > 0:
        (cohort, *history), which = base.histories
        of = {name: v[cohort] for name, v in theta.items()}
        individual = base.family.individual(of, *history)
        rate = rng.standard_gamma(individual.rate_shape[which]) / individual.rate_alive[which]
        dropout = rng.beta(*(shape[which] for shape in individual.dropout_alive))
        p_alive = individual.p_alive[which]
        alive = rng.random(customers) < p_alive
        who, when = purchase_times(np.where(alive, rate, 0.0), dropout, base.span, rng)
        weekly = weekly + calendar.histogram(when * base.unit_days)
        bought = np.bincount(who, minlength=customers)
        # The mean given rate and dropout, weighted by the chance of being alive, is far less noisy than the count.
        expected = p_alive * rate * annuity(rate * dropout, base.span)
        x, t_x, T = history
        means = _Means(expected, base.family.p_no_purchase(of, x, t_x, T, base.span)[which])
    replicate = _Replicate(
        weekly=weekly,
        frequencies=frequencies,
        total=int(bought.sum()),
        by_group=_mean_by(bought, base.group, FREQUENCY_GROUPS),
        by_recency=_mean_by(bought, base.recency_bin, RECENCY_BINS),
    )
    return replicate, means


def _group_counts(frequency: np.ndarray) -> np.ndarray:
    return np.bincount(np.minimum(frequency, FREQUENCY_GROUPS - 1).astype(np.int64), minlength=FREQUENCY_GROUPS)


def _mean_by(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Mean of values by group; nan for a group without customers."""
    sizes = np.bincount(group, minlength=groups)
    sums = np.bincount(group, weights=values, minlength=groups)
    return np.asarray(np.divide(sums, sizes, out=np.full(groups, np.nan), where=sizes > 0))


def prior_predictive(
    posterior: "Posterior", summary: "CustomerSummary", *, replicates: int = 200, seed: int = DEFAULT_SEED
) -> np.ndarray:
    """Repeat purchases of the base's customers as the prior draws them, given their ages alone.

    Returns
    -------
    (replicate, customer) counts; what the prior believes before it has seen an order.
    """
    need_summary(summary)
    family = _purchase_family(posterior)
    ages = summary.table["T"].to_numpy(dtype=float)
    rng = np.random.Generator(np.random.Philox(stream_seed(seed, "prior predictive")))
    drawn = {name: posterior.prior[name] for name in family.parameters}
    rows = np.linspace(0, len(drawn["r"]) - 1, replicates).astype(np.int64)
    return np.stack([family.simulate({n: v[row] for n, v in drawn.items()}, ages, rng)[0] for row in rows])


def posterior_predictive(
    posterior: "Posterior", summary: "CustomerSummary", *, replicates: int = 200, seed: int = DEFAULT_SEED
) -> np.ndarray:
    """Repeat purchases of new customers of the same cohorts and ages, as the posterior draws them.

    Returns
    -------
    (replicate, customer) counts; compare their distribution with `frequency`.
    """
    need_summary(summary)
    family = _purchase_family(posterior)
    table = summary.table
    codes, ages = posterior.cohort_codes(table["cohort"]), table["T"].to_numpy(dtype=float)
    theta = posterior.thinned(replicates)
    rng = np.random.Generator(np.random.Philox(stream_seed(seed, "posterior predictive")))
    return np.stack(
        [
            family.simulate({name: theta[name][row, codes] for name in family.parameters}, ages, rng)[0]
            for row in range(len(theta["r"]))
        ]
    )


def _purchase_family(posterior: "Posterior") -> PurchaseFamily:
    family = get_family(posterior.purchase_family)
    if not isinstance(family, PurchaseFamily):
        raise UsageError(f"{posterior.purchase_family} is not a purchase family.")
    return family
