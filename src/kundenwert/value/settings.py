"""What an estimate of value rests on: horizon, discounting, margin, costs, draws; resolved once and frozen."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kundenwert.errors import UsageError
from kundenwert.names import Discounting, EventAhead, FrequencyLever, Returns
from kundenwert.units import Currency, DiscountRate, Horizon, TimeUnit
from kundenwert.value.counters import FloatArray, check_seed
from kundenwert.value.effects import Measurement

FRONTIER_LIMIT = 0.9
COSTS_WITHOUT_MARGIN = (
    "costs need a margin: revenue less costs is neither revenue nor contribution. Say which share of spend is "
    "contribution, margin=0.30, or margin=1.0 where the amounts are contribution already."
)
COSTS_AHEAD = ("cost_per_order", "return_cost", "cost_per_year_active", "cost_per_year_on_file")
PERIOD = Horizon(1.0, "month")  # of discrete discounting
ValueBasis = Literal["revenue", "contribution"]


@dataclass(frozen=True)
class Terms:
    """How time counts, in the time unit of the posterior: what the algebra reads.

    Parameters
    ----------
    horizon, churn_horizon : in time units.
    discount : continuous rate per time unit.
    period : time units to the end of which what falls into them is discounted; 0 discounts each moment for itself.
    deactivation : time units without a purchase after which a record is dropped; infinite where none is.
    """

    horizon: float
    churn_horizon: float
    discount: float
    period: float = 0.0
    deactivation: float = math.inf

    @property
    def array(self) -> FloatArray:
        """(4,) horizon, discount, period, deactivation: what compiled code reads."""
        return np.array([self.horizon, self.discount, self.period, self.deactivation])


@dataclass(frozen=True)
class ValueSettings:
    """Everything that `estimate_value` was asked for.

    Parameters
    ----------
    horizon : how far ahead value counts.
    discount_rate : per year.
    margin : share of spend that is contribution; None where each customer has an own one.
    value_basis : "revenue" where no margin was given, so that nobody takes the figures for profit; then without costs.
    cost_per_order : money per order, variable costs that the margin does not hold; None, here and in the costs below,
        where each customer has an own one.
    cost_per_year_active : money per year while the customer is alive.
    cost_per_year_on_file : money per year for keeping the record, alive or not.
    acquisition_cost : money per customer; None where unknown, too.
    churn_horizon : churn is "no order within this time".
    frontier : quantile of new living customers that potential is measured against, at most 0.9.
    interval : mass of the predictive interval.
    draws : parameter draws per customer.
    seed : of every random stream.
    time_unit, currency : those of the posterior.
    attainable : the Beta prior of the share of a gap that can be closed. A judgement, not an estimate.
    growth_cap : all unrealized value together is at most this share of all positive actual value per year of horizon.
    newcomers : new living customers simulated per parameter draw for the frontier.
    return_cost : money per returned order.
    deactivate_after : a record without a purchase for so long is dropped; None where it is kept.
    discounting : when a payment to come is discounted.
    returns : where refunds are counted.
    events_ahead : whether cost events of the past are expected to go on; None where there are no events.
    experiments : randomised growth treatments that say something about the attainable share.
    frequency_lever : what stays as it is while a lever raises the rate of orders.
    """

    horizon: Horizon
    discount_rate: DiscountRate
    margin: float | None
    value_basis: ValueBasis
    cost_per_order: float | None
    cost_per_year_active: float | None
    cost_per_year_on_file: float | None
    acquisition_cost: float | None
    churn_horizon: Horizon
    frontier: float
    interval: float
    draws: int
    seed: int
    time_unit: TimeUnit
    currency: Currency | None
    attainable: tuple[float, float] = (2.0, 6.0)
    growth_cap: float = 0.20
    newcomers: int = 2000
    return_cost: float | None = 0.0
    deactivate_after: Horizon | None = None
    discounting: Discounting = Discounting.CONTINUOUS
    returns: Returns = Returns.NETTED
    events_ahead: EventAhead | None = None
    experiments: tuple[Measurement, ...] = ()
    frequency_lever: FrequencyLever = FrequencyLever.FIXED_HAZARD

    def __post_init__(self) -> None:
        for name in (*COSTS_AHEAD, "acquisition_cost", "growth_cap"):
            if getattr(self, name) is not None:
                _nonnegative(name, getattr(self, name))
        if self.margin is not None and not math.isfinite(self.margin):
            raise UsageError(f"margin must be finite, not {self.margin!r}. Write 0.30 for thirty per cent.")
        if not 0 < self.frontier <= FRONTIER_LIMIT:
            raise UsageError(
                f"frontier {self.frontier!r} must lie in (0, {FRONTIER_LIMIT}]: beyond that a quantile of few lucky "
                "customers would be taken for what everybody can reach. The default is 0.80."
            )
        if not 0 < self.interval < 1:
            raise UsageError(f"interval {self.interval!r} must lie between 0 and 1, for example 0.90.")
        for name in ("draws", "newcomers"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)!r}.")
        if not all(math.isfinite(shape) and shape > 0 for shape in self.attainable):
            raise UsageError(f"attainable {self.attainable!r} must hold the two positive shapes of a Beta prior.")
        if self.value_basis == "revenue" and self.has_costs:
            raise UsageError(COSTS_WITHOUT_MARGIN)
        check_seed(self.seed)

    @property
    def terms(self) -> Terms:
        """The settings in time units."""
        unit, kept = self.time_unit, self.deactivate_after
        return Terms(
            horizon=self.horizon.in_units(unit),
            churn_horizon=self.churn_horizon.in_units(unit),
            discount=self.discount_rate.continuous(unit),
            period=PERIOD.in_units(unit) if self.discounting is Discounting.DISCRETE else 0.0,
            deactivation=math.inf if kept is None else kept.in_units(unit),
        )

    @property
    def has_costs(self) -> bool:
        """Whether anything to come may cost money: without it (and with margins >= 0) nobody can be below zero."""
        return any(getattr(self, name) != 0 for name in COSTS_AHEAD) or self.events_ahead is EventAhead.PER_ORDER


def _nonnegative(name: str, amount: float) -> None:
    if not (math.isfinite(amount) and amount >= 0):
        raise UsageError(f"{name} must be finite and not negative, not {amount!r}. Costs are positive numbers.")
