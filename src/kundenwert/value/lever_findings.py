"""What experiments found, read back: estimates from treated and held out, levers that know them, lines for a spec."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from kundenwert.errors import UsageError
from kundenwert.value.effects import Counts, Experiment, Measurement
from kundenwert.value.levers import Lever


def lever_after(lever: Lever, *experiments: Experiment) -> Lever:
    """The lever with what further experiments found of its effect.

    Raises
    ------
    SpecError : an experiment that says nothing about such an effect, contradicts what it can be, or lacks `n`.

    Examples
    --------
    >>> from kundenwert.value.levers import lever_effects
    >>> from kundenwert.value.counters import Purpose
    >>> mail = lever_after(Lever("mail", "reactivation"), Counts(successes=12, n=400))
    >>> mail.assumed, lever_effects(mail)[Purpose.EFFECT]
    (False, Beta(a=13.0, b=418.0))
    """
    return replace(lever, experiments=(*lever.experiments, *experiments))


def measured_ratio(treated: npt.ArrayLike, held_out: npt.ArrayLike) -> Measurement:
    """The logarithm of a ratio of means, as effects on the rate of orders and on spend are: treated to held out.

    Parameters
    ----------
    treated, held_out : (customer,) orders, or what was spent, of each customer since the action; also zeros.

    Returns
    -------
    Measurement, whose standard error is `sqrt(var(log mean of one) + var(log mean of the other))`.

    Raises
    ------
    UsageError : fewer than two customers in either, nothing bought in either, or a number that is none.

    Examples
    --------
    >>> found = measured_ratio([2.0, 0.0, 4.0, 2.0], [1.0, 1.0, 2.0, 0.0])
    >>> round(found.mean, 4), round(found.se, 4), found.n
    (0.6931, 0.5774, 8)
    """
    means, variances, count = [], [], 0
    for name, given in (("treated", treated), ("held out", held_out)):
        values = np.asarray(given, dtype=np.float64)
        if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all() or not values.mean() > 0:
            raise UsageError(
                f"the {name} are {len(values)} customers who bring {values.sum():g}: a ratio needs two customers or "
                "more in either, and something that they brought."
            )
        means.append(float(values.mean()))
        variances.append(float(values.var(ddof=1)) / len(values) / float(values.mean()) ** 2)
        count += len(values)
    return Measurement(math.log(means[0] / means[1]), math.sqrt(sum(variances)), count)


def experiments_line(lever: Lever) -> str:
    """The lever's experiments as they are written in its `[[levers]]` of a spec.

    Examples
    --------
    >>> experiments_line(Lever("mail", "reactivation", experiments=[Counts(12, 400), Measurement(0.02, 0.01, 900)]))
    'experiments = [{n = 400, successes = 12}, {n = 900, mean = 0.02, se = 0.01}]'
    """
    return f"experiments = [{', '.join(_table(one) for one in lever.experiments)}]"


def _table(experiment: Experiment) -> str:
    if isinstance(experiment, Counts):
        return f"{{n = {experiment.n}, successes = {experiment.successes}}}"
    return f"{{n = {experiment.n}, mean = {float(experiment.mean)!r}, se = {float(experiment.se)!r}}}"
