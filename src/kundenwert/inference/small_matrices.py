"""Algebra of very many very small matrices, (row, column, cohort, chain), as loops over entries with arrays inside.

LAPACK is called once a matrix, which for 4 x 4 costs ten times the arithmetic.
"""

import numpy as np

from kundenwert.families.arithmetic import FloatArray


def by_cohort(values: FloatArray) -> FloatArray:
    """(coordinate, cohort, chain) to (cohort, coordinate, chain), or back."""
    return np.asarray(values.swapaxes(0, 1))


def cholesky(matrix: FloatArray) -> FloatArray:
    """Lower factors."""
    factor = np.zeros_like(matrix)
    for j in range(len(matrix)):
        for i in range(j, len(matrix)):
            rest = matrix[i, j] - (factor[i, :j] * factor[j, :j]).sum(axis=0)
            factor[i, j] = np.sqrt(rest) if i == j else rest / factor[j, j]
    return factor


def solved_lower(factor: FloatArray, right: FloatArray) -> FloatArray:
    """Solves with lower factors, for (coordinate, cohort, chain)."""
    out = np.empty(factor.shape[1:])
    for i in range(len(factor)):
        out[i] = (right[i] - (factor[i, :i] * out[:i]).sum(axis=0)) / factor[i, i]
    return out


def solved_upper(factor: FloatArray, right: FloatArray) -> FloatArray:
    """Solves with the transpose of lower factors."""
    out = np.empty(factor.shape[1:])
    for i in reversed(range(len(factor))):
        out[i] = (right[i] - (factor[i + 1 :, i] * out[i + 1 :]).sum(axis=0)) / factor[i, i]
    return out


def times_upper(factor: FloatArray, values: FloatArray) -> FloatArray:
    """The transpose of the factor times (coordinate, cohort, chain)."""
    return np.stack([(factor[i:, i] * values[i:]).sum(axis=0) for i in range(len(factor))])
