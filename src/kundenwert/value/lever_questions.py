"""What could be asked about the effects of levers, and what each answer would make of the gains.

How a gain depends on an effect is read from the draws by regression on a parabola: the mean gain within a few draws of
like effects would mostly show how customers differ between draws, and of several noisy means the highest is too high
(Strong, Oakley, Brennan 2014; docs/statistics.md, section Levers).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kundenwert.value.counters import FloatArray, Purpose
from kundenwert.value.levers import EffectDraws, Lever

ANSWERS = 20  # that a question about a parameter has, equally likely
DEGREE = 2  # of the curve by which a gain depends on a parameter
_NOTHING = 1e-9  # of a power of a parameter: what so little is left of follows from the lower powers


@dataclass(frozen=True)
class Parameter:
    """A number that all customers share and nobody knows: an effect of a lever, or what comes beside it."""

    lever: str
    purpose: Purpose


@dataclass(frozen=True, eq=False)
class Question:
    """Something that could be asked about a parameter.

    Parameters
    ----------
    about : position of the parameter in the plan.
    points : (answer, degree) what the curves of the parameter are expected to be after each answer, all answers
        equally likely: means over the draws, with the weights that the answer gives them. Their mean must be 0.
    """

    about: int
    points: FloatArray


def unknown_parameters(
    levers: Sequence[Lever], effects: Sequence[EffectDraws]
) -> Iterator[tuple[Parameter, FloatArray]]:
    """Parameters that are not known for certain, with their draws."""
    for lever, drawn in zip(levers, effects, strict=True):
        purposes = (Purpose.EFFECT, Purpose.SIDE_EFFECT, Purpose.COST_RISE, Purpose.TAKE_UP)
        values = (drawn.effect, drawn.side_effect, drawn.cost_rise, drawn.take_up)
        for purpose, one in zip(purposes, values, strict=True):
            if one is not None and np.ptp(one) > 0:
                yield Parameter(lever.name, purpose), one


def curves_of(parameters: Sequence[FloatArray], draws: int) -> FloatArray:
    """(parameter, degree, draw) polynomials of the draws of each: of mean 0, of mean square 1, uncorrelated."""
    return np.array([_curve(values) for values in parameters], dtype=np.float64).reshape(-1, DEGREE, draws)


def sharp_question(about: int, curve: FloatArray) -> Question:
    """What a parameter is: the answers are the means of equal shares of its draws, in order.

    Parameters
    ----------
    curve : (degree, draw) of the parameter.
    """
    order = np.argsort(curve[0], kind="stable")
    means = [curve[:, rows].mean(axis=1) for rows in np.array_split(order, min(ANSWERS, len(order)))]
    return Question(about, np.asarray(means - np.mean(means, axis=0)))


def _curve(values: FloatArray) -> FloatArray:
    scaled = (values - values.mean()) / values.std()
    basis, triangle = np.linalg.qr(np.vander(scaled, DEGREE + 1, increasing=True))
    # Two different draws have no parabola: what is left of it then is rounding.
    true = np.flatnonzero(np.abs(np.diagonal(triangle)) > _NOTHING * math.sqrt(len(values)))[1:]
    found = np.zeros((DEGREE, len(values)))
    found[true - 1] = basis[:, true].T * math.sqrt(len(values))
    return found
