"""Starts of NUTS chains: where the graph thinks they are, near the mode, and further apart than the posterior."""

import numpy as np
import pytest
from bases import part_of, simulated

import kundenwert as kw
from kundenwert.families import BGNBD, GAMMA_GAMMA, MBGNBD
from kundenwert.inference.graph import part_model
from kundenwert.inference.importance import fit_density
from kundenwert.inference.starts import spread_starts

SEEDS = range(40)
FAMILIES = pytest.mark.parametrize("family", [BGNBD, MBGNBD, GAMMA_GAMMA], ids=lambda family: family.name)


def base(family, cohorts):
    rng = np.random.default_rng(5)
    each = [simulated(family, 1500, rng) for _ in range(cohorts)]
    columns = tuple(np.concatenate(column) for column in zip(*each, strict=True))
    return part_of(family, columns, np.repeat(np.arange(cohorts), 1500), cohorts=cohorts)


def named(model, flat):
    """The flat start as the point that PyMC knows, in the order of its own variables."""
    sizes = [int(np.prod(value.shape)) for value in model.initial_point().values()]
    pieces = np.split(flat, np.cumsum(sizes)[:-1])
    shapes = [(name, value.shape) for name, value in model.initial_point().items()]
    assert sum(sizes) == flat.size
    assert [name for name, _ in shapes] == [value.name for value in model.value_vars]
    return {name: piece.reshape(shape) for (name, shape), piece in zip(shapes, pieces, strict=True)}


@FAMILIES
def test_one_fit_starts_where_the_graph_has_the_same_density(family):
    part = base(family, 1)
    model, density = part_model(part, part.fits[0]), fit_density(part, part.fits[0])
    log_density, start = model.compile_logp(), spread_starts(part, part.fits[0])
    starts = [start(seed) for seed in SEEDS]
    ours = density.values(np.stack(starts, axis=1)[None])[0]
    graph = np.array([float(log_density(named(model, one))) for one in starts])
    np.testing.assert_allclose(graph - graph[0], ours - ours[0], rtol=1e-9, atol=1e-6)


@FAMILIES
def test_a_hierarchy_starts_around_its_posterior(family):
    part = base(family, 5)
    model = part_model(part, part.fits[0])
    draws, _ = kw.Gibbs(draws=800).sample_part(part, seed=1)
    start = spread_starts(part, part.fits[0])
    seen = {name: [] for name in draws}
    for seed in SEEDS:
        point = named(model, start(seed))
        cohorts = family.constrain({name: point[name] for name in family.coordinates}, part.fits[0].scale)
        found = {name: np.log(values) for name, values in cohorts.items()}
        found |= {f"mu_{name}": point[f"mu_{name}"] for name in family.coordinates}
        found |= {f"sd_{name}": np.exp(point[f"sd_{name}_log__"]) for name in family.coordinates}
        for name, values in seen.items():
            values.append(found[name])
    for name, values in seen.items():
        posterior = np.log(draws[name]) if draws[name].ndim == 3 else draws[name]
        away = (np.median(values, axis=0) - posterior.mean(axis=(0, 1))) / posterior.std(axis=(0, 1))
        assert np.abs(away).max() < 3.0, name  # a mode is not a mean; another order of variables is 10 and more away


@pytest.mark.parametrize("family", [BGNBD, GAMMA_GAMMA], ids=lambda family: family.name)
def test_starts_are_further_apart_than_the_posterior(family):
    part = base(family, 1)
    draws, _ = kw.Importance(draws=2000).sample_part(part, seed=1)
    start = spread_starts(part, part.fits[0])
    starts = np.stack([start(seed) for seed in range(400)], axis=1)
    found = family.constrain(dict(zip(family.coordinates, starts, strict=True)), part.fits[0].scale)
    for name in family.parameters:
        assert 1.6 < np.log(found[name]).std() / np.log(draws[name]).std() < 2.6, name


@pytest.mark.parametrize("family", [BGNBD, GAMMA_GAMMA], ids=lambda family: family.name)
def test_hyperparameters_of_a_hierarchy_start_further_apart_too(family):
    part = base(family, 5)
    model = part_model(part, part.fits[0])
    draws, _ = kw.Gibbs(draws=1600).sample_part(part, seed=1)
    start = spread_starts(part, part.fits[0])
    points = [named(model, start(seed)) for seed in range(200)]
    for name in family.coordinates:
        assert np.std([point[f"mu_{name}"] for point in points]) > draws[f"mu_{name}"].std(), name
        spread = np.std([point[f"sd_{name}_log__"] for point in points])
        assert spread > np.log(draws[f"sd_{name}"]).std(), name
