"""Distinct customers and how many there are of each: what every compression begins with."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kundenwert.errors import DataError, Violation
from kundenwert.families.arithmetic import FloatArray, IntArray

type Rules = Callable[..., Mapping[str, npt.NDArray[np.bool_]]]

_NONE = np.empty(0)


def distinct_customers(
    what: str, rules: Rules, cohort: npt.ArrayLike, n_cohorts: int, first: Any, second: Any, third: Any = None
) -> tuple[list[FloatArray], IntArray, FloatArray]:
    """Distinct rows of two or three columns and the cohort, in no order that means anything.

    Parameters
    ----------
    what : names the data in an error.
    rules : the columns -> what is wrong with some of their rows, and with which; a row is judged by itself.
    cohort : (customer,) index in 0 .. n_cohorts - 1.
    first, second, third : (customer,) columns.

    Returns
    -------
    columns, cohort and customers, (distinct,) each.

    Raises
    ------
    DataError : names every rule that is broken, and the positions of the customers that break it.
    """
    from kundenwert.families.kernels.grouping import counted

    columns = [np.ascontiguousarray(v, dtype=np.float64) for v in (first, second, third) if v is not None]
    codes = np.asarray(cohort, dtype=np.int64)
    if len({v.size for v in (*columns, codes)}) > 1:
        raise ValueError(f"{what}: the columns have lengths {[v.size for v in (*columns, codes)]}")
    told_apart = np.ascontiguousarray(codes if codes.any() else codes[:0])
    padded = (*columns, _NONE)[:3]
    code, *distinct, counts = counted(told_apart, padded[0], padded[1], padded[2])
    if _broken(rules, distinct[: len(columns)], code, n_cohorts):
        raise DataError(what, _broken(rules, columns, codes, n_cohorts))
    return distinct[: len(columns)], code, counts.astype(np.float64)


def _broken(rules: Rules, columns: list[FloatArray], codes: IntArray, n_cohorts: int) -> list[Violation]:
    found = dict(rules(*columns))
    found[f"the cohort index is not in 0 .. {n_cohorts - 1}"] = (codes < 0) | (codes >= n_cohorts)
    return [Violation(rule, int(bad.sum()), np.flatnonzero(bad).tolist()) for rule, bad in found.items() if bad.any()]
