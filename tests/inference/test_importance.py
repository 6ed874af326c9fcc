"""Importance sampling against brute force, on bases so small that a posterior is far from normal."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from bases import Known, brute_force, density_of, part_of, plain, simulated, two_moded
from scipy import stats

import kundenwert as kw
from kundenwert.customers import as_summary
from kundenwert.errors import UsageError
from kundenwert.families import BGNBD, GAMMA_GAMMA, MBGNBD
from kundenwert.inference import importance
from kundenwert.inference.compression import compress_part
from kundenwert.inference.density import Density, distinct_modes
from kundenwert.inference.importance import Importance, adapted, resampled
from kundenwert.inference.posterior import load_posterior
from kundenwert.inference.proposals import Proposal
from kundenwert.inference.protocol import RefusedError
from kundenwert.names import Pooling
from kundenwert.simulate import CDNOW_LIKE

DRAWS = 4000
Sample = tuple[kw.CustomerSummary, kw.Holdout]
Compared = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def known(density: Density, log_density: Callable[[np.ndarray], np.ndarray] | None = None) -> Known:
    return brute_force(
        log_density or (lambda u: density.values(u[None])[0]),
        density.family.default_priors,
        distinct_modes(density),
        200_000,
    )


def compare(u: np.ndarray, truth: Known) -> Compared:
    """Shift of the mean and ratio of the spread in standard deviations, and shares beyond the 1 % and 99 % points."""
    low, high = truth.quantile(0.01)[:, None], truth.quantile(0.99)[:, None]
    shift, ratio = (u.mean(axis=1) - truth.mean) / truth.sd, u.std(axis=1) / truth.sd
    return shift, ratio, (u < low).mean(axis=1), (u > high).mean(axis=1)


def within_error(compared: Compared, independent: float) -> None:
    """Five standard errors of that many independent draws; spreads have the error of a t with six degrees."""
    shift, ratio, low, high = compared
    root = np.sqrt(independent)
    assert np.abs(shift).max() < 5.0 / root, shift
    assert np.abs(ratio - 1.0).max() < 5.0 * np.sqrt(5.0 / 4.0) / root, ratio
    for share in (low, high):
        assert np.abs(share - 0.01).max() < 5.0 * np.sqrt(0.01) / root, share


def coordinates(posterior: kw.Posterior, family, role: str, cohort: int) -> np.ndarray:
    """Draws of one cohort in the family's unconstrained coordinates, (coordinate, draw)."""
    theta = {name: posterior.draws[name][..., cohort].ravel() for name in family.parameters}
    return np.stack(list(family.unconstrain(theta, posterior.scales[role]).values()))


@pytest.mark.parametrize("family", [MBGNBD, BGNBD, GAMMA_GAMMA], ids=lambda family: family.name)
def test_fifty_customers_are_what_brute_force_says(family):
    """Five data sets, each within its own error, and together within that of all their draws."""
    all_compared = []
    for seed in range(5):
        density = density_of(family, simulated(family, 50, np.random.default_rng(1000 * 50 + seed)))
        sampled = importance.sample_density(density, DRAWS, np.random.default_rng(seed))
        assert sampled.pareto_k < 0.7
        compared = compare(sampled.u, known(density))
        within_error(compared, DRAWS)
        all_compared.append(compared)
    together = tuple(np.mean(figures, axis=0) for figures in zip(*all_compared, strict=True))
    within_error(together, 5 * DRAWS)  # type: ignore[arg-type]


def test_shoulders_of_larger_bases_are_learned() -> None:
    """MBG/NBD here has a dropout tail that no single t follows: with one a mode, a third of such bases was refused."""
    figures = []
    for seed in range(8):
        density = density_of(MBGNBD, simulated(MBGNBD, 3000, np.random.default_rng(3000 * 1000 + seed)))
        figures.append(importance.sample_density(density, DRAWS, np.random.default_rng(seed)))
    assert sum(one.pareto_k <= 0.7 and one.effective >= DRAWS / 2 for one in figures) >= 7


def test_the_brute_force_itself_is_that_of_the_plain_density():
    """What the others are held against must not stand on the compiled likelihood alone."""
    columns = simulated(MBGNBD, 20, np.random.default_rng(3))
    density = density_of(MBGNBD, columns)
    peaks, priors = distinct_modes(density), MBGNBD.default_priors
    plainly = brute_force(plain(MBGNBD, columns), priors, peaks, 20_000)
    compiled = brute_force(lambda u: density.values(u[None])[0], priors, peaks, 20_000)
    np.testing.assert_allclose(compiled.weights, plainly.weights, rtol=1e-8, atol=1e-300)


def test_without_customers_draws_are_the_prior():
    """Nobody was watched for any time: T = 0 says nothing, and the posterior is known exactly."""
    nobody = (np.zeros(30), np.zeros(30), np.zeros(30))
    density = density_of(BGNBD, nobody)
    sampled = importance.sample_density(density, DRAWS, np.random.default_rng(1))
    for values, prior in zip(sampled.u, BGNBD.default_priors.values(), strict=True):
        assert stats.kstest(values, stats.norm(prior.mean, prior.sd).cdf).pvalue > 1e-3


def test_two_modes_get_their_shares():
    density = density_of(MBGNBD, two_moded())
    peaks, truth = distinct_modes(density), known(density)
    assert len(peaks.u) == 2

    def nearer_second(u: np.ndarray) -> np.ndarray:
        away = u.T[:, None] - peaks.u
        distance = np.einsum("pkd,kde,pke->pk", away, peaks.precision, away) - np.linalg.slogdet(peaks.precision)[1]
        return distance[:, 1] < distance[:, 0]

    share = truth.weights[nearer_second(truth.u)].sum()
    assert 0.02 < share < 0.98
    for seed in range(3):
        sampled = importance.sample_density(density, DRAWS, np.random.default_rng(seed))
        error = np.sqrt(share * (1 - share) / DRAWS)
        assert abs(nearer_second(sampled.u).mean() - share) < 5 * error
        within_error(compare(sampled.u, truth), DRAWS)


def weighted_points(seed: int, points: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    """Points of a skewed cloud in four dimensions with uneven weights."""
    rng = np.random.default_rng(seed)
    u = rng.standard_normal((4, points)) * np.array([1.0, 0.2, 3.0, 1.0])[:, None]
    u[1] += 0.3 * u[0] ** 2
    weights = rng.gamma(0.5, size=points) * np.exp(0.3 * u[0])
    return u, weights / weights.sum()


def test_resampling_rounds_weights_and_keeps_means():
    """A point comes as often as its weight says, give or take one; means vary far less than multinomial draws."""
    u, weights = weighted_points(1)
    features = np.concatenate([u, u**2, u[:3] * u[1:], u > 1.0])
    truth, variance = features @ weights, (features**2) @ weights - (features @ weights) ** 2
    errors = []
    for seed in range(60):
        chosen = resampled(u, weights, DRAWS, np.random.default_rng(seed))
        counts = np.bincount(chosen, minlength=weights.size)
        assert counts.sum() == DRAWS
        assert np.abs(counts - DRAWS * weights).max() < 1 + 1e-9
        errors.append(features[:, chosen].mean(axis=1) - truth)
    gained = np.var(errors, axis=0) / (variance / DRAWS)
    assert np.abs(np.mean(errors, axis=0) / np.sqrt(variance / DRAWS)).max() < 4 / np.sqrt(60)
    assert gained[:4].max() < 0.1, gained
    assert gained.max() < 0.3, gained


def test_resampled_draws_come_in_no_order():
    """Thinning takes every n-th draw, so neighbours must not be alike."""
    u, weights = weighted_points(2)
    drawn = u[:, resampled(u, weights, DRAWS, np.random.default_rng(1))]
    for row in drawn:
        assert abs(np.corrcoef(row[1:], row[:-1])[0, 1]) < 4 / np.sqrt(DRAWS)


def test_one_proposal_adapts_to_the_weighted_moments():
    u, weights = weighted_points(3)
    start = Proposal(np.zeros(4), np.eye(4), 8.0)
    (new,), shares = adapted([start], np.ones(1), u, weights, start.log_density(u)[None])
    np.testing.assert_allclose(new.centre, u @ weights, rtol=1e-12)
    np.testing.assert_allclose(new.factor @ new.factor.T, np.cov(u, aweights=weights, ddof=0), rtol=1e-9, atol=1e-12)
    assert shares.tolist() == [1.0]


def test_proposals_apart_take_what_is_near_them():
    u, weights = weighted_points(4, 3000)
    cloud = np.concatenate([u, u + 1000.0], axis=1)
    both = np.concatenate([0.25 * weights, 0.75 * weights])
    start = [Proposal(np.full(4, shift), 3.0 * np.eye(4), 8.0) for shift in (0.0, 1000.0)]
    log_density = np.stack([one.log_density(cloud) for one in start])
    new, shares = adapted(start, np.array([0.5, 0.5]), cloud, both, log_density)
    np.testing.assert_allclose(shares, [0.25, 0.75], rtol=1e-4)
    np.testing.assert_allclose(new[1].centre, u @ weights + 1000.0, rtol=1e-4)


def test_a_proposal_with_all_weight_on_one_point_stays():
    start = Proposal(np.zeros(3), np.eye(3), 8.0)
    u = np.random.default_rng(5).standard_normal((3, 50))
    weights = np.zeros(50)
    weights[7] = 1.0
    (new,), _ = adapted([start], np.ones(1), u, weights, start.log_density(u)[None])
    assert new is start


def cohorts_of(sizes: dict[str, int], seed: int = 1) -> kw.CustomerSummary:
    """A summary whose cohort `quiet` has no repeat purchase."""
    frames = []
    for index, (cohort, size) in enumerate(sizes.items()):
        rng = np.random.default_rng([seed, index])
        x, t_x, T = simulated(BGNBD, size, rng)
        if cohort == "quiet":
            x, t_x = 0 * x, 0 * t_x
        zbar = np.where(x > 0, GAMMA_GAMMA.simulate(CDNOW_LIKE, np.maximum(x, 1.0), rng), 0.0)
        ids = [f"{cohort}{i}" for i in range(size)]
        frames.append({"customer_id": ids, "cohort": cohort, "frequency": x, "recency": t_x, "T": T})
        frames[-1]["monetary_value"] = zbar
    return as_summary(pd.concat([pd.DataFrame(f) for f in frames], ignore_index=True), time_unit="week")


@pytest.fixture(scope="module")
def uneven() -> kw.CustomerSummary:
    return cohorts_of({"few": 50, "many": 1500, "one": 1, "quiet": 40})


@pytest.fixture(scope="module")
def alone(uneven: kw.CustomerSummary) -> kw.Posterior:
    return kw.fit(uneven, pooling="none", engine=Importance(DRAWS))


def test_cohorts_of_one_customer_and_without_repeats(uneven: kw.CustomerSummary, alone: kw.Posterior) -> None:
    assert alone.cohorts == ("few", "many", "one", "quiet")
    assert all(values.shape == (1, DRAWS, 4) for values in alone.draws.values())
    for index, cohort in enumerate(alone.cohorts):
        table = uneven.table[uneven.table["cohort"] == cohort]
        columns = tuple(table[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T"))
        part = part_of(BGNBD, columns)
        fit = dataclasses.replace(part.fits[0], scale=float(np.median(columns[2])))
        density = importance.fit_density(part, fit)
        theta = {name: alone.draws[name][0, :, index] for name in BGNBD.parameters}
        u = np.stack(list(BGNBD.unconstrain(theta, fit.scale).values()))
        within_error(compare(u, known(density)), DRAWS)


def test_same_seed_same_draws_other_seed_others(uneven: kw.CustomerSummary, alone: kw.Posterior) -> None:
    again, other = (kw.fit(uneven, pooling="none", engine=Importance(DRAWS), seed=s) for s in (alone.seed, 7))
    for name, values in alone.draws.items():
        np.testing.assert_array_equal(again.draws[name], values)
        assert not np.isin(other.draws[name], values).any()


def test_order_and_names_of_customers_change_nothing(uneven: kw.CustomerSummary, alone: kw.Posterior) -> None:
    shuffled = uneven.table.sample(frac=1.0, random_state=1)
    renamed = shuffled.assign(customer_id=[f"{i:05}" for i in range(len(shuffled))])
    again = kw.fit(dataclasses.replace(uneven, table=renamed), pooling="none", engine=Importance(DRAWS))
    for name, values in alone.draws.items():
        np.testing.assert_array_equal(again.draws[name], values)


def test_other_cohorts_change_no_draw(uneven: kw.CustomerSummary, alone: kw.Posterior) -> None:
    """A cohort's stream is keyed by its own name: others may come, go and be renamed."""
    table = uneven.table[uneven.table["cohort"].astype(str) != "many"]
    renamed = table.assign(cohort=table["cohort"].astype(str).replace("quiet", "a quiet one"))
    fewer = kw.fit(dataclasses.replace(uneven, table=renamed), pooling="none", engine=Importance(DRAWS))
    assert fewer.cohorts == ("a quiet one", "few", "one")
    for name, values in fewer.draws.items():
        np.testing.assert_array_equal(values[..., 1:], alone.draws[name][..., [0, 2]])


def test_complete_pooling_knows_no_cohort_names(uneven: kw.CustomerSummary) -> None:
    other = dataclasses.replace(uneven, table=uneven.table.assign(cohort="x"))
    both = [kw.fit(s, pooling="complete", engine=Importance(400)) for s in (uneven, other)]
    for name, values in both[0].draws.items():
        assert values.shape == (1, 400, 4)
        np.testing.assert_array_equal(values[..., :1], both[1].draws[name])
        np.testing.assert_array_equal(values[..., 0], values[..., 3])


def test_a_cohort_that_never_spent_again_has_the_priors_spend(uneven: kw.CustomerSummary, alone: kw.Posterior) -> None:
    quiet = alone.cohorts.index("quiet")
    u = GAMMA_GAMMA.unconstrain({name: alone.draws[name][..., quiet] for name in "pqv"}, fit_scale(uneven, "quiet"))
    for name, prior in GAMMA_GAMMA.default_priors.items():
        white = (u[name].ravel() - prior.mean) / prior.sd
        assert stats.kstest(white, "norm").pvalue > 1e-3, name


def fit_scale(summary: kw.CustomerSummary, cohort: str) -> float:
    """What the coordinates of a cohort's spend are relative to."""
    part = compress_part(summary, GAMMA_GAMMA, Pooling.NONE, GAMMA_GAMMA.default_priors)
    return next(fit.scale for fit in part.fits if fit.label == cohort)


def test_figures_come_by_cohort_and_survive_the_file(alone: kw.Posterior, tmp_path) -> None:
    for role in ("purchase", "spend"):
        assert (alone.sample_stats[f"{role}_pareto_k"] < 0.7).all()
        assert (alone.sample_stats[f"{role}_effective"] >= DRAWS / 2).all()
        assert (alone.sample_stats[f"{role}_evaluations"] >= alone.sample_stats[f"{role}_effective"]).all()
    alone.save(tmp_path / "posterior.nc")
    read = load_posterior(tmp_path / "posterior.nc")
    assert read.engine == "importance"
    assert set(read.sample_stats) == {
        f"{role}_{name}"
        for role in ("purchase", "spend")
        for name in ("pareto_k", "effective", "evaluations", "residual")
    }
    for name, values in alone.sample_stats.items():
        assert values.shape == (4,)
        np.testing.assert_array_equal(read.sample_stats[name], values)


def test_progress_counts_cohorts_to_one(uneven: kw.CustomerSummary) -> None:
    seen: list[tuple[str, float]] = []
    kw.fit(uneven, pooling="none", engine=Importance(1000), progress=lambda text, share: seen.append((text, share)))
    shares = [0.25, 0.5, 0.75, 1.0]
    assert seen == [("fit purchase", s) for s in shares] + [("fit spend", s) for s in shares]


def test_a_hierarchy_is_refused(monthly_sample: Sample) -> None:
    with pytest.raises(UsageError, match="take engine 'auto' or 'gibbs'"):
        kw.fit(monthly_sample[0], pooling="partial", engine="importance")


def test_too_few_draws_are_refused() -> None:
    with pytest.raises(UsageError, match="15 draws are too few"):
        Importance(15)


def test_a_heavy_tail_is_refused_by_name(uneven: kw.CustomerSummary) -> None:
    with pytest.raises(
        RefusedError, match=r"purchase model, cohort few: the largest weights .* more than -1"
    ) as caught:
        kw.fit(uneven, pooling="none", engine=Importance(DRAWS, max_pareto_k=-1.0))
    assert not caught.value.reason.endswith(".")
    assert "engine = 'nuts'" in str(caught.value)


def test_too_few_effective_draws_are_refused(uneven: kw.CustomerSummary, monkeypatch: pytest.MonkeyPatch) -> None:
    """One round of points is worth a few hundred draws, and is not sold as 20,000."""
    monkeypatch.setattr(importance, "MOST_ROUNDS", 1)
    with pytest.raises(RefusedError, match=r"cohort few: .* points are worth .* draws, 20,000 were asked for"):
        kw.fit(uneven, pooling="none", engine=Importance(20_000))
