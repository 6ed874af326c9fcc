"""All that a pass over the customers rests on, resolved and checked once: draws, economics, settings, the frontier."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.inference.frontier_draws import extend
from kundenwert.names import Discounting, EventAhead, FrequencyLever, PotentialBasis, Returns
from kundenwert.streams import DEFAULT_SEED
from kundenwert.units import DiscountRate, Horizon
from kundenwert.value.ahead import Ahead, AheadPriors, look_ahead
from kundenwert.value.bases import AUTO, basis_of
from kundenwert.value.block import Block
from kundenwert.value.churn import p_silent
from kundenwert.value.counters import FloatArray
from kundenwert.value.economics import Economics, resolve_economics
from kundenwert.value.effects import Measurement
from kundenwert.value.eligibility import BoolArray
from kundenwert.value.individuals import Histories, Population, Progress, histories, population, stream
from kundenwert.value.lever_basis import LeverBasis, basis_of_levers
from kundenwert.value.levers import Lever
from kundenwert.value.margins import PerCustomer
from kundenwert.value.outlook import Outlook
from kundenwert.value.potential import Frontier, build_frontier
from kundenwert.value.settings import ValueSettings
from kundenwert.value.variates import IntArray
from kundenwert.value.wallet_basis import WalletBasis, WalletLevels, wallet_basis_of
from kundenwert.value.wallet_data import WalletData

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior
    from kundenwert.value.results import Value


@dataclass(frozen=True)
class Appraisal:
    """Customers with everything that their values follow from.

    Parameters
    ----------
    people : parameter draws.
    customers : histories.
    summary : the customers.
    economics, ahead : margin and costs, and what orders to come bring and cost.
    cost_events : (customer,) what events have cost so far by kind, or None.
    settings : what was asked for.
    peers : the frontier.
    basis : what potential value rests on.
    levers : what can be done to whom; None where nothing was declared.
    wallets : what customers spend in the whole category; None where nothing is known of it.
    """

    people: Population
    customers: Histories
    summary: "CustomerSummary"
    economics: Economics
    ahead: Ahead
    cost_events: pd.DataFrame | None
    settings: ValueSettings
    peers: Frontier
    basis: PotentialBasis = PotentialBasis.PEERS
    levers: LeverBasis | None = None
    wallets: WalletBasis | None = None

    def stream[Result](
        self,
        reduce: Callable[[Outlook], Result],
        *,
        rows: IntArray | None = None,
        stage: str,
        block: int | None = None,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[tuple[IntArray, int, Result]]:
        """One pass, see `individuals.stream`; over some of the customers where `rows` says which."""
        customers, ahead = self.customers, self.ahead
        if rows is not None:
            customers, ahead = customers.take(rows), ahead.take(rows)
        terms = self.settings.terms

        def work(one: Block) -> Result:
            return reduce(Outlook(one, one.rows if rows is None else rows[one.rows], ahead.take(one.rows), terms))

        passed = stream(
            self.people,
            customers,
            work,
            returned=ahead.returned,
            stage=stage,
            block=block,
            threads=threads,
            progress=progress,
        )
        for chosen, cohort, result in passed:
            yield (chosen if rows is None else rows[chosen]), cohort, result


class Wanted(TypedDict, total=False):
    """What an estimate of value may be asked for; see `estimate_value`, whose defaults hold for what is left out."""

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
    basis: PotentialBasis | str
    levers: Sequence[Lever]
    frequency_lever: FrequencyLever | str
    declared: Sequence[Sequence[str]]
    wallets: WalletData | None
    wallet_levels: WalletLevels | None


def appraise(
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
    basis: PotentialBasis | str = AUTO,
    levers: Sequence[Lever] = (),
    frequency_lever: FrequencyLever | str = FrequencyLever.FIXED_HAZARD,
    declared: Sequence[Sequence[str]] = (),
    wallets: WalletData | None = None,
    wallet_levels: WalletLevels | None = None,
    objected: BoolArray | None = None,
    complaint: BoolArray | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Appraisal:
    """Resolves and checks what `estimate_value` was asked for; parameters and errors as there.

    Parameters
    ----------
    declared : names of levers that may be used together though they are of one kind.
    wallet_levels : of an earlier run; by default they are derived from these customers.
    objected, complaint : (customer,) to whom nothing is done, and to whom nothing is sold.
    """
    people = population(posterior, draws, seed)
    customers = histories(posterior, summary)
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
        draws=people.draws,
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
    given = {PotentialBasis.LEVERS: bool(levers), PotentialBasis.WALLET: wallets is not None}
    used = basis_of(basis, {PotentialBasis.PEERS} | {name for name, there in given.items() if there})
    goes_on = cost_events if expected is EventAhead.PER_ORDER else None
    ahead = look_ahead(economics, summary, returns=settings.returns, events=goes_on, priors=priors)
    frozen = extend(posterior.frontier, posterior, people.draws).of(people.cohorts, people.draws)
    peers = build_frontier(
        replace(people, theta=frozen), customers.cohort, ahead, settings, threads=threads, progress=progress
    )
    found = Appraisal(people, customers, summary, economics, ahead, cost_events, settings, peers, used)
    if wallets is not None:

        def some(reduce: Callable[[Outlook], FloatArray], rows: IntArray) -> Iterator[tuple[IntArray, int, FloatArray]]:
            return found.stream(reduce, rows=rows, stage="wallets", threads=threads)

        quantile = settings.frontier
        asked = wallet_basis_of(wallets, people, customers, some, quantile, wallet_levels)
        found = replace(found, wallets=asked)
    if not levers:
        return found
    figures = _figures(found, threads)
    people_asked = {"objected": objected, "complaint": complaint}
    reachable = basis_of_levers(
        levers, summary, settings, figures, frequency=settings.frequency_lever, declared=declared, **people_asked
    )
    return replace(found, levers=reachable)


def _figures(appraisal: Appraisal, threads: int | None) -> pd.DataFrame:
    """(customer,) what conditions and phases of levers ask besides the summary; closed forms, without a draw."""
    table = np.empty((len(appraisal.customers), 2))

    def reduce(outlook: Outlook) -> FloatArray:
        block = outlook.block
        means = (block.alive_share.mean(axis=1), p_silent(block, outlook.terms.churn_horizon).mean(axis=1))
        return np.column_stack(means)[block.purchases.which]

    for rows, _, found in appraisal.stream(reduce, stage="levers", threads=threads):
        table[rows] = found
    return pd.DataFrame(table, columns=["p_alive", "churn_probability"])


def appraised(value: "Value", posterior: "Posterior", summary: "CustomerSummary") -> Appraisal:
    """What a value was estimated from.

    Raises
    ------
    UsageError : they do not belong together.
    """
    people = population(posterior, value.settings.draws, value.settings.seed)
    customers = histories(posterior, summary)
    known = value.table["customer_id"].to_numpy(dtype=object)
    if len(known) != len(customers) or not (known == customers.ids).all():
        raise UsageError(
            "value and summary do not hold the same customers in the same order. Pass the summary that the value "
            "was estimated from."
        )
    if value.frontier.attainable.shape != (people.draws,):
        raise UsageError(f"the value has {value.settings.draws:,} draws, the posterior only {people.draws:,}.")
    given = (value.economics, value.ahead, value.cost_events, value.settings, value.frontier)
    levers = None if value.levers is None else LeverBasis(value.levers.plan, value.levers.usable)
    return Appraisal(people, customers, summary, *given, value.basis, levers, value.wallets)


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
