"""Heuristics that labels are held against, and intervals by resampling customers.

Heuristics rank customers by what they did up to the cut: 0 is the best. Nothing here knows what came.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import rankdata

import kundenwert as kw
from kundenwert.units import TimeUnit

QUINTILES = 5
RESAMPLES = 2000
SEED = 20260101


def quintile(values: np.ndarray) -> np.ndarray:
    """(customer,) 1 to 5 by rank, 5 the highest; equal values share their mean rank, and so the quintile.

    Examples
    --------
    >>> quintile(np.array([1, 1, 1, 2, 9])).tolist()
    [2, 2, 2, 4, 5]
    """
    return np.ceil(QUINTILES * rankdata(values) / len(values)).astype(int)


def spent(table: pd.DataFrame) -> np.ndarray:
    """(customer,) all that was paid up to the cut, the first order included."""
    return (table["gross"] - table["refunds"]).to_numpy(dtype=float)


def rfm_score(table: pd.DataFrame) -> np.ndarray:
    """(customer,) 3 to 15: quintiles of how recent the last purchase is, of purchase days, and of money spent."""
    gap = (table["T"] - table["recency"]).to_numpy()
    return quintile(-gap) + quintile(table["frequency"].to_numpy()) + quintile(spent(table))


def hiatus_cutoff(log: pd.DataFrame, begin: pd.Timestamp, end: pd.Timestamp) -> int:
    """The gap, in whole weeks, from which on a customer counts as gone (Wuebben, von Wangenheim 2008).

    Chosen on the calibration alone: of the gaps at its middle the one that tells best who buys in its second half.

    Parameters
    ----------
    log : (order,) `customer_id` and `date`, up to `end` and later.
    begin, end : first and last day of the calibration.
    """
    middle = begin + (end - begin) / 2
    orders = log[log["date"] <= end]
    last = orders[orders["date"] <= middle].groupby("customer_id")["date"].max()
    comes_back = last.index.isin(orders.loc[orders["date"] > middle, "customer_id"].unique())
    gap = ((middle - last) / pd.Timedelta(days=7)).to_numpy()
    weeks = np.arange(1, int((middle - begin).days / 7) + 1)
    right = [((gap < cutoff) == comes_back).mean() for cutoff in weeks]
    return int(weeks[np.argmax(right)])


def active(summary: kw.CustomerSummary, cutoff: float) -> np.ndarray:
    """(customer,) whether the last purchase is nearer than the cut-off, in weeks."""
    gap = (summary.table["T"] - summary.table["recency"]).to_numpy()
    return gap * summary.time_unit.days / TimeUnit.WEEK.days < cutoff


def order_by(*keys: np.ndarray) -> np.ndarray:
    """(customer,) rank by the keys, the first one first, the highest values best; what is left equal goes by row."""
    ranks = np.empty(len(keys[0]), dtype=int)
    ranks[np.lexsort([-np.asarray(key, dtype=float) for key in keys[::-1]])] = np.arange(len(ranks))
    return ranks


def rivals(summary: kw.CustomerSummary, cutoff: float) -> dict[str, np.ndarray]:
    """Heuristic -> (customer,) rank."""
    table = summary.table
    money = spent(table)
    return {
        "RFM score": order_by(rfm_score(table), money),
        "money spent": order_by(money),
        "hiatus, then money": order_by(active(summary, cutoff), money),
    }


def resampled(columns: np.ndarray, samples: int = RESAMPLES) -> np.ndarray:
    """(sample, column) sums over customers drawn with replacement; every call draws the same customers.

    Parameters
    ----------
    columns : (customer, column).
    """
    return np.array([counts @ columns for counts in _draws(len(columns), samples)])


def _draws(customers: int, samples: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(SEED)
    for _ in range(samples):
        yield np.bincount(rng.integers(0, customers, customers), minlength=customers).astype(float)


def means_of(values: np.ndarray, members: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the values over groups of customers, as they are and resampled.

    Parameters
    ----------
    values, members : (customer,) and, for each group, (customer,) of true and false.

    Returns
    -------
    (group,) and (sample, group). Groups are resampled together, so that differences between them are paired.
    """
    inside = np.column_stack(members).astype(float)
    columns = np.column_stack([inside * values[:, None], inside])
    again, groups = resampled(columns), len(members)
    return (inside * values[:, None]).sum(axis=0) / inside.sum(axis=0), again[:, :groups] / again[:, groups:]


def interval(samples: np.ndarray) -> tuple[float, float]:
    """What 95 % of the samples lie within."""
    low, high = np.quantile(samples, [0.025, 0.975])
    return float(low), float(high)
