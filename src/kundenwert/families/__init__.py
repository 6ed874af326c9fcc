"""The algebra of each model, written once and used by likelihood, prediction and tests."""

from kundenwert.families.bgnbd import BGNBD
from kundenwert.families.gamma_gamma import GAMMA_GAMMA
from kundenwert.families.mbgnbd import MBGNBD
from kundenwert.families.protocol import Family, Individual, NormalPrior, PurchaseFamily, SpendFamily
from kundenwert.families.registry import PURCHASE_FAMILIES, SPEND_FAMILIES, get_family

__all__ = [
    "BGNBD",
    "GAMMA_GAMMA",
    "MBGNBD",
    "PURCHASE_FAMILIES",
    "SPEND_FAMILIES",
    "Family",
    "Individual",
    "NormalPrior",
    "PurchaseFamily",
    "SpendFamily",
    "get_family",
]
