"""What is measured, on which data, by whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

REAL, SIMULATED = ("sample", "master"), ("simulated-100k", "simulated-1m")
DATASETS = (*REAL, *SIMULATED)
CUSTOMERS = {"simulated-100k": 100_000, "simulated-1m": 1_000_000}
FITS = ("fit_bgnbd", "fit_gamma_gamma")
CASES = ("summarize", "gradient", *FITS, "score")  # in this order: score loads what the fits have saved

CASE_TEXT = {
    "summarize": "from the transaction log, in memory, to one row per customer",
    "gradient": "the BG/NBD log-likelihood and its gradient, once",
    "fit_bgnbd": "BG/NBD from the customer summary",
    "fit_gamma_gamma": "Gamma-Gamma from the customer summary, customers with repeat spend",
    "score": "for all customers: purchases expected in 39 weeks, P(alive), spend expected per order, value of 9 months",
}
CASE_DATASETS = {
    "summarize": REAL,
    "gradient": ("sample", *SIMULATED),
    **dict.fromkeys(FITS, DATASETS),
    "score": REAL,
}
POINT = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}  # where gradients are taken: about the estimates on CDNOW


@dataclass(frozen=True)
class Contestant:
    """Somebody who can do some of the cases.

    Parameters
    ----------
    name : as the tables show it.
    module : of `contestants/`, run by the worker.
    environment : name of its environment and of its file in `requirements/`; also what it is asked for by.
    kind : what it gives: "summary", "gradient", "posterior" or "point". Ratios are taken only within a kind.
    cases : what it takes part in.
    method : handed to the module where it knows several.
    datasets : what it takes part on; the largest ones would take a slow one hours.
    variables : of its process's environment.
    """

    name: str
    module: str
    environment: str
    kind: str
    cases: tuple[str, ...]
    method: str = ""
    datasets: tuple[str, ...] = DATASETS
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


_OURS, _PEER, _NUTPIE, _OLD = "kundenwert", "pymc-marketing", "pymc-marketing-nutpie", "lifetimes"
_SUMMARY, _GRADIENT, _SCORED = ("summarize",), ("gradient",), (*FITS, "score")
_OURS_GRADIENT, _OURS_POSTERIOR = "kundenwert_gradient", "kundenwert_posterior"
_PEER_CLV, _PEER_GRADIENT = "pymc_marketing_clv", "pymc_marketing_gradient"
_ONE_THREAD = MappingProxyType({"OPENBLAS_NUM_THREADS": "1"})

CONTESTANTS = (
    Contestant("kundenwert", "kundenwert_ml", _OURS, "summary", _SUMMARY),
    Contestant("lifetimes", "lifetimes_point", _OLD, "summary", _SUMMARY),
    Contestant("pymc-marketing", _PEER_CLV, _PEER, "summary", _SUMMARY),
    Contestant("kundenwert, compiled likelihood", _OURS_GRADIENT, _OURS, "gradient", _GRADIENT, "kernel"),
    Contestant("kundenwert, in a pm.Model", _OURS_GRADIENT, _OURS, "gradient", _GRADIENT, "model"),
    Contestant("pymc-marketing, PyTensor's default mode", _PEER_GRADIENT, _PEER, "gradient", _GRADIENT),
    Contestant("pymc-marketing, Numba", _PEER_GRADIENT, _PEER, "gradient", _GRADIENT, "NUMBA"),
    Contestant("pymc-marketing, C", _PEER_GRADIENT, _PEER, "gradient", _GRADIENT, "CVM"),
    Contestant("kundenwert importance sampling", _OURS_POSTERIOR, _OURS, "posterior", _SCORED, "importance"),
    Contestant("kundenwert NUTS", _OURS_POSTERIOR, _OURS, "posterior", FITS, "nuts"),
    Contestant("pymc-marketing NUTS", _PEER_CLV, _PEER, "posterior", _SCORED, "mcmc", REAL),
    Contestant("pymc-marketing NUTS by nutpie", _PEER_CLV, _NUTPIE, "posterior", _SCORED, "mcmc", REAL),
    Contestant("kundenwert maximum likelihood", "kundenwert_ml", _OURS, "point", _SCORED),
    Contestant("lifetimes maximum likelihood", "lifetimes_point", _OLD, "point", _SCORED),
    Contestant("lifetimes, one BLAS thread", "lifetimes_point", _OLD, "point", FITS, variables=_ONE_THREAD),
    Contestant("pymc-marketing MAP", _PEER_CLV, _PEER, "point", _SCORED, "map", REAL),
)

ENVIRONMENTS = tuple(dict.fromkeys(one.environment for one in CONTESTANTS))


def contestants_of(case: str, dataset: str, environments: tuple[str, ...]) -> list[Contestant]:
    """Who takes part in a case on some data, of those asked for, in the order of the tables."""
    return [
        one for one in CONTESTANTS if case in one.cases and dataset in one.datasets and one.environment in environments
    ]


def reference_of(kind: str) -> str:
    """Whom ratios of a kind are taken to: ourselves."""
    return next(one.name for one in CONTESTANTS if one.kind == kind and one.environment == _OURS)
