"""Which share of a gap can be closed: a prior, what randomised experiments make of it, and a test without any.

Observation alone does not tell: customers far below the frontier grow by regression to the mean, treated or not
(docs/statistics.md, section Potential value).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kundenwert.errors import UsageError
from kundenwert.value.counters import FloatArray, Purpose
from kundenwert.value.effects import Beta, Effect, Measurement, stratified_draws, update

NAME = "attainable share"


@dataclass(frozen=True)
class Closure:
    """Which share of their gaps customers closed, over and above what was expected of them.

    Parameters
    ----------
    share : 0 where everybody did as expected, 1 where all came up to the frontier.
    se : its standard error, whatever the spread of outcomes at each gap.
    customers : how many it rests on.
    """

    share: float
    se: float
    customers: int


def attainable_effect(shapes: tuple[float, float], experiments: Sequence[Measurement] = ()) -> Effect:
    """The distribution of the attainable share: its prior, reweighted by what was measured.

    Parameters
    ----------
    shapes : of the Beta prior.
    experiments : randomised growth treatments, `k_treated - k_control` with its standard error; see
        `measured_closure`. Observed growth is none of these.

    Raises
    ------
    UsageError : shapes of no prior, a count of people, or findings far outside 0 to 1.

    Examples
    --------
    >>> after = attainable_effect((2.0, 6.0), [Measurement(mean=0.1, se=0.05)])
    >>> round(after.mean, 3), round(after.sd, 3)
    (0.113, 0.043)
    """
    if any(not isinstance(trial, Measurement) for trial in experiments):
        raise UsageError("a count says nothing of the share of a gap that was closed. State mean and se.")
    return update(Beta(*shapes), experiments)


def attainable_draws(
    shapes: tuple[float, float], experiments: Sequence[Measurement] = (), *, draws: int, seed: int
) -> FloatArray:
    """(draw,) attainable shares, the same for all customers: stratified, so also on even and on odd draws alone.

    Examples
    --------
    >>> round(float(attainable_draws((2.0, 6.0), draws=1000, seed=1).mean()), 3)
    0.25
    """
    effect = attainable_effect(shapes, experiments)
    return stratified_draws(effect, draws, seed=seed, name=NAME, purpose=Purpose.ATTAINABLE)


def organic_closure(gap: npt.ArrayLike, expected: npt.ArrayLike, outcome: npt.ArrayLike) -> Closure:
    """What customers closed of their gaps in a holdout that nobody was treated in: about 0 if the model is calibrated.

    A test of the model, not an estimate of what is attainable.

    Parameters
    ----------
    gap, expected : (customer,) columns `gap` and `actual_value` of a value estimated at the start of the holdout,
        with the holdout's length as its horizon.
    outcome : (customer,) what each brought in it, discounted alike.

    Raises
    ------
    UsageError : columns of unlike length, gaps that are negative or all zero, or numbers that are none.

    Notes
    -----
    `sum gap (outcome - expected) / sum gap^2`, with the standard error of a regression through the origin that is
    robust against unequal variances (White 1980).

    Examples
    --------
    >>> organic_closure([1.0, 2.0, 4.0], [5.0, 5.0, 5.0], [6.0, 5.0, 5.5]).share
    0.14285714285714285
    """
    gaps, surprise = _columns(gap, expected, outcome)
    weight = float(gaps @ gaps)
    share = float(gaps @ surprise) / weight
    left = gaps * (surprise - share * gaps)
    return Closure(share, float(np.sqrt(left @ left)) / weight, len(gaps))


def measured_closure(
    gap: npt.ArrayLike, expected: npt.ArrayLike, outcome: npt.ArrayLike, treated: npt.ArrayLike
) -> Measurement:
    """What a randomised growth treatment closed of the gaps: closure of the treated less that of the controls.

    Parameters
    ----------
    gap, expected, outcome : (customer,) as in `organic_closure`, all of them eligible for the treatment.
    treated : (customer,) whether chance put them into the treated arm.

    Returns
    -------
    Measurement : mean, standard error and number of customers, an experiment for `attainable_effect`.

    Raises
    ------
    UsageError : one of the arms is empty or has no gap, or as in `organic_closure`.
    """
    arm = np.asarray(treated)
    columns = [np.asarray(column, dtype=np.float64) for column in (gap, expected, outcome)]
    if arm.dtype != np.bool_ or arm.shape != columns[0].shape:
        raise UsageError("treated must be true or false for each customer.")
    if arm.all() or not arm.any():
        raise UsageError("everybody is in one arm: without controls growth is no effect.")
    ours, theirs = (organic_closure(*(column[rows] for column in columns)) for rows in (arm, ~arm))
    return Measurement(ours.share - theirs.share, float(np.hypot(ours.se, theirs.se)), n=arm.size)


def _columns(gap: npt.ArrayLike, expected: npt.ArrayLike, outcome: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """(customer,) gaps, and what came beyond expectation."""
    gaps, means, came = (np.asarray(column, dtype=np.float64) for column in (gap, expected, outcome))
    if gaps.ndim != 1 or not gaps.shape == means.shape == came.shape:
        raise UsageError(f"gap, expected and outcome are of shapes {gaps.shape}, {means.shape}, {came.shape}.")
    for name, column in (("gap", gaps), ("expected", means), ("outcome", came)):
        if broken := int((~np.isfinite(column)).sum()):
            raise UsageError(f"{name} is no number for {broken:,} customers. Leave them out.")
    if (gaps < 0).any():
        raise UsageError("a gap is negative. Gaps are the column `gap` of a value.")
    if not gaps.any():
        raise UsageError("nobody has a gap to close: everybody is beyond the frontier.")
    return gaps, came - means
