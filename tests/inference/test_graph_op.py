"""The kernel inside PyTensor: one operation with value and gradient, whose data are inputs."""

import dataclasses
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest

import kundenwert as kw
from kundenwert.families import BGNBD, GAMMA_GAMMA, MBGNBD
from kundenwert.families.protocol import Compiles
from kundenwert.inference.compression import Fit, Part, Problem
from kundenwert.inference.graph import fit_data, part_model
from kundenwert.inference.graph_op import kernel_op, log_likelihood
from kundenwert.names import Pooling
from kundenwert.testing import default_problem

COHORTS = 3
THETA = {
    "bgnbd": np.array([[0.2, 4.0, 0.8, 2.4], [0.5, 1e-3, 1.0, 1e5], [200.0, 9.0, 3.0, 0.1]]),
    "gamma_gamma": np.array([[6.0, 3.7, 15.0], [1.0, 0.4, 1e3], [100.0, 20.0, 0.1]]),
}
THETA["mbgnbd"] = THETA["bgnbd"]
FAMILIES = [BGNBD, MBGNBD, GAMMA_GAMMA]


def likelihood_of(family: Any, seed: int, customers: int = 200) -> tuple[Any, dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    cohort = rng.integers(0, COHORTS, customers)
    if family is GAMMA_GAMMA:
        n = rng.poisson(1.0, customers)
        columns = (n, rng.gamma(3.0, 10.0, customers).round(1) + 0.1)
    else:
        T, x = rng.integers(1, 280, customers) / 7, rng.poisson(0.7, customers)
        columns = (x, np.where(x > 0, np.ceil(rng.random(customers) * T * 7) / 7, 0.0), T)
    rows = family.compress(*columns, cohort, COHORTS)
    return family.compiled(rows, COHORTS), rows


def symbols(family: Any, likelihood: Any) -> tuple[dict[str, Any], list[Any]]:
    theta = {name: pt.dvector(name) for name in family.parameters}
    return theta, [pt.tensor(name, dtype=a.dtype, shape=(None,)) for name, a in likelihood.arrays.items()]


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "NUMBA"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_one_operation_gives_value_and_gradient_of_any_data(family: Any, mode: str) -> None:
    likelihood, _ = likelihood_of(family, 1)
    theta, arrays = symbols(family, likelihood)
    total = log_likelihood(likelihood, theta, arrays)
    function = pytensor.function(
        [*theta.values(), *arrays], [total, *pytensor.grad(total, list(theta.values()))], mode=mode
    )
    nodes = [node for node in function.maker.fgraph.toposort() if node.op == kernel_op(likelihood.kernels)]
    assert len(nodes) == 1
    vectors = dict(zip(family.parameters, THETA[family.name].T, strict=True))
    for seed, customers in ((1, 200), (2, 350)):
        likelihood, rows = likelihood_of(family, seed, customers)
        value, *gradient = function(*vectors.values(), *likelihood.arrays.values())
        assert value == pytest.approx(family.compressed_log_likelihood(vectors, rows), rel=1e-12)
        np.testing.assert_allclose(gradient, likelihood.derivatives(THETA[family.name])[1].T, rtol=1e-12)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_the_plain_graph_has_the_same_gradient(family: Any) -> None:
    likelihood, rows = likelihood_of(family, 3)
    theta = {name: pt.dvector(name) for name in family.parameters}
    plain = family.compressed_log_likelihood(theta, {k: pt.as_tensor(v) for k, v in rows.items()}, xp=pt)
    gradient = pytensor.function(list(theta.values()), pytensor.grad(plain, list(theta.values())), mode="FAST_COMPILE")
    np.testing.assert_allclose(gradient(*THETA[family.name].T), likelihood.derivatives(THETA[family.name])[1].T, 1e-9)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "NUMBA"])
def test_second_derivatives(mode: str) -> None:
    likelihood, _ = likelihood_of(GAMMA_GAMMA, 1)
    theta, arrays = pt.dmatrix("theta"), [pt.as_tensor(a) for a in likelihood.arrays.values()]
    value, slope = kernel_op(likelihood.kernels)(theta, *arrays)
    direction = pt.dmatrix("direction")
    both = pytensor.grad((direction * slope).sum() + 2.0 * value, theta)
    function = pytensor.function([theta, direction], [both, pytensor.grad(slope[:, 1].sum(), theta)], mode=mode)
    along = np.arange(9.0).reshape(COHORTS, 3)
    _, gradient, hessian = likelihood.derivatives(THETA["gamma_gamma"])
    got, one = function(THETA["gamma_gamma"], along)
    np.testing.assert_allclose(got, np.einsum("cij,cj->ci", hessian, along) + 2.0 * gradient, rtol=1e-10)
    np.testing.assert_allclose(one, hessian[:, 1], rtol=1e-10)


def test_third_derivatives_are_refused() -> None:
    likelihood, _ = likelihood_of(BGNBD, 1)
    theta, arrays = pt.dmatrix("theta"), [pt.as_tensor(a) for a in likelihood.arrays.values()]
    slope = kernel_op(likelihood.kernels)(theta, *arrays)[1]
    curve = pytensor.grad(slope[0, 0], theta)
    with pytest.raises(NotImplementedError, match="two derivatives"):
        pytensor.grad(curve[0, 0], theta)


def test_data_have_no_gradient() -> None:
    likelihood, _ = likelihood_of(BGNBD, 1)
    theta, arrays = symbols(BGNBD, likelihood)
    with pytest.raises(pytensor.gradient.DisconnectedInputError):
        pytensor.grad(log_likelihood(likelihood, theta, arrays), arrays[0])


def test_an_operation_survives_pickling() -> None:
    """PyMC sends its functions to other processes."""
    operation = kernel_op(likelihood_of(BGNBD, 1)[0].kernels)
    assert pickle.loads(pickle.dumps(operation)) == operation
    assert operation != kernel_op(operation.kernels, order=2)


@pytest.mark.parametrize("bad", [0.0, np.inf, np.nan])
def test_parameters_that_are_none_have_no_likelihood(bad: float) -> None:
    likelihood, _ = likelihood_of(BGNBD, 1)
    theta, arrays = symbols(BGNBD, likelihood)
    function = pytensor.function([*theta.values(), *arrays], log_likelihood(likelihood, theta, arrays))
    vectors = THETA["bgnbd"].copy()
    vectors[1, 2] = bad
    assert not np.isfinite(function(*vectors.T, *likelihood.arrays.values()))


# --- models


@dataclasses.dataclass(frozen=True)
class Plain:
    """A family of another package: the same model, and no compiled code."""

    inner: Any

    def __getattr__(self, name: str) -> Any:
        if name in ("compiled", "inner") or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.inner, name)


def problem_of(summary: kw.CustomerSummary, pooling: Pooling) -> Problem:
    return default_problem(summary, pooling)


def at(model: pm.Model, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: value + 0.1 * rng.normal(size=value.shape) for name, value in model.initial_point().items()}


@pytest.mark.parametrize("pooling", [Pooling.COMPLETE, Pooling.PARTIAL])
def test_a_model_with_the_kernel_is_the_model_without(
    monthly_sample: tuple[kw.CustomerSummary, kw.Holdout], pooling: Pooling
) -> None:
    for part in problem_of(monthly_sample[0], pooling).parts:
        other = dataclasses.replace(part, family=Plain(part.family))
        assert isinstance(part.family, Compiles)
        assert not isinstance(other.family, Compiles)
        with_kernel, without = (part_model(p, p.fits[0]) for p in (part, other))
        assert set(with_kernel.named_vars) & set(without.named_vars) >= set(part.family.parameters)
        point = at(with_kernel)
        for compiled in ("compile_logp", "compile_dlogp"):
            got, wanted = (getattr(m, compiled)(mode="FAST_COMPILE")(point) for m in (with_kernel, without))
            np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-9)


def test_data_can_be_swapped_in_a_model(monthly_sample: tuple[kw.CustomerSummary, kw.Holdout]) -> None:
    part = problem_of(monthly_sample[0], Pooling.NONE).purchase
    first, second = part.fits[:2]
    model, other = part_model(part, first), part_model(part, second)
    point = at(model)
    value = model.compile_logp(mode="FAST_COMPILE")
    before = value(point)
    with model:
        pm.set_data(dict(fit_data(part, second)))
    assert value(point) == pytest.approx(other.compile_logp(mode="FAST_COMPILE")(point), rel=1e-12)
    assert value(point) != before


def test_pymc_takes_the_model(monthly_sample: tuple[kw.CustomerSummary, kw.Holdout]) -> None:
    """Its own sampler and its Hessian run on the operation."""
    part = problem_of(monthly_sample[0], Pooling.COMPLETE).spend
    model = part_model(part, part.fits[0])
    with model:
        tree = pm.sample(
            draws=200,
            tune=200,
            chains=2,
            cores=1,
            nuts_sampler="pymc",
            compile_kwargs={"mode": "FAST_COMPILE"},
            random_seed=1,
            progressbar=False,
            compute_convergence_checks=False,
        )
    draws = np.stack([tree["posterior"][value.name].to_numpy().ravel() for value in model.value_vars])
    point = {value.name: np.array([mean]) for value, mean in zip(model.value_vars, draws.mean(axis=1), strict=True)}
    curvature = -model.compile_d2logp(mode="FAST_COMPILE", negate_output=False)(point)
    slope, step = model.compile_dlogp(mode="FAST_COMPILE"), 1e-4
    for row, name in zip(curvature, point, strict=True):
        up, down = (slope({**point, name: point[name] + h}) for h in (step, -step))
        np.testing.assert_allclose(row, (down - up) / (2 * step), rtol=1e-5, atol=1e-4)
    sd = np.sqrt(np.diag(np.linalg.inv(curvature)))
    assert np.all((draws.std(axis=1) > 0.6 * sd) & (draws.std(axis=1) < 2.0 * sd))


def test_a_family_without_compiled_code_is_sampled_on_its_graph(
    monthly_sample: tuple[kw.CustomerSummary, kw.Holdout],
) -> None:
    part = problem_of(monthly_sample[0], Pooling.COMPLETE).spend
    fit: Fit = part.fits[0]
    other: Part = dataclasses.replace(part, family=Plain(part.family))
    data: Mapping[str, np.ndarray] = fit_data(other, fit)
    assert set(data) == {"spend_scale", *(f"spend_{name}" for name in fit.rows)}
    assert {v.name for v in part_model(other, fit).data_vars} == set(data)
