"""The five churn figures and the watch list, against a simulation that knows who died and who was silent."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kundenwert.errors import DataError, UsageError
from kundenwert.value import quantities
from kundenwert.value.dead_or_silent import FIGURES, churn_figures, watch_list_date, weighted_mean_and_interval
from value_world import BG, GG, MBG, few_customers, known_posterior, simulated_summary, summary_of

END = dt.date(1997, 9, 30)
FAMILIES = pytest.mark.parametrize(("family", "theta"), [("bgnbd", BG), ("mbgnbd", MBG)])


def live(rate, dropout, span, rng, first_kill):
    """Purchase by purchase, a coin after each: repeats and recency by `span`, and the time of death, inf if later."""
    clock, repeats, last = np.zeros(len(rate)), np.zeros(len(rate), dtype=int), np.zeros(len(rate))
    death = np.where((rng.random(len(rate)) < dropout) & first_kill, 0.0, np.inf)
    open_ = np.flatnonzero(np.isinf(death))
    while len(open_):
        clock[open_] += rng.exponential(1.0 / rate[open_])
        open_ = open_[clock[open_] <= span[open_]]
        repeats[open_] += 1
        last[open_] = clock[open_]
        dies = rng.random(len(open_)) < dropout[open_]
        death[open_[dies]] = clock[open_[dies]]
        open_ = open_[~dies]
    return repeats, last, death


def world(family, theta, count, horizon, rng):
    """Histories to T of a known population, and what the horizon after it brought: dead then and later, silent."""
    rate, dropout = rng.gamma(theta["r"], 1.0 / theta["alpha"], count), rng.beta(theta["a"], theta["b"], count)
    T = rng.choice([20.0, 39.0], count)
    x, t_x, death = live(rate, dropout, T, rng, family == "mbgnbd")
    alive = np.flatnonzero(np.isinf(death))
    later = np.zeros(count, dtype=int)
    dies = np.zeros(count, dtype=bool)
    later[alive], _, end = live(rate[alive], dropout[alive], np.full(len(alive), horizon), rng, False)
    dies[alive] = np.isfinite(end)
    frame = pd.DataFrame({"frequency": x, "recency": t_x, "T": T, "monetary_value": 0.0})
    return frame, np.isfinite(death), dies, later == 0


def textbook(theta, x, t_x, T, days, first_kill):
    """(draw, day) chances of being dead and of silence, as section 4 of the design writes them, in weeks."""
    r, alpha, a, b = (np.asarray(theta[name], dtype=float)[:, None] for name in ("r", "alpha", "a", "b"))
    odds = a / (b + x - 1 + first_kill) * ((alpha + T) / (alpha + t_x)) ** (r + x)
    alive = 1 / (1 + odds)
    return 1 - alive, 1 - alive + alive * ((alpha + T) / (alpha + T + days / 7)) ** (r + x)


@FAMILIES
def test_simulated_customers_die_and_fall_silent_as_often_as_the_figures_say(family, theta):
    """Sums of probabilities against counts, by number of repeats and by recency: 4 standard deviations."""
    rng, horizon = np.random.default_rng(5), 26.0
    frame, dead, dies, silent = world(family, theta, 150_000, horizon, rng)
    posterior = replace(known_posterior(theta | GG, draws=1, family=family), cohorts=("all",))
    found = churn_figures(posterior, frame, "26 weeks").table
    recent = frame["T"] - frame["recency"] < 10.0
    events = {
        "p_dead_now": (dead, np.ones(len(frame), dtype=bool)),
        "p_silent": (silent, np.ones(len(frame), dtype=bool)),
        "p_dies": (dies, ~dead),
        "p_dead_by": (dead | dies, np.ones(len(frame), dtype=bool)),
        "p_dead_if_silent": (dead, silent & ~found["structural_alive"]),
    }
    kinds = [frame["frequency"] == 0, *((frame["frequency"] == n) & recent for n in (1, 2, 3))]
    kinds += [*((frame["frequency"] == n) & ~recent for n in (1, 2, 3)), frame["frequency"] > 3]
    for name, (event, given) in events.items():
        for kind in kinds:
            rows = np.asarray(kind & given)
            chance = found[name].to_numpy()[rows]
            sd = np.sqrt((chance * (1 - chance)).sum())
            assert abs(event[rows].sum() - chance.sum()) <= 4 * sd, name
    assert found["structural_alive"].tolist() == ((frame["frequency"] == 0) & (family == "bgnbd")).tolist()


def test_what_is_given_weighs_the_draws():
    """Two draws that disagree: the customer who turns out alive, or silent, makes one of them the likelier."""
    thetas = {"r": [0.5, 4.0], "alpha": [20.0, 4.0], "a": [0.3, 3.0], "b": [4.0, 3.0]}
    posterior = known_posterior(draws=2)
    draws = {name: np.array(values)[None, :, None] for name, values in thetas.items()}
    posterior = replace(posterior, draws={**posterior.draws, **draws})
    frame = pd.DataFrame(
        {"frequency": [2], "recency": [12.0], "T": [36.0], "monetary_value": 20.0, "cohort": "1997-01"}
    )
    found = churn_figures(posterior, frame, "26 weeks").table.iloc[0]

    rng, count = np.random.default_rng(8), 400_000
    one = {name: np.repeat(values, count) for name, values in thetas.items()}
    # of everybody in the two worlds, weighted by how likely each world makes this history: here equally, by decree
    odds = one["a"] / (one["b"] + 1) * ((one["alpha"] + 36) / (one["alpha"] + 12)) ** (one["r"] + 2)
    alive = rng.random(2 * count) * (1 + odds) < 1
    rate = rng.gamma(one["r"] + 2, 1 / (one["alpha"] + 36))
    dropout = rng.beta(one["a"], one["b"] + 2)
    later, _, death = live(rate, dropout, np.where(alive, 26.0, -1.0), rng, False)
    dies, silent = np.isfinite(death), later == 0

    def agrees(name, event, given):
        share = event[given].mean()
        assert found[name] == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / given.sum())), name

    everybody = np.ones(2 * count, dtype=bool)
    agrees("p_dead_now", ~alive, everybody)
    agrees("p_silent", silent, everybody)
    agrees("p_dead_by", ~alive | dies, everybody)
    agrees("p_dies", dies, alive)
    agrees("p_dead_if_silent", ~alive, silent)
    first, second = np.arange(2 * count) < count, np.arange(2 * count) >= count
    plain = np.mean([dies[alive & half].mean() for half in (first, second)])
    assert abs(plain - found["p_dies"]) > 0.05  # so that the plain mean would have failed


@FAMILIES
def test_the_figures_belong_together(family, theta):
    posterior, summary = known_posterior(draws=300, spread=0.1, family=family), few_customers()
    found = churn_figures(posterior, summary, "26 weeks", draws=150).table
    assert found["customer_id"].tolist() == summary.table["customer_id"].tolist()
    alive = quantities.p_alive(posterior, summary, draws=150, return_draws=True)
    silent = quantities.churn_probability(posterior, summary, "26 weeks", draws=150)
    np.testing.assert_allclose(found["p_dead_now"], 1 - alive.table["mean"], atol=1e-15)
    for column, other in (("p_silent", "mean"), ("p_silent_low", "low"), ("p_silent_high", "high")):
        np.testing.assert_allclose(found[column], silent.table[other], rtol=1e-12)
    # given alive, then dead within the horizon: the ratio of means times its denominator
    np.testing.assert_allclose(
        found["p_dead_by"], found["p_dead_now"] + alive.table["mean"] * found["p_dies"], rtol=1e-12
    )
    doubted = ~found["structural_alive"]
    np.testing.assert_allclose(
        found["p_dead_if_silent"][doubted], (found["p_dead_now"] / found["p_silent"])[doubted], rtol=1e-12
    )
    assert (found["p_silent"] >= found["p_dead_now"]).all()
    assert (found["p_dead_by"] >= found["p_dead_now"]).all()
    for name in FIGURES:
        known = found[name].notna()
        assert ((found[f"{name}_low"] < found[f"{name}_high"]) | (found[f"{name}_high"] == 0) | ~known).all()


def test_silence_given_is_a_longer_history():
    """With known parameters: gone given h of silence is gone at T + h, for who is silent cannot have died since T."""
    posterior, summary = known_posterior(draws=1), few_customers()
    found = churn_figures(posterior, summary, "26 weeks").table
    table = summary.table
    waited = summary_of(table.assign(T=table["T"] + 26.0))
    later = churn_figures(posterior, waited, "26 weeks").table
    doubted = ~found["structural_alive"]
    assert 0 < doubted.sum() < len(found)
    np.testing.assert_allclose(found["p_dead_if_silent"][doubted], later["p_dead_now"][doubted], rtol=1e-12)


@FAMILIES
def test_nothing_happens_at_once_and_everything_in_the_end(family, theta):
    posterior, summary = known_posterior(draws=40, spread=0.05, family=family), few_customers()
    now, end = (churn_figures(posterior, summary, h).table for h in ("1e-9 days", "1e12 years"))
    doubted = ~now["structural_alive"]
    np.testing.assert_allclose(now["p_silent"], 1.0, atol=1e-8)
    np.testing.assert_allclose(now["p_dies"], 0.0, atol=1e-8)
    np.testing.assert_allclose(now["p_dead_by"], now["p_dead_now"], atol=1e-8)
    np.testing.assert_allclose(now["p_dead_if_silent"][doubted], now["p_dead_now"][doubted], atol=1e-8)
    np.testing.assert_allclose(end["p_silent"], end["p_dead_now"], atol=0.01)
    np.testing.assert_allclose(end["p_dies"], 1.0, atol=0.01)
    np.testing.assert_allclose(end["p_dead_by"], 1.0, atol=0.01)
    np.testing.assert_allclose(end["p_dead_if_silent"][doubted], 1.0, atol=0.01)


def test_one_time_buyers_are_never_doubted_by_bg_and_always_by_mbg():
    bought_once = few_customers().table["frequency"] == 0
    bg = churn_figures(known_posterior(draws=50, spread=0.1), few_customers()).table
    assert bg["structural_alive"].tolist() == bought_once.tolist()
    assert (bg["p_dead_now"][bought_once] == 0).all()
    for name in ("p_dead_if_silent", "p_dead_if_silent_low", "p_dead_if_silent_high"):
        assert bg[name].isna().tolist() == bought_once.tolist()
    assert bg[[f"{name}{end}" for name in FIGURES[:4] for end in ("", "_low", "_high")]].notna().all(axis=None)
    mbg_posterior = known_posterior(draws=50, spread=0.1, family="mbgnbd")
    mbg = churn_figures(mbg_posterior, few_customers()).table
    assert not mbg["structural_alive"].any()
    assert (mbg["p_dead_now"] > 0).all()
    assert mbg.notna().all(axis=None)
    newcomer = np.asarray((few_customers().table["T"] == 0).to_numpy())
    a, b = mbg_posterior.thinned()["a"][:, 0], mbg_posterior.thinned()["b"][:, 0]
    assert mbg["p_dead_now"][newcomer].item() == pytest.approx((a / (a + b)).mean(), rel=1e-12)


def test_who_is_certainly_gone_has_figures():
    """A chance of being alive below the smallest number: what would happen to a living customer has an answer."""
    frame = pd.DataFrame(
        {"frequency": [600], "recency": [20.0], "T": [900.0], "monetary_value": 1.0, "cohort": "1997-01"}
    )
    found = churn_figures(known_posterior(draws=80, spread=0.05), frame).table.iloc[0]
    assert found["p_dead_now"] == found["p_silent"] == found["p_dead_if_silent"] == 1.0
    assert 0 < found["p_dies_low"] < found["p_dies"] < found["p_dies_high"] < 1


def test_weighted_quantiles():
    rng = np.random.default_rng(3)
    draws = rng.standard_normal((3, 501))
    found = weighted_mean_and_interval(draws, np.full(draws.shape, 0.2), 0.9)
    np.testing.assert_allclose(found["low"], np.quantile(draws, 0.05, axis=1), rtol=1e-12)
    np.testing.assert_allclose(found["high"], np.quantile(draws, 0.95, axis=1), rtol=1e-12)
    # neither end is preferred
    weights = rng.exponential(size=(3, 7))
    found, mirrored = (weighted_mean_and_interval(v, weights, 0.6) for v in (draws[:, :7], -draws[:, :7]))
    np.testing.assert_allclose(found["low"], -mirrored["high"], rtol=1e-12)
    np.testing.assert_allclose(found["high"], -mirrored["low"], rtol=1e-12)
    # importance weights take normal draws to another normal, whose quantiles are known
    draws = rng.standard_normal((1, 400_000))
    found = weighted_mean_and_interval(draws, np.exp(0.5 * draws), 0.9)
    assert found["mean"][0] == pytest.approx(0.5, abs=0.02)
    assert found["low"][0] == pytest.approx(0.5 - 1.644854, abs=0.02)
    assert found["high"][0] == pytest.approx(0.5 + 1.644854, abs=0.02)
    single = weighted_mean_and_interval(np.array([[0.3]]), np.array([[2.0]]), 0.9)
    assert [float(values[0]) for values in single.values()] == pytest.approx([0.3] * 3)


@FAMILIES
def test_the_watch_list_is_the_first_day_of_a_fine_grid(family, theta):
    posterior, summary = known_posterior(draws=60, spread=0.2, family=family), few_customers()
    summary = replace(summary, observation_end=END)
    days = np.arange(10 * 366)
    for chance in (0.5, 0.8):
        found = watch_list_date(posterior, summary, chance=chance)
        for (_, row), (_, customer) in zip(found.iterrows(), summary.table.iterrows(), strict=True):
            past = (customer["frequency"], customer["recency"], customer["T"])
            parameters = {name: values[:, 0] for name, values in posterior.thinned().items()}
            if family == "bgnbd" and past[0] == 0:
                assert row["structural_alive"]
                assert row["days"] is pd.NA
                assert row["date"] is pd.NaT
                continue
            dead, silent = textbook(parameters, *past, days, family == "mbgnbd")
            listed = np.flatnonzero(dead.mean(axis=0) / silent.mean(axis=0) > chance)
            first = listed[0] if len(listed) and listed[0] <= 3652 else pd.NA
            assert row["days"] is first or row["days"] == first
            assert row["date"] is pd.NaT if first is pd.NA else row["date"].date() == END + dt.timedelta(int(first))
    listed = watch_list_date(posterior, summary)["days"]
    assert (listed == 0).any()
    assert (listed > 0).any()


def test_the_watch_list_agrees_with_the_figure_on_both_sides_of_the_day():
    posterior, summary = known_posterior(draws=500, spread=0.1), simulated_summary(200)
    found = watch_list_date(posterior, summary)
    ahead = found["days"].fillna(0) > 1
    assert ahead.sum() > 30
    for row in np.flatnonzero(ahead)[:12]:
        customer = replace(summary, table=summary.table.iloc[[row]])
        days = int(found["days"].iloc[row])
        day, before = (churn_figures(posterior, customer, f"{d} days").table for d in (days, days - 1))
        assert before["p_dead_if_silent"].item() <= 0.5 < day["p_dead_if_silent"].item()


def test_the_watch_list_looks_no_further_than_it_is_told():
    posterior, summary = known_posterior(draws=40, spread=0.1), replace(few_customers(), observation_end=END)
    far = watch_list_date(posterior, summary, within="2000 years")
    assert far["days"].isna().tolist() == far["structural_alive"].tolist()
    latest = int(far["days"].max())
    near = watch_list_date(posterior, summary, within=f"{latest - 1} days")
    assert near["days"].isna().sum() == far["days"].isna().sum() + (far["days"] == latest).sum()
    assert watch_list_date(posterior, summary, within=f"{latest} days").equals(far)
    centuries = watch_list_date(posterior, summary, chance=0.9999, within="2000 years")
    assert centuries["date"].max() > pd.Timestamp("2300-01-01")
    unknown = watch_list_date(posterior, few_customers(), within="2000 years")
    assert unknown["date"].isna().all()
    assert unknown["days"].equals(far["days"])


@FAMILIES
def test_the_time_unit_changes_nothing(family, theta):
    in_days = {"alpha": theta["alpha"] * 7.0}
    weekly = known_posterior(theta | GG, draws=50, spread=0.1, family=family)
    daily = known_posterior(theta | GG | in_days, draws=50, spread=0.1, family=family, unit="day")
    weeks, days = few_customers(), few_customers(1.0)
    one, other = churn_figures(weekly, weeks, "26 weeks").table, churn_figures(daily, days, "182 days").table
    pd.testing.assert_frame_equal(one, other, rtol=1e-10)
    pd.testing.assert_frame_equal(watch_list_date(weekly, weeks), watch_list_date(daily, days))


def test_threads_order_and_company_change_nothing():
    thetas = (BG | GG, BG | GG | {"alpha": 2.0})
    posterior, summary = known_posterior(*thetas, draws=20, spread=0.1), simulated_summary(900, *thetas)
    found, listed = churn_figures(posterior, summary, threads=1).table, watch_list_date(posterior, summary, threads=1)
    pd.testing.assert_frame_equal(churn_figures(posterior, summary, threads=3).table, found, rtol=1e-13)
    pd.testing.assert_frame_equal(watch_list_date(posterior, summary, threads=3), listed)
    rows = np.random.default_rng(4).permutation(900)[:70]
    some = replace(summary, table=summary.table.iloc[rows])
    expected = found.iloc[rows].reset_index(drop=True)
    pd.testing.assert_frame_equal(churn_figures(posterior, some).table, expected, rtol=1e-13)
    pd.testing.assert_frame_equal(watch_list_date(posterior, some), listed.iloc[rows].reset_index(drop=True))


def test_a_plain_frame_will_do():
    posterior, summary = known_posterior(draws=30, spread=0.1), few_customers()
    columns = ["customer_id", "cohort", "frequency", "recency", "T", "monetary_value"]
    frame = summary.table[columns]
    pd.testing.assert_frame_equal(churn_figures(posterior, frame).table, churn_figures(posterior, summary).table)
    pd.testing.assert_frame_equal(watch_list_date(posterior, frame), watch_list_date(posterior, summary))
    with pytest.raises(DataError, match="recency is greater than T"):
        churn_figures(posterior, frame.assign(recency=900.0))


def test_nobody_is_an_answer():
    posterior, summary = known_posterior(draws=30), few_customers()
    nobody = replace(summary, table=summary.table.iloc[:0])
    assert (
        churn_figures(posterior, nobody).table.columns.tolist()
        == churn_figures(posterior, summary).table.columns.tolist()
    )
    assert len(watch_list_date(posterior, nobody)) == 0


def test_short_texts_and_refusals():
    posterior, summary = known_posterior(draws=5), few_customers()
    found = churn_figures(posterior, summary, "1 year")
    assert repr(found).startswith("<churn_figures within 1 year, 8 rows, means: p_dead_now ")
    assert "<table" in found._repr_html_()
    with pytest.raises(UsageError, match="interval"):
        churn_figures(posterior, summary, interval=90)
    with pytest.raises(UsageError, match="chance"):
        watch_list_date(posterior, summary, chance=50)
    with pytest.raises(UsageError, match="horizon"):
        watch_list_date(posterior, summary, within="soon")
