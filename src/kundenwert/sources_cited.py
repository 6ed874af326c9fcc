"""`cite`: the papers that a model rests on."""

from kundenwert.errors import UsageError
from kundenwert.names import FamilyName
from kundenwert.spec import ModelSpec

_PAPERS = {
    FamilyName.BGNBD: (
        'Fader, Hardie, Lee (2005): "Counting Your Customers" the Easy Way: An Alternative to the Pareto/NBD Model. '
        "Marketing Science 24(2).",
    ),
    FamilyName.MBGNBD: (
        "Batislam, Denizel, Filiztekin (2007): Empirical validation and comparison of models for customer base "
        "analysis. International Journal of Research in Marketing 24(3).",
        "Hoppe, Wagner (2007): Customer Base Analysis: The Case for a Central Variant of the Betageometric/NBD Model. "
        "Marketing - Journal of Research and Management 3(2).",
    ),
    FamilyName.GAMMA_GAMMA: (
        "Fader, Hardie (2013): The Gamma-Gamma Model of Monetary Value.",
        "Fader, Hardie, Lee (2005): RFM and CLV: Using Iso-Value Curves for Customer Base Analysis. "
        "Journal of Marketing Research 42(4).",
    ),
}
_ALWAYS = (
    "Hoffman, Gelman (2014): The No-U-Turn Sampler. Journal of Machine Learning Research 15.",
    "Vehtari, Gelman, Simpson, Carpenter, Buerkner (2021): Rank-Normalization, Folding, and Localization: An Improved "
    "R-hat. Bayesian Analysis 16(2).",
    "Vehtari, Simpson, Gelman, Yao, Gabry (2024): Pareto Smoothed Importance Sampling. Journal of Machine Learning "
    "Research 25.",
    "Papaspiliopoulos, Roberts, Skold (2007): A General Framework for the Parametrization of Hierarchical Models. "
    "Statistical Science 22(1).",
    "Peppers, Rogers (2017): Managing Customer Experience and Relationships. Wiley.",
)


def cite(spec: ModelSpec | None = None, *, families: tuple[str, ...] = ("bgnbd", "gamma_gamma")) -> tuple[str, ...]:
    """The papers behind a spec, or behind families by name.

    Raises
    ------
    UsageError : a family without an entry.

    >>> len(cite(families=("mbgnbd",)))
    7
    """
    names = families if spec is None else (spec.purchase.family, spec.spend.family)
    unknown = [name for name in names if name not in _PAPERS]
    if unknown:
        raise UsageError(f"no paper is known for family {unknown[0]!r}. Cite what its package says.")
    return (*(paper for name in names for paper in _PAPERS[FamilyName(name)]), *_ALWAYS)
