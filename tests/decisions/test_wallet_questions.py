"""What a customer's answer about the wallet saves: against SciPy's densities, and with the truth planted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kundenwert.decisions.hard_events import HardEvents
from kundenwert.decisions.losses import risks
from kundenwert.decisions.one_pass import assess
from kundenwert.decisions.rule import allowed_labels
from kundenwert.decisions.states import label_codes
from kundenwert.decisions.wallet_questions import value_of_wallets
from kundenwert.errors import UsageError
from kundenwert.value.levers import Lever
from kundenwert.value.wallet_data import design, read_wallets
from value_world import GG, MBG, known_posterior, simulated_summary

CUSTOMERS, DRAWS, MANY = 300, 1000, 100
TERMS = {"margin": 0.35, "cost_per_order": 2.0, "draws": DRAWS, "newcomers": 50}
PER_WEEK = 365.25 / 7


def people_of(summary):
    """Wallets of a third, above what they spend here, larger in one region."""
    rng = np.random.default_rng(3)
    table = summary.table.assign(region=rng.choice(["north", "south"], CUSTOMERS))
    here = (table["frequency"] + 0.5) / (table["T"] + 6.0) * 30.0 * PER_WEEK
    size = np.exp(0.7 * rng.standard_normal(CUSTOMERS) + 0.8 * (table["region"] == "south"))
    wallet = here + 12.0 * here.clip(upper=2000.0) ** 0.4 * size
    asked = rng.random(CUSTOMERS) < 1 / 3
    return table.assign(wallet=wallet.where(asked), share=(here / wallet).where(asked))


@pytest.fixture(scope="module")
def world():
    posterior = known_posterior(MBG | GG, family="mbgnbd", spread=0.05, draws=DRAWS)
    return posterior, simulated_summary(CUSTOMERS, MBG | GG, family="mbgnbd")


@pytest.fixture(scope="module", params=["wallet", "share"])
def segments(request, world):
    posterior, summary = world
    stated = {request.param: request.param}
    wallets = read_wallets(people_of(summary), **stated, covariates=["region"], time_unit="week")
    return assess(posterior, summary, **TERMS, wallets=wallets)


@pytest.fixture(scope="module")
def found(segments):
    return value_of_wallets(segments)


@pytest.fixture(scope="module")
def finely(segments):
    return value_of_wallets(segments, answers=MANY)


class Everything:
    """Every draw of every customer who has stated nothing, put together by NumPy and SciPy alone."""

    def __init__(self, segments):
        basis, rule, verdicts = segments.context.wallets, segments.verdicts.rule, segments.verdicts
        self.rows, self.relative = np.flatnonzero(~basis.data.known), basis.data.relative
        self.losses, self.marks = rule.losses, rule.marks
        age = segments.context.customers.T
        repairs = {"repairs_evaluated": rule.repairs_evaluated}
        self.open = allowed_labels(verdicts.probabilities, age, verdicts.cycle, **repairs)[self.rows]
        names = ("alive", "rate", "spend", "time", "actual", "stated", "margin", "cost")
        found = {name: np.empty((CUSTOMERS, DRAWS)) for name in names}

        def look(outlook):
            block, ahead = outlook.block, outlook.ahead
            drawn = (block.p_alive, block.rate, block.mean_spend, outlook.time, outlook.actual, basis.stated(outlook))
            return *drawn, ahead.drawn_margin[:, None], ahead.order_cost[:, None]

        for rows, _, values in segments.context.stream(look, stage="all"):
            for name, value in zip(names, values, strict=True):
                found[name][rows] = value
        self.__dict__ |= {name: value[self.rows] for name, value in found.items()}
        self.here = self.rate * self.spend
        model, drawn = basis.levels.model, basis.coefficients
        line = np.maximum(np.log(self.here), model.floor) - model.centre
        regressors = design(model.regressors, basis.data.covariates.iloc[self.rows])
        self.mean, self.sd = regressors @ drawn.beta + drawn.rho * line, drawn.sd
        self.mark, self.share = basis.levels.of(basis.cohorts[0], DRAWS), basis.attainable

    def codes(self, row, wallet, weight):
        """State given alive of each draw, where the wallet is this."""
        more = self.share * np.maximum(self.mark * wallet - self.here[row], 0.0) * self.time[row]
        more *= self.margin[row] - self.cost[row] / self.spend[row]
        more *= (weight * self.alive[row] * more).sum() > 0
        return label_codes(self.actual[row], more, self.marks)

    def after(self, row, answer):
        """(state,) by Bayes' rule over the draws, of whoever states this."""
        seen = answer + (np.log(self.here[row]) if self.relative else 0.0)
        low = (np.log(self.here[row]) - self.mean[row]) / self.sd
        weight = stats.truncnorm.pdf(seen, low, np.inf, self.mean[row], self.sd)
        weight = weight / weight.sum()
        codes, alive = self.codes(row, np.exp(seen), weight), weight * self.alive[row]
        return np.array([*(alive[codes == k].sum() for k in range(5)), 1.0 - alive.sum()])

    def risks(self, row, answers):
        """(answer, action) expected loss, infinite where a label is not open."""
        found = risks(np.array([self.after(row, answer) for answer in answers]), self.losses)
        return np.where(self.open[row], found, np.inf)


def test_perfect_answers_are_worth_what_bayes_over_all_draws_says(segments, finely):
    everything = Everything(segments)
    perfect = finely["perfect"].to_numpy()[everything.rows]
    some = np.argsort(-perfect)[:: len(perfect) // 12]
    truth = []
    for row in some:
        risk = everything.risks(row, np.quantile(everything.stated[row], (np.arange(MANY) + 0.5) / MANY))
        truth.append(risk.mean(axis=0).min() - risk.min(axis=1).mean())
    np.testing.assert_allclose(perfect[some], truth, rtol=1e-6, atol=1e-9)
    assert max(truth) > 0.02 > 0.005 > min(truth)


def test_twenty_answers_tell_as_much_as_a_hundred(found, finely):
    for name in ("perfect", "value", "changes"):
        assert found[name].sum() == pytest.approx(finely[name].sum(), rel=0.05)


def cost_of(everything, row, labels):
    """Loss of a label for each draw as the truth, averaged over the draws and over alive or gone."""
    matrix, alive = everything.losses.array, everything.alive[row]
    wallet = np.exp(everything.stated[row]) * (everything.here[row] if everything.relative else 1.0)
    truth = everything.codes(row, wallet, np.ones(DRAWS))
    return (alive * matrix[labels, truth] + (1 - alive) * matrix[labels, -1]).mean()


def test_answers_save_what_they_save_where_the_truth_is_planted(world, segments, found, tell_figure):
    """Each draw of each customer is the truth in turn; labels come from valuing anew all who were asked."""
    everything, basis = Everything(segments), segments.context.wallets
    rows, open_to, losses = everything.rows, everything.open, everything.losses
    answers = np.quantile(everything.stated, (np.arange(20) + 0.5) / 20, axis=1)
    published = np.empty((20, len(rows)), dtype=np.int64)
    frozen = {"thresholds": segments.thresholds, "wallet_levels": basis.levels}
    for k, answer in enumerate(answers):
        stated = basis.data.stated.copy()
        stated[rows] = answer
        again = assess(*world, **TERMS, **frozen, wallets=replace(basis.data, stated=stated))
        risk = risks(again.verdicts.probabilities[rows], losses)
        published[k] = np.where(open_to, risk, np.inf).argmin(axis=1)
    before = np.where(open_to, risks(segments.verdicts.probabilities[rows], losses), np.inf).argmin(axis=1)
    saved, perfect = np.empty((2, len(rows)))
    for row in range(len(rows)):
        known = everything.risks(row, answers[:, row]).argmin(axis=1)
        told = np.argsort(np.argsort(everything.stated[row])) * 20 // DRAWS
        now = cost_of(everything, row, before[row])
        saved[row] = now - cost_of(everything, row, published[told, row])
        perfect[row] = now - cost_of(everything, row, known[told])
    mine = found.iloc[rows]
    assert (published != before).mean() == pytest.approx(mine["changes"].mean(), abs=0.01)
    assert mine["perfect"].sum() == pytest.approx(perfect.sum(), rel=0.05)
    assert mine["value"].sum() == pytest.approx(saved.sum(), rel=0.05)
    what = "share" if everything.relative else "wallet"
    for name, planted in (("perfect", perfect), ("value", saved)):
        stated, loss = mine[name].sum(), planted.sum()
        tell_figure(f"asking {len(rows)} customers for their {what}: `{name}`", f"{stated:.2f} (stated)", f"{loss:.2f}")
    assert np.corrcoef(mine["value"], saved)[0, 1] > 0.9
    assert 0 < saved.sum() < perfect.sum()


def test_an_answer_decides_whether_below_zero_may_be_said(world):
    """Customers are valued anew with each answer, and get the label that is then given."""
    posterior, summary = world
    fewer = Lever("self-service", "cost_to_serve", cost_per_contact=0.1)
    dear = TERMS | {"cost_per_year_active": 60.0, "levers": [fewer], "basis": "wallet"}
    wallets = read_wallets(people_of(summary), wallet="wallet", covariates=["region"], time_unit="week")
    segments = assess(posterior, summary, **dear, wallets=wallets)
    basis, rule = segments.context.wallets, segments.verdicts.rule
    found = value_of_wallets(segments)
    rows = np.flatnonzero(~basis.data.known)
    everything = Everything(segments)
    answers = np.quantile(everything.stated, (np.arange(20) + 0.5) / 20, axis=1)
    frozen = {"thresholds": segments.thresholds, "wallet_levels": basis.levels}
    labels, opened = np.empty((20, len(rows)), dtype=np.int64), np.empty((20, len(rows)), dtype=bool)
    for k, answer in enumerate(answers):
        stated = basis.data.stated.copy()
        stated[rows] = answer
        again = assess(*world, **dear, **frozen, wallets=replace(basis.data, stated=stated)).verdicts
        open_to = rule.allowed(again.probabilities, summary.table["T"].to_numpy(), again.cycle, np.arange(CUSTOMERS))
        opened[k] = open_to[rows, 4]
        labels[k] = np.where(open_to, risks(again.probabilities, rule.losses), np.inf).argmin(axis=1)[rows]
    now = segments.verdicts
    today = rule.allowed(now.probabilities, summary.table["T"].to_numpy(), now.cycle, np.arange(CUSTOMERS))
    label = np.where(today, risks(now.probabilities, rule.losses), np.inf).argmin(axis=1)[rows]
    assert (opened != today[rows, 4]).any(), "an answer that opens or closes the label"
    np.testing.assert_allclose(found["changes"].to_numpy()[rows], (labels != label).mean(axis=0), atol=0.051)
    assert (labels != label).mean() == pytest.approx(found["changes"].to_numpy()[rows].mean(), rel=0.05)
    asked = found.iloc[rows]
    assert (asked["value"] <= asked["perfect"] + 1e-12).all()


def test_who_is_not_asked_and_what_always_holds(world, segments, found):
    known = segments.context.wallets.data.known
    assert found["customer_id"].tolist() == segments.table["customer_id"].tolist()
    assert (found["perfect"].isna().to_numpy() == known).all()
    open_to = found[~known]
    assert open_to.notna().all(axis=None)
    assert (open_to["perfect"] >= 0).all()
    assert (open_to["value"] <= open_to["perfect"] + 1e-12).all()
    assert open_to["changes"].between(0, 1).all()
    for threads in (1, 3):
        pd.testing.assert_frame_equal(value_of_wallets(segments, threads=threads), found, check_exact=True)
    nobody, first = np.zeros(CUSTOMERS, dtype=bool), np.arange(CUSTOMERS) < 30
    events = HardEvents(first, nobody, np.roll(first, 30))
    frozen = {"thresholds": segments.thresholds, "wallet_levels": segments.context.wallets.levels}
    again = assess(*world, **TERMS, **frozen, wallets=segments.context.wallets.data, events=events)
    asked = value_of_wallets(again)
    assert (asked["perfect"].isna().to_numpy() == (known | first)).all()
    np.testing.assert_allclose(asked["perfect"][~first], found["perfect"][~first])


def test_where_no_wallet_counts_there_is_nothing_to_ask(world, segments):
    with pytest.raises(UsageError, match="unrealized value rests on peers"):
        value_of_wallets(assess(*world, **TERMS))
    mail = [Lever("mail", "frequency", cost_per_contact=0.5)]
    with pytest.raises(UsageError, match="unrealized value rests on levers"):
        value_of_wallets(assess(*world, **TERMS, levers=mail, wallets=segments.context.wallets.data))
    with pytest.raises(UsageError, match="answers = 0"):
        value_of_wallets(segments, answers=0)
