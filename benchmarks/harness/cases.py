"""What is measured, on which data, by whom."""

from dataclasses import dataclass

DATASETS = ("sample", "master")
CASES = ("summarize", "fit_bgnbd", "fit_gamma_gamma", "score")  # in this order: score loads what the fits have saved

CASE_TEXT = {
    "summarize": "from the transaction log, in memory, to one row per customer",
    "fit_bgnbd": "BG/NBD from the customer summary",
    "fit_gamma_gamma": "Gamma-Gamma from the customer summary, customers with repeat spend",
    "score": "for all customers: purchases expected in 39 weeks, P(alive), spend expected per order, value of 9 months",
}


@dataclass(frozen=True)
class Contestant:
    """Somebody who can do some of the cases.

    Parameters
    ----------
    name : as the tables show it.
    module : of `contestants/`, run by the worker.
    environment : name of its environment and of its file in `requirements/`; also what it is asked for by.
    kind : what it gives: "summary", "posterior" or "point". Ratios are taken only within a kind.
    method : handed to the module where it knows several.
    """

    name: str
    module: str
    environment: str
    kind: str
    method: str = ""

    @property
    def cases(self) -> tuple[str, ...]:
        """What it can do."""
        return CASES[:1] if self.kind == "summary" else CASES[1:]


_OURS, _PEER, _OLD = "kundenwert", "pymc-marketing", "lifetimes"

CONTESTANTS = (
    Contestant("kundenwert", "kundenwert_ml", _OURS, "summary"),
    Contestant("lifetimes", "lifetimes_point", _OLD, "summary"),
    Contestant("pymc-marketing", "pymc_marketing_clv", _PEER, "summary"),
    Contestant("kundenwert NUTS", "kundenwert_nuts", _OURS, "posterior"),
    Contestant("pymc-marketing NUTS", "pymc_marketing_clv", _PEER, "posterior", "mcmc"),
    Contestant("pymc-marketing NUTS by nutpie", "pymc_marketing_clv", "pymc-marketing-nutpie", "posterior", "mcmc"),
    Contestant("kundenwert maximum likelihood", "kundenwert_ml", _OURS, "point"),
    Contestant("lifetimes maximum likelihood", "lifetimes_point", _OLD, "point"),
    Contestant("pymc-marketing MAP", "pymc_marketing_clv", _PEER, "point", "map"),
)

ENVIRONMENTS = tuple(dict.fromkeys(one.environment for one in CONTESTANTS))


def contestants_of(case: str, environments: tuple[str, ...]) -> list[Contestant]:
    """Who takes part in a case, of those asked for, in the order of the tables."""
    return [one for one in CONTESTANTS if case in one.cases and one.environment in environments]


def reference_of(kind: str) -> str:
    """Whom ratios of a kind are taken to: ourselves."""
    return next(one.name for one in CONTESTANTS if one.kind == kind and one.environment == _OURS)
