"""What potential value by peers knows and what it cannot know, on customers whose truth is known.

Customers are simulated order by order under MBG/NBD, observed for 27 to 39 weeks, and followed for a year. Run with
`uv run pytest -m long tests/recovery/test_potential_long.py`.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.customers.peers import with_peers
from kundenwert.value.attainable import measured_closure, organic_closure
from value_world import GG, MBG, known_posterior, summary_of

HORIZON = 52.0
SHOP = MBG | GG
WEB = SHOP | {"v": 2.5 * GG["v"]}


class World:
    """Customers of one or two groups: what was seen of them, what they brought in the year after, what they are."""

    def __init__(self, count, *thetas, seed):
        rng = np.random.default_rng(seed)
        self.group = np.arange(count) % len(thetas)
        theta = {name: np.array([one[name] for one in thetas])[self.group] for name in SHOP}
        self.T = rng.uniform(27, 39, count)
        self.rate = rng.gamma(theta["r"]) / theta["alpha"]
        self.dropout = rng.beta(theta["a"], theta["b"])
        nu = rng.gamma(theta["q"]) / theta["v"]
        self.spending = self.rate * theta["p"] / nu  # per week alive
        self.x, self.t_x, self.spent, self.outcome, clock = (np.zeros(count) for _ in range(5))
        self.alive = rng.random(count) >= self.dropout
        who = np.flatnonzero(self.alive)
        while len(who):
            clock[who] += rng.exponential(1, len(who)) / self.rate[who]
            who = who[clock[who] < self.T[who] + HORIZON]
            amount, past = rng.gamma(theta["p"][who]) / nu[who], clock[who] <= self.T[who]
            seen = who[past]
            self.x[seen] += 1
            self.t_x[seen] = clock[seen]
            self.spent[seen] += amount[past]
            self.outcome[who[~past]] += amount[~past]
            dies = rng.random(len(who)) < self.dropout[who]
            self.alive[who[dies & past]] = False
            who = who[~dies]

    @property
    def time_ahead(self):
        """Expected weeks alive in the year to come, 0 for the dead."""
        return self.alive * time_alive(self.rate * self.dropout)

    def summary(self, label="1997-{:02d}"):
        mean = np.divide(self.spent, self.x, out=np.zeros(len(self.x)), where=self.x > 0)
        frame = {"customer_id": np.arange(len(self.x)), "cohort": [label.format(1 + g) for g in self.group]}
        frame |= {"frequency": self.x, "recency": self.t_x, "T": self.T, "monetary_value": mean}
        return summary_of(pd.DataFrame(frame))


def time_alive(hazard):
    return np.where(hazard > 1e-9, -np.expm1(-hazard * HORIZON) / np.maximum(hazard, 1e-9), HORIZON)


def revenue_of_a_year(posterior, summary):
    """Undiscounted revenue and no cap, so that what was expected and what came are in the same money."""
    horizon = {"horizon": "364 days", "discount_rate": 0.0}
    return kw.estimate_value(posterior, summary, **horizon, draws=400, newcomers=1000, attainable_scale=1.0)


def correlation(one, other):
    """Pearson's correlation, and its standard error over bootstrap samples of customers."""
    rng, count = np.random.default_rng(0), len(one)
    samples = (rng.integers(0, count, count) for _ in range(300))
    again = [np.corrcoef(one[rows], other[rows])[0, 1] for rows in samples]
    return np.corrcoef(one, other)[0, 1], np.std(again)


@pytest.fixture(scope="module")
def steady():
    """A world in which nobody has headroom: everybody goes on as he is."""
    world = World(20_000, SHOP, seed=1)
    table = revenue_of_a_year(known_posterior(SHOP, family="mbgnbd"), world.summary()).table
    return world, {name: table[name].to_numpy() for name in ("actual_value", "unrealized_value", "gap")}


@pytest.mark.long
def test_without_headroom_unrealized_value_predicts_no_surprise(steady, tell_figure):
    world, value = steady
    surprise, room = world.outcome - value["actual_value"], value["unrealized_value"]
    for words, who in {"all": world.x >= 0, "repeat buyers": world.x >= 1}.items():
        found, error = correlation(room[who], surprise[who])
        claim = f"nobody has headroom: correlation of unrealized value and the year's surprise, {words}"
        tell_figure(claim, "0", f"{found:.3f} (error {error:.3f})")
        assert abs(found) < 4 * error
        assert error < 0.02
    fifth = np.digitize(room, np.quantile(room, [0.2, 0.4, 0.6, 0.8]))
    for one in (surprise[fifth == k] for k in range(5)):
        assert abs(one.mean()) < 4 * one.std() / len(one) ** 0.5
    closed = organic_closure(value["gap"], value["actual_value"], world.outcome)
    claim = "nobody has headroom: share of the gap that closes by itself"
    tell_figure(claim, "0", f"{closed.share:.3f} (error {closed.se:.3f})")
    assert abs(closed.share) < 4 * closed.se
    assert closed.se < 0.02


@pytest.mark.long
@pytest.mark.parametrize("quantile", [0.8, 0.95])
def test_the_trap_a_gap_of_raw_rates_predicts_growth_where_nobody_grows(steady, quantile, tell_figure):
    """Regression to the mean: who was unlucky so far grows, and so `high gaps grew` proves nothing."""
    world, value = steady
    past = world.spent / world.T
    growth = world.outcome / HORIZON - past
    gap = np.maximum(np.quantile(past, quantile) - past, 0.0)
    naive = correlation(gap, growth)[0]
    claim = f"the trap: correlation of a gap of raw rates and growth where nobody has headroom, quantile {quantile}"
    tell_figure(claim, "well above 0", f"{naive:.2f}")
    assert naive > 0.4
    assert correlation(value["unrealized_value"], growth)[0] > 0.4


@pytest.fixture(scope="module")
def channels():
    """Two groups, one of which spends two and a half times as much an order."""
    world = World(20_000, SHOP, WEB, seed=2)
    return world, revenue_of_a_year(known_posterior(SHOP, WEB, family="mbgnbd"), world.summary())


@pytest.mark.long
def test_headroom_is_recovered_between_peer_groups_and_only_there(channels, tell_figure):
    """Two truths over the same data, in which single customers' headroom is ordered one way and the other."""
    world, value = channels
    room, rng = value.table["unrealized_value"].to_numpy(), np.random.default_rng(5)
    wallets = np.where(world.group == 1, 2.5, 1.0) * 10 * rng.lognormal(0, 0.5, len(room))
    truths = {
        "a share of the wallet, whoever it is": world.spending * (1 / rng.beta(5, 5, len(room)) - 1),
        "a wallet, whatever is spent here": np.maximum(wallets - world.spending, 0.0),
    }
    signs = []
    for words, rate in truths.items():
        headroom = world.time_ahead * rate
        between = headroom[world.group == 1].mean() / headroom[world.group == 0].mean()
        ratio = room[world.group == 1].mean() / room[world.group == 0].mean()
        tell_figure(f"planted headroom, {words}: unrealized value of web over shop", f"{between:.2f}", f"{ratio:.2f}")
        assert ratio == pytest.approx(between, rel=0.15)
        within = [correlation(room[world.group == g], headroom[world.group == g]) for g in (0, 1)]
        claim = f"planted headroom, {words}: correlation with it within a channel"
        tell_figure(claim, "not identified", " and ".join(f"{found:.2f}" for found, _ in within))
        assert all(abs(found) > 4 * error for found, error in within)
        signs.append([np.sign(found) for found, _ in within])
    assert signs == [[-1, -1], [1, 1]]
    assert value.frontier.potential_identified > 0.3


@pytest.mark.long
def test_without_peers_the_headroom_of_a_group_is_not_seen(channels, tell_figure):
    world, _ = channels
    together = world.summary("all")
    value = revenue_of_a_year(kw.fit(together, purchase="mbgnbd", pooling="complete", draws=400), together)
    room = value.table["unrealized_value"].to_numpy()
    ratio = room[world.group == 1].mean() / room[world.group == 0].mean()
    tell_figure("planted headroom, channel unknown: unrealized value of web over shop", "not seen", f"{ratio:.2f}")
    assert ratio < 1
    assert value.frontier.potential_identified == pytest.approx(0.0, abs=1e-9)


@pytest.mark.long
def test_only_a_randomised_treatment_tells_the_attainable_share(channels, tell_figure):
    """A quarter of the true gap is closed for those whom chance treats; the others tell nothing of it."""
    world, value = channels
    rng, table = np.random.default_rng(8), value.table
    levels = []
    for theta in (SHOP, WEB):
        rate = rng.gamma(theta["r"], 1 / theta["alpha"], 400_000)
        hazard = rate * rng.beta(theta["a"], theta["b"] + 1, 400_000)
        spend = theta["p"] * theta["v"] / rng.gamma(theta["q"], 1.0, 400_000)
        levels.append(np.quantile(time_alive(hazard) * rate * spend, 0.8))
    gap = world.alive * np.maximum(np.array(levels)[world.group] - world.time_ahead * world.spending, 0.0)
    assert table["gap"].mean() == pytest.approx(gap.mean(), rel=0.03)
    treated = rng.random(len(gap)) < 0.5
    outcome = world.outcome + 0.25 * treated * gap
    found = measured_closure(table["gap"], table["actual_value"], outcome, treated)
    tell_figure(
        "a quarter of the gap is closed for the treated: measured closure",
        "0.25",
        f"{found.mean:.3f} (error {found.se:.3f})",
    )
    assert found.mean == pytest.approx(0.25, abs=4 * found.se)
    assert found.se < 0.03
    untreated = organic_closure(table["gap"], table["actual_value"], world.outcome)
    assert abs(untreated.share) < 4 * untreated.se


def identified(base, channel, pooling="partial"):
    summary = with_peers(replace(base, table=base.table.assign(channel=channel)), ["cohort", "channel"])
    posterior = kw.fit(summary, purchase="mbgnbd", pooling=pooling, draws=400)
    return revenue_of_a_year(posterior, summary).frontier.potential_identified


@pytest.mark.long
def test_placebo_peers_identify_nothing(tell_figure):
    """Channels that differ, the same channels given out by lot, and more lots than there is knowledge for."""
    world, rng = World(24_000, SHOP, WEB, seed=5), np.random.default_rng(9)
    base, channel = world.summary("1997-01"), np.where(world.group == 1, "web", "shop")
    lots = rng.permutation(channel), rng.permutation(channel), rng.permutation(channel)
    many = rng.integers(0, 60, len(channel)).astype(str)
    told = {
        "of channels that differ": (identified(base, channel), "above 0.3"),
        "of the same channels, given out by lot": (max(identified(base, lot) for lot in lots), "0"),
        "of 60 lots": (identified(base, many), "0"),
        "of 60 lots, without pooling": (identified(base, many, pooling="none"), "chance taken for knowledge"),
    }
    for words, (share, ought) in told.items():
        tell_figure(f"placebo peers: `potential_identified` {words}", ought, f"{share:.3f}")
    differ, by_lot, of_many, unpooled = (share for share, _ in told.values())
    assert differ > 0.3
    assert by_lot < 0.03
    assert of_many < 0.03
    # Without pooling every group is taken at its word, and what is chance looks like knowledge.
    assert unpooled > 0.1
