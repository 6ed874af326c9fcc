"""What contestants that are kundenwert share."""

from typing import Any

import kundenwert as kw
from kundenwert.families import get_family
from kundenwert.inference.compression import Part, compress_part
from kundenwert.inference.graph import fit_data, part_model
from kundenwert.inference.priors import resolve_priors
from kundenwert.names import Pooling

_COMPILED: dict[str, Any] = {}


def posed(summary: kw.CustomerSummary, name: str, pooling: Pooling = Pooling.COMPLETE) -> Part:
    """One family's part of the problem that `kw.fit` poses, with default priors: rows compressed for its likelihood."""
    family = get_family(name)
    return compress_part(summary, family, pooling, resolve_priors(family, None))


def nuts_draws(part: Part, settings: kw.Nuts, seed: int) -> dict[str, Any]:
    """Draws of one family without a hierarchy, (chain, draw) each, by nutpie on the model of `kw.build_model`.

    As `kw.Nuts` does for two families: compiled once, data put in anew, the step size tuned to accept 80 %.
    """
    import nutpie

    names = list(part.family.parameters)
    model = _COMPILED.get(part.family.name)
    if model is None:
        model = nutpie.compile_pymc_model(part_model(part, part.fits[0]), var_names=names)
        _COMPILED[part.family.name] = model
    tree = nutpie.sample(
        model.with_data(**fit_data(part, part.fits[0])),
        draws=settings.draws // settings.chains,
        tune=settings.tune,
        chains=settings.chains,
        cores=settings.chains,
        seed=seed,
        target_accept=0.8,
        progress_bar=False,
    )
    return {name: tree["posterior"][name].to_numpy()[..., 0] for name in names}
