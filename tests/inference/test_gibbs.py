"""Partial pooling by blocks: exact where the truth is known, NUTS's posterior elsewhere, and what it refuses."""

import dataclasses
import re
from collections.abc import Iterator

import numpy as np
import pytest
from bases import part_of, simulated, two_moded
from scipy import signal, stats

import kundenwert as kw
from kundenwert.errors import UsageError
from kundenwert.families import BGNBD, MBGNBD
from kundenwert.inference import gibbs
from kundenwert.inference.compression import Part
from kundenwert.inference.gibbs import Gibbs, correlation_time, split_rhat
from kundenwert.inference.hierarchy import Sampler
from kundenwert.inference.importance import fit_density
from kundenwert.inference.priors import BETWEEN_COHORTS
from kundenwert.inference.protocol import RefusedError
from kundenwert.inference.small_matrices import by_cohort, cholesky, solved_lower, solved_upper, times_upper

Sample = tuple[kw.CustomerSummary, kw.Holdout]


def ess(values: np.ndarray) -> float:
    from arviz_stats.base import array_stats

    return float(array_stats.ess(values, method="bulk"))


def hierarchy_of(family, sizes: list[int], seed: int = 1) -> Part:
    """Cohorts that were simulated one by one; size 0 leaves a cohort empty."""
    bases = [simulated(family, size, np.random.default_rng([seed, i])) for i, size in enumerate(sizes)]
    columns = tuple(np.concatenate(c) for c in zip(*bases, strict=True))
    return part_of(family, columns, np.repeat(np.arange(len(sizes)), sizes), cohorts=len(sizes))


def follows(values: np.ndarray, cdf) -> None:
    """Draws (chain, draw) against a known distribution, thinned to what are independent draws."""
    independent = ess(values)
    kept = values.ravel()[:: max(1, int(np.ceil(2 * values.size / independent)))]
    assert kept.size > 500
    assert stats.kstest(kept, cdf).pvalue > 1e-3


@pytest.fixture(scope="module")
def uninformed() -> tuple[Part, dict[str, np.ndarray]]:
    """Twelve cohorts of customers who were watched for no time: all that is drawn must follow the prior."""
    nobody = (np.zeros(24), np.zeros(24), np.zeros(24))
    part = part_of(BGNBD, nobody, np.arange(24) // 2, cohorts=12)
    return part, Gibbs(16_000).sample_part(part, 1)[0]


def test_without_data_hyperparameters_follow_their_prior(uninformed) -> None:
    part, draws = uninformed
    for name, prior in part.priors.items():
        follows(draws[f"mu_{name}"], stats.norm(prior.mean, prior.sd).cdf)
        follows(np.log(draws[f"sd_{name}"]), stats.norm(BETWEEN_COHORTS.mean, BETWEEN_COHORTS.sd).cdf)


def test_without_data_cohorts_follow_their_hyperparameters(uninformed) -> None:
    """Standardised by their own hyperparameters, cohorts are standard normal and independent of both."""
    part, draws = uninformed
    theta = {name: draws[name] for name in BGNBD.parameters}
    u = BGNBD.unconstrain(theta, part.fits[0].scale)
    for name, values in u.items():
        mu, sd = draws[f"mu_{name}"][..., None], draws[f"sd_{name}"][..., None]
        z = (values - mu) / sd
        for cohort in (0, 5, 11):
            follows(z[..., cohort], stats.norm.cdf)
        error = 1 / np.sqrt(min(ess(z[..., 0]), ess(mu[..., 0]), ess(sd[..., 0])))
        for known in (mu, np.log(sd)):
            assert abs(np.corrcoef(z[..., 0].ravel(), known.ravel())[0, 1]) < 5 * error
            assert abs(np.corrcoef(z[..., 0].ravel() ** 2, known.ravel())[0, 1]) < 5 * error
        assert abs(np.corrcoef(z[..., 0].ravel(), z[..., 1].ravel())[0, 1]) < 5 * error


@pytest.fixture(scope="module")
def monthly_gibbs(monthly_sample: Sample) -> kw.Posterior:
    return kw.fit(monthly_sample[0], pooling="partial", engine=Gibbs(4800))


@pytest.fixture(scope="module")
def monthly_nuts(monthly_sample: Sample) -> kw.Posterior:
    return kw.fit(monthly_sample[0], pooling="partial", engine=kw.Nuts(2000))


def quantities(posterior: kw.Posterior) -> Iterator[tuple[str, np.ndarray]]:
    """Logarithms of parameters by cohort and hyperparameters, (chain, draw)."""
    for name, values in posterior.draws.items():
        shifted = values - 1.0 if name == "q" else values
        for index, cohort in enumerate(posterior.cohorts):
            yield f"{name}, {cohort}", np.log(shifted[..., index])
    for name, values in posterior.hyper.items():
        yield name, np.log(values) if name.startswith("sd_") else values


def test_the_posterior_is_that_of_nuts(monthly_gibbs: kw.Posterior, monthly_nuts: kw.Posterior) -> None:
    """Three cohorts of CDNOW; every figure within 4.5 standard errors of both engines together, of some 140 figures."""
    theirs = dict(quantities(monthly_nuts))
    assert set(monthly_gibbs.hyper) == set(monthly_nuts.hyper)
    for name, ours in quantities(monthly_gibbs):
        other = theirs[name]
        centre = other.mean()
        for one, two in ((ours, other), ((ours - centre) ** 2, (other - centre) ** 2)):
            error = np.hypot(one.std() / np.sqrt(ess(one)), two.std() / np.sqrt(ess(two)))
            assert abs(one.mean() - two.mean()) < 4.5 * error, name
        for share in (0.05, 0.95):
            cut = np.quantile(other, share)
            error = np.sqrt(share * (1 - share) * (1 / ess((ours < cut) * 1.0) + 1 / ess((other < cut) * 1.0)))
            assert abs((ours < cut).mean() - share) < 4.5 * error, name


def test_joint_moves_are_those_of_nuts(monthly_gibbs: kw.Posterior, monthly_nuts: kw.Posterior) -> None:
    """Correlations between cohorts, and of cohorts with hyperparameters, not only margins."""

    def table(posterior: kw.Posterior) -> tuple[np.ndarray, float]:
        names = [v for n, v in quantities(posterior) if n[:3] in ("r, ", "alp", "mu_", "sd_") or n[:2] in ("a,", "b,")]
        return np.corrcoef([v.ravel() for v in names]), min(ess(v) for v in names)

    (ours, n), (theirs, m) = table(monthly_gibbs), table(monthly_nuts)
    assert np.abs(np.arctanh(0.999 * ours) - np.arctanh(0.999 * theirs)).max() < 6.0 * np.sqrt(1 / n + 1 / m)


def test_what_a_run_looks_like(monthly_gibbs: kw.Posterior) -> None:
    assert all(values.shape == (16, 300, 3) for values in monthly_gibbs.draws.values())
    assert all(values.shape == (16, 300) for values in monthly_gibbs.hyper.values())
    assert all(ess(values) > 1000 for _, values in quantities(monthly_gibbs))
    for role in ("purchase", "spend"):
        assert 0.3 < monthly_gibbs.sample_stats[f"{role}_acceptance_cohort"][0] <= 1
        assert 0.1 < monthly_gibbs.sample_stats[f"{role}_acceptance_joint"][0] <= 1
        assert monthly_gibbs.sample_stats[f"{role}_thin"][0] >= 1


def test_a_cohort_without_repeats_stays_near_the_others() -> None:
    """Nobody came back, and one cohort has no customer: its draws are new cohorts of the hierarchy."""
    columns = [simulated(BGNBD, n, np.random.default_rng([1, i])) for i, n in enumerate([150, 150, 60])]
    x, t_x, T = (np.concatenate(c) for c in zip(*columns, strict=True))
    quiet = np.arange(360) >= 300
    x, t_x = np.where(quiet, 0, x), np.where(quiet, 0.0, t_x)
    part = part_of(BGNBD, (x, t_x, T), np.repeat(np.arange(3), [150, 150, 60]), cohorts=4)
    draws, _ = Gibbs(3200).sample_part(part, 1)
    assert all(np.isfinite(values).all() for values in draws.values())
    u = BGNBD.unconstrain({name: draws[name] for name in BGNBD.parameters}, part.fits[0].scale)
    for name, values in u.items():
        follows((values[..., 3] - draws[f"mu_{name}"]) / draws[f"sd_{name}"], stats.norm.cdf)
    rate = (draws["r"] / draws["alpha"]).mean(axis=(0, 1))
    assert rate[2] < rate[:2].min()


def test_one_cohort_is_a_hierarchy_too() -> None:
    """With one cohort u, mu and sd are only known together: u has the prior that mu and sd make, by quadrature."""
    columns = simulated(BGNBD, 400, np.random.default_rng(3))
    part = part_of(BGNBD, columns)
    draws, _ = Gibbs(8000).sample_part(dataclasses.replace(part, hierarchical=True), 1)
    rng = np.random.default_rng(4)
    spread = np.exp(rng.normal(BETWEEN_COHORTS.mean, BETWEEN_COHORTS.sd, (4, 4000)))
    variance = np.array([p.sd**2 for p in part.priors.values()])[:, None] + spread**2
    density = fit_density(part, part.fits[0])
    u = np.stack(list(BGNBD.unconstrain({k: draws[k].ravel() for k in BGNBD.parameters}, part.fits[0].scale).values()))

    # importance weights from the draws under the normal prior alone to the scale mixture, by the same likelihood
    from kundenwert.inference.importance import sample_density

    wide = dataclasses.replace(density, precision=1.0 / variance.mean(axis=1)[None])
    plain = sample_density(wide, 20_000, rng).u
    away = plain - density.mean[0][:, None]
    log_weight = np.zeros(plain.shape[1])
    for row, v, precision in zip(away, variance, wide.precision[0], strict=True):
        mixture = np.exp(-0.5 * row[:, None] ** 2 / v) / np.sqrt(v)
        log_weight += np.log(mixture.mean(axis=1)) + 0.5 * precision * row**2
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    mean = plain @ weight
    sd = np.sqrt((plain - mean[:, None]) ** 2 @ weight)
    n = min(ess(row.reshape(16, -1)) for row in u)
    assert np.abs((u.mean(axis=1) - mean) / sd).max() < 5 * np.sqrt(1 / n + (weight @ weight))
    assert np.abs(np.log(u.std(axis=1) / sd)).max() < 5 * np.sqrt(1 / n + (weight @ weight))


def test_two_modes_are_refused() -> None:
    halves = part_of(MBGNBD, two_moded(), np.arange(200) % 2, cohorts=2)
    with pytest.raises(RefusedError, match="purchase model: all cohorts as one have two modes"):
        Gibbs(1000).sample_part(halves, 1)


def test_hardly_accepted_moves_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gibbs, "LEAST_ACCEPTED", 1.0)
    with pytest.raises(RefusedError) as caught:
        Gibbs(1000).sample_part(hierarchy_of(BGNBD, [60, 60]), 1)
    assert re.search(r"a cohort accepts 0\.\d{3} of its moves, less than 1$", caught.value.reason)


def test_chains_that_hang_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gibbs, "LONGEST_TIME", 0.0)
    monkeypatch.setattr(gibbs, "LONGEST_THIN", 2)
    with pytest.raises(RefusedError, match="draws 2 sweeps apart still hang together"):
        Gibbs(4000).sample_part(hierarchy_of(BGNBD, [60, 60]), 1)


def test_what_is_no_hierarchy_is_refused(sample: Sample) -> None:
    with pytest.raises(UsageError, match="samples hierarchies"):
        kw.fit(sample[0], pooling="complete", engine="gibbs")


@pytest.mark.parametrize(("draws", "chains"), [(1000, 1), (12, 4), (7, None)])
def test_too_few_chains_or_draws_are_refused(draws: int, chains: int | None) -> None:
    with pytest.raises(UsageError, match="Take"):
        Gibbs(draws, chains)


def test_same_seed_same_draws_other_seed_others(monthly_sample: Sample) -> None:
    """Whatever the order of the rows and the names of the customers."""
    summary, engine = monthly_sample[0], Gibbs(320, chains=4)
    table = summary.table.sample(frac=1.0, random_state=1)
    shuffled = dataclasses.replace(summary, table=table.assign(customer_id=[f"{i:05}" for i in range(len(table))]))
    first, second, other = (
        kw.fit(s, pooling="partial", engine=engine, seed=seed)
        for s, seed in ((summary, 1), (shuffled, 1), (summary, 2))
    )
    for name, values in {**first.draws, **first.hyper}.items():
        again, fresh = (p.draws[name] if name in p.draws else p.hyper[name] for p in (second, other))
        assert values.shape[:2] == (4, 80)
        np.testing.assert_array_equal(values, again)
        assert not np.array_equal(values, fresh)


def test_progress_ends_at_one(monthly_sample: Sample) -> None:
    seen: dict[str, list[float]] = {}
    kw.fit(
        monthly_sample[0],
        pooling="partial",
        engine=Gibbs(400, chains=8),
        progress=lambda text, share: seen.setdefault(text, []).append(share),
    )
    assert list(seen) == ["fit purchase", "fit spend"]
    for shares in seen.values():
        assert shares[-1] == 1.0
        assert all(0 < share <= 1 for share in shares)


def autoregressive(phi: float, sweeps: int, chains: int, seed: int) -> np.ndarray:
    """(sweep, 1, chain) of variance 1."""
    noise = np.random.default_rng(seed).standard_normal((sweeps + 500, chains)) * np.sqrt(1 - phi**2)
    return signal.lfilter([1.0], [1.0, -phi], noise, axis=0)[500:, None]


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, -0.4])
def test_the_correlation_time_of_an_autoregression_is_known(phi: float) -> None:
    """(1 + phi) / (1 - phi); the worst of several quantities is what counts."""
    found = correlation_time(autoregressive(phi, 4000, 16, 1))
    assert found == pytest.approx((1 + phi) / (1 - phi), rel=0.08)
    both = np.concatenate([autoregressive(phi, 4000, 16, 1), autoregressive(0.95, 4000, 16, 2)], axis=1)
    assert correlation_time(both) == pytest.approx(39.0, rel=0.12)


def test_rhat_is_that_of_arviz() -> None:
    from arviz_stats.base import array_stats

    trace = autoregressive(0.8, 400, 6, 3) + 0.3 * np.arange(6)
    theirs = float(array_stats.rhat(trace[:, 0].T, method="split"))
    assert split_rhat(trace) == pytest.approx(theirs, rel=1e-9)
    assert split_rhat(np.concatenate([trace, autoregressive(0.0, 400, 6, 4)], axis=1)) == split_rhat(trace)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_small_matrices_are_those_of_lapack(size: int) -> None:
    rng = np.random.default_rng(size)
    root = rng.standard_normal((5, 7, size, size + 2))
    matrices, right = root @ root.swapaxes(2, 3), rng.standard_normal((5, 7, size))
    packed, vector = np.moveaxis(matrices, (2, 3), (0, 1)), np.moveaxis(right, 2, 0)
    lower = np.linalg.cholesky(matrices)
    factor = cholesky(packed)
    np.testing.assert_allclose(np.moveaxis(factor, (0, 1), (2, 3)), lower, rtol=1e-10, atol=1e-12)
    upper = lower.swapaxes(2, 3)
    for ours, wanted in (
        (solved_lower(factor, vector), np.linalg.solve(lower, right[..., None])[..., 0]),
        (solved_upper(factor, vector), np.linalg.solve(upper, right[..., None])[..., 0]),
        (times_upper(factor, vector), (upper @ right[..., None])[..., 0]),
    ):
        np.testing.assert_allclose(np.moveaxis(ours, 0, 2), wanted, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(by_cohort(by_cohort(vector)), vector)


def test_a_state_knows_its_own_likelihood() -> None:
    """After moves that some chains made and others did not."""
    part = hierarchy_of(BGNBD, [200, 50])
    sampler = Sampler.prepared(fit_density(part, part.fits[0]), np.random.default_rng(1))
    state = sampler.start(6)
    for _ in range(5):
        state, own, joint = sampler.sweep(state, 0.3)
        assert own.shape == (2,)
        assert joint.shape == (6,)
        np.testing.assert_allclose(state.log_likelihood, sampler.density.log_likelihood(state.u), rtol=1e-12)
