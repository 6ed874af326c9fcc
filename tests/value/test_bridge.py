"""Changes of equity: parts that add up, a martingale over simulated worlds, closed forms of time passing."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kundenwert.errors import UsageError
from kundenwert.families import get_family
from kundenwert.names import Pooling, Returns
from kundenwert.units import Currency, TimeUnit
from kundenwert.value.bridge import PARTS, Snapshot, equity_change
from kundenwert.value.equity import customer_equity
from kundenwert.value.estimate import estimate_value
from kundenwert.value.forward import sum_later_values
from kundenwert.value.individuals import histories, population, stream
from kundenwert.value.outlook import Outlook
from kundenwert.value.settings import Terms
from value_world import BG, COSTS, GG, MBG, known_posterior, offers_of, paid_for, simulated_summary, summary_of

START, WEEKS_LATER = dt.date(2024, 1, 1), 13
RATE = np.log(1.1) / (365.25 / 7)


def dated(summary, weeks=0):
    return replace(summary, observation_end=START + dt.timedelta(weeks=weeks))


def snapshot(posterior, summary, **terms):
    return Snapshot(posterior, summary, estimate_value(posterior, summary, newcomers=10, **COSTS | terms))


class Shop:
    """Customers who buy by a known law, seen at one date and at a later one."""

    def __init__(self, count, theta, seed):
        rng = np.random.default_rng(seed)
        self.T, self.later = rng.uniform(10, 40, count), float(WEEKS_LATER)
        rate, dropout = rng.gamma(theta["r"], 1 / theta["alpha"], count), rng.beta(theta["a"], theta["b"], count)
        nu = rng.gamma(GG["q"], 1 / GG["v"], count)
        buying, clock = rng.random(count) >= dropout, np.zeros(count)
        self.orders = []
        while buying.any():
            who = np.flatnonzero(buying)
            clock[who] += rng.exponential(1, len(who)) / rate[who]
            buying[who[clock[who] >= self.T[who] + self.later]] = False
            who = np.flatnonzero(buying)
            self.orders.append((who, clock[who], rng.gamma(GG["p"], 1 / nu[who])))
            buying[who[rng.random(len(who)) < dropout[who]]] = False

    def summary(self, weeks):
        T = self.T + weeks
        x, t_x, spend = np.zeros_like(T), np.zeros_like(T), np.zeros_like(T)
        for who, when, amount in self.orders:
            seen = when <= T[who]
            x[who[seen]] += 1
            t_x[who[seen]] = when[seen]
            spend[who[seen]] += amount[seen]
        mean = np.divide(spend, x, out=np.zeros_like(T), where=x > 0)
        frame = {"customer_id": np.arange(len(T)), "cohort": "1997-01", "frequency": x, "recency": t_x}
        return dated(summary_of(pd.DataFrame(frame | {"T": T, "monetary_value": mean})), weeks)


def test_orders_made_and_not_made_have_mean_zero_over_two_hundred_worlds(tell_figure):
    posterior, parts = known_posterior(draws=40, family="mbgnbd"), {name: [] for name in PARTS}
    terms = {"deactivate_after": "20 weeks", "cost_per_year_on_file": 10.0, "draws": 40, "horizon": "1 year"}
    for seed in range(200):
        shop = Shop(250, MBG, seed)
        two = [snapshot(posterior, shop.summary(weeks), **terms) for weeks in (0, WEEKS_LATER)]
        change = equity_change(*two, threads=1)
        for name, one in change.parts.items():
            parts[name].append(one.mean)
    orders, time = np.array(parts["orders"]), np.array(parts["time"])
    error = orders.std() / 200**0.5
    claim = "change of equity: mean of `orders` over 200 worlds of 250 customers"
    tell_figure(claim, f"0 (`time` is {time.mean():,.1f})", f"{orders.mean():.1f} (error {error:.1f})")
    assert abs(orders.mean()) < 4.5 * error
    assert time.mean() < -10 * error  # so that a value that stood still would be seen
    for name in ("new", "model", "settings", "left"):
        assert parts[name] == [0.0] * 200


def test_time_passed_is_the_shift_of_the_window_in_closed_form():
    posterior, summary = known_posterior(draws=4000), simulated_summary(40)
    terms = {"margin": 0.4, "cost_per_order": 0.0, "cost_per_year_active": 0.0, "cost_per_year_on_file": 0.0}
    before = snapshot(posterior, dated(summary), **terms, draws=4000, horizon="1 year")
    later = summary.table.assign(T=summary.table["T"] + WEEKS_LATER)
    after = snapshot(
        posterior, dated(replace(summary, table=later), WEEKS_LATER), **terms, draws=4000, horizon="1 year"
    )
    change = equity_change(before, after)
    family, history = get_family("bgnbd"), [summary.table[name].to_numpy() for name in ("frequency", "recency", "T")]
    until, shift = 365.25 / 7, WEEKS_LATER

    def orders(t):
        return family.expected_purchases(BG, *history, t, RATE)

    n = summary.table["spend_days"].to_numpy()
    spend = GG["p"] * (GG["v"] + n * summary.table["monetary_value"].to_numpy()) / (GG["p"] * n + GG["q"] - 1)
    shifted = np.exp(RATE * shift) * (orders(shift + until) - orders(shift)) - orders(until)
    exact = (0.4 * spend * shifted).sum()
    draws = change.draws["time"]
    assert change.parts["time"].mean == pytest.approx(exact, abs=4.5 * draws.std() / 4000**0.5)
    assert draws.std() / 4000**0.5 < 0.01 * abs(exact)


@pytest.mark.parametrize("period", [0.0, 365.25 / 84], ids=["continuous", "monthly"])
@pytest.mark.parametrize("kept", [3.0, 30.0, 80.0, np.inf])
def test_value_at_a_later_date_equals_deaths_drawn_one_by_one(period, kept):
    terms, draws, rng = Terms(52.0, 26.0, RATE, period, kept), 60_000, np.random.default_rng(4)
    frame = {
        "customer_id": [1],
        "cohort": "1997-01",
        "frequency": 4,
        "recency": 20.0,
        "T": 30.0,
        "monetary_value": 30.0,
    }
    posterior = known_posterior(MBG | GG, draws=draws, family="mbgnbd")
    ahead = offers_of(0.4, 3.0, 0.1, 0.2)
    passed = stream(
        population(posterior, None, 1),
        histories(posterior, summary_of(pd.DataFrame(frame))),
        lambda one: Outlook(one, one.rows, ahead, terms),
    )
    outlook = next(passed)[2]
    found = sum_later_values(outlook, 12.0)
    rate, dropout = rng.gamma(MBG["r"] + 4, 1 / (MBG["alpha"] + 30), draws), rng.beta(MBG["a"], MBG["b"] + 5, draws)
    odds = MBG["a"] / (MBG["b"] + 4) * ((MBG["alpha"] + 30) / (MBG["alpha"] + 20)) ** (MBG["r"] + 4)
    spend = GG["p"] * (GG["v"] + 120) / (GG["p"] * 4 + GG["q"] - 1)
    death = np.where(rng.random(draws) < 1 / (1 + odds), rng.exponential(1, draws) / (rate * dropout), -10.0)
    lives = paid_for(np.clip(death - 12.0, 0.0, 52.0), terms)
    record = paid_for(np.clip(death + kept - 12.0, 0.0, 52.0), terms)
    true = lives * (rate * (0.4 * spend - 3.0) - 0.1) - 0.2 * record
    error = np.hypot(true.std(), found.std()) / draws**0.5
    assert found.mean() == pytest.approx(true.mean(), abs=4.5 * error)


def changed():
    """Everything at once: orders, customers who come and go, other parameters, margin, costs and horizon."""
    theta = MBG | GG
    old = known_posterior(theta, draws=200, spread=0.1, family="mbgnbd")
    new = known_posterior(theta | {"alpha": 5.5}, draws=200, spread=0.05, family="mbgnbd")
    shop = Shop(300, MBG, 1)
    first, second = shop.summary(0), shop.summary(WEEKS_LATER)
    kinds = {"orders": lambda t: t["frequency"] + 1, "returned_orders": lambda t: t["customer_id"] % 2, "gross": 60.0}
    tables = [one.table.assign(**kinds, refunds=0.0) for one in (first, second)]
    margins = np.linspace(0.2, 0.5, 300)
    terms = {"return_cost": 5.0, "deactivate_after": "20 weeks"}
    rows = [np.arange(0, 260), np.arange(20, 300)]
    then, now = (
        replace(one, table=table.iloc[row].reset_index(drop=True))
        for one, table, row in zip((first, second), tables, rows, strict=True)
    )
    before = snapshot(old, then, **terms | {"margin": margins[rows[0]]})
    after = snapshot(new, now, **terms | {"margin": margins[rows[1]] + 0.05, "horizon": "2 years"})
    return before, after


def test_parts_add_up_to_the_cent_and_start_and_end_are_what_was_published():
    before, after = changed()
    change = equity_change(before, after)
    assert list(change.parts) == list(PARTS)
    total = sum(one.mean for one in change.parts.values())
    assert total == pytest.approx(change.end.mean - change.start.mean, abs=1e-7)
    assert change.change.mean == pytest.approx(total, abs=1e-7)
    start, end = (customer_equity(one.value, one.posterior).expected for one in (before, after))
    np.testing.assert_allclose(list(vars(change.start).values()), list(vars(start).values()), rtol=1e-12)
    np.testing.assert_allclose(list(vars(change.end).values()), list(vars(end).values()), rtol=1e-12)
    assert all(one.mean != 0 for one in change.parts.values())
    x = [one.summary.table.set_index("customer_id")["frequency"] for one in (before, after)]
    assert change.customers == {"both": 240, "new": 40, "left": 20, "orders": int((x[1] - x[0]).sum())}
    left = before.value.table["actual_value"][:20].sum()
    assert change.parts["left"].mean == pytest.approx(-left, rel=1e-12)
    table = change.table.set_index("part")
    assert table.index.tolist() == ["start", *PARTS, "change", "end"]
    for name, one in change.parts.items():
        assert table.loc[name, "noise"] == (one.low <= 0 <= one.high)


def test_row_order_and_threads_change_nothing():
    before, after = changed()
    order = np.random.default_rng(2).permutation(len(after.summary.table))
    mixed = replace(after.summary, table=after.summary.table.iloc[order].reset_index(drop=True))
    margins = after.value.economics.margin[order]
    terms = {"return_cost": 5.0, "deactivate_after": "20 weeks", "horizon": "2 years", "margin": margins}
    one = equity_change(before, after, threads=1)
    two = equity_change(before, snapshot(after.posterior, mixed, **terms), threads=2)
    for name in PARTS:
        np.testing.assert_allclose(one.draws[name], two.draws[name], atol=1e-9 * one.start.mean)


def test_nothing_changed_is_nothing_not_noise():
    before, _ = changed()
    change = equity_change(before, before)
    assert [vars(one) for one in change.parts.values()] == [{"mean": 0.0, "low": 0.0, "high": 0.0}] * len(PARTS)
    assert vars(change.start) == vars(change.end)


def test_a_higher_margin_is_a_setting_and_charged_to_the_customers_of_today():
    posterior, shop = known_posterior(draws=50, family="mbgnbd"), Shop(100, MBG, 1)
    free = {"cost_per_order": 0.0, "cost_per_year_active": 0.0, "cost_per_year_on_file": 0.0, "draws": 50}
    then, now = shop.summary(0), shop.summary(WEEKS_LATER)
    change = equity_change(
        snapshot(posterior, replace(then, table=then.table[:80]), **free | {"margin": 0.3}),
        snapshot(posterior, now, **free | {"margin": 0.36}),
    )
    assert change.parts["settings"].mean == pytest.approx(change.end.mean / 6, rel=1e-12)
    assert change.parts["model"].mean == 0
    new = (
        estimate_value(posterior, now, newcomers=10, **COSTS | free | {"margin": 0.3}).table["actual_value"][80:].sum()
    )
    assert change.parts["new"].mean == pytest.approx(new, rel=1e-12)


def test_cost_events_that_are_not_recorded_any_more_are_charged_until_the_settings_change():
    posterior, shop = known_posterior(draws=50, family="mbgnbd"), Shop(100, MBG, 1)
    then, now = (
        replace(one, table=one.table.assign(orders=one.table["frequency"] + 1))
        for one in (shop.summary(0), shop.summary(WEEKS_LATER))
    )
    events = pd.DataFrame({"ticket": np.arange(100) % 7.0}, index=then.table.index)
    before = snapshot(posterior, then, cost_events=events, draws=50)
    kept, dropped = snapshot(posterior, now, cost_events=events, draws=50), snapshot(posterior, now, draws=50)
    parts, others = equity_change(before, kept).parts, equity_change(before, dropped).parts
    assert [parts[name] for name in ("orders", "time")] == [others[name] for name in ("orders", "time")]
    assert parts["settings"].mean == others["model"].mean == 0
    assert others["settings"].mean > 100
    assert parts["model"].mean != 0  # the cost of an order to come is learned anew, over more orders


@pytest.mark.parametrize("pooling", [Pooling.NONE, Pooling.COMPLETE])
def test_cohorts_that_the_model_before_did_not_know(pooling):
    now = known_posterior(BG | GG, BG | GG | {"v": 30.0}, draws=50)
    before = replace(known_posterior(BG | GG, draws=50), pooling=pooling)
    summary = simulated_summary(60, BG | GG, BG | GG)
    first = dated(replace(summary, table=summary.table[::2].reset_index(drop=True)))
    one, two = snapshot(before, first, draws=50), snapshot(now, dated(summary), draws=50)
    change = equity_change(one, two)
    value = two.value.table["actual_value"].to_numpy()[1::2].sum()
    assert change.customers["new"] == 30
    if pooling is Pooling.NONE:
        assert "30 new customers are of cohorts that the model before knew nothing about (1997-02)" in change.notes[0]
        assert change.parts["new"].mean == pytest.approx(value, rel=1e-12)
        assert change.parts["model"].mean == 0
    else:
        assert change.notes == ()
        assert change.parts["new"].mean + change.parts["model"].mean == pytest.approx(value, rel=1e-12)
        assert change.parts["model"].mean > 0


def test_what_no_sum_can_be_taken_of_is_refused():
    before, after = changed()
    with pytest.raises(UsageError, match="Swap them"):
        equity_change(after, before)
    with pytest.raises(UsageError, match="observation_end"):
        equity_change(replace(before, summary=replace(before.summary, observation_end=None)), after)
    for key, other, said in (
        ("time_unit", TimeUnit.DAY, "counts in weeks, the one after in days"),
        ("currency", Currency("EUR"), "in USD, the one after in EUR"),
        ("returns", Returns.MODELLED, "netted before and modelled after"),
    ):
        settings = replace(after.value.settings, **{key: other})
        with pytest.raises(UsageError, match=said):
            equity_change(before, replace(after, value=replace(after.value, settings=settings)))
