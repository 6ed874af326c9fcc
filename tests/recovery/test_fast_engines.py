"""Ranks of the truth among draws of the fast engines, and what importance sampling would miss without wide proposals.

Talts, Betancourt, Simpson, Vehtari, Gelman (2018). Run with `uv run pytest -m long tests/recovery`.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from bases import SCALE, brute_force, density_of, part_of, simulated
from scipy import stats

from kundenwert.families import BGNBD, GAMMA_GAMMA, MBGNBD
from kundenwert.families.protocol import Family, NormalPrior
from kundenwert.inference import importance
from kundenwert.inference.density import Density, Modes, distinct_modes
from kundenwert.inference.gibbs import Gibbs
from kundenwert.inference.importance import fit_density, sample_density
from kundenwert.inference.priors import BETWEEN_COHORTS
from kundenwert.inference.proposals import Proposal

FAMILIES = pytest.mark.parametrize("family", [BGNBD, MBGNBD, GAMMA_GAMMA], ids=lambda family: family.name)
BINS, RANKS = 10, 99
Ranks = Mapping[str, list[int]]


def priors_of(family: Family) -> dict[str, NormalPrior]:
    """The default ones, narrow enough that what they simulate are shops."""
    return {name: NormalPrior(prior.mean, 0.6) for name, prior in family.default_priors.items()}


def customers_of(family: Family, u: Mapping[str, float], count: int, rng: np.random.Generator) -> tuple:
    theta = family.constrain(u, SCALE)
    if family is GAMMA_GAMMA:
        n = rng.integers(1, 4, count).astype(float)
        return n, family.simulate(theta, n, rng)
    T = np.full(count, SCALE)
    return (*family.simulate(theta, T, rng), T)


def uniform(ranks: Ranks, level: float = 1e-4) -> None:
    """Each rank histogram by itself; the level is for some twenty of them."""
    for name, found in ranks.items():
        counts = np.histogram(found, bins=BINS, range=(0, RANKS + 1))[0]
        assert stats.chisquare(counts).pvalue > level, (name, counts)


@pytest.mark.long
@FAMILIES
@pytest.mark.parametrize("customers", [30, 400])
def test_importance_ranks_are_uniform(family: Family, customers: int) -> None:
    rng, ranks, heavy = np.random.default_rng(customers), defaultdict(list), 0
    priors = priors_of(family)
    for simulation in range(1000):
        u = {name: rng.normal(prior.mean, prior.sd) for name, prior in priors.items()}
        part = replace(part_of(family, customers_of(family, u, customers, rng)), priors=priors)
        sampled = sample_density(fit_density(part, part.fits[0]), 2000, np.random.default_rng([customers, simulation]))
        heavy += sampled.pareto_k > 0.7
        for (name, truth), values in zip(u.items(), sampled.u, strict=True):
            ranks[name].append(int((values[:RANKS] < truth).sum()))
    uniform(ranks)
    assert heavy <= 30


@pytest.mark.long
@pytest.mark.parametrize("family", [BGNBD, GAMMA_GAMMA], ids=lambda family: family.name)
def test_gibbs_ranks_are_uniform(family: Family) -> None:
    """Hyperparameters and cohorts of hierarchies of five small cohorts; draws are shuffled before they rank."""
    rng, ranks = np.random.default_rng(5), defaultdict(list)
    priors, cohorts, customers = priors_of(family), 5, 40
    for simulation in range(100):
        hyper, each = {}, [{} for _ in range(cohorts)]
        for name, prior in priors.items():
            mu, sd = rng.normal(prior.mean, prior.sd), np.exp(rng.normal(BETWEEN_COHORTS.mean, BETWEEN_COHORTS.sd))
            hyper |= {f"mu_{name}": mu, f"sd_{name}": sd}
            for one in each:
                one[name] = rng.normal(mu, sd)
        bases = [customers_of(family, one, customers, rng) for one in each]
        columns = tuple(np.concatenate(c) for c in zip(*bases, strict=True))
        part = part_of(family, columns, np.repeat(np.arange(cohorts), customers), cohorts=cohorts)
        draws, _ = Gibbs(1584).sample_part(replace(part, priors=priors), simulation)
        first = family.unconstrain({name: draws[name][..., 0] for name in family.parameters}, SCALE)
        for name, truth in {**hyper, **each[0]}.items():
            values = (draws[name] if name in hyper else first[name]).ravel()
            ranks[name].append(int((rng.permutation(values)[:RANKS] < truth).sum()))
    uniform(ranks)


def only_curvature(centre: np.ndarray, precision: np.ndarray, density: Density) -> Proposal:
    """What a wide proposal would be if it knew of the mode and nothing else."""
    return Proposal(centre, np.linalg.cholesky(np.linalg.inv(precision)), 8.0)


def lower_tails(bases: int) -> tuple[np.ndarray, np.ndarray]:
    """Share of draws below the true 1 % point of mean dropout, and k, of MBG/NBD cohorts of 50 customers."""
    shares, tails = [], []
    for seed in range(bases):
        density = density_of(MBGNBD, simulated(MBGNBD, 50, np.random.default_rng(1000 * 50 + seed)))
        peaks: Modes = distinct_modes(density)
        truth = brute_force(lambda u, d=density: d.values(u[None])[0], MBGNBD.default_priors, peaks, 400_000)
        cut = truth.quantile(0.01)[2]
        for repeat in range(4):
            sampled = sample_density(density, 4000, np.random.default_rng([seed, repeat]))
            shares.append((sampled.u[2] < cut).mean())
            tails.append(sampled.pareto_k)
    return np.array(shares), np.array(tails)


@pytest.mark.long
def test_wide_proposals_see_the_tail_that_curvature_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them now and then most of the tail is missing, while k says that all is well."""
    with_wide, k = lower_tails(40)
    seen = with_wide[k < 0.7]
    assert (k < 0.7).mean() > 0.95
    assert seen.min() > 0.004
    assert abs(with_wide.mean() - 0.01) < 5 * 0.1 / np.sqrt(4000 * with_wide.size)
    monkeypatch.setattr(importance, "_widened", only_curvature)
    without, k = lower_tails(40)
    trusted = without[k < 0.7]
    assert trusted.size > 0.9 * without.size
    assert trusted.min() < 0.003
    assert np.abs(trusted - 0.01).std() > 1.2 * np.abs(with_wide - 0.01).std()
    figures = [with_wide.mean(), seen.min(), trusted.mean(), trusted.min()]  # as docs/statistics.md has them
    np.testing.assert_allclose(figures, [0.0098, 0.0045, 0.0092, 0.0015], atol=3e-4)
