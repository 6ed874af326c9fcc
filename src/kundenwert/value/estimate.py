"""Realized, actual, potential value and churn of each customer, and totals of all by draw, in one pass."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from kundenwert.names import Discounting, EventAhead, FrequencyLever, PotentialBasis, Returns
from kundenwert.streams import DEFAULT_SEED
from kundenwert.units import Horizon
from kundenwert.value.ahead import AheadPriors
from kundenwert.value.appraisal import appraise
from kundenwert.value.bases import AUTO
from kundenwert.value.effects import Measurement
from kundenwert.value.eligibility import BoolArray
from kundenwert.value.gathering import Expected, Gathered, Simulated, reduce_expected, reduce_futures
from kundenwert.value.individuals import Progress
from kundenwert.value.levers import Lever
from kundenwert.value.margins import PerCustomer
from kundenwert.value.outlook import Outlook
from kundenwert.value.results import Value
from kundenwert.value.wallet_data import WalletData

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior


def estimate_value(
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
    threads: int | None = None,
    progress: Progress | None = None,
    attainable: tuple[float, float] = (2.0, 6.0),
    growth_cap: float = 0.20,
    newcomers: int = 2000,
    attainable_scale: float | None = None,
    priors: AheadPriors | None = None,
    experiments: Sequence[Measurement] = (),
    basis: PotentialBasis | str = AUTO,
    levers: Sequence[Lever] = (),
    wallets: WalletData | None = None,
    gone: BoolArray | None = None,
    frequency_lever: FrequencyLever | str = FrequencyLever.FIXED_HAZARD,
    block: int | None = None,
) -> Value:
    """Realized, actual and potential value, and churn, of every customer.

    Parameters
    ----------
    posterior : parameter draws.
    summary : customers, in the posterior's time unit.
    horizon : how far ahead value counts.
    discount_rate : effective, per year.
    discounting : "continuous", each payment at its own moment, or "discrete", at the end of the month it falls into.
    margin : share of spend that is contribution, from -1 to 1: a number, a column of the summary (`column:NAME`), or
        (customer,) numbers. Without one, values are revenue, `value_basis` says so, and costs are refused.
    cost_per_order : money per order, beyond the margin; a number, a column or (customer,) numbers, as all costs.
    return_cost : money per returned order, beyond the refund; takes the column `returned_orders`.
    cost_per_year_active, cost_per_year_on_file : money per year, while alive and for the record. Under BG/NBD a
        customer who bought once never dies, so that an active cost manufactures customers below zero.
    deactivate_after : a record without a purchase for so long is dropped, and costs no more. None: it is kept.
    acquisition_cost : money per customer; part of realized value only.
    returns : "netted" where amounts of the summary are after refunds, "modelled" where they are before them and each
        customer's share of returns comes off the forecast.
    cost_events : what tickets, visits, dunning have cost each customer so far, as `sum_events` returns it.
    events_ahead : "per_order" expects each order to come to cost what the customer's orders have cost in events so
        far, shrunk to the cohort's; "ignored" charges the past alone.
    churn_horizon : churn is "no purchase within this time".
    frontier : quantile of new living customers that potential is measured against.
    interval : mass of the predictive interval of actual value.
    draws : parameter draws used for each customer.
    seed : of the individual draws; with a customer's id it decides them, whatever else is in the summary.
    threads : of the pass; no result depends on it.
    progress : called with a stage and the share of it that is done.
    attainable : Beta prior of the share of the gap to the frontier that can be closed: a judgement.
    growth_cap : all unrealized value together, as a share of positive actual value, per year of horizon.
    newcomers : new customers simulated per cohort and draw for the frontier.
    priors : of returns and events, of an earlier run; by default they are fitted to these customers.
    attainable_scale : the scale of an earlier run, to be used as it is; by default it is derived from these customers.
    experiments : randomised growth treatments, which change the prior of the attainable share.
    basis : what potential value rests on: "peers", "wallet", "levers", or "auto" for levers where there are any, else
        wallets.
    levers : what the firm can do to a customer.
    wallets : what customers spend in the whole category, see `read_wallets`.
    gone : (customer,) who is known to be no customer any more, has died or is to be deleted.
    frequency_lever : "fixed_hazard": a lever on the rate of orders brings more of them in the same time; "fixed_p": as
        many in less time.
    block : customers at once; by default as many as stay in the processor's cache.

    Returns
    -------
    Value

    Raises
    ------
    UsageError : settings that cannot be used.
    DataError : customers whose margin or costs are missing or impossible, or whose returns are not known.
    RunError : a cohort that the posterior does not know.

    Notes
    -----
    docs/statistics.md, sections Actual value and Potential value.

    Examples
    --------
    >>> value = kw.estimate_value(posterior, summary, horizon="1 year", margin=0.3, draws=100)
    >>> bool((value.table["potential_value"] >= value.table["actual_value"]).all())
    True
    """
    appraisal = appraise(
        posterior,
        summary,
        margin=margin,
        cost_per_order=cost_per_order,
        return_cost=return_cost,
        cost_per_year_active=cost_per_year_active,
        cost_per_year_on_file=cost_per_year_on_file,
        deactivate_after=deactivate_after,
        acquisition_cost=acquisition_cost,
        returns=returns,
        cost_events=cost_events,
        events_ahead=events_ahead,
        priors=priors,
        horizon=horizon,
        discount_rate=discount_rate,
        discounting=discounting,
        churn_horizon=churn_horizon,
        frontier=frontier,
        interval=interval,
        draws=draws,
        seed=seed,
        attainable=attainable,
        growth_cap=growth_cap,
        newcomers=newcomers,
        experiments=experiments,
        basis=basis,
        levers=levers,
        wallets=wallets,
        gone=gone,
        frequency_lever=frequency_lever,
        threads=threads,
        progress=progress,
    )
    gathered = Gathered.of(appraisal)

    def reduce(outlook: Outlook) -> tuple[Expected, Simulated]:
        return reduce_expected(outlook, appraisal), reduce_futures(outlook, appraisal)

    passed = appraisal.stream(reduce, stage="value", block=block, threads=threads, progress=progress)
    for rows, cohort, (expected, simulated) in passed:
        gathered.add_expected(rows, cohort, expected)
        gathered.add_simulated(rows, cohort, simulated)
    return gathered.value(appraisal, attainable_scale)
