"""kundenwert's log-likelihood of BG/NBD with its gradient: the compiled kernel, and the same in a `pm.Model`."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from harness.cases import POINT

import kundenwert as kw
from contestants.common import Prepared, block_of_calls, describe_calls, read_summary
from contestants.kundenwert_common import posed
from kundenwert.inference.compression import Part

VERSIONED = ("kundenwert", "pymc", "pytensor", "numba", "numpy", "pandas")


def prepare(_: str, options: Mapping[str, str]) -> Prepared:
    """Calls at one point; what compressing took is told beside them."""
    summary = kw.as_summary(read_summary(options), time_unit="week")
    posed(summary, "bgnbd")  # compiles what compresses
    begin = time.perf_counter()
    part = posed(summary, "bgnbd")
    compressing = time.perf_counter() - begin
    evaluate, value = {"kernel": kernel, "model": model}[options["method"]](part)
    about = {"own_log_likelihood": value, "compressing_seconds": compressing}
    return lambda: block_of_calls(evaluate), lambda calls: describe_calls(calls) | about


def kernel(part: Part) -> tuple[Callable[[], Any], float]:
    """Value and gradient in r, alpha, a and b, in one thread."""
    likelihood = part.family.compiled(part.fits[0].rows, 1)
    arrays, function = tuple(likelihood.arrays.values()), likelihood.kernels[0]
    theta = np.array([[POINT[name] for name in part.family.parameters]])
    value, gradient = np.empty(1), np.empty(theta.shape)

    def evaluate() -> Any:
        function(arrays, theta, 0, 1, value, gradient)

    evaluate()
    return evaluate, float(value[0])


def model(part: Part) -> tuple[Callable[[], Any], float]:
    """PyMC's function of the log posterior density and its gradient in the coordinates that it samples."""
    from pymc.blocking import DictToArrayBijection

    from kundenwert.inference.graph import part_model

    fit = part.fits[0]
    graph = part_model(part, fit)
    u = {name: np.atleast_1d(value) for name, value in part.family.unconstrain(POINT, fit.scale).items()}
    function = graph.logp_dlogp_function(ravel_inputs=True)
    at = DictToArrayBijection.map({variable.name: u[variable.name] for variable in graph.value_vars})
    return lambda: function(at), float(graph.compile_logp(vars=graph.potentials)(u))
