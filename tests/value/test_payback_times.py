"""Payback against ledgers by hand, customers followed order by order, and a root of the expected path."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

import kundenwert as kw
from kundenwert.customers.joint_costs import share_joint_costs
from kundenwert.errors import UsageError
from kundenwert.value.actual import simulate_value
from kundenwert.value.deficits import deficits_of
from kundenwert.value.estimate import estimate_value
from kundenwert.value.individuals import histories, population, stream
from kundenwert.value.outlook import Outlook
from kundenwert.value.payback_times import expected_path, payback, payback_columns
from kundenwert.value.settings import Terms
from value_world import BG, GG, MBG, few_customers, follow, known_posterior, offers_of

RATE = np.log(1.1) / (365.25 / 7)
LOG = pd.DataFrame(
    [
        ("early", "2024-01-01", 100.0),
        ("early", "2024-01-15", 100.0),
        ("late", "2024-01-01", 20.0),
        ("late", "2024-03-04", 90.0),
        ("late", "2024-03-18", -80.0),
        ("still", "2024-02-05", 40.0),
        ("still", "2024-03-04", 20.0),
        ("still", "2024-03-11", -20.0),
        ("first", "2024-01-08", 500.0),
        ("dear", "2024-01-01", 30.0),
    ],
    columns=["who", "day", "paid"],
)
TICKETS = pd.DataFrame([("dear", "2024-01-29", "ticket", 15.0)], columns=["who", "day", "kind", "cost"])
TERMS = {"margin": 0.5, "cost_per_order": 5.0, "return_cost": 2.0, "horizon": "1 year", "newcomers": 10}


def shop(acquisition_cost=30.0, family="bgnbd", tickets=True, draws=400, **terms):
    log = kw.read(LOG, customer="who", time="day", amount="paid", currency="USD")
    summary = kw.summarize(log, observation_end="2024-04-01", time_unit="week", count_returns=True)
    events = kw.read_events(TICKETS, customer="who", time="day", kind="kind", amount="cost")
    if tickets:
        terms |= {"cost_events": kw.sum_events(events, summary), "events_ahead": "ignored"}
    theta = (BG if family == "bgnbd" else MBG) | GG
    posterior = known_posterior(theta, theta, draws=draws, family=family)
    posterior = replace(posterior, cohorts=("2024-01", "2024-02"))
    value = estimate_value(posterior, summary, acquisition_cost=acquisition_cost, **TERMS | terms)
    return value, posterior, summary, kw.ledger(log, summary, events)


def test_deficits_and_days_by_hand():
    value, posterior, summary, ledger = shop()
    owed = deficits_of(summary, ledger, value.economics, RATE, value.cost_events)
    by = dict(zip(summary.table["customer_id"], range(5), strict=True))
    days = pd.Series(owed.paid_on.astype("datetime64[D]").astype(str), list(by))
    assert days.to_dict() == {
        "dear": "NaT",
        "early": "2024-01-01",  # 100 / 2 - 5 covers 30 at once
        "first": "2024-01-08",
        "late": "2024-03-04",  # 5 and 40, discounted by nine weeks, cover 30; the refund opens it again
        "still": "NaT",
    }
    grown = {
        "dear": 30 * growth(13) - 10 * growth(13) + 15 * growth(9),
        "still": 30 * growth(8) - 15 * growth(8) - (10 - 5 - 2) * growth(4) + 10 * growth(3),
        "late": 30 * growth(13) - 5 * growth(13) - (45 - 5) * growth(4) + 40 * growth(2),
        "first": 30 * growth(12) - 245 * growth(12),
    }
    for who, deficit in grown.items():
        assert owed.deficit[by[who]] == pytest.approx(deficit, rel=1e-12), who
    assert np.isneginf(owed.missing[[by["early"], by["late"], by["first"]]]).all()
    found = payback(value, posterior, summary, ledger)
    table = found.table.set_index("customer_id")
    settled = table.loc[["early", "late", "first"]]
    assert (
        settled[["payback_probability", "payback_time", "p_never", "p_open"]].to_numpy().tolist() == [[1, 0, 0, 0]] * 3
    )
    assert (found.paid_back, found.waiting) == (3, 2)
    assert (table["paid_back_on"].isna() == ~table["paid_back"]).all()


def test_shares_of_joint_costs_stand_in_deficits_on_their_day():
    value, _, summary, _ = shop()
    log = kw.read(LOG, customer="who", time="day", amount="paid", currency="USD")
    tv = pd.DataFrame([(None, "2024-02-05", "tv", 60.0)], columns=TICKETS.columns)
    columns = {"customer": "who", "time": "day", "kind": "kind", "amount": "cost"}
    events = kw.read_events(pd.concat([TICKETS, tv]), **columns, allocation="per_order")
    events = share_joint_costs(events, log, summary)
    costs = kw.sum_events(events, summary)
    owed = deficits_of(summary, kw.ledger(log, summary, events), value.economics, RATE, costs)
    by = dict(zip(summary.table["customer_id"], range(5), strict=True))
    # Six orders up to the 5th of February, two of them of `early`.
    assert owed.deficit[by["dear"]] == pytest.approx(20 * growth(13) + 15 * growth(9) + 10 * growth(8), rel=1e-12)
    still = 15 * growth(8) + 10 * growth(8) - (10 - 5 - 2) * growth(4) + 10 * growth(3)
    assert owed.deficit[by["still"]] == pytest.approx(still, rel=1e-12)
    assert str(owed.paid_on[by["early"]])[:10] == "2024-01-01"
    bare = kw.ledger(log, summary, kw.read_events(TICKETS, **columns))
    with pytest.raises(UsageError, match="the same cost events"):
        deficits_of(summary, bare, value.economics, RATE, costs)


def growth(weeks):
    return np.exp(RATE * weeks)


@pytest.mark.parametrize("family", ["bgnbd", "mbgnbd"])
def test_the_parts_add_up_and_the_curve_is_the_mean_of_the_customers(family):
    value, posterior, summary, ledger = shop(120.0, family, draws=1000, cost_per_year_active=2.0)
    found = payback(value, posterior, summary, ledger, steps=20)
    table, curve = found.table, found.curve
    np.testing.assert_allclose(table[["payback_probability", "p_never", "p_open"]].sum(axis=1), 1.0, atol=1e-12)
    assert curve["share"].iloc[-1] == pytest.approx(table["payback_probability"].mean(), abs=1e-12)
    assert curve["share"].iloc[0] == found.paid_back / len(table) == 0.2
    waiting = table[~table["paid_back"]]
    assert curve["waiting"].iloc[-1] == pytest.approx(waiting["payback_probability"].mean(), abs=1e-12)
    assert curve["waiting"].iloc[-1] + found.p_never + found.p_open == pytest.approx(1.0, abs=1e-12)
    assert curve["share"].is_monotonic_increasing
    assert curve["time"].iloc[-1] == value.settings.terms.horizon
    by = found.by_cohort.pivot(index="time", columns="cohort", values="share")
    np.testing.assert_allclose((4 * by["2024-01"] + by["2024-02"]) / 5, curve["share"], atol=1e-12)
    never = waiting["payback_probability"] < 0.5
    assert (waiting["payback_time"].isna() == never).all()


def one_type(x, t_x, T, **costs):
    """A block of one customer with many draws, and what its futures rest on."""
    terms = costs.pop("terms")
    summary = few_customers().table.iloc[[4]].assign(frequency=x, recency=t_x, T=T, monetary_value=35.0, spend_days=x)
    summary = replace(few_customers(), table=summary.reset_index(drop=True))
    posterior = known_posterior(MBG | GG, draws=100_000, family="mbgnbd")
    people = population(posterior, None, 1)
    ahead = offers_of(**costs)
    _, _, outlook = next(
        stream(people, histories(posterior, summary), lambda one: Outlook(one, one.rows, ahead, terms))
    )
    return outlook


@pytest.mark.parametrize("period", [0.0, 365.25 / 84], ids=["continuous", "monthly"])
@pytest.mark.parametrize("deficit", [5.0, 60.0])
def test_first_passage_equals_customers_followed_order_by_order(period, deficit):
    terms = Terms(104.0, 26.0, RATE, period, 40.0)
    costs = {"margin": 0.4, "order_cost": 3.0, "active_cost": 0.05, "file_cost": 0.02}
    outlook = one_type(6, 27.0, 31.0, terms=terms, **costs)
    missing = np.array([deficit])
    found = payback_columns(missing, simulate_value(outlook, missing).reached, terms.horizon, 8)
    rng, count = np.random.default_rng(5), 100_000
    alive, spend = drawn(rng, count, 6, 27.0, 31.0)
    events = follow(
        *alive, GG["p"], spend, offers_of(*(np.full(count, c) for c in costs.values())), terms, rng, deficit=deficit
    )
    times = np.where(np.isnan(events.reached), np.inf, events.reached)
    error = 4.5 * np.sqrt(0.5 / count)
    grid = np.linspace(0.0, terms.horizon, 9)
    np.testing.assert_allclose(found.reached, [(times <= t).mean() for t in grid], atol=error)
    ours = {name: column[0] for name, column in found.columns.items()}
    assert ours["p_open"] == pytest.approx(np.isnan(events.reached).mean(), abs=error)
    assert ours["p_never"] == pytest.approx(np.isposinf(events.reached).mean(), abs=error)
    low, high = np.quantile(times, [0.5 - error, 0.5 + error], method="inverted_cdf")
    assert low <= np.nan_to_num(ours["payback_time"], nan=np.inf) <= high


def drawn(rng, count, x, t_x, T):
    """Customers of one history under MBG/NBD by its own posterior: rejection from the prior would take for ever."""
    death = (MBG["alpha"] + T) / (MBG["alpha"] + t_x)
    p_alive = 1 / (1 + MBG["a"] / (MBG["b"] + x) * death ** (MBG["r"] + x))
    rate = rng.gamma(MBG["r"] + x, 1 / (MBG["alpha"] + T), count)
    dropout = rng.beta(MBG["a"], MBG["b"] + x + 1, count)
    spend = rng.gamma(GG["q"] + GG["p"] * x, 1 / (GG["v"] + 35.0 * x), count)
    return (rng.random(count) < p_alive, rate, dropout), spend


def test_the_expected_path_is_a_root_and_its_median_is_weighted_by_being_alive():
    terms = Terms(104.0, 26.0, RATE)
    outlook = one_type(6, 27.0, 31.0, terms=terms, margin=0.4, order_cost=3.0, active_cost=0.05, file_cost=1.0)
    block, missing = outlook.block, np.array([25.0])
    found = expected_path(outlook, missing)[0]
    pi = block.rate[0] * (0.4 * block.mean_spend[0] - 3.0) - 0.05
    kappa = RATE + block.rate[0] * block.dropout[0]
    reaches = pi * -np.expm1(-kappa * found) / kappa >= missing  # the path of each draw, at the median
    assert (block.p_alive[0] * reaches).mean() == pytest.approx(0.5, abs=2e-5)
    at = int(np.argmin(np.abs(pi * -np.expm1(-kappa * found) / kappa - missing)))
    root = brentq(lambda t: pi[at] * quad(lambda u: np.exp(-kappa[at] * u), 0, t)[0] - missing[0], 0.0, 1e4, xtol=1e-10)
    assert found == pytest.approx(root, rel=1e-9)
    assert np.isnan(expected_path(outlook, np.array([1e6]))[0])


def test_without_discount_and_death_the_path_is_a_straight_line():
    outlook = one_type(6, 27.0, 31.0, terms=Terms(104.0, 26.0, 0.0), margin=0.4)
    block = outlook.block
    vars(block)["dropout"] = np.zeros(block.shape)  # cached, so that nothing draws it any more
    vars(block)["alive_share"] = np.ones(block.alive_share.shape)
    pi = np.sort(block.rate[0] * 0.4 * block.mean_spend[0])
    assert expected_path(outlook, np.array([25.0]))[0] == pytest.approx(25.0 / pi[len(pi) // 2], rel=1e-9)


def test_who_loses_money_on_every_order_never_pays_back():
    outlook = one_type(6, 27.0, 31.0, terms=Terms(104.0, 26.0, RATE), margin=0.1, order_cost=90.0)
    missing = np.array([1.0])
    columns = payback_columns(missing, simulate_value(outlook, missing).reached, 104.0).columns
    assert np.isnan(expected_path(outlook, missing)[0])
    assert np.isnan(columns["payback_time"][0])
    assert columns["payback_probability"][0] < 0.01


def test_nothing_to_bring_back_is_brought_back_at_once():
    value, posterior, summary, ledger = shop(0.0)
    found = payback(value, posterior, summary, ledger)
    day = found.table.set_index("customer_id").loc["first", "paid_back_on"]
    assert day == pd.Timestamp("2024-01-08")
    assert found.curve["share"].eq(1.0).all()
    assert found.paid_back == 5
    assert found.median is None


def test_one_customer_type_has_an_expected_path_shorter_than_the_median(tell_figure):
    """A rate of .35 a week, a dropout of 2 %, 10 a euro an order and 18 to bring back: chance takes time."""
    outlook = one_type(6, 27.0, 31.0, terms=Terms(156.0, 26.0, RATE), margin=1.0)
    alike = {"rate": 0.35, "dropout": 0.02, "spend_rate": GG["p"] / 10.0, "alive_share": 1.0}
    vars(outlook.block).update({name: np.full(outlook.block.shape, each) for name, each in alike.items()})
    missing = np.array([18.0])
    columns = payback_columns(missing, simulate_value(outlook, missing).reached, 156.0).columns
    path = expected_path(outlook, missing)[0]
    claim = "payback of customers who are alike, 18 to bring back: weeks on the expected path, and the median"
    tell_figure(claim, "the path is shorter", f"{path:.1f} and {columns['payback_time'][0]:.1f}")
    tell_figure(
        "payback of customers who are alike, 18 to bring back: share never", "above 0", f"{columns['p_never'][0]:.3f}"
    )
    assert path < columns["payback_time"][0]
    assert 0 < columns["p_never"][0] < 0.1


def test_threads_and_row_order_change_nothing():
    value, posterior, summary, ledger = shop(120.0)
    one = payback(value, posterior, summary, ledger, threads=1)
    two = payback(value, posterior, summary, ledger, threads=2)
    pd.testing.assert_frame_equal(one.table, two.table)
    pd.testing.assert_frame_equal(one.curve, two.curve)


def test_what_cannot_be_said_is_refused():
    value, posterior, summary, ledger = shop()
    revenue = estimate_value(posterior, summary, newcomers=10, draws=10)
    with pytest.raises(UsageError, match=r"margin=0\.30"):
        payback(revenue, posterior, summary, ledger)
    unknown, *rest = shop(None)
    with pytest.raises(UsageError, match=r"acquisition_cost=20\.0"):
        payback(unknown, *rest)
    without, *rest = shop(tickets=False)
    with pytest.raises(UsageError, match=r"1 customers have brought something else .*\(first: dear\)"):
        payback(without, *rest)
    with pytest.raises(UsageError, match="not the summary's"):
        payback(value, posterior, summary, replace(ledger, customer_id=ledger.customer_id[::-1].reset_index(drop=True)))
