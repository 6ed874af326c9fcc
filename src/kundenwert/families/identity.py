"""The valuation identity: what a living customer's time and orders are worth, given rate and dropout.

While alive, orders come at rate `lambda` and each kills with probability `p`, so deaths come at hazard
`mu = lambda p` and `P(alive at t) = exp(-mu t)`. Everything below is an integral of that curve
(docs/statistics.md, section Valuation identity).
"""

import numpy as np

from kundenwert.families.arithmetic import FloatArray

TAYLOR = 1e-5


def phi(u: FloatArray | float) -> FloatArray:
    """`(1 - exp(-u)) / u`, with its limit 1 at 0.

    Parameters
    ----------
    u : any shape, any sign.

    Returns
    -------
    array of the same shape

    Examples
    --------
    >>> phi(0.0).item(), round(phi(1.0).item(), 6)
    (1.0, 0.632121)
    """
    u = np.asarray(u, dtype=np.float64)
    small = np.abs(u) < TAYLOR
    safe = np.where(small, 1.0, u)
    # expm1 keeps the digits, so the series is needed only where u itself is 0 or a denormal.
    return np.where(small, 1.0 - u * (0.5 - u / 6.0), -np.expm1(-safe) / safe)


def annuity(rate: FloatArray | float, horizon: FloatArray | float) -> FloatArray:
    """`int_0^H exp(-rate t) dt`: one unit of money per unit of time, until the horizon.

    With `rate = delta + mu` it is the expected discounted time alive, with `rate = delta` the plain annuity.

    Parameters
    ----------
    rate : per time unit, any shape.
    horizon : in time units, broadcasts against `rate`.

    Examples
    --------
    >>> annuity(0.0, 52.0).item()
    52.0
    """
    return np.asarray(horizon * phi(rate * np.asarray(horizon)), dtype=np.float64)
