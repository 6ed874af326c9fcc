"""The default engine: which one it takes, and what it says of it."""

import functools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from bases import part_of, simulated, two_moded

import kundenwert as kw
from kundenwert.errors import UsageError
from kundenwert.families import BGNBD, GAMMA_GAMMA, MBGNBD
from kundenwert.families.protocol import Compiles, PurchaseFamily
from kundenwert.inference import auto, gibbs, importance
from kundenwert.inference.auto import Auto
from kundenwert.inference.compression import Problem
from kundenwert.inference.engines import get_engine
from kundenwert.inference.gibbs import Gibbs
from kundenwert.inference.importance import Importance
from kundenwert.inference.protocol import RefusedError
from kundenwert.names import Pooling
from kundenwert.units import TimeUnit

Sample = tuple[kw.CustomerSummary, kw.Holdout]


def note(posterior: kw.Posterior) -> str:
    """The one sentence about the engine among the choices."""
    (found,) = [choice for choice in posterior.choices if choice.startswith("engine auto chose")]
    return found


def problem_of(family: PurchaseFamily, columns: tuple[np.ndarray, ...], pooling: Pooling) -> Problem:
    """A purchase part of these customers, and a little spend, in one cohort or two halves."""
    cohorts = 2 if pooling is Pooling.PARTIAL else 1
    spending = simulated(GAMMA_GAMMA, 60, np.random.default_rng(1))
    parts = [
        part_of(f, c, np.arange(len(c[0])) % cohorts, cohorts=cohorts)
        for f, c in ((family, columns), (GAMMA_GAMMA, spending))
    ]
    names = parts[0].fits[0].cohorts
    return Problem(parts[0], parts[1], pooling, names, len(columns[0]), TimeUnit.WEEK, None)


@pytest.mark.parametrize("pooling", ["none", "complete"])
def test_importance_without_a_hierarchy(monthly_sample: Sample, pooling: str) -> None:
    posterior = kw.fit(monthly_sample[0], pooling=pooling, draws=1000)
    assert posterior.engine == "importance"
    worst = max(v.max() for n, v in posterior.sample_stats.items() if n.endswith("_pareto_k"))
    least = min(v.min() for n, v in posterior.sample_stats.items() if n.endswith("_effective"))
    assert note(posterior) == (
        f"engine auto chose importance: Pareto k of its weights at most {max(worst, 0):.2f}, "
        f"worth at least {least:,.0f} draws"
    )
    same = kw.fit(monthly_sample[0], pooling=pooling, engine="importance", draws=1000)
    for name, values in same.draws.items():
        np.testing.assert_array_equal(posterior.draws[name], values)


def test_gibbs_with_a_hierarchy(monthly_sample: Sample) -> None:
    posterior = kw.fit(monthly_sample[0], draws=1000)
    assert posterior.engine == "gibbs"
    single, joint = (
        min(posterior.sample_stats[f"{role}_acceptance_{kind}"][0] for role in ("purchase", "spend"))
        for kind in ("cohort", "joint")
    )
    rhat = max(posterior.sample_stats[f"{role}_rhat"][0] for role in ("purchase", "spend"))
    assert note(posterior) == (
        f"engine auto chose gibbs: at least {single:.2f} of each cohort's moves accepted, "
        f"{joint:.2f} of those of all together, R-hat at most {rhat:.3f}"
    )


def test_nuts_where_the_tail_is_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    """One small round of proposals cannot be worth what was asked for, and importance sampling says so."""
    monkeypatch.setattr(importance, "MOST_ROUNDS", 1)
    problem = problem_of(BGNBD, simulated(BGNBD, 80, np.random.default_rng(2)), Pooling.COMPLETE)
    posterior = Auto(4000).sample(problem, 1, None)
    assert posterior.engine == "nuts"
    assert posterior.n_draws == 4000
    assert "engine auto chose nuts: importance sampling of the purchase model, cohort all: " in note(posterior)
    assert note(posterior).endswith("4,000 were asked for; and 1 more fit")


def test_nuts_only_for_the_fits_that_are_refused(
    monthly_sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A limit between the worst tail and the next: one fit of six goes to NUTS, the others stay as they were."""
    summary, terms = monthly_sample[0], {"pooling": "none", "draws": 1000}
    quick = kw.fit(summary, **terms)
    tails = {
        (role, i): k for role in ("purchase", "spend") for i, k in enumerate(quick.sample_stats[f"{role}_pareto_k"])
    }
    ordered = sorted(tails, key=tails.__getitem__)
    role, worst = ordered[-1]
    limit = (tails[ordered[-2]] + tails[ordered[-1]]) / 2
    monkeypatch.setattr(auto, "Importance", functools.partial(Importance, max_pareto_k=limit))
    posterior = kw.fit(summary, **terms)
    slow = kw.fit(summary, **terms, engine="nuts")
    assert posterior.engine == "importance and nuts"
    assert "; nuts for 1 of 6 fits: importance sampling of the " in note(posterior)
    assert f"{role} model, cohort {posterior.cohorts[worst]}: " in note(posterior)
    family = BGNBD if role == "purchase" else GAMMA_GAMMA
    for name, values in posterior.draws.items():
        assert values.shape == (4, 250, 3)
        expected = quick.draws[name].reshape(4, 250, 3)
        if name in family.parameters:
            expected[..., worst] = slow.draws[name][..., worst]
        np.testing.assert_array_equal(values, expected)
    steps = posterior.sample_stats[f"{role}_n_steps"]
    assert (steps > 0).all(axis=(0, 1)).tolist() == [i == worst for i in range(3)]
    assert np.isnan(posterior.sample_stats[f"{role}_pareto_k"]).tolist() == [i == worst for i in range(3)]
    findings = {finding.name: finding for finding in kw.check(posterior, summary).findings}
    assert findings["no divergent steps"].measured == "0 of 1,000"
    assert findings["importance weights have a light tail (Pareto k)"].value == tails[ordered[-2]]
    assert findings["chains agree (R-hat)"].value < 1.02
    posterior.save(tmp_path / "mixed.nc")
    np.testing.assert_array_equal(kw.load_posterior(tmp_path / "mixed.nc").draws["r"], posterior.draws["r"])


def test_nuts_only_for_the_family_whose_hierarchy_is_refused() -> None:
    """Nothing forced: all cohorts as one have two modes, and Gibbs sampling starts from one. Spend stays as it was."""
    problem = problem_of(MBGNBD, two_moded(), Pooling.PARTIAL)
    posterior = Auto(1000).sample(problem, 1, None)
    assert posterior.engine == "gibbs and nuts"
    assert note(posterior).endswith(
        "; nuts for 1 of 2 fits: Gibbs sampling of the purchase model: all cohorts as one have two modes"
    )
    assert set(posterior.hyper) == {f"{kind}_{c}" for kind in ("mu", "sd") for c in all_coordinates(MBGNBD)}
    quick, _ = Gibbs(1000).sample_part(problem.spend, 1)
    slow, _ = kw.Nuts(1000).sample_part(problem.purchase, 1)
    for name, values in {**posterior.draws, **posterior.hyper}.items():
        expected = slow[name] if name in slow else quick[name].reshape(values.shape)
        np.testing.assert_array_equal(values, expected)
    assert posterior.sample_stats["purchase_n_steps"].shape == (4, 250, 1)
    assert posterior.sample_stats["spend_acceptance_cohort"].shape == (1,)


def test_nuts_where_gibbs_hardly_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gibbs, "LEAST_ACCEPTED", 1.0)
    problem = problem_of(BGNBD, simulated(BGNBD, 80, np.random.default_rng(2)), Pooling.PARTIAL)
    posterior = Auto(200).sample(problem, 1, None)
    assert posterior.engine == "nuts"
    assert "chose nuts: Gibbs sampling of the purchase model: a cohort accepts 0." in note(posterior)
    assert note(posterior).endswith("of its moves, less than 1; and 1 more fit")
    assert set(posterior.hyper) == {f"{kind}_{c}" for kind in ("mu", "sd") for c in all_coordinates(BGNBD)}


def all_coordinates(family: PurchaseFamily) -> tuple[str, ...]:
    return (*family.coordinates, *GAMMA_GAMMA.coordinates)


class Plain(SimpleNamespace):
    """A family as another package may bring it: everything of BG/NBD but compiled code."""

    def __hash__(self) -> int:
        return hash(self.name)


PLAIN = Plain(**{n: getattr(BGNBD, n) for n in dir(BGNBD) if n[0] != "_" and n != "compiled"} | {"name": "plain"})


def test_nuts_for_a_family_without_compiled_code() -> None:
    """By the graph of its likelihood, and with the posterior that compiled code gives."""
    assert isinstance(PLAIN, PurchaseFamily)
    assert not isinstance(PLAIN, Compiles)
    columns = simulated(BGNBD, 500, np.random.default_rng(3))
    posterior = Auto(2000).sample(problem_of(PLAIN, columns, Pooling.COMPLETE), 1, None)
    assert posterior.engine == "importance and nuts"
    assert note(posterior).endswith("; nuts for 1 of 2 fits: plain brings no compiled likelihood")
    quick = Auto(4000).sample(problem_of(BGNBD, columns, Pooling.COMPLETE), 1, None)
    assert quick.engine == "importance"
    for name in BGNBD.parameters:
        ours, theirs = np.log(quick.draws[name]), np.log(posterior.draws[name])
        assert abs(ours.mean() - theirs.mean()) < 0.25 * theirs.std(), name


@pytest.mark.parametrize("engine", ["importance", "gibbs"])
def test_asked_by_name_a_family_without_compiled_code_is_a_mistake(engine: str) -> None:
    pooling = Pooling.PARTIAL if engine == "gibbs" else Pooling.COMPLETE
    problem = problem_of(PLAIN, simulated(BGNBD, 50, np.random.default_rng(3)), pooling)
    with pytest.raises(UsageError, match="plain brings no compiled code"):
        get_engine(engine, 1000).sample(problem, 1, None)


def test_only_a_refusal_is_answered_by_nuts(monthly_sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that breaks must not be papered over: other errors pass."""
    monkeypatch.setattr(gibbs, "WARM_UP", -1)
    with pytest.raises(ValueError, match="need at least one array"):
        kw.fit(monthly_sample[0], draws=1000)


def frame(customers: int, seed: int, cohorts: int = 1) -> pd.DataFrame:
    """A summary of simulated customers as a user would bring it."""
    rng = np.random.default_rng(seed)
    x, t_x, T = simulated(BGNBD, customers, rng)
    money = np.where(x > 0, rng.gamma(6.0, 5.0, customers) + 0.01, 0.0)
    cohort = [f"c{i % cohorts}" for i in range(customers)]
    columns = {"frequency": x, "recency": t_x, "T": T, "monetary_value": money, "cohort": cohort}
    return pd.DataFrame({"customer_id": np.arange(customers), **columns})


@pytest.mark.parametrize("pooling", [Pooling.COMPLETE, Pooling.PARTIAL])
def test_orders_of_almost_one_price_are_refused_and_not_a_crash(pooling: Pooling) -> None:
    """Two prices a millionth apart put p and q of Gamma-Gamma beyond 1e12, where no engine takes a mode."""
    table = frame(1000, seed=3, cohorts=2)
    bought = table["frequency"] > 0
    table.loc[bought, "monetary_value"] = 9.99 * (1.0 + 1.2e-6 * (np.arange(bought.sum()) % 2))
    name = "gibbs" if pooling is Pooling.PARTIAL else "importance"
    with pytest.raises(RefusedError, match="no finite"):
        kw.fit(table, time_unit="week", pooling=pooling, engine=name)


def test_the_unit_of_money_or_time_changes_no_shape() -> None:
    table = frame(300, seed=4)
    usual = kw.fit(table, time_unit="week", pooling="complete", draws=400)
    other = table.assign(**{name: table[name] * 2.0**40 for name in ("recency", "T", "monetary_value")})
    scaled = kw.fit(other, time_unit="week", pooling="complete", draws=400)
    assert note(scaled) == note(usual)
    for name, unit in {"r": 1.0, "a": 1.0, "b": 1.0, "p": 1.0, "q": 1.0, "alpha": 2.0**40, "v": 2.0**40}.items():
        np.testing.assert_allclose(scaled.draws[name], usual.draws[name] * unit, rtol=1e-6)


@pytest.mark.parametrize("draws", [400, 1000])
def test_few_draws_are_judged_too(draws: int) -> None:
    """Small cohorts need many sweeps a draw, whatever the number of draws; unjudged, R-hat was 1.2 here."""
    table = frame(240, seed=2, cohorts=4)
    table.loc[table["cohort"] == "c0", ["frequency", "recency", "monetary_value"]] = 0
    posterior = kw.fit(table, time_unit="week", pooling="partial", draws=draws)
    assert posterior.engine == "gibbs"
    kept = [posterior.draws[name] for name in ("r", "alpha", "a", "b")]
    chains = np.log(np.concatenate(kept, axis=-1))
    trace = np.moveaxis(chains, 0, 2)
    assert gibbs.split_rhat(trace) < gibbs.rhat_limit(*trace.shape) + 0.01
