"""What an estimate was asked for, resolved and checked once: settings, margin and costs, what orders to come bring."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pandas as pd

from kundenwert.customers.summary import need_summary
from kundenwert.errors import UsageError
from kundenwert.names import Discounting, EventAhead, FrequencyLever, Returns
from kundenwert.streams import DEFAULT_SEED
from kundenwert.units import DiscountRate, Horizon
from kundenwert.value.ahead import Ahead, AheadPriors, look_ahead
from kundenwert.value.counters import FloatArray
from kundenwert.value.economics import Economics, resolve_economics
from kundenwert.value.effects import Measurement
from kundenwert.value.eligibility import BoolArray
from kundenwert.value.margins import PerCustomer
from kundenwert.value.settings import ValueSettings

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior


@dataclass(frozen=True, eq=False)
class Prices:
    """What customers bring and cost, and how that counts.

    Parameters
    ----------
    settings : what was asked for.
    economics, ahead : margin and costs of each customer, and what orders to come bring and cost.
    cost_events : (customer,) what events have cost so far by kind, or None.
    gone : (customer,) who is known to be no customer any more; None where nobody is.
    """

    settings: ValueSettings
    economics: Economics
    ahead: Ahead
    cost_events: pd.DataFrame | None
    gone: BoolArray | None = None


class Asked(TypedDict, total=False):
    """What `price_customers` may be asked for; see `estimate_value`, whose defaults hold for what is left out."""

    horizon: Horizon | str
    discount_rate: float
    discounting: Discounting | str
    margin: PerCustomer
    cost_per_order: PerCustomer
    return_cost: PerCustomer
    cost_per_year_active: PerCustomer
    cost_per_year_on_file: PerCustomer
    deactivate_after: Horizon | str | None
    acquisition_cost: PerCustomer
    returns: Returns | str
    cost_events: pd.DataFrame | None
    events_ahead: EventAhead | str
    churn_horizon: Horizon | str
    frontier: float
    interval: float
    draws: int
    seed: int
    attainable: tuple[float, float]
    growth_cap: float
    newcomers: int
    priors: AheadPriors | None
    experiments: Sequence[Measurement]
    frequency_lever: FrequencyLever | str


def price_customers(
    posterior: "Posterior",
    summary: "CustomerSummary",
    *,
    horizon: Horizon | str = "3 years",
    discount_rate: float = 0.10,
    discounting: Discounting | str = Discounting.CONTINUOUS,
    margin: PerCustomer = None,
    cost_per_order: PerCustomer = 0.0,
    return_cost: PerCustomer = 0.0,
    cost_per_year_active: PerCustomer = 0.0,
    cost_per_year_on_file: PerCustomer = 0.0,
    deactivate_after: Horizon | str | None = None,
    acquisition_cost: PerCustomer = None,
    returns: Returns | str = Returns.NETTED,
    cost_events: pd.DataFrame | None = None,
    events_ahead: EventAhead | str = EventAhead.PER_ORDER,
    churn_horizon: Horizon | str = "26 weeks",
    frontier: float = 0.80,
    interval: float = 0.90,
    draws: int = 1000,
    seed: int = DEFAULT_SEED,
    attainable: tuple[float, float] = (2.0, 6.0),
    growth_cap: float = 0.20,
    newcomers: int = 2000,
    priors: AheadPriors | None = None,
    experiments: Sequence[Measurement] = (),
    frequency_lever: FrequencyLever | str = FrequencyLever.FIXED_HAZARD,
) -> Prices:
    """What customers bring and cost, from what `estimate_value` was asked for; parameters and errors as there."""
    need_summary(summary)
    economics = resolve_economics(
        summary.table,
        margin=margin,
        cost_per_order=cost_per_order,
        return_cost=return_cost,
        cost_per_year_active=cost_per_year_active,
        cost_per_year_on_file=cost_per_year_on_file,
        acquisition_cost=acquisition_cost,
        deactivate_after=deactivate_after,
        time_unit=posterior.time_unit,
    )
    expected = None if cost_events is None else _choice(EventAhead, events_ahead)
    settings = ValueSettings(
        horizon=Horizon.parse(horizon),
        discount_rate=DiscountRate(discount_rate),
        margin=_number(1.0 if margin is None else margin, economics.margin),
        value_basis=economics.value_basis,
        cost_per_order=_number(cost_per_order, economics.order_cost),
        cost_per_year_active=_number(cost_per_year_active),
        cost_per_year_on_file=_number(cost_per_year_on_file),
        acquisition_cost=None if acquisition_cost is None else _number(acquisition_cost, economics.acquisition_cost),
        churn_horizon=Horizon.parse(churn_horizon),
        frontier=frontier,
        interval=interval,
        draws=min(draws, posterior.n_draws),
        seed=seed,
        time_unit=posterior.time_unit,
        currency=posterior.currency,
        attainable=attainable,
        growth_cap=growth_cap,
        newcomers=newcomers,
        return_cost=_number(return_cost, economics.return_cost),
        deactivate_after=None if deactivate_after is None else Horizon.parse(deactivate_after),
        discounting=_choice(Discounting, discounting),
        returns=_choice(Returns, returns),
        events_ahead=expected,
        experiments=tuple(experiments),
        frequency_lever=_choice(FrequencyLever, frequency_lever),
    )
    _check_refunds(summary, settings.returns)
    goes_on = cost_events if expected is EventAhead.PER_ORDER else None
    ahead = look_ahead(economics, summary, returns=settings.returns, events=goes_on, priors=priors)
    return Prices(settings, economics, ahead, cost_events)


def _check_refunds(summary: "CustomerSummary", returns: Returns) -> None:
    """Refunds are counted in one place: in amounts, or in a share that comes off a forecast."""
    netted = summary.refunds_netted
    if netted is None or not summary.table["refunds"].to_numpy(dtype=np.float64, na_value=0.0).any():
        return
    if netted and returns is Returns.MODELLED:
        raise UsageError(
            "returns = 'modelled' takes what comes back off the forecast, and the summary's amounts are after refunds "
            "already: they would count twice. Summarize with net_refunds=False, and fit to that."
        )
    if not netted and returns is Returns.NETTED:
        raise UsageError(
            "the summary's amounts are before refunds (net_refunds=False), so the forecast must take off what comes "
            "back: write returns='modelled'."
        )


def _choice[Name: (Discounting, EventAhead, FrequencyLever, Returns)](names: type[Name], given: str) -> Name:
    try:
        return names(given)
    except ValueError:
        known = ", ".join(repr(one.value) for one in names)
        raise UsageError(f"{given!r} is none of {known}.") from None


def _number(given: PerCustomer, resolved: FloatArray | None = None) -> float | None:
    """The one number of all customers, or None where they differ or their number cannot be told."""
    if isinstance(given, int | float):
        return float(given)
    if resolved is None or not len(resolved) or not (resolved == resolved[0]).all():
        return None
    return float(resolved[0])
