"""What a customer not yet acquired is worth: the ceiling for what acquiring one may cost."""

from typing import TYPE_CHECKING

import numpy as np

from kundenwert.errors import UsageError
from kundenwert.value.actual import file_cost
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import population
from kundenwert.value.settings import ValueSettings

if TYPE_CHECKING:
    from kundenwert.families.protocol import PurchaseFamily
    from kundenwert.inference.posterior import Posterior

NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)


def new_customer_value(
    posterior: "Posterior", settings: ValueSettings, *, margin: float | FloatArray | None = None
) -> FloatArray:
    """Expected contribution of a new customer: the first order, which happens, and the value after it.

    Closed forms given parameters, so that the spread over draws is what is not known about the cohort, and nothing
    else. The first order is taken to be as large as a repeat order. Under MBG/NBD it may already be the last.

    Parameters
    ----------
    settings : of an estimated value; horizon, discounting, costs and draws are read.
    margin : share of spend that is contribution, where the settings hold one for each customer: a number, or (cohort,)
        numbers (see `new_customer_margins`).

    Returns
    -------
    (draw, cohort) money; NaN where the mean spend does not exist (q <= 1).

    Raises
    ------
    UsageError : no common margin in the settings, and none given.

    Notes
    -----
    docs/statistics.md, sections Actual value and Population forms.
    """
    share = settings.margin if margin is None else margin
    if share is None:
        raise UsageError("each customer has an own margin: say which one a new customer has, with margin=0.30.")
    people = population(posterior, settings.draws, settings.seed)
    terms, theta = settings.terms, people.theta
    per_order = share * people.spend.expected_spend(theta, 0.0, 0.0) - terms.cost_per_order
    orders = people.purchase.expected_purchases(theta, 0.0, 0.0, 0.0, terms.horizon, terms.discount)
    value = (1.0 + orders) * per_order - file_cost(terms)
    if terms.cost_active:
        value -= terms.cost_active * time_alive_new(people.purchase, theta, terms.horizon, terms.discount)
    return np.asarray(value)


def time_alive_new(
    family: "PurchaseFamily", theta: dict[str, FloatArray], horizon: float, discount: float
) -> FloatArray:
    """Expected discounted time alive of a new customer within the horizon, in time units.

    The survival curve bends on the scale of alpha, hence Gauss-Legendre in log(1 + t/alpha).

    Parameters
    ----------
    theta : name -> any shape.
    horizon : in time units.
    discount : continuous, per time unit.
    """
    alpha = theta["alpha"]
    end = np.log1p(horizon / alpha)
    total = np.zeros(np.shape(alpha))
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        v = 0.5 * end * (1.0 + node)
        t = alpha * np.expm1(v)
        total += weight * np.exp(v - discount * t) * family.survival(theta, 0.0, 0.0, t)
    return np.asarray(family.p_alive(theta, 0.0, 0.0, 0.0) * total * 0.5 * end * alpha)
