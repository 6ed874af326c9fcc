"""The posterior: saving, thinning, cohorts that the fit has not seen."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made import make_posterior

import kundenwert as kw
from kundenwert.errors import RunError
from kundenwert.names import Pooling


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
