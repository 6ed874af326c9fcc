"""Conformance checks that a new family or engine must pass; a plug-in's own tests call them.

Each check raises `AssertionError` with what is wrong, or returns nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kundenwert.customers import CustomerSummary
from kundenwert.customers.summary import summarize
from kundenwert.families.protocol import Family, PurchaseFamily, SpendFamily
from kundenwert.inference.compression import Problem, compress
from kundenwert.inference.engines import Engine, Nuts
from kundenwert.inference.posterior import Posterior
from kundenwert.inference.priors import resolve_priors
from kundenwert.names import Pooling
from kundenwert.simulate import simulate_customers


def check_family(family: Family, theta: Mapping[str, float], *, customers: int = 400, seed: int = 1) -> None:
    """Holds a family against its protocol at one point of its parameter space.

    Coordinates and parameters are inverse to each other; every coordinate has a prior; the compressed likelihood is
    the sum over customers, in NumPy and in PyTensor, with a finite gradient; a purchase family's predictions agree
    with its own simulation.

    Parameters
    ----------
    family : what is to be checked.
    theta : parameters, by name.
    customers : how many are simulated.
    """
    assert set(theta) == set(family.parameters), f"theta must name {family.parameters}"
    assert set(family.default_priors) == set(family.coordinates), "every coordinate needs one default prior"
    u = family.unconstrain(theta, 2.0)
    back = family.constrain(u, 2.0)
    for name, value in theta.items():
        assert np.allclose(back[name], value, rtol=1e-10), f"constrain(unconstrain) moves {name}: {back[name]}"
    rng = np.random.default_rng(seed)
    if isinstance(family, PurchaseFamily):
        T = rng.uniform(5.0, 50.0, customers)
        x, t_x = family.simulate(theta, T, rng)
        _same_likelihood(family, theta, family.log_likelihood(theta, x, t_x, T), (x, t_x, T))
        _predictions_agree(family, theta, rng)
    elif isinstance(family, SpendFamily):
        n = rng.integers(1, 12, customers).astype(float)
        zbar = family.simulate(theta, n, rng)
        _same_likelihood(family, theta, family.log_likelihood(theta, n, zbar), (n, zbar))
        expected = family.expected_spend(theta, n, n * zbar)
        assert np.all(np.isfinite(expected) | np.isnan(expected)), "expected_spend is infinite"
    else:
        raise AssertionError(f"{family!r} is neither a purchase nor a spend family")


def check_engine(
    engine_of: Callable[[int], Engine], *, customers: int = 2000, draws: int = 4000, seed: int = 1
) -> None:
    """Holds an engine against known truth and against long NUTS, on one simulated base.

    Parameters
    ----------
    engine_of : number of draws -> engine.
    customers : in the simulated base.
    draws : asked of the engine.

    Notes
    -----
    Every parameter's posterior mean must lie within 4 posterior standard deviations of the truth, and within 0.2 of
    those of long NUTS; the ratio of the standard deviations must lie between 0.85 and 1.15. These limits allow for
    Monte Carlo error; an engine's own tests should be stricter.
    """
    base = simulate_customers(customers, seed=seed)
    summary = summarize(
        base.transactions,
        customer="customer_id",
        time="date",
        amount="spend",
        cohort="all",
        observation_end=base.observation_end,
    )
    problem = default_problem(summary)
    posterior = engine_of(draws).sample(problem, seed, None)
    reference = Nuts(draws=4 * draws).sample(problem, seed + 1, None)
    assert isinstance(posterior, Posterior)
    for name, truth in base.parameters["all"].items():
        ours, theirs = np.log(posterior.draws[name]), np.log(reference.draws[name])
        assert ours.ndim == 3, f"{name} must have the axes chain, draw, cohort, not {ours.shape}"
        assert abs(ours.mean() - np.log(truth)) < 4 * theirs.std(), f"{name}: {np.exp(ours.mean()):.4g} for {truth}"
        shift = abs(ours.mean() - theirs.mean()) / theirs.std()
        assert shift < 0.2, f"{name}: mean {shift:.2f} standard deviations from long NUTS"
        ratio = ours.std() / theirs.std()
        assert 0.85 < ratio < 1.15, f"{name}: standard deviation {ratio:.2f} times that of long NUTS"


def default_problem(summary: CustomerSummary, pooling: Pooling = Pooling.COMPLETE) -> Problem:
    """The problem that a summary poses with BG/NBD, Gamma-Gamma and default priors."""
    from kundenwert.families import BGNBD, GAMMA_GAMMA

    return compress(
        summary, BGNBD, GAMMA_GAMMA, pooling, resolve_priors(BGNBD, None), resolve_priors(GAMMA_GAMMA, None)
    )


def _same_likelihood(
    family: Any, theta: Mapping[str, float], by_customer: np.ndarray, columns: tuple[np.ndarray, ...]
) -> None:
    import pytensor
    import pytensor.tensor as pt

    half = np.arange(len(by_customer)) % 2
    rows = family.compress(*columns, half, 2)
    vectors = {name: np.full(2, value) for name, value in theta.items()}
    total = float(by_customer.sum())
    compressed = float(family.compressed_log_likelihood(vectors, rows))
    assert np.isclose(compressed, total, rtol=1e-10), f"compressed likelihood {compressed}, by customer {total}"
    inputs = {name: pt.dvector(name) for name in theta}
    graph = family.compressed_log_likelihood(inputs, {k: pt.as_tensor(v) for k, v in rows.items()}, xp=pt)
    gradients = pytensor.grad(graph, list(inputs.values()))
    function = pytensor.function(list(inputs.values()), [graph, *gradients], mode="FAST_COMPILE")
    evaluated = function(*vectors.values())
    assert np.isclose(evaluated[0], total, rtol=1e-10), f"PyTensor says {evaluated[0]}, NumPy {total}"
    assert all(np.isfinite(g).all() for g in evaluated[1:]), "the gradient is not finite"


def _predictions_agree(family: PurchaseFamily, theta: Mapping[str, float], rng: np.random.Generator) -> None:
    """Expected purchases of new customers, and their distribution, against 40,000 simulated ones."""
    many, span = 40_000, 30.0
    x, _ = family.simulate(theta, np.full(many, span), rng)
    expected = float(family.expected_purchases_new(theta, span))
    error = x.std() / np.sqrt(many)
    assert abs(x.mean() - expected) < 4.5 * error, f"simulated {x.mean():.4f}, expected {expected:.4f}"
    for count in range(4):
        p = float(family.purchase_distribution_new(theta, count, span))
        share = float((x == count).mean())
        assert abs(share - p) < 4.5 * np.sqrt(p * (1 - p) / many), f"P(X = {count}): simulated {share}, stated {p}"
