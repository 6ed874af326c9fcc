"""Draws held against draws: on normals whose differences are known, and on rows written by hand."""

import agreement
import numpy as np
import pooling
import pytest
import simulated
import ten_million
from contestants.kundenwert_common import nuts_draws, posed
from posteriors import compared, coordinates

import kundenwert as kw
from kundenwert.families import get_family


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def test_the_same_posterior_differs_by_its_errors(rng):
    found = compared(rng.normal(size=4_000), 4_000.0, rng.normal(size=(4, 5_000)))
    assert found["difference_error"] == pytest.approx((1 / 4_000 + 1 / 20_000) ** 0.5, rel=0.1)
    assert found["sd_ratio_error"] == pytest.approx((0.5 / 4_000 + 0.5 / 20_000) ** 0.5, rel=0.1)
    assert found["below_1_error"] == pytest.approx((0.0099 * (1 / 4_000 + 1 / 20_000)) ** 0.5, rel=0.2)
    for name, target in agreement.FIGURES.items():
        assert abs(found[name] - target) < 4 * found[f"{name}_error"], name


def test_another_posterior_is_found_out(rng):
    found = compared(rng.normal(0.2, 1.1, 4_000), 4_000.0, rng.normal(size=(4, 5_000)))
    assert found["difference"] == pytest.approx(0.2, abs=0.07)
    assert found["sd_ratio"] == pytest.approx(1.1, abs=0.05)
    narrow = compared(rng.normal(0.0, 0.7, 4_000), 4_000.0, rng.normal(size=(4, 5_000)))
    assert narrow["below_1"] < 0.005
    assert narrow["below_99"] > 0.995


def test_independent_draws_are_worth_their_number(rng):
    worth = agreement.worth_over(rng.gamma(3.0, size=(400, 1_000)))
    assert set(worth) == {"mean", "5%", "50%", "95%"}
    for name, value in worth.items():
        assert value == pytest.approx(1_000, rel=0.3), name


def test_draws_that_hang_together_are_worth_less(rng):
    pairs = np.repeat(rng.normal(size=(400, 500)), 2, axis=1)
    assert agreement.worth_over(pairs)["mean"] == pytest.approx(500, rel=0.3)


def test_coordinates_of_a_dropout_family():
    theta = {"r": np.array([0.243]), "alpha": np.array([4.414]), "a": np.array([0.793]), "b": np.array([2.426])}
    found = coordinates(get_family("bgnbd"), theta, 39.0)
    assert list(found) == ["log_r", "log_alpha_over_T", "logit_phi", "log_kappa", "log_a", "log_b"]
    assert found["logit_phi"] == pytest.approx(found["log_a"] - found["log_b"])


def test_our_model_is_compiled_once_and_its_data_are_swapped():
    """A small cohort first, then a larger one: the draws are those of the second one's posterior."""
    reference = kw.Nuts(draws=800, chains=2, tune=200)
    for customers in (50, 1_000):
        part = posed(simulated.one_cohort(customers, 7), "gamma_gamma")
        long = nuts_draws(part, reference, 1)
    draws, _ = kw.Importance().sample_part(part, 1)
    for name, values in coordinates(part.family, draws, part.fits[0].scale).items():
        theirs = coordinates(part.family, long, part.fits[0].scale)[name]
        found = compared(values.ravel(), 4_000.0, theirs)
        assert abs(found["difference"]) < 4 * found["difference_error"], name


def agreement_row(number, quantity, **more):
    figures = {"difference": 0.01, "sd_ratio": 1.0, "below_1": 0.01, "below_99": 0.99}
    errors = dict.fromkeys((f"{name}_error" for name in figures), 0.01)
    about = {"data": "50 simulated", "number": number, "family": "bgnbd", "status": "ok", "pareto_k": 0.1}
    return {**about, "quantity": quantity, **figures, **errors, **more}


def test_agreement_is_averaged_over_data_sets():
    rows = [agreement_row(0, "log_r"), agreement_row(1, "log_r", difference=0.03, pareto_k=0.5)]
    rows.append({"data": "50 simulated", "number": 2, "family": "bgnbd", "status": "refused", "reason": "k"})
    line = agreement.agreement_table(rows).splitlines()[-1]
    assert line.startswith(
        "| 50 simulated, bgnbd | 3 | 1 | 0.50 | +0.0200 ± 0.0100 | 0.0200 | 0.0080 | 1.0000 ± 0.0000 |"
    )
    assert line.endswith("| log_r, difference 0.0200: +2.8 errors, of 4 |")


def test_quantities_of_one_data_set_are_no_independent_evidence():
    rows = [agreement_row(n, name, difference=0.02 * n) for n in (0, 1) for name in ("log_a", "log_b", "log_r")]
    assert agreement.averaged(rows, "difference", 2) == pytest.approx((0.01, 0.01))


def test_pooling_shows_times_and_agreement():
    run = {"wall_seconds": 2.0, "cpu_seconds": 3.0, "load": 1.0}
    family = {"smallest_ess": 900.4, "largest_rhat": 1.0041, "acceptance_cohort": 0.61, "compress_seconds": 0.2}
    size = {"size": "24x50", "cohorts": 24, "customers": 50, "silent": 3, "gibbs": [run] * 3, "draws": 4000}
    size |= {"families": dict.fromkeys(pooling.FAMILIES, family)}
    held = [agreement_row(0, "log_r", difference=d, family=name) for name in pooling.FAMILIES for d in (0.01, -0.04)]
    with_reference = {**size, "nuts": run, "divergences": {"bgnbd": 2, "gamma_gamma": 0}, "compared": held}
    with_reference |= {"reference": "4 x 2,000", "reference_rhat": 1.0041}
    about = {"date": "2026-01-02", "code": "commit abc", "machine": "2 cores"}
    times, agreed = pooling.report({**about, "sizes": [size, with_reference]}).split("\n\n")[1:]
    alone, both = times.splitlines()[2:]
    name = "| 24 cohorts of 50, 3 of them silent"
    assert alone == f"{name} | 2.00 | 3.00 | 0.400 | 900 of 4,000 | 1.004 | 0.61 | - | - | - | - |"
    assert both.endswith("| 0.61 | 4 x 2,000 | 2.00 | 3.00 | 1.004 |")
    first, _ = agreed.splitlines()[2:]
    assert first == f"{name}: bgnbd | 0.040 | 0.0250 | 0.0080 | 4.0 of 2 | 1.000 to 1.000 | 1.0000 | 0.0100 | 2 |"
    assert "divergences" not in pooling.report({**about, "sizes": [size]})
    refused = {name: size[name] for name in ("cohorts", "customers", "silent")} | {"gibbs": [], "refused": "two modes"}
    line = pooling.report({**about, "sizes": [refused]}).splitlines()[-1]
    assert line.startswith(f"{name}: refused, two modes | - |")
    assert line.count("|") == both.count("|")


def test_processes_are_shown_step_by_step():
    def process(state, wall, **more):
        usage = {"wall_seconds": wall, "cpu_seconds": wall, "peak_rss_mib": 900.0}
        steps = [{"step": "import", **usage}, {"step": "read", **usage, "customers": 10}]
        return {"state": state, "status": "ok", **usage, "load": 1.0, "steps": steps, **more}

    warm = [process("warm", 3.0), process("warm", 2.0), process("warm", 9.0)]
    about = {"date": "2026-01-02", "code": "commit abc", "machine": "2 cores", "customers": 10, "summary_mib": 1.0}
    lines = ten_million.report({**about, "processes": [process("cold", 20.0), *warm]}).splitlines()
    assert lines[-2] == "| read | 20.0 | 3.00 | 3.00 | 900 | 10 customers |"
    assert lines[-1] == "| the whole process | 20.0 | 3.00 | 3.00 | 900 |  |"
    late = {"state": "cold", "status": "timeout", "wall_seconds": 300.0, "load": 1.0, "steps": []}
    lines = ten_million.report({**about, "processes": [late]}).splitlines()
    assert lines[-1] == "| the whole process | timeout | - | - | - |  |"
