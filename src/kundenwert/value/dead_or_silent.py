"""Five figures that go by the name of churn, and the day from which silence means more likely gone than not.

A customer is dead or alive, which nobody sees, and silent or not, which everybody does. Each figure is a probability of
one of these, some given another; a figure that is given something averages parameter draws by how likely each makes
it. Source: docs/statistics.md, section Churn.
"""

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from kundenwert.customers.summary import CustomerSummary, as_summary
from kundenwert.errors import UsageError
from kundenwert.units import Horizon
from kundenwert.value.closed_forms import (
    PURCHASES,
    Columns,
    Past,
    Theta,
    by_history,
    length_in_units,
    mean_and_interval,
)
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import histories, population

if TYPE_CHECKING:
    from kundenwert.inference.posterior import Posterior

FIGURES = ("p_dead_now", "p_silent", "p_dies", "p_dead_by", "p_dead_if_silent")


@dataclass(frozen=True, repr=False)
class ChurnFigures:
    """Five probabilities of every customer.

    Parameters
    ----------
    table : `customer_id`, each figure with `_low` and `_high` behind its name, and `structural_alive`.
    horizon : of all figures but the first.
    interval : mass between low and high.
    """

    table: pd.DataFrame
    horizon: Horizon
    interval: float

    def __repr__(self) -> str:
        means = ", ".join(f"{name} {self.table[name].mean():.3g}" for name in FIGURES)
        return f"<churn_figures within {self.horizon}, {len(self.table):,} rows, means: {means}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.table.head().to_html()}"


def churn_figures(
    posterior: "Posterior",
    summary: CustomerSummary | Any,
    horizon: Horizon | str = "26 weeks",
    *,
    interval: float = 0.90,
    draws: int = 200,
    threads: int | None = None,
) -> ChurnFigures:
    """Who is gone, who will be silent, and who will be gone: five probabilities of every customer.

    `p_silent` alone can be held against what happens, and is what `churn_probability` gives; the others are about
    being alive, which nobody observes.

    Parameters
    ----------
    posterior : parameter draws.
    summary : customers of cohorts that the posterior knows, in its time unit; or a frame as `as_summary` takes it.
    horizon : "26 weeks" or a `Horizon`, from the end of observation on.
    interval : mass of the interval over parameter draws.
    draws : parameter draws, evenly thinned; two figures take a sum over possible orders for each history and draw.
    threads : no result depends on it.

    Returns
    -------
    ChurnFigures : one row a customer, in the order of the summary. A frame is sorted by `customer_id` first.

        - `p_dead_now` : dead at the end of observation.
        - `p_silent` : no purchase within the horizon.
        - `p_dies` : the last purchase falls into the horizon, given that the customer is alive.
        - `p_dead_by` : dead at the end of the horizon.
        - `p_dead_if_silent` : dead, given no purchase within the horizon.

        The intervals say how well the parameters are known. Those of `p_dies` and `p_dead_if_silent` are of the
        parameters given that the customer is alive, or silent: draws are weighted by its probability, as in the mean.
        `structural_alive` marks customers whom the model itself takes for alive whatever they do, as BG/NBD does
        before the first repeat purchase: `p_dead_now` is 0 by construction and `p_dead_if_silent` missing.

    Raises
    ------
    UsageError : time units or currencies differ, or an argument cannot be used.
    RunError : a cohort that the posterior does not know.
    DataError : a frame that breaks the contract of a summary.

    Notes
    -----
    docs/statistics.md, section Churn.

    Examples
    --------
    >>> found = churn_figures(posterior, summary, "26 weeks", draws=20).table
    >>> bool((found["p_silent"] >= found["p_dead_now"]).all())
    True
    """
    taken, (parsed, length) = _as_summary(posterior, summary), length_in_units(posterior, horizon)
    people = population(posterior, draws, posterior.seed)

    def reduce(theta: Theta, past: Past) -> Columns:
        history, shape = (past.x, past.t_x, past.T), (len(past.x), people.draws)
        odds = np.broadcast_to(people.purchase.log_odds_dead(theta, *history), shape)
        dead, alive = special.expit(odds), special.expit(-odds)
        dies = np.maximum(1.0 - people.purchase.survival(theta, past.x, past.T, length), 0.0)
        silent = people.purchase.p_no_purchase(theta, *history, length)
        certain = _structurally_alive(odds)
        doubted = np.where(certain[:, None], np.nan, silent)
        parts = {
            "p_dead_now": mean_and_interval(dead, interval),
            "p_silent": mean_and_interval(silent, interval),
            "p_dies": weighted_mean_and_interval(dies, _relative(special.log_expit(-odds)), interval),
            "p_dead_by": mean_and_interval(dead + alive * dies, interval),
            "p_dead_if_silent": weighted_mean_and_interval(np.minimum(dead / doubted, 1.0), doubted, interval),
        }
        named = {f"{name}_{end}": values for name, part in parts.items() for end, values in part.items()}
        return named | {"structural_alive": certain}

    found = by_history(people, histories(posterior, taken), PURCHASES, reduce, threads)
    table = pd.DataFrame({"customer_id": taken.table["customer_id"].array})
    for name in FIGURES:
        table[name] = found[f"{name}_mean"]
        table[f"{name}_low"], table[f"{name}_high"] = found[f"{name}_low"], found[f"{name}_high"]
    table["structural_alive"] = found["structural_alive"]
    return ChurnFigures(table, parsed, interval)


def watch_list_date(
    posterior: "Posterior",
    summary: CustomerSummary | Any,
    *,
    chance: float = 0.5,
    within: Horizon | str = "10 years",
    draws: int = 200,
    threads: int | None = None,
) -> pd.DataFrame:
    """The day from which a customer who has stayed silent is more likely gone than not.

    The first whole day h after the end of observation on which `p_dead_if_silent` of `churn_figures` exceeds `chance`;
    the longer the silence the higher it is, so bisection finds that day, for all customers at once.

    Parameters
    ----------
    posterior : parameter draws.
    summary : customers of cohorts that the posterior knows, in its time unit; or a frame as `as_summary` takes it.
    chance : of being gone that is to be exceeded.
    within : how far to look.
    draws : parameter draws, evenly thinned; with as many as in `churn_figures` the two agree.
    threads : no result depends on it.

    Returns
    -------
    DataFrame : one row a customer, in the order of the summary. A frame is sorted by `customer_id` first.

        - `days` : whole days after the end of observation, 0 where the customer is on the list already, missing where
          that is not reached within the time looked at.
        - `date` : the same as a date; missing throughout where the summary does not know its `observation_end`.
        - `structural_alive` : the model cannot doubt the customer, so that the day never comes.

    Raises
    ------
    UsageError : time units or currencies differ, or an argument cannot be used.
    RunError : a cohort that the posterior does not know.
    DataError : a frame that breaks the contract of a summary.

    Notes
    -----
    docs/statistics.md, section Churn.

    Examples
    --------
    >>> listed = watch_list_date(posterior, summary, draws=20)
    >>> bool((listed["days"].isna() == (summary.table["frequency"] == 0)).all())  # BG/NBD doubts no one-time buyer
    True
    """
    if not 0 < chance < 1:
        raise UsageError(f"chance {chance!r} must lie between 0 and 1, for example 0.5.")
    taken, last = _as_summary(posterior, summary), math.floor(Horizon.parse(within).days)
    people, day = population(posterior, draws, posterior.seed), 1.0 / posterior.time_unit.days

    def reduce(theta: Theta, past: Past) -> Columns:
        history = (past.x, past.t_x, past.T)
        odds = np.broadcast_to(people.purchase.log_odds_dead(theta, *history), (len(past.x), people.draws))
        dead = special.expit(odds).mean(axis=1)

        def listed(days: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
            silent = people.purchase.p_no_purchase(theta, *history, days[:, None] * day)
            return np.asarray(dead > chance * silent.mean(axis=1))

        first = _first_day(listed, len(dead), last)
        return {"days": np.where(first > last, np.nan, first), "structural_alive": _structurally_alive(odds)}

    found = by_history(people, histories(posterior, taken), PURCHASES, reduce, threads)
    return pd.DataFrame(
        {
            "customer_id": taken.table["customer_id"].array,
            "days": pd.array(found["days"]).astype("Int64"),
            "date": _dates(found["days"], taken.observation_end),
            "structural_alive": found["structural_alive"],
        }
    )


def weighted_mean_and_interval(draws: FloatArray, weights: FloatArray, interval: float) -> dict[str, FloatArray]:
    """Over the last axis; with equal weights the same as `mean_and_interval`, but for rounding.

    Parameters
    ----------
    draws : (row, draw); a row with a NaN gives NaN.
    weights : (row, draw) positive, in any unit.
    """
    order = np.argsort(draws, axis=-1)
    ranked, mass = np.take_along_axis(draws, order, axis=-1), np.take_along_axis(weights, order, axis=-1)
    # Neighbours lie the mean of their weights apart, which with equal weights are the places of `np.quantile`.
    place = np.zeros_like(mass)
    np.cumsum(0.5 * (mass[:, 1:] + mass[:, :-1]), axis=-1, out=place[:, 1:])

    def quantile(level: float) -> FloatArray:
        wanted = level * place[:, -1:]
        above = (place < wanted).sum(axis=-1, keepdims=True)
        below = np.maximum(above - 1, 0)
        (left, start), (right, end) = (
            (np.take_along_axis(place, at, axis=-1), np.take_along_axis(ranked, at, axis=-1)) for at in (below, above)
        )
        share = np.divide(wanted - left, right - left, out=np.zeros_like(left), where=right > left)
        return np.asarray(start + share * (end - start))[:, 0]

    mean = (weights * draws).sum(axis=-1) / weights.sum(axis=-1)
    return {"mean": mean, "low": quantile(0.5 - interval / 2), "high": quantile(0.5 + interval / 2)}


def _relative(logs: FloatArray) -> FloatArray:
    """Weights from their logarithms, the largest of a row being 1: all of them may be too small to be written down."""
    return np.asarray(np.exp(logs - logs.max(axis=-1, keepdims=True)))


def _structurally_alive(odds: FloatArray) -> npt.NDArray[np.bool_]:
    """(row,) whether no draw allows the customer to be dead."""
    return np.asarray(np.isneginf(odds).all(axis=-1))


def _first_day(
    listed: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]], count: int, last: int
) -> npt.NDArray[np.int64]:
    """The first day in 0 .. last on which each of `count` rows is listed, from which on it stays so; else last + 1."""
    not_yet, by_then = np.full(count, -1), np.full(count, last + 1)
    while (by_then - not_yet > 1).any():
        middle = np.maximum((not_yet + by_then) // 2, 0)
        yes = listed(middle)
        not_yet, by_then = np.where(yes, not_yet, middle), np.where(yes, middle, by_then)
    return by_then


def _dates(days: FloatArray, end: dt.date | None) -> npt.NDArray[np.datetime64]:
    """Days after the end of observation as dates, in seconds: in nanoseconds no date lies after 2262."""
    known = np.isfinite(days) & (end is not None)
    steps = np.where(known, days, 0.0).astype("timedelta64[D]")
    dates = np.datetime64(end or dt.date.min, "D") + steps
    dates[~known] = np.datetime64("NaT", "D")
    return dates.astype("datetime64[s]")


def _as_summary(posterior: "Posterior", summary: CustomerSummary | Any) -> CustomerSummary:
    """A frame's times are taken for the posterior's unit, its money for the posterior's currency."""
    if isinstance(summary, CustomerSummary):
        return summary
    return as_summary(summary, time_unit=posterior.time_unit, currency=posterior.currency)
