"""All that a pass over the customers rests on, resolved and checked once: draws, economics, settings, the frontier."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd

from kundenwert.customers.ledgers import Ledger
from kundenwert.errors import UsageError
from kundenwert.inference.frontier_draws import extend
from kundenwert.names import PotentialBasis
from kundenwert.value.ahead import Ahead
from kundenwert.value.bases import AUTO, basis_of
from kundenwert.value.block import Block
from kundenwert.value.churn import p_silent
from kundenwert.value.counters import FloatArray
from kundenwert.value.deficits import Deficits, deficits_of
from kundenwert.value.economics import Economics
from kundenwert.value.eligibility import BoolArray
from kundenwert.value.individuals import Histories, Population, Progress, histories, population, stream
from kundenwert.value.lever_basis import FIGURES, LeverBasis, basis_of_levers
from kundenwert.value.levers import Lever
from kundenwert.value.outlook import Outlook
from kundenwert.value.potential import Frontier, build_frontier
from kundenwert.value.pricing import Asked, price_customers
from kundenwert.value.settings import COSTS_WITHOUT_MARGIN, ValueSettings
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
    owed : what customers still have to bring back of what acquiring them cost; None where it is not asked.
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
    owed: Deficits | None = None

    @property
    def bases(self) -> frozenset[PotentialBasis]:
        """Those at hand."""
        given = {PotentialBasis.LEVERS: self.levers, PotentialBasis.WALLET: self.wallets}
        return frozenset({PotentialBasis.PEERS, *(name for name, one in given.items() if one is not None)})

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


class Wanted(Asked, total=False):
    """What an estimate of value may be asked for; see `estimate_value`, whose defaults hold for what is left out."""

    basis: PotentialBasis | str
    levers: Sequence[Lever]
    declared: Sequence[Sequence[str]]
    wallets: WalletData | None
    wallet_levels: WalletLevels | None
    ledger: Ledger | None


def appraise(
    posterior: "Posterior",
    summary: "CustomerSummary",
    *,
    basis: PotentialBasis | str = AUTO,
    levers: Sequence[Lever] = (),
    declared: Sequence[Sequence[str]] = (),
    wallets: WalletData | None = None,
    wallet_levels: WalletLevels | None = None,
    ledger: Ledger | None = None,
    objected: BoolArray | None = None,
    complaint: BoolArray | None = None,
    gone: BoolArray | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    **asked: Unpack[Asked],
) -> Appraisal:
    """Resolves and checks what `estimate_value` was asked for; parameters and errors as there.

    Parameters
    ----------
    declared : names of levers that may be used together though they are of one kind.
    wallet_levels : of an earlier run; by default they are derived from these customers.
    ledger : of the customers, where it is asked when they pay back.
    objected, complaint : (customer,) to whom nothing is done, and to whom nothing is sold.
    gone : (customer,) who is known to be no customer any more: has died, or is to be deleted.
    """
    prices = price_customers(posterior, summary, **asked)
    settings = prices.settings
    if settings.value_basis == "revenue" and any(lever.costs_money for lever in levers):
        raise UsageError(COSTS_WITHOUT_MARGIN)
    people = population(posterior, settings.draws, settings.seed)
    customers = replace(histories(posterior, summary), gone=gone)
    given = {PotentialBasis.LEVERS: bool(levers), PotentialBasis.WALLET: wallets is not None}
    used = basis_of(basis, {PotentialBasis.PEERS} | {name for name, there in given.items() if there})
    frozen = extend(posterior.frontier, posterior, people.draws).of(people.cohorts, people.draws)
    peers = build_frontier(
        replace(people, theta=frozen), customers.cohort, prices.ahead, settings, threads=threads, progress=progress
    )
    owed = None
    if ledger is not None:
        owed = deficits_of(summary, ledger, prices.economics, settings.terms.discount, prices.cost_events)
    money = (prices.economics, prices.ahead, prices.cost_events, settings)
    found = Appraisal(people, customers, summary, *money, peers, used, owed=owed)
    if wallets is not None:

        def some(reduce: Callable[[Outlook], FloatArray], rows: IntArray) -> Iterator[tuple[IntArray, int, FloatArray]]:
            return found.stream(reduce, rows=rows, stage="wallets", threads=threads)

        quantile = settings.frontier
        known = wallet_basis_of(wallets, people, customers, some, quantile, wallet_levels)
        found = replace(found, wallets=known)
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
    return pd.DataFrame(table, columns=list(FIGURES))


def appraised(value: "Value", posterior: "Posterior", summary: "CustomerSummary") -> Appraisal:
    """What a value was estimated from.

    Raises
    ------
    UsageError : they do not belong together.
    """
    people = population(posterior, value.settings.draws, value.settings.seed)
    customers = replace(histories(posterior, summary), gone=value.gone)
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
