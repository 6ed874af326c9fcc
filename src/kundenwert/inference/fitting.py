"""`fit`: a customer summary in, a posterior out; and `build_model`, the graph for a user to extend."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kundenwert.customers import CustomerSummary, as_summary
from kundenwert.errors import UsageError
from kundenwert.families import get_family
from kundenwert.families.protocol import NormalPrior, PurchaseFamily, SpendFamily
from kundenwert.inference.compression import Problem, compress
from kundenwert.inference.engines import get_engine
from kundenwert.inference.graph import problem_model
from kundenwert.inference.posterior import Posterior
from kundenwert.inference.priors import resolve_priors
from kundenwert.inference.protocol import Engine
from kundenwert.names import EngineName, FamilyName, Pooling
from kundenwert.streams import DEFAULT_SEED

if TYPE_CHECKING:
    import pymc as pm

Priors = Mapping[str, NormalPrior | Mapping[str, object]]


def fit(
    summary: CustomerSummary | Any,
    *,
    purchase: str = FamilyName.BGNBD,
    spend: str = FamilyName.GAMMA_GAMMA,
    pooling: str = Pooling.PARTIAL,
    engine: str | Engine = EngineName.AUTO,
    draws: int = 4000,
    seed: int = DEFAULT_SEED,
    purchase_priors: Priors | None = None,
    spend_priors: Priors | None = None,
    time_unit: str | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Posterior:
    """Posterior draws of a purchase and a spend model, cohort by cohort.

    Parameters
    ----------
    summary : a `CustomerSummary`, or a frame with `frequency, recency, T, monetary_value` and then `time_unit`.
    purchase, spend : family names, `bgnbd` or `mbgnbd` and `gamma_gamma`.
    pooling : `none` fits every cohort alone, `complete` all customers as one, `partial` lets cohorts share strength.
    engine : `auto`, `importance` (no hierarchy), `gibbs` (partial pooling), `nuts`, or an engine object, whose own
        draws then count: `Nuts(chains=4, tune=1000)`. `auto` takes the fast one that fits where its checks pass and
        NUTS where they do not; `Posterior.choices` says what and why.
    draws : draws over all chains, rounded to whole draws a chain.
    seed : of every random number; a cohort's stream is keyed by its name.
    purchase_priors, spend_priors : coordinate -> prior in place of a default one.
    progress : called with a text and a share between 0 and 1.

    Returns
    -------
    Posterior : draws (chain, draw, cohort) of `r, alpha, a, b` (rates per time unit) and `p, q, v` (currency).

    Raises
    ------
    UsageError : an unknown family, pooling or engine, priors of coordinates that do not exist, or too wide ones.
    DataError : a frame that breaks the contract of a summary, or customers who all spend the same.

    Source: docs/statistics.md, section Priors and pooling.

    Examples
    --------
    >>> quick = kw.Nuts(draws=200, chains=2, tune=200)
    >>> kw.fit(summary, pooling="complete", engine=quick)
    <Posterior bgnbd + gamma_gamma, 1 cohorts, complete pooling, 200 draws by nuts, rates per week>
    """
    problem = pose(
        summary,
        purchase=purchase,
        spend=spend,
        pooling=pooling,
        purchase_priors=purchase_priors,
        spend_priors=spend_priors,
        time_unit=time_unit,
    )
    chosen = get_engine(engine, draws) if isinstance(engine, str) else engine
    return chosen.sample(problem, seed, progress)


def build_model(
    summary: CustomerSummary | Any,
    *,
    purchase: str = FamilyName.BGNBD,
    spend: str = FamilyName.GAMMA_GAMMA,
    pooling: str = Pooling.PARTIAL,
    purchase_priors: Priors | None = None,
    spend_priors: Priors | None = None,
    time_unit: str | None = None,
) -> "pm.Model":
    """The `pm.Model` that `fit` samples, both families in one graph, to extend and to sample as you like.

    Parameters
    ----------
    summary, purchase, spend, pooling, purchase_priors, spend_priors, time_unit : as for `fit`. Under
        `pooling = "none"` there is one model a cohort: pass the customers of one.

    Returns
    -------
    pm.Model : coordinates with dims `cohort`, deterministics `r, alpha, a, b, p, q, v`, data as `pm.Data`.

    Raises
    ------
    UsageError : `pooling = "none"` with more than one cohort, or what `fit` calls a mistake.
    DataError : as for `fit`.

    Examples
    --------
    >>> model = kw.build_model(summary, pooling="complete")
    >>> [v.name for v in model.free_RVs][:4]
    ['log_r', 'log_alpha_over_T', 'logit_phi', 'log_kappa']
    """
    problem = pose(
        summary,
        purchase=purchase,
        spend=spend,
        pooling=pooling,
        purchase_priors=purchase_priors,
        spend_priors=spend_priors,
        time_unit=time_unit,
    )
    if len(problem.purchase.fits) > 1:
        raise UsageError(
            f"pooling = 'none' makes {len(problem.purchase.fits)} models, one a cohort. Pass the customers of one "
            "cohort, or use pooling = 'partial' or 'complete'."
        )
    return problem_model(problem)


def pose(
    summary: CustomerSummary | Any,
    *,
    purchase: str,
    spend: str,
    pooling: str,
    purchase_priors: Priors | None,
    spend_priors: Priors | None,
    time_unit: str | None,
) -> Problem:
    """The problem an engine is to solve, with names resolved and priors filled in."""
    if not isinstance(summary, CustomerSummary):
        if time_unit is None:
            raise UsageError("a plain frame does not say what its T is in. Pass time_unit='day', 'week', ...")
        summary = as_summary(summary, time_unit=time_unit)
    purchase_family, spend_family = get_family(purchase), get_family(spend)
    if not isinstance(purchase_family, PurchaseFamily):
        raise UsageError(f"{purchase!r} is not a purchase family. Use 'bgnbd' or 'mbgnbd'.")
    if not isinstance(spend_family, SpendFamily):
        raise UsageError(f"{spend!r} is not a spend family. Use 'gamma_gamma'.")
    try:
        kind = Pooling(pooling)
    except ValueError:
        raise UsageError(f"pooling {pooling!r} is not known. Use {', '.join(Pooling)}.") from None
    return compress(
        summary,
        purchase_family,
        spend_family,
        kind,
        resolve_priors(purchase_family, purchase_priors),
        resolve_priors(spend_family, spend_priors),
    )
