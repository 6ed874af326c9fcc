"""From a summary to a problem and a graph: what is fitted, and what is refused."""

import numpy as np
import pytest
from scipy import stats

import kundenwert as kw
from kundenwert.errors import UsageError
from kundenwert.families import BGNBD, GAMMA_GAMMA
from kundenwert.inference.fitting import pose
from kundenwert.inference.priors import BETWEEN_COHORTS

NO_PRIORS = {"purchase_priors": None, "spend_priors": None, "time_unit": None}
NAMES = {"purchase": "bgnbd", "spend": "gamma_gamma"}


@pytest.fixture(scope="module")
def summary() -> kw.CustomerSummary:
    one = {"r": 0.4, "alpha": 5.0, "a": 0.8, "b": 2.5, "p": 6.0, "q": 3.5, "v": 15.0}
    base = kw.simulate_customers(120, parameters={"a": one, "b": {**one, "r": 0.8}, "c": {**one, "a": 0.3}}, seed=5)
    return kw.summarize(
        base.transactions,
        customer="customer_id",
        time="date",
        amount="spend",
        cohort="column:cohort",
        observation_end=base.observation_end,
    )


@pytest.mark.parametrize("pooling", ["none", "partial", "complete"])
def test_the_fits_hold_every_customer_once(summary: kw.CustomerSummary, pooling: str) -> None:
    problem = pose(summary, **NAMES, pooling=pooling, **NO_PRIORS)
    table = summary.table
    theta = {"r": 0.3, "alpha": 4.0, "a": 0.9, "b": 2.0}
    wanted = BGNBD.log_likelihood(theta, table["frequency"], table["recency"], table["T"]).sum()
    found = sum(
        BGNBD.compressed_log_likelihood({k: np.full(len(fit.cohorts), v) for k, v in theta.items()}, fit.rows)
        for fit in problem.purchase.fits
    )
    assert found == pytest.approx(wanted, rel=1e-12)
    assert len(problem.purchase.fits) == {"none": 3, "partial": 1, "complete": 1}[pooling]
    spend = {"p": 5.0, "q": 3.0, "v": 12.0}
    paid = table[table["spend_days"] > 0]
    wanted = GAMMA_GAMMA.log_likelihood(spend, paid["spend_days"], paid["monetary_value"]).sum()
    found = sum(
        GAMMA_GAMMA.compressed_log_likelihood({k: np.full(len(fit.cohorts), v) for k, v in spend.items()}, fit.rows)
        for fit in problem.spend.fits
    )
    assert found == pytest.approx(wanted, rel=1e-12)


def test_scales_are_medians_of_the_fit(summary: kw.CustomerSummary) -> None:
    problem = pose(summary, **NAMES, pooling="none", **NO_PRIORS)
    for purchase, spend in zip(problem.purchase.fits, problem.spend.fits, strict=True):
        of = summary.table[summary.table["cohort"] == purchase.label]
        assert purchase.scale == np.median(of["T"])
        assert spend.scale == np.median(of.loc[of["spend_days"] > 0, "monetary_value"])


def test_a_cohort_without_repeats_is_a_problem_too(summary: kw.CustomerSummary) -> None:
    table = summary.table.copy()
    quiet = table["cohort"] == "b"
    table.loc[quiet, ["frequency", "recency", "monetary_value", "spend_days"]] = 0
    import dataclasses

    problem = pose(dataclasses.replace(summary, table=table), **NAMES, pooling="partial", **NO_PRIORS)
    theta = {k: np.full(3, v) for k, v in {"r": 0.3, "alpha": 4.0, "a": 0.9, "b": 2.0}.items()}
    assert np.isfinite(BGNBD.compressed_log_likelihood(theta, problem.purchase.fits[0].rows))


def test_the_graph_is_prior_times_likelihood(summary: kw.CustomerSummary) -> None:
    """The joint density of the `pm.Model` at a point, against scipy's priors and the likelihood by customer."""
    model = kw.build_model(summary, pooling="partial")
    rng = np.random.default_rng(2)
    point = {v.name: rng.normal(0.2, 0.3, model.eval_rv_shapes()[v.name]) for v in model.free_RVs}
    transformed = {rv: model.rvs_to_values[model[rv]].name for rv in point}
    value = {transformed[name]: draw for name, draw in point.items()}
    found = model.compile_logp(jacobian=False)(value)
    positive = {name: np.exp(draw) if name.startswith("sd_") else draw for name, draw in point.items()}
    wanted = 0.0
    for family in (BGNBD, GAMMA_GAMMA):
        for name, prior in family.default_priors.items():
            mu, sd = positive[f"mu_{name}"], positive[f"sd_{name}"]
            wanted += stats.norm(prior.mean, prior.sd).logpdf(mu)
            wanted += stats.lognorm(BETWEEN_COHORTS.sd, scale=np.exp(BETWEEN_COHORTS.mean)).logpdf(sd)
            wanted += stats.norm(mu, sd).logpdf(positive[name]).sum()
    table = summary.table
    codes = table["cohort"].map({"a": 0, "b": 1, "c": 2}).to_numpy()
    paid = (table["spend_days"] > 0).to_numpy()
    scale = np.median(table["T"]), np.median(table.loc[paid, "monetary_value"])
    theta = {k: v[codes] for k, v in BGNBD.constrain({k: point[k] for k in BGNBD.coordinates}, scale[0]).items()}
    wanted += BGNBD.log_likelihood(theta, table["frequency"], table["recency"], table["T"]).sum()
    theta = GAMMA_GAMMA.constrain({k: point[k] for k in GAMMA_GAMMA.coordinates}, scale[1])
    theta = {k: v[codes[paid]] for k, v in theta.items()}
    wanted += GAMMA_GAMMA.log_likelihood(theta, table["spend_days"][paid], table["monetary_value"][paid]).sum()
    assert found == pytest.approx(wanted, rel=1e-10)


def test_a_user_extends_the_model(summary: kw.CustomerSummary) -> None:
    import pymc as pm

    model = kw.build_model(summary, pooling="complete")
    before = model.compile_logp()(model.initial_point())
    with model:
        pm.Potential("belief", -10.0 * model["log_r"].sum() ** 2)
    assert model.compile_logp()(model.initial_point()) < before
    assert {v.name for v in model.deterministics} == {"r", "alpha", "a", "b", "p", "q", "v"}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"pooling": "some"}, "none, partial, complete"),
        ({"purchase": "gamma_gamma"}, "not a purchase family"),
        ({"spend": "bgnbd"}, "not a spend family"),
        ({"purchase": "bgnb"}, "bgnbd"),
        ({"engine": "importance", "pooling": "partial"}, "fits cohorts one by one"),
        ({"engine": "gibbs", "pooling": "complete"}, "samples hierarchies"),
        ({"engine": "mcmc"}, "not known"),
        ({"purchase_priors": {"log_q": {"mean": 0.0, "sd": 1.0}}}, "no coordinate"),
    ],
    ids=str,
)
def test_mistakes_are_named(summary: kw.CustomerSummary, wrong: dict, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        kw.fit(summary, **wrong)


def test_a_frame_needs_its_time_unit(summary: kw.CustomerSummary) -> None:
    with pytest.raises(UsageError, match="time_unit"):
        kw.fit(summary.table[["frequency", "recency", "T", "monetary_value"]])


def test_no_pooling_is_many_models(summary: kw.CustomerSummary) -> None:
    with pytest.raises(UsageError, match="3 models"):
        kw.build_model(summary, pooling="none")


@pytest.mark.parametrize("wrong", [{"chains": 1}, {"draws": 7}])
def test_an_engine_that_cannot_be_judged_is_refused(wrong: dict) -> None:
    with pytest.raises(UsageError):
        kw.Nuts(**wrong)
