"""What a spec says of its data, read and checked: the log, cost events, and what is known of customers besides."""

import datetime as dt
from dataclasses import dataclass, replace

import pandas as pd

from kundenwert.customers import CustomerSummary, Holdout, Transactions, hold_out, read, summarize
from kundenwert.customers.attributes import Attributes, read_attributes, with_attributes
from kundenwert.customers.events import CostEvents, read_events, sum_events
from kundenwert.customers.joint_costs import joint_costs_note, share_joint_costs
from kundenwert.customers.ledgers import Ledger, ledger
from kundenwert.customers.peers import with_peers
from kundenwert.decisions.hard_events import HardEvents, read_hard_events
from kundenwert.errors import UsageError
from kundenwert.named_columns import CUSTOMERS, DATA, EVENTS, Places, check_columns
from kundenwert.names import Returns
from kundenwert.spec import ModelSpec
from kundenwert.spec_values import column_name
from kundenwert.value.economics import Economics, resolve_economics
from kundenwert.value.lever_basis import opened
from kundenwert.value.levers import Lever, levers_of
from kundenwert.value.wallet_data import WalletData, read_wallets

PEERS_ALONE = ("cohort",)


@dataclass(frozen=True)
class Sources:
    """Where tables are read from, in place of what a spec says; None leaves it to the spec.

    Parameters
    ----------
    log, customers, events : a source as in a spec, relative to the working directory.
    """

    log: str | None = None
    customers: str | None = None
    events: str | None = None


@dataclass(frozen=True, repr=False)
class Data:
    """What a spec's sources say up to its as-of day, and what came after it.

    Parameters
    ----------
    transactions, summary, holdout : the log, its customers, and what they did later.
    economics : margin and costs of each customer.
    events, costs : cost events of these customers with their shares of joint costs, and (customer,) what they add up
        to by kind; None without events.
    facts : objections, removals, complaints; None where no table says.
    levers : what can be done.
    wallets : what customers spend in the whole category, None where no column says.
    """

    transactions: Transactions
    summary: CustomerSummary
    holdout: Holdout
    economics: Economics
    events: CostEvents | None = None
    costs: pd.DataFrame | None = None
    facts: HardEvents | None = None
    levers: tuple[Lever, ...] = ()
    wallets: WalletData | None = None

    @property
    def as_of(self) -> dt.date:
        """The last day that counts."""
        end = self.summary.observation_end
        assert end is not None  # summarize() fills it in from the log
        return end

    @property
    def ledger(self) -> Ledger:
        """The dated entries of each customer."""
        return ledger(self.transactions, self.summary, self.events)


def read_data(
    spec: ModelSpec,
    as_of: dt.date | None = None,
    *,
    sources: Sources | None = None,
    min_customers: int | None = None,
) -> Data:
    """Reads, checks and summarizes what a spec names, or other sources under the spec's keys.

    Parameters
    ----------
    as_of : the day to look back from, in place of the spec's.
    sources : in place of those of the spec.
    min_customers : of a cohort, in place of the spec's.

    Raises
    ------
    DataError : a contract is broken, those of margins and costs included; nothing has been written.
    SpecError : levers that cannot be.
    UsageError : the spec has a table that other sources do not give, or a lever's condition names what there is not.
    """
    levers = levers_of(spec)
    sources = _complete(spec, sources)
    places = _places(spec, sources)
    check_columns(spec, places)
    attributes = _attributes(spec, places)
    transactions, summary = _log(spec, places, attributes, as_of, min_customers)
    events = costs = None
    if spec.events is not None:
        own, (source, base) = spec.events, places[EVENTS]
        events = read_events(
            source,
            customer=own.customer,
            time=own.time,
            kind=own.kind,
            amount=own.amount,
            timezone=spec.data.timezone,
            currency=summary.currency,
            base_dir=base,
            allocation=own.allocation,
        )
        events = share_joint_costs(events, transactions, summary)
        costs = sum_events(events, summary)
        notes = (*summary.notes, *joint_costs_note(events))
        summary = replace(summary, counts={**summary.counts, **events.counts}, notes=notes)
    facts = None
    if spec.customers is not None:
        stated = {name: getattr(spec.customers, name) for name in ("objection", "removed", "complaint")}
        facts = read_hard_events(summary.table, **stated)
    opened(levers, summary)
    economics = economics_of(spec, summary)
    held_out = hold_out(transactions, summary)
    return Data(transactions, summary, held_out, economics, events, costs, facts, levers, wallets_of(spec, summary))


def wallets_of(spec: ModelSpec, summary: CustomerSummary) -> WalletData | None:
    """What customers spend in the whole category, where a spec names a column of it."""
    wanted = spec.potential
    if wanted.wallet is None and wanted.share is None:
        return None
    return read_wallets(
        summary.table,
        wallet=wanted.wallet,
        wallet_error=wanted.wallet_error,
        share=wanted.share,
        covariates=wanted.wallet_covariates,
        time_unit=spec.data.time_unit,
    )


def economics_of(spec: ModelSpec, summary: CustomerSummary) -> Economics:
    """Margin and costs of each customer as a spec states them."""
    wanted = spec.value
    return resolve_economics(
        summary.table,
        margin=wanted.margin,
        cost_per_order=wanted.cost_per_order,
        return_cost=wanted.return_cost,
        cost_per_year_active=wanted.cost_per_year_active,
        cost_per_year_on_file=wanted.cost_per_year_on_file,
        acquisition_cost=wanted.acquisition_cost,
        deactivate_after=wanted.deactivate_after,
        time_unit=spec.data.time_unit,
    )


def _complete(spec: ModelSpec, sources: Sources | None) -> Sources:
    """Other sources than the spec's must give every table that the spec has."""
    if sources is None:
        return Sources()
    missing = [
        f"--{name}"
        for name, table, given in (
            ("customers", spec.customers, sources.customers),
            ("events", spec.events, sources.events),
        )
        if table is not None and given is None
    ]
    if sources.log is not None and missing:
        raise UsageError(
            f"the spec has a table besides the log, so these customers need it, too: name it with {', '.join(missing)}."
        )
    return sources


def _places(spec: ModelSpec, sources: Sources) -> Places:
    """Table -> where it is read from, and the folder that this is relative to."""
    tables = ((DATA, spec.data, sources.log), (CUSTOMERS, spec.customers, sources.customers))
    return {
        name: (instead or table.source, None if instead else spec.base_dir)
        for name, table, instead in (*tables, (EVENTS, spec.events, sources.events))
        if table is not None
    }


def _attributes(spec: ModelSpec, places: Places) -> Attributes | None:
    if spec.customers is None:
        return None
    source, base = places[CUSTOMERS]
    return read_attributes(source, customer=spec.customers.customer, base_dir=base)


def _log(
    spec: ModelSpec,
    places: Places,
    attributes: Attributes | None,
    as_of: dt.date | None,
    min_customers: int | None,
) -> tuple[Transactions, CustomerSummary]:
    data, parted = spec.data, spec.potential.peers != PEERS_ALONE
    known = () if attributes is None else attributes.names
    least = spec.min_customers if min_customers is None else min_customers
    source, base = places[DATA]
    transactions = read(
        source,
        customer=data.customer,
        time=data.time,
        amount=data.amount,
        currency=data.currency,
        timezone=data.timezone,
        base_dir=base,
        cohort=spec.cohorts.by,
        carry=tuple(name for name in spec.carried_columns if name not in known),
    )
    summary = summarize(
        transactions,
        cohort=spec.cohorts.by,
        observation_end=as_of or data.observation_end,
        time_unit=data.time_unit,
        min_customers=0 if parted else least,
        count_returns=counts_returns(spec),
        net_refunds=spec.value.returns is Returns.NETTED,
    )
    if attributes is not None:
        summary = with_attributes(summary, attributes)
    if parted:
        summary = with_peers(summary, spec.potential.peers, cohort=spec.cohorts.by, min_customers=least)
    return transactions, summary


def counts_returns(spec: ModelSpec) -> bool:
    """Whether anything rests on how many orders came back."""
    cost = spec.value.return_cost
    return spec.value.returns is Returns.MODELLED or column_name(cost) is not None or cost != 0
