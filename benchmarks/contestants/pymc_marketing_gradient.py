"""pymc-marketing's BG/NBD as PyMC samples it: its log posterior density with the gradient, as one compiled function."""

from collections.abc import Mapping
from typing import Any

import pytensor.tensor as pt
from harness.cases import POINT
from pymc.blocking import DictToArrayBijection
from pymc_marketing.clv import BetaGeoModel

from contestants.common import Prepared, block_of_calls, describe_calls, read_summary

VERSIONED = ("pymc-marketing", "pymc", "pytensor", "numba", "numpy", "pandas")


def prepare(_: str, options: Mapping[str, str]) -> Prepared:
    """Calls at one point, compiled in the mode of the method; without one in PyTensor's default."""
    marketing = BetaGeoModel()
    marketing.build_model(read_summary(options))
    model = marketing.model
    point = value_point(model)
    mode: dict[str, Any] = {"mode": options["method"]} if options["method"] else {}
    function = model.logp_dlogp_function(ravel_inputs=True, **mode)
    at = DictToArrayBijection.map(point)
    about = {"own_log_likelihood": float(model.compile_logp(vars=model.observed_RVs)(point))}
    return lambda: block_of_calls(lambda: function(at)), lambda calls: describe_calls(calls) | about


def value_point(model: Any) -> dict[str, Any]:
    """The point in the coordinates that PyMC samples, in its order. a and b are phi kappa and (1 - phi) kappa."""
    total = POINT["a"] + POINT["b"]
    named = {**POINT, "phi_dropout": POINT["a"] / total, "kappa_dropout": total}
    point = {}
    for variable in model.free_RVs:
        transform, value = model.rvs_to_transforms[variable], pt.as_tensor(named[variable.name])
        point[model.rvs_to_values[variable].name] = transform.forward(value, *variable.owner.inputs).eval()
    return point
