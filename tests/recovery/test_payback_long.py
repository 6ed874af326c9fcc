"""Chances to pay back against customers with known truth. Run with `uv run pytest -m long tests/recovery`.

20,000 customers buy by the model's own law, each with an own acquisition cost. They are observed by the day, valued
with the true parameters, and followed for a year: of those who had not paid back, as many must do so as was said.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.value.payback_times import payback
from value_world import BG, GG, MBG, follow, known_posterior, offers_of

COUNT, DRAWS = 20_000, 2000
MARGIN, ORDER_COST = 0.4, 2.0
END = np.datetime64("2024-09-30")
WON = np.datetime64("2024-01-01")  # the first of 13 weeks in which all of them were


class World:
    """What was seen of customers, and when what they brought afterwards covered what was still missing."""

    def __init__(self, theta, first_kills, own_first, cost):
        rng = np.random.default_rng(11)
        self.cost = rng.uniform(*cost, COUNT)
        self.rate = rng.gamma(theta["r"], 1 / theta["alpha"], COUNT)
        self.dropout = rng.beta(theta["a"], theta["b"], COUNT)
        self.nu = rng.gamma(GG["q"], 1 / GG["v"], COUNT)
        first_nu = self.nu if own_first else rng.permutation(self.nu)
        self.day = WON + rng.integers(0, 91, COUNT).astype("timedelta64[D]")
        self.alive = rng.random(COUNT) >= self.dropout if first_kills else np.ones(COUNT, dtype=bool)
        parts = [(np.arange(COUNT), self.day, rng.gamma(GG["p"], 1 / first_nu))]
        clock, buying = np.zeros(COUNT), self.alive.copy()
        T = (END - self.day).astype(float) / 7
        while buying.any():
            who = np.flatnonzero(buying)
            clock[who] += rng.exponential(1, len(who)) / self.rate[who]
            buying[who[clock[who] >= T[who]]] = False
            who = np.flatnonzero(buying)
            day = self.day[who] + np.ceil(clock[who] * 7).astype("timedelta64[D]")
            parts.append((who, day, rng.gamma(GG["p"], 1 / self.nu[who])))
            dies = who[rng.random(len(who)) < self.dropout[who]]
            self.alive[dies] = buying[dies] = False
        who, day, paid = (np.concatenate(part) for part in zip(*parts, strict=True))
        ids = np.char.mod("C%05d", who)
        self.log = pd.DataFrame({"who": ids, "day": day.astype("datetime64[s]"), "paid": paid})
        self.rng = rng

    def reached(self, deficit, terms):
        """(customer,) when the deficit was covered; infinite where never, NaN where not yet at the end of the year."""
        ahead = offers_of(np.full(COUNT, MARGIN), np.full(COUNT, ORDER_COST), np.zeros(COUNT), np.zeros(COUNT))
        own = (self.alive, self.rate, self.dropout, GG["p"], self.nu)
        return follow(*own, ahead, terms, self.rng, deficit=deficit).reached


def observed(family, theta, own_first, cost=(5.0, 60.0)):
    world = World(theta, family == "mbgnbd", own_first, cost)
    log = kw.read(world.log, customer="who", time="day", amount="paid", currency="USD")
    summary = kw.summarize(log, observation_end="2024-09-30", cohort="all")
    posterior = replace(known_posterior(theta | GG, draws=DRAWS, family=family), cohorts=("all",))
    value = kw.estimate_value(
        posterior,
        summary,
        horizon="1 year",
        margin=MARGIN,
        cost_per_order=ORDER_COST,
        acquisition_cost=world.cost,
        draws=DRAWS,
        newcomers=10,
    )
    found = payback(value, posterior, summary, kw.ledger(log, summary), steps=52)
    when = world.reached(found.table["deficit"].to_numpy(), value.settings.terms)
    return found, when, summary.table["frequency"].to_numpy()


@pytest.fixture(scope="module", params=[("bgnbd", BG), ("mbgnbd", MBG)], ids=["bgnbd", "mbgnbd"])
def year(request):
    return observed(*request.param, own_first=False)


def within(stated, happened, what, tell=None):
    error = 4.5 * max(np.sqrt((stated * (1 - stated)).sum()), 1.0) / len(stated)
    told = f"{what}: {len(stated):,} customers, stated {stated.mean():.4f}, happened {happened.mean():.4f}"
    if tell is not None:
        tell(f"payback: {what}", f"{stated.mean():.4f} (stated)", f"{happened.mean():.4f}")
    assert abs(stated.mean() - happened.mean()) < error, told


@pytest.mark.long
def test_as_many_pay_back_leave_or_wait_as_was_said(year, request, tell_figure):
    found, when, x = year
    waiting = ~found.table["paid_back"].to_numpy()
    columns = {"payback_probability": np.isfinite(when), "p_never": np.isposinf(when), "p_open": np.isnan(when)}
    for name, happened in columns.items():
        stated = found.table[name].to_numpy()
        for group, rows in {"once": waiting & (x == 0), "again": waiting & (x > 0)}.items():
            words = f"{name}, bought {group}, {request.node.callspec.id}"
            within(stated[rows], happened[rows], words, tell_figure)
    stated, happened = found.table.loc[waiting, "payback_probability"].to_numpy(), np.isfinite(when)[waiting]
    edges = np.quantile(stated, np.arange(1, 10) / 10)
    for part in range(10):
        rows = np.digitize(stated, edges) == part
        within(stated[rows], happened[rows], f"tenth {part + 1}")


@pytest.mark.long
def test_the_curve_and_the_medians_hold(year):
    found, when, _ = year
    waiting = ~found.table["paid_back"].to_numpy()
    times = np.where(np.isnan(when), np.inf, when)[waiting]
    for week in (4, 13, 26, 52):
        share = found.curve["waiting"].iloc[week]
        within(np.full(len(times), share), times <= found.curve["time"].iloc[week], f"by week {week}")
    median = found.table.loc[waiting, "payback_time"].to_numpy()
    half = ~np.isnan(median)
    within(np.full(half.sum(), 0.5), times[half] <= median[half], "by the median")


@pytest.mark.long
def test_a_small_first_order_that_tells_of_the_customer_makes_chances_too_good(tell_figure):
    """The spend model reads repeat orders alone, but who still waits had a small first order: the limit, measured."""
    found, when, x = observed("bgnbd", BG, own_first=True, cost=(8.0, 8.0))
    rows = ~found.table["paid_back"].to_numpy() & (x == 0)
    stated, happened = found.table.loc[rows, "payback_probability"].mean(), np.isfinite(when)[rows].mean()
    error = np.sqrt(stated * (1 - stated) / rows.sum())
    tell_figure(
        "payback: first orders tell of the customer, bought once", f"{stated:.3f} (stated, a limit)", f"{happened:.3f}"
    )
    assert 0.75 * stated < happened < stated - 2 * error
