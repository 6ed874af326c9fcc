"""Customer histories compressed to the rows that the likelihood needs, exactly; and that likelihood, written once.

Most customers of a base share their history with others, and most parts of the likelihood need even less than a
history. `x` repeats contribute only through counts of customers with more than i repeats, ages only through counts
and totals, and `log1p(day / alpha)` is taken once a distinct day. Source: docs/statistics.md, Model.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kundenwert.families.arithmetic import FloatArray, IntArray, group_rows, narrow, softplus, total_by
from kundenwert.families.distinct import distinct_customers
from kundenwert.families.protocol import Rows


def compress_histories(
    x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike, cohort: npt.ArrayLike, n_cohorts: int, first_kill: int
) -> Rows:
    """Sufficient rows of purchase histories, over all cohorts.

    Parameters
    ----------
    x, t_x, T : (customer,) repeat purchases, time of the last one (0 at x = 0) and age, in one time unit.
    cohort : (customer,) index of the customer's cohort, in 0 .. n_cohorts - 1.
    n_cohorts : length of the parameter vectors that the rows will meet.
    first_kill : 1 where the first purchase can be the last (MBG/NBD), 0 where only repeats can (BG/NBD).

    Returns
    -------
    Four tables as one mapping. `step*`: for every cohort and i how many customers have more than i repeats, and more
    than i chances to drop out. `day*`: distinct (cohort, day). `exposure*`: customers and purchases by (cohort, T).
    `death*`: distinct (cohort, x, t_x, T) that may be dead, pointing into the other tables. Indices are int64.
    """
    (repeats, t_x, T), cohort, customers = distinct_customers(
        "purchase histories (by position)", _impossible, cohort, n_cohorts, x, t_x, T
    )
    x = repeats.astype(np.int64)
    chances = x + first_kill
    steps, offset = _steps(x, cohort, customers, n_cohorts, first_kill)
    dead = np.flatnonzero(chances > 0)
    every_day = np.concatenate([T, t_x[dead]])
    days = np.unique(every_day)
    place, member = narrow(np.searchsorted(days, every_day), days.size), narrow(cohort, n_cohorts)
    (day_cohort, day_place), index = group_rows(np.concatenate([member, member[dead]]), place)
    day_cohort, day_T = day_cohort.astype(np.int64), index[: x.size]
    (exposure_day,), group = group_rows(narrow(day_T, day_place.size))
    exposure_day = exposure_day.astype(np.int64)

    repeats = narrow(x[dead], int(x.max(initial=0)) + 1)
    order = np.lexsort((place[: x.size][dead], place[x.size :], repeats, member[dead]))
    gone = dead[order]
    return {
        **steps,
        "day": days[day_place],
        "day_cohort": day_cohort,
        "exposure_day": exposure_day,
        "exposure_cohort": day_cohort[exposure_day],
        "exposure_customers": total_by(group, exposure_day.size, customers),
        "exposure_purchases": total_by(group, exposure_day.size, customers * x),
        "death_step": offset[cohort[gone]] + chances[gone] - 1,
        "death_recency": index[x.size :][order],
        "death_T": day_T[gone],
        "death_cohort": cohort[gone],
        "death_x": x[gone].astype(np.float64),
        "death_customers": customers[gone],
    }


def compressed_log_likelihood(theta: Mapping[str, Any], rows: Mapping[str, Any], xp: Any = np) -> Any:
    """Log-likelihood of all customers behind the rows, in either array module.

    Parameters
    ----------
    theta : r, alpha, a, b, each (cohort,).
    rows : what `compress_histories` returned, as arrays or as tensors; any table may be empty.
    xp : numpy or pytensor.tensor.

    Returns
    -------
    Scalar sum over customers. No shape and no value of the rows is baked in, so that a graph compiled once serves
    other data.
    """
    r, alpha, a, b = theta["r"], theta["alpha"], theta["a"], theta["b"]
    cohort = rows["step_cohort"]
    remaining = b[cohort] + rows["step"]
    log_rate = xp.log(r[cohort] + rows["step"]) - xp.log(alpha)[cohort]
    total = (rows["step_purchases"] * log_rate - rows["step_chances"] * xp.log1p(a[cohort] / remaining)).sum()

    log_age = xp.log1p(rows["day"] / alpha[rows["day_cohort"]])
    shape = r[rows["exposure_cohort"]] * rows["exposure_customers"] + rows["exposure_purchases"]
    total = total - (shape * log_age[rows["exposure_day"]]).sum()

    cohort = rows["death_cohort"]
    silence = log_age[rows["death_T"]] - log_age[rows["death_recency"]]
    log_odds = xp.log(a)[cohort] - xp.log(remaining)[rows["death_step"]] + (r[cohort] + rows["death_x"]) * silence
    return total + (rows["death_customers"] * softplus(log_odds, xp)).sum()


def _impossible(x: FloatArray, t_x: FloatArray, T: FloatArray) -> dict[str, npt.NDArray[np.bool_]]:
    return {
        "the number of repeat purchases is not a whole number >= 0": ~((x >= 0) & (x == np.floor(x))),
        "recency is not between 0 and T": ~((t_x >= 0) & (t_x <= T) & np.isfinite(T)),
        "recency is not 0 although there is no repeat purchase": (x == 0) & (t_x != 0),
    }


def _steps(
    x: IntArray, cohort: IntArray, weights: FloatArray, n_cohorts: int, first_kill: int
) -> tuple[Rows, IntArray]:
    """For every cohort and i: customers with more than i repeats and with more than i chances to drop out."""
    n_cohorts, longest = int(n_cohorts), int(x.max(initial=0)) + 1  # a narrow numpy integer would overflow
    customers = total_by(cohort * longest + x, n_cohorts * longest, weights).reshape(n_cohorts, longest)
    at_least = np.cumsum(customers[:, ::-1], axis=1)[:, ::-1]  # [c, i]: customers with x >= i
    more_than = at_least - customers
    chances = at_least if first_kill else more_than
    step_cohort, step = np.nonzero(chances)  # i runs without gaps from 0, so that (c, i) lies at offset[c] + i
    length = np.bincount(step_cohort, minlength=n_cohorts)
    rows = {
        "step": step.astype(np.float64),
        "step_cohort": step_cohort.astype(np.int64),
        "step_purchases": more_than[step_cohort, step],
        "step_chances": chances[step_cohort, step],
    }
    return rows, np.cumsum(length) - length
