"""A compiled log-likelihood as a PyTensor operation: what PyMC and nutpie see of the kernels.

The same kernel gives the value and its gradient, once for both. The rows are inputs like the parameters, so that one
compilation serves other data. PyTensor is imported inside the functions.
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from kundenwert.families.protocol import CompiledLikelihood

type Kernels = tuple[Callable[..., None], Callable[..., None]]


def log_likelihood(likelihood: CompiledLikelihood, theta: Mapping[str, Any], arrays: Sequence[Any]) -> Any:
    """The log-likelihood of all cohorts as a scalar PyTensor variable.

    Parameters
    ----------
    likelihood : names the kernels.
    theta : parameter -> vector over cohorts, in the order of the family's parameters.
    arrays : what stands for `likelihood.arrays`, in their order; any data of their types may be put in later.
    """
    import pytensor.tensor as pt

    return kernel_op(likelihood.kernels)(pt.stack(list(theta.values()), axis=1), *arrays)[0]


def kernel_op(kernels: Kernels, order: int = 1) -> Any:
    """The operation (theta (cohort, parameter), arrays) -> (value, gradient), and the Hessian under `order = 2`."""
    return _op_type()(kernels, order)


@cache
def _op_type() -> Any:
    from pytensor.gradient import DisconnectedType
    from pytensor.graph.basic import Apply
    from pytensor.graph.op import Op
    from pytensor.link.numba.dispatch.basic import register_funcify_and_cache_key
    from pytensor.tensor import as_tensor, dscalar, dtensor3, matrix

    class KernelLogLikelihood(Op):  # type: ignore[misc]
        __props__ = ("kernels", "order")

        def __init__(self, kernels: Kernels, order: int) -> None:
            self.kernels, self.order = kernels, order

        def __reduce__(self) -> Any:
            return kernel_op, (self.kernels, self.order)

        def make_node(self, theta: Any, *arrays: Any) -> Any:
            inputs = [as_tensor(theta), *(as_tensor(a) for a in arrays)]
            shape = inputs[0].type.shape
            outputs = [dscalar(), matrix(dtype="float64", shape=shape), dtensor3()]
            return Apply(self, inputs, outputs[: 1 + self.order])

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            theta, *arrays = inputs
            results = _evaluate(self.kernels, self.order, np.asarray(theta, dtype=np.float64), tuple(arrays))
            for storage, result in zip(output_storage, results, strict=True):
                storage[0] = result

        def infer_shape(self, node: Any, input_shapes: Any) -> Any:
            cohorts, parameters = input_shapes[0]
            return [(), (cohorts, parameters), (cohorts, parameters, parameters)][: 1 + self.order]

        def connection_pattern(self, node: Any) -> Any:
            return [[i == 0] * len(node.outputs) for i in range(len(node.inputs))]

        def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> Any:
            return [_theta_cotangent(self, inputs, outputs, cotangents), *(DisconnectedType()() for _ in inputs[1:])]

    register_funcify_and_cache_key(KernelLogLikelihood)(_for_numba)
    return KernelLogLikelihood


def _evaluate(kernels: Kernels, order: int, theta: np.ndarray, arrays: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    cohorts, parameters = theta.shape
    results = [np.empty((cohorts, *([parameters] * k))) for k in range(order + 1)]
    kernels[order - 1](arrays, theta, 0, cohorts, *results)
    return [np.asarray(results[0].sum()), *results[1:]]


def _theta_cotangent(op: Any, inputs: Any, outputs: Any, cotangents: Any) -> Any:
    """What flows back to theta. Second derivatives take the second kernel; third ones do not exist."""
    from pytensor.gradient import DisconnectedType

    connected = [not isinstance(c.type, DisconnectedType) for c in cotangents]
    if any(connected[2:]):
        raise NotImplementedError(
            "a compiled log-likelihood has two derivatives, and the third was asked for. "
            "Build the graph from family.compressed_log_likelihood(theta, rows, xp=pytensor.tensor) instead."
        )
    total = cotangents[0] * outputs[1] if connected[0] else 0.0
    if connected[1]:
        hessian = outputs[2] if op.order == 2 else kernel_op(op.kernels, order=2)(*inputs)[2]
        total = total + (hessian * cotangents[1][:, None, :]).sum(axis=2)
    return total


def _for_numba(op: Any, node: Any = None, **_: Any) -> tuple[Callable[..., Any], str]:
    """The operation as a function for other compiled code, and what PyTensor's cache on disk knows it by."""
    from pytensor.link.numba.dispatch.basic import numba_njit

    first, second = op.kernels

    def value_and_gradient(theta, *arrays):  # type: ignore[no-untyped-def]
        cohorts, parameters = theta.shape
        value, gradient = np.empty(cohorts), np.empty((cohorts, parameters))
        first(arrays, theta, 0, cohorts, value, gradient)
        return np.asarray(value.sum()), gradient

    def with_hessian(theta, *arrays):  # type: ignore[no-untyped-def]
        cohorts, parameters = theta.shape
        value, gradient = np.empty(cohorts), np.empty((cohorts, parameters))
        hessian = np.empty((cohorts, parameters, parameters))
        second(arrays, theta, 0, cohorts, value, gradient, hessian)
        return np.asarray(value.sum()), gradient, hessian

    kernel, function = (first, value_and_gradient) if op.order == 1 else (second, with_hessian)
    return numba_njit(function), _cache_key(kernel)


def _cache_key(kernel: Any) -> str:
    """A hash of a kernel's name and of the files beside its own: what it calls lies there, and may have changed."""
    files = [Path(__file__), *sorted(Path(inspect.getfile(kernel.py_func)).parent.glob("*.py"))]
    name = f"{kernel.__module__}.{kernel.__qualname__}"
    return hashlib.sha256(b"\0".join([name.encode(), *(path.read_bytes() for path in files)])).hexdigest()
