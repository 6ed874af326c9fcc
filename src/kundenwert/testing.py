"""Conformance checks that a new family or engine must pass; a plug-in's own tests call them.

Each check raises `AssertionError` with what is wrong, or returns nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kundenwert.customers import CustomerSummary
from kundenwert.customers.summary import summarize
from kundenwert.families.identity import annuity
from kundenwert.families.protocol import CompiledLikelihood, Compiles, Family, PurchaseFamily, SpendFamily
from kundenwert.inference.compression import Problem, compress
from kundenwert.inference.engines import Nuts
from kundenwert.inference.posterior import Posterior
from kundenwert.inference.priors import resolve_priors
from kundenwert.inference.protocol import Engine
from kundenwert.names import Pooling
from kundenwert.simulate import simulate_customers


def check_family(family: Family, theta: Mapping[str, float], *, customers: int = 400, seed: int = 1) -> None:
    """Holds a family against its protocol at one point of its parameter space.

    Coordinates and parameters are inverse to each other; every coordinate has a prior; the compressed likelihood is
    the sum over customers, in NumPy and in PyTensor, with a finite gradient, and compiled code says the same where
    there is any; predictions, of new and of known customers, agree with the family's own simulation, and the individual
    posterior with the predictions.

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
        _spend_agrees(family, theta, rng)
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
    if isinstance(family, Compiles):
        _same_compiled(family.compiled(rows, 2), np.stack(list(vectors.values()), axis=1), total, evaluated[1:])


def _same_compiled(likelihood: CompiledLikelihood, theta: np.ndarray, total: float, slopes: list[np.ndarray]) -> None:
    """Compiled code against the plain value and gradient; its Hessian against differences of its gradient."""
    value, gradient, hessian = likelihood.derivatives(theta)
    points = theta[:, :, None] * np.array([1.0, 1.3, 0.7])
    for kind, by in (("", likelihood), ("prepared ", likelihood.prepared(0.9 * theta, 1.1 * theta))):
        values = by.values(points)
        assert np.isclose(values[:, 0].sum(), total, rtol=1e-10), (
            f"{kind}compiled values add up to {values[:, 0].sum()}"
        )
        assert np.allclose(values, likelihood.values(points), rtol=1e-10), "`prepared` changes the values"
    assert np.isclose(value.sum(), total, rtol=1e-10), f"compiled derivatives come with the value {value.sum()}"
    size = np.abs(gradient).max()
    assert np.allclose(gradient.T, slopes, rtol=1e-8, atol=1e-10 * size), "the compiled gradient is another one"
    for i, step in enumerate(1e-5 * theta[0] * np.eye(theta.shape[1])):
        up, down = (likelihood.derivatives(theta + s)[1] for s in (step, -step))
        slope = (up - down) / (2 * step[i])
        assert np.allclose(hessian[:, i], slope, rtol=1e-4, atol=1e-6 * np.abs(hessian).max()), "the Hessian is not one"
    results = np.empty(2), np.empty(theta.shape)
    likelihood.kernels[0](tuple(likelihood.arrays.values()), theta, 0, 2, *results)
    assert np.allclose(results[0], value, rtol=1e-12), "two kernels, two values"


def _predictions_agree(family: PurchaseFamily, theta: Mapping[str, float], rng: np.random.Generator) -> None:
    """New customers, and what known ones do next, against 40,000 simulated histories."""
    many, past, future = 40_000, 30.0, 20.0
    who, when = family.simulate_times(theta, np.full(many, past + future), rng)
    before = when <= past
    x = np.bincount(who[before], minlength=many)
    t_x = np.zeros(many)
    np.maximum.at(t_x, who[before], when[before])
    came = np.bincount(who[~before], minlength=many)
    _close("expected_purchases_new", x, family.expected_purchases_new(theta, past))
    for count in range(4):
        _close(f"P(X = {count})", x == count, family.purchase_distribution_new(theta, count, past))
    history = (x.astype(float), t_x, np.full(many, past))
    for name, predicted, outcome in (
        ("expected_purchases", family.expected_purchases(theta, *history, future), came),
        ("p_no_purchase", family.p_no_purchase(theta, *history, future), came == 0),
        ("purchase_distribution", family.purchase_distribution(theta, 1, *history, future), came == 1),
    ):
        _close(name, outcome - predicted, 0.0)
    few = tuple(column[:1000] for column in history)
    individual = family.individual(theta, few[0], few[1], few[2])
    p_alive = family.p_alive(theta, few[0], few[1], few[2])
    assert np.allclose(individual.p_alive, p_alive), "individual contradicts p_alive"
    shape = (1000, 1000)
    rate = rng.standard_gamma(np.broadcast_to(individual.rate_shape, shape)) / individual.rate_alive
    hazard = rate * rng.beta(*(np.broadcast_to(part, shape) for part in individual.dropout_alive))
    drawn = (individual.p_alive * rate * annuity(hazard, future)).mean(axis=1)
    _close("individual", drawn, family.expected_purchases(theta, few[0], few[1], few[2], future).mean())
    lives = np.exp(-hazard * future).mean(axis=1)
    _close("survival", lives, family.survival(theta, few[0], few[2], future).mean())


def _spend_agrees(family: SpendFamily, theta: Mapping[str, float], rng: np.random.Generator) -> None:
    """Expected spend averages to the population's mean, and is the mean of the individual posterior."""
    n = np.full(40_000, 4.0)
    zbar = family.simulate(theta, n, rng)
    expected = family.expected_spend(theta, n, n * zbar)
    if theta["q"] > 2:  # below that means have no standard error to be held against
        population = float(family.expected_spend(theta, 0.0, 0.0))
        _close("expected_spend", expected, population)
        _close("simulate", zbar, population)
    shape, rate = family.individual(theta, n[:500], n[:500] * zbar[:500])
    drawn = theta["p"] * rate / rng.standard_gamma(np.broadcast_to(shape, (2000, 500)))
    scores = (drawn.mean(axis=0) - expected[:500]) / (drawn.std(axis=0) / np.sqrt(len(drawn)))
    assert abs(scores.mean()) < 0.3, f"individual contradicts expected_spend: mean score {scores.mean():.2f}"


def _close(name: str, simulated: np.ndarray, stated: Any) -> None:
    values = np.asarray(simulated, dtype=float)
    error = values.std() / np.sqrt(values.size)
    found, wanted = float(values.mean()), float(stated)
    assert abs(found - wanted) < 4.5 * error + 1e-12, f"{name}: simulated {found:.5g}, stated {wanted:.5g}"
