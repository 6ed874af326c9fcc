"""The posterior: saving, thinning, cohorts that the fit has not seen."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made import make_posterior

import kundenwert as kw
from kundenwert.errors import RunError
from kundenwert.inference.frontier_draws import extend
from kundenwert.names import Pooling
from kundenwert.units import Currency, TimeUnit


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    before = make_posterior(("1997-01", "1997-02"), spread=0.1, pooling=Pooling.PARTIAL)
    before.save(tmp_path / "posterior.nc")
    after = kw.load_posterior(tmp_path / "posterior.nc")
    for name in ("draws", "hyper", "sample_stats", "prior"):
        one, other = getattr(before, name), getattr(after, name)
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])
    for name in ("cohorts", "time_unit", "currency", "purchase_family", "engine", "pooling", "seed", "scales"):
        assert getattr(before, name) == getattr(after, name), name


def test_loading_imports_no_sampler(tmp_path: Path) -> None:
    make_posterior().save(tmp_path / "posterior.nc")
    code = (
        "import sys, kundenwert as kw; kw.load_posterior(sys.argv[1]);"
        "print([m for m in ('pymc', 'pytensor', 'nutpie', 'arviz', 'altair', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "posterior.nc")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere\.nc"):
        kw.load_posterior(tmp_path / "nowhere.nc")


def test_thinning_is_even_over_all_chains() -> None:
    posterior = make_posterior(spread=0.3, chains=4, draws=100)
    flat = posterior.draws["r"].reshape(400, 1)
    np.testing.assert_array_equal(posterior.thinned()["r"], flat)
    np.testing.assert_array_equal(posterior.thinned(100)["r"], flat[::4])
    assert posterior.thinned(1000)["r"].shape == (400, 1)


def test_an_unknown_cohort_is_named() -> None:
    with pytest.raises(RunError, match="1997-05"):
        make_posterior(("1997-01",)).cohort_codes(["1997-01", "1997-05"])


@pytest.mark.parametrize(
    ("pooling", "advice"),
    [
        (
            Pooling.NONE,
            r"nothing is known about a cohort without data\. Retrain with their customers, or with pooling =",
        ),
        (Pooling.PARTIAL, r"what cohorts have in common with posterior\.with_cohorts\(labels\), or fit again"),
        (Pooling.COMPLETE, r"that all cohorts share with posterior\.with_cohorts\(labels\), or fit again"),
    ],
)
def test_the_advice_on_unknown_cohorts_works_under_its_pooling(pooling: Pooling, advice: str) -> None:
    posterior = make_posterior(("1997-01",), pooling=pooling)
    labels = [f"1998-{week:02d}" for week in range(1, 26)]
    named = f"25 cohorts are unknown to the posterior: {', '.join(labels[:20])}, ... and 5 more. "
    with pytest.raises(RunError, match=re.escape(named) + f".*{advice}"):
        posterior.cohort_codes(["1997-01", *labels])
    if "with_cohorts" in advice:
        assert posterior.with_cohorts(labels).cohort_codes(labels).tolist() == list(range(1, 26))
    else:
        with pytest.raises(RunError, match=re.escape(named)):
            posterior.with_cohorts(labels)


def test_a_new_cohort_comes_from_the_hyperdistribution() -> None:
    posterior = make_posterior(("1997-01",), pooling=Pooling.PARTIAL, draws=2500)
    more = posterior.with_cohorts(["1997-01", "1997-02"])
    assert more.cohorts == ("1997-01", "1997-02")
    np.testing.assert_array_equal(more.draws["r"][..., 0], posterior.draws["r"][..., 0])
    drawn = more.draws["r"][..., 1]
    log_r = np.log(drawn)
    wanted = np.hypot(0.1 + 0.005, 0.01)  # sd of the cohorts and of the common mean, together
    assert log_r.mean() == pytest.approx(-1.4, abs=4 * wanted / 100)
    assert log_r.std() == pytest.approx(wanted, rel=0.05)
    assert "1997-02" in more.choices[-1]
    np.testing.assert_array_equal(posterior.with_cohorts(["1997-02", "1997-03"]).draws["r"][..., 1], drawn)


def test_a_new_cohort_is_the_common_one_under_complete_pooling() -> None:
    posterior = make_posterior(("all",), spread=0.2)
    more = posterior.with_cohorts(["new"])
    np.testing.assert_array_equal(more.draws["alpha"][..., 1], posterior.draws["alpha"][..., 0])


def test_a_new_cohort_is_refused_without_pooling() -> None:
    with pytest.raises(RunError, match=r"new.*pooling"):
        make_posterior(("1997-01",), pooling=Pooling.NONE).with_cohorts(["new"])


def test_arviz_reads_the_tree() -> None:
    import arviz as az

    table = az.summary(make_posterior(("a", "b"), spread=0.1).to_datatree(), var_names=["r", "q"])
    assert list(table.index) == ["r[a]", "r[b]", "q[a]", "q[b]"]


def test_texts_are_short_and_honest() -> None:
    posterior = make_posterior(("a", "b"), spread=0.1)
    assert repr(posterior) == (
        "<Posterior bgnbd + gamma_gamma, 2 cohorts, complete pooling, 1,000 draws by made, rates per week>"
    )
    assert "<table>" in posterior._repr_html_()


def test_frozen_frontier_draws_come_back_bit_equal(tmp_path: Path) -> None:
    posterior = make_posterior(("1997-01 x web", "1997-02"), spread=0.3)
    frozen = extend(None, posterior, 150)
    replace(posterior, frontier=frozen).save(tmp_path / "posterior.nc")
    after = kw.load_posterior(tmp_path / "posterior.nc").frontier
    assert after is not None
    assert after.cohorts == posterior.cohorts
    assert after.theta.keys() == posterior.draws.keys()
    for name, values in posterior.thinned(150).items():
        np.testing.assert_array_equal(after.theta[name], values)
    for name in ("time_unit", "currency", "purchase_family", "spend_family"):
        assert getattr(after, name) == getattr(posterior, name), name
    assert repr(after) == "<FrontierDraws 2 cohorts, 150 draws, per week>"
    replace(posterior, frontier=after, currency=Currency("EUR")).save(tmp_path / "again.nc")
    assert kw.load_posterior(tmp_path / "again.nc").frontier.currency is None


def test_a_file_without_frozen_draws_has_no_frozen_frontier(tmp_path: Path) -> None:
    make_posterior().save(tmp_path / "posterior.nc")
    assert kw.load_posterior(tmp_path / "posterior.nc").frontier is None


def test_a_cohort_joins_the_frozen_draws_where_it_first_appears() -> None:
    first = make_posterior(("a", "b"), spread=0.3, seed=1)
    second = make_posterior(("b", "c"), spread=0.3, seed=2, draws=30)  # 120 draws: fewer than are frozen
    third = make_posterior(("c", "a"), spread=0.3, seed=3)
    frozen = extend(extend(extend(None, first, 200), second, 50), third, 1000)
    assert frozen.cohorts == ("a", "b", "c")
    for name in frozen.theta:
        np.testing.assert_array_equal(frozen.theta[name][:, :2], first.thinned(200)[name])
        known = second.thinned()[name][:, 1]
        assert set(frozen.theta[name][:, 2]) == set(known)
        np.testing.assert_array_equal(frozen.theta[name][::5, 2], known[::3])
    more = extend(frozen, third.with_cohorts(["d"]), 7)
    assert more.cohorts == ("a", "b", "c", "d")
    np.testing.assert_array_equal(more.theta["q"][:, 3], third.thinned(200)["q"][:, 0])
    assert extend(more, first, 200) is more


def test_frozen_draws_are_thinned_evenly_for_whoever_wants_fewer() -> None:
    posterior = make_posterior(("a", "b"), spread=0.3)
    frozen = extend(None, posterior, 100)
    for draws, rows in ((100, np.arange(100)), (25, np.arange(0, 100, 4)), (200, np.repeat(np.arange(100), 2))):
        np.testing.assert_array_equal(frozen.of(["b"], draws)["alpha"], frozen.theta["alpha"][rows][:, [1]])
    with pytest.raises(RunError, match="frontier of c, d is not frozen"):
        frozen.of(["a", "c", "d"], 10)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"purchase_family": "mbgnbd"}, "bgnbd and gamma_gamma per week, the posterior one of mbgnbd"),
        ({"time_unit": TimeUnit.DAY}, "per week, the posterior one of bgnbd and gamma_gamma per day"),
        ({"currency": Currency("EUR")}, "per week in EUR"),
    ],
)
def test_frozen_draws_of_another_meaning_are_refused(change: dict, words: str) -> None:
    posterior = make_posterior(("a",))
    frozen, other = extend(None, posterior, 10), replace(posterior, **change)
    assert frozen.fits(posterior)
    assert not frozen.fits(other)
    with pytest.raises(RunError, match=words):
        extend(frozen, other, 10)
