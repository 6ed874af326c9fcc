"""What a customer not yet acquired is worth: the ceiling for what acquiring one may cost."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.families.identity import annuity
from kundenwert.names import EventAhead, Returns
from kundenwert.units import rate_per_unit
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import population
from kundenwert.value.results import Value
from kundenwert.value.settings import Terms, ValueSettings

if TYPE_CHECKING:
    from kundenwert.families.protocol import PurchaseFamily
    from kundenwert.inference.posterior import Posterior

NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)


def new_customer_value(
    posterior: "Posterior",
    settings: ValueSettings,
    *,
    margin: float | FloatArray | None = None,
    offers: FloatArray | None = None,
) -> FloatArray:
    """Expected contribution of a new customer: the first order, which happens, and the value after it.

    Closed forms given parameters, so that the spread over draws is what is not known about the cohort, and nothing
    else. The first order is taken to be as large as a repeat order. Under MBG/NBD it may already be the last.

    Parameters
    ----------
    settings : of an estimated value; horizon, discounting, costs and draws are read.
    margin : share of spend that is contribution, where the settings hold one for each customer: a number, or (cohort,)
        numbers.
    offers : (cohort, 4) margin and costs per order, per time unit alive and per time unit on file, in place of those of
        the settings (see `new_customer_offers`).

    Returns
    -------
    (draw, cohort) money; NaN where the mean spend does not exist (q <= 1).

    Raises
    ------
    UsageError : a margin or a cost that each customer has an own one of in the settings, and none given.

    Notes
    -----
    docs/statistics.md, sections Actual value and Population forms.
    """
    people = population(posterior, settings.draws, settings.seed)
    terms, theta, family = settings.terms, people.theta, people.purchase
    each = np.asarray(common_offer(settings, margin, len(people.cohorts)) if offers is None else offers)
    share, order_cost, active_cost, file_cost = np.moveaxis(each, -1, 0)

    def repeats(t: float, discount: float) -> FloatArray:
        return family.expected_purchases(theta, 0.0, 0.0, 0.0, t, discount)

    def alive(t: float, discount: float) -> FloatArray:
        return time_alive_new(family, theta, t, discount)

    def on_file(t: float, discount: float) -> FloatArray:
        first = min(t, terms.deactivation)
        kept = annuity(discount, first)
        if t <= first:
            return kept
        return np.asarray(kept + np.exp(-discount * first) * time_alive_new(family, theta, t - first, discount))

    value = (1.0 + _discounted(repeats, terms)) * (share * people.spend.expected_spend(theta, 0.0, 0.0) - order_cost)
    if active_cost.any():
        value = value - active_cost * _discounted(alive, terms)
    if file_cost.any():
        value = value - file_cost * _discounted(on_file, terms)
    return np.asarray(value)


def new_customer_offers(value: "Value", cohorts: Sequence[str]) -> FloatArray:
    """What orders of a customer not yet acquired bring and cost: the means over the customers of the same cohort.

    Exact for the mean value of new customers where margin, costs and behaviour are independent within a cohort.

    Parameters
    ----------
    value : of the customers so far.
    cohorts : in the order that is wanted.

    Returns
    -------
    (cohort, 4) see `Ahead`; NaN for a cohort without customers, unless all customers have the same.
    """
    offers = value.ahead.expected_offers
    if value.ahead.uniform and len(offers):
        return np.tile(offers[0], (len(cohorts), 1))
    means = pd.DataFrame(offers).groupby(value.table["cohort"].to_numpy()).mean()
    return np.asarray(means.reindex(list(cohorts)), dtype=np.float64)


def common_offer(settings: ValueSettings, margin: float | FloatArray | None, cohorts: int) -> FloatArray:
    """(cohort, 4) what the settings say of all customers."""
    share, unit = settings.margin if margin is None else margin, settings.time_unit
    if share is None:
        raise UsageError("each customer has an own margin: say which one a new customer has, with margin=0.30.")
    costs = (settings.cost_per_order, settings.cost_per_year_active, settings.cost_per_year_on_file)
    stated = [cost for cost in costs if cost is not None]
    own = settings.return_cost != 0 or settings.events_ahead is EventAhead.PER_ORDER
    if len(stated) < len(costs) or own or settings.returns is Returns.MODELLED:
        raise UsageError(
            "customers have costs or returns of their own: say what a new customer brings and costs, with "
            "offers=new_customer_offers(value, posterior.cohorts)."
        )
    per_order, active, on_file = stated
    found = np.empty((cohorts, 4))
    found[:, 0], found[:, 1:] = share, (per_order, rate_per_unit(active, unit), rate_per_unit(on_file, unit))
    return found


def _discounted(of_time: Callable[[float, float], FloatArray], terms: Terms) -> FloatArray:
    """Something that adds up over time, discounted: at each moment, or at the end of each period.

    Parameters
    ----------
    of_time : what has added up until a time, at a continuous discount rate.
    """
    if terms.period == 0.0:
        return of_time(terms.horizon, terms.discount)
    ends = np.minimum(np.arange(1, math.ceil(terms.horizon / terms.period) + 1) * terms.period, terms.horizon)
    found, before = np.zeros(()), np.zeros(())
    for number, end in enumerate(ends.tolist(), start=1):
        until = of_time(end, 0.0)
        found, before = found + np.exp(-terms.discount * terms.period * number) * (until - before), until
    return found


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
