"""What the compiled likelihoods share: their data, and the loops around what each knows of one cohort."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from kundenwert.families.arithmetic import FloatArray, IntArray
from kundenwert.families.kernels import blocks

type Kernels = tuple[Callable[..., None], Callable[..., None]]


class PackedLikelihood:
    """Rows of one or more cohorts in two arrays, and the kernels that read them.

    Parameters
    ----------
    n_cohorts : length of the parameter vectors.
    kernels : for the first and for both derivatives, as `protocol.CompiledLikelihood` describes them.
    arrays : what `blocks.packed` returned.
    costs : (cohort,) what one point costs, in row evaluations.
    """

    def __init__(self, n_cohorts: int, kernels: Kernels, arrays: dict[str, np.ndarray], costs: IntArray) -> None:
        self.n_cohorts, self.kernels, self.arrays, self.costs = n_cohorts, kernels, arrays, costs

    @property
    def columns(self) -> tuple[np.ndarray, ...]:
        """The arrays as the kernels take them."""
        return tuple(self.arrays.values())

    def derivatives(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Value, gradient and Hessian at one point a cohort.

        Parameters
        ----------
        theta : (cohort, parameter).

        Returns
        -------
        (cohort,), (cohort, parameter) and (cohort, parameter, parameter).
        """
        return blocks.differentiate(self.kernels[1], self.columns, theta, self.costs)


@njit(inline="always")
def fill_first(
    unpacked: Any,
    terms: Any,
    data: Any,
    theta: FloatArray,
    first: int,
    last: int,
    value: FloatArray,
    gradient: FloatArray,
) -> None:
    """Value and gradient of cohorts first .. last: `terms` of one cohort and of the columns that `unpacked` finds."""
    columns = unpacked(data, theta.shape[0])
    for c in range(first, last):
        value[c], slopes, _ = terms(columns, theta, c)
        for i in range(len(slopes)):
            gradient[c, i] = slopes[i]


@njit(inline="always")
def fill_second(
    unpacked: Any,
    terms: Any,
    data: Any,
    theta: FloatArray,
    first: int,
    last: int,
    value: FloatArray,
    gradient: FloatArray,
    hessian: FloatArray,
) -> None:
    """The same with the Hessian, of which `terms` gives the upper triangle, row after row."""
    columns = unpacked(data, theta.shape[0])
    for c in range(first, last):
        value[c], slopes, curves = terms(columns, theta, c)
        k = 0
        for i in range(len(slopes)):
            gradient[c, i] = slopes[i]
            for j in range(i, len(slopes)):
                hessian[c, i, j] = hessian[c, j, i] = curves[k]
                k += 1
