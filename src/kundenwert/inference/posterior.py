"""The posterior: parameter draws by cohort, a few hundred kilobytes, saved as netCDF and read without PyMC or ArviZ."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kundenwert.errors import RunError
from kundenwert.families import get_family
from kundenwert.inference.compression import Problem
from kundenwert.inference.frontier_draws import FrontierDraws
from kundenwert.inference.priors import BETWEEN_COHORTS
from kundenwert.names import FORMAT_VERSION, Pooling
from kundenwert.streams import stream_seed
from kundenwert.units import Currency, TimeUnit

if TYPE_CHECKING:
    import xarray as xr

PRIOR_DRAWS = 1000
NAMED_COHORTS = 20


WAY_OUT = {
    Pooling.NONE: (
        "Under pooling = 'none' nothing is known about a cohort without data. "
        "Retrain with their customers, or with pooling = 'partial'."
    ),
    Pooling.PARTIAL: (
        "Draw them from what cohorts have in common with posterior.with_cohorts(labels), "
        "or fit again with their customers."
    ),
    Pooling.COMPLETE: (
        "Give them the parameters that all cohorts share with posterior.with_cohorts(labels), "
        "or fit again with their customers."
    ),
}


@dataclass(frozen=True, repr=False)
class Posterior:
    """Draws of every parameter of every cohort.

    Parameters
    ----------
    draws : `r, alpha, a, b, p, q, v`, each (chain, draw, cohort); rates per `time_unit`, `v` in `currency`.
    cohorts : labels, in the order of the last axis.
    hyper : `mu_*` and `sd_*`, each (chain, draw); empty unless pooling is partial.
    sample_stats : the engine's own figures, by role: `purchase_diverging` and `spend_n_steps` of NUTS, (chain, draw,
        fit); `purchase_pareto_k`, `spend_effective` and the like of the others, (fit,).
    prior : draws from the prior: parameters (draw,), hyperparameters (draw,).
    scales : what coordinates are relative to, by role; used to draw a cohort that the fit has not seen.
    choices : automatic choices, in words, for the manifest.
    frontier : the draws that potential value is measured by, frozen by the first run with each cohort; None where
        nothing is frozen, as in files of earlier versions.
    """

    draws: Mapping[str, np.ndarray]
    cohorts: tuple[str, ...]
    time_unit: TimeUnit
    currency: Currency | None
    purchase_family: str
    spend_family: str
    engine: str
    pooling: Pooling
    seed: int
    hyper: Mapping[str, np.ndarray] = field(default_factory=dict)
    sample_stats: Mapping[str, np.ndarray] = field(default_factory=dict)
    prior: Mapping[str, np.ndarray] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    frontier: FrontierDraws | None = None

    @classmethod
    def assemble(
        cls,
        problem: Problem,
        draws: Mapping[str, np.ndarray],
        stats: Mapping[str, np.ndarray],
        *,
        engine: str,
        seed: int,
    ) -> "Posterior":
        """Joins an engine's draws with the problem they answer; complete pooling repeats its one vector a cohort."""
        parameters = {}
        for part in problem.parts:
            for name in part.family.parameters:
                values = np.asarray(draws[name], dtype=np.float64)
                if problem.pooling is Pooling.COMPLETE:
                    values = np.repeat(values, len(problem.cohorts), axis=-1)
                parameters[name] = values
        hyper = {k: np.asarray(v, dtype=np.float64) for k, v in draws.items() if k not in parameters}
        return cls(
            draws=parameters,
            cohorts=problem.cohorts,
            time_unit=problem.time_unit,
            currency=problem.currency,
            purchase_family=str(problem.purchase.family.name),
            spend_family=str(problem.spend.family.name),
            engine=engine,
            pooling=problem.pooling,
            seed=seed,
            hyper=hyper,
            sample_stats=dict(stats),
            prior=_prior_draws(problem, seed),
            scales={part.role: part.fits[0].scale for part in problem.parts},
        )

    @property
    def n_draws(self) -> int:
        """Draws over all chains."""
        chains, draws, _ = next(iter(self.draws.values())).shape
        return int(chains * draws)

    def thinned(self, draws: int | None = None) -> dict[str, np.ndarray]:
        """Evenly thinned draws, chains behind each other: name -> (draw, cohort)."""
        total = self.n_draws
        count = total if draws is None else min(draws, total)
        index = (np.arange(count) * total) // count
        return {name: values.reshape(total, -1)[index] for name, values in self.draws.items()}

    def cohort_codes(self, labels: Iterable[object]) -> np.ndarray:
        """The position of each label on the cohort axis, (customer,) int64.

        Raises
        ------
        RunError : labels that the posterior does not know, the first 20 by name, and what can be done about them.
        """
        position = {label: i for i, label in enumerate(self.cohorts)}
        texts = [str(label) for label in labels]
        unknown = sorted({text for text in texts if text not in position})
        if unknown:
            raise RunError(f"{_unknown(unknown)} {WAY_OUT[self.pooling]}")
        return np.fromiter((position[text] for text in texts), dtype=np.int64, count=len(texts))

    def with_cohorts(self, labels: Iterable[str]) -> "Posterior":
        """This posterior with the cohorts it lacks: hyperdistribution draws (partial), the common ones (complete).

        Raises
        ------
        RunError : pooling is none, so nothing is known about a cohort without data.
        """
        new = tuple(sorted({str(label) for label in labels} - set(self.cohorts)))
        if not new:
            return self
        if self.pooling is Pooling.NONE:
            raise RunError(f"{_unknown(new)} {WAY_OUT[self.pooling]}")
        columns = [self._new_cohort(label) for label in new]
        draws = {
            name: np.concatenate([values, np.stack([column[name] for column in columns], axis=-1)], axis=-1)
            for name, values in self.draws.items()
        }
        note = f"{len(new)} cohorts unknown to the fit were drawn: {', '.join(new[:5])}"
        return replace(self, draws=draws, cohorts=(*self.cohorts, *new), choices=(*self.choices, note))

    def _new_cohort(self, label: str) -> dict[str, np.ndarray]:
        """Draws of one cohort without data, name -> (chain, draw)."""
        if self.pooling is Pooling.COMPLETE:
            return {name: values[..., 0] for name, values in self.draws.items()}
        rng = np.random.Generator(np.random.Philox(stream_seed(self.seed, "new cohort", label)))
        theta: dict[str, np.ndarray] = {}
        for role, name in (("purchase", self.purchase_family), ("spend", self.spend_family)):
            family = get_family(name)
            u = {
                coordinate: rng.normal(self.hyper[f"mu_{coordinate}"], self.hyper[f"sd_{coordinate}"])
                for coordinate in family.coordinates
            }
            theta |= family.constrain(u, self.scales[role])
        return theta

    def to_datatree(self) -> "xr.DataTree":
        """The draws as ArviZ reads them: groups posterior, sample_stats, prior, and what is frozen of the frontier."""
        import xarray as xr

        dims = ("chain", "draw", "cohort")
        posterior: dict[str, Any] = {name: (dims, values) for name, values in self.draws.items()}
        posterior |= {name: (dims[:2], values) for name, values in self.hyper.items()}
        chains, draws, _ = next(iter(self.draws.values())).shape
        axes = {"chain": np.arange(chains), "draw": np.arange(draws)}
        by_draw = ("chain", "draw", "fit")
        stats = {name: (by_draw[3 - np.ndim(values) :], values) for name, values in self.sample_stats.items()}
        prior = {name: (("prior_draw",), values) for name, values in self.prior.items()}
        groups = {
            "posterior": xr.Dataset(posterior, coords={**axes, "cohort": list(self.cohorts)}),
            "sample_stats": xr.Dataset(stats, coords=axes),
            "prior": xr.Dataset(prior),
        }
        if self.frontier is not None:
            groups["frontier"] = self.frontier.to_dataset()
        tree = xr.DataTree.from_dict(groups)
        tree.attrs = {
            "time_unit": self.time_unit.value,
            "currency": str(self.currency) if self.currency else "",
            "purchase_family": self.purchase_family,
            "spend_family": self.spend_family,
            "family": f"{self.purchase_family} + {self.spend_family}",
            "engine": self.engine,
            "pooling": self.pooling.value,
            "seed": str(self.seed),
            "scales": json.dumps(dict(self.scales)),
            "choices": json.dumps(list(self.choices)),
            "format_version": FORMAT_VERSION,
        }
        return tree

    def save(self, path: str | Path) -> None:
        """Writes netCDF 4 through h5netcdf."""
        self.to_datatree().to_netcdf(path, engine="h5netcdf")

    def __repr__(self) -> str:
        return (
            f"<Posterior {self.purchase_family} + {self.spend_family}, {len(self.cohorts)} cohorts, "
            f"{self.pooling.value} pooling, {self.n_draws:,} draws by {self.engine}, rates per {self.time_unit.value}>"
        )

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><th scope='row'>{name}</th><td>{values.mean():.4g}</td><td>{np.quantile(values, 0.05):.4g}</td>"
            f"<td>{np.quantile(values, 0.95):.4g}</td></tr>"
            for name, values in self.draws.items()
        )
        head = "<tr><th>parameter, all cohorts</th><th>mean</th><th>5 %</th><th>95 %</th></tr>"
        return f"<p>{escape(repr(self)[1:-1])}</p><table>{head}{rows}</table>"


def _unknown(labels: Sequence[str]) -> str:
    noun = "cohort is" if len(labels) == 1 else "cohorts are"
    more = f", ... and {len(labels) - NAMED_COHORTS:,} more" if len(labels) > NAMED_COHORTS else ""
    return f"{len(labels):,} {noun} unknown to the posterior: {', '.join(labels[:NAMED_COHORTS])}{more}."


def load_posterior(path: str | Path) -> Posterior:
    """Reads what `Posterior.save` wrote; imports neither PyMC nor ArviZ.

    Raises
    ------
    RunError : no such file, or another format version.
    """
    import xarray as xr

    if not Path(path).is_file():
        raise RunError(f"there is no posterior at {path}. A finished run holds one as posterior.nc.")
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        tree.load()
        attrs = tree.attrs
        version = int(attrs.get("format_version", 0))
        if version != FORMAT_VERSION:
            raise RunError(f"{path} has format version {version}, this program reads {FORMAT_VERSION}. Retrain.")
        group = tree["posterior"].dataset
        arrays = {str(name): group[name].to_numpy() for name in group.data_vars}
        stats = {str(k): v.to_numpy() for k, v in tree["sample_stats"].dataset.data_vars.items()}
        prior = {str(k): v.to_numpy() for k, v in tree["prior"].dataset.data_vars.items()}
        cohorts = tuple(str(label) for label in group["cohort"].to_numpy())
        frontier = FrontierDraws.from_dataset(tree["frontier"].dataset) if "frontier" in tree.children else None
    return Posterior(
        draws={name: values for name, values in arrays.items() if values.ndim == 3},
        cohorts=cohorts,
        time_unit=TimeUnit(attrs["time_unit"]),
        currency=Currency(attrs["currency"]) if attrs["currency"] else None,
        purchase_family=attrs["purchase_family"],
        spend_family=attrs["spend_family"],
        engine=attrs["engine"],
        pooling=Pooling(attrs["pooling"]),
        seed=int(attrs["seed"]),
        hyper={name: values for name, values in arrays.items() if values.ndim == 2},
        sample_stats=stats,
        prior=prior,
        scales=json.loads(attrs["scales"]),
        choices=tuple(json.loads(attrs["choices"])),
        frontier=frontier,
    )


def _prior_draws(problem: Problem, seed: int) -> dict[str, np.ndarray]:
    """Independent draws from the prior of one cohort's parameters, and of the hyperparameters."""
    drawn: dict[str, np.ndarray] = {}
    for part in problem.parts:
        rng = np.random.Generator(np.random.Philox(stream_seed(seed, "prior", part.role)))
        u = {}
        for name, prior in part.priors.items():
            centre = rng.normal(prior.mean, prior.sd, PRIOR_DRAWS)
            if part.hierarchical:
                spread = rng.lognormal(BETWEEN_COHORTS.mean, BETWEEN_COHORTS.sd, PRIOR_DRAWS)
                drawn |= {f"mu_{name}": centre, f"sd_{name}": spread}
                centre = rng.normal(centre, spread)
            u[name] = centre
        drawn |= part.family.constrain(u, part.fits[0].scale)
    return drawn
