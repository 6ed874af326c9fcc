"""The families by name: the built-in ones, and those that other packages register as entry points."""

from importlib.metadata import entry_points
from typing import Final

from kundenwert.errors import UsageError, did_you_mean
from kundenwert.families.bgnbd import BGNBD
from kundenwert.families.gamma_gamma import GAMMA_GAMMA
from kundenwert.families.mbgnbd import MBGNBD
from kundenwert.families.protocol import PurchaseFamily, SpendFamily

ENTRY_POINT_GROUP: Final = "kundenwert.families"
PURCHASE_FAMILIES: Final[dict[str, PurchaseFamily]] = {"bgnbd": BGNBD, "mbgnbd": MBGNBD}
SPEND_FAMILIES: Final[dict[str, SpendFamily]] = {"gamma_gamma": GAMMA_GAMMA}


def get_family(name: str) -> PurchaseFamily | SpendFamily:
    """The family of that name; unknown names are looked up among the entry points of `kundenwert.families`.

    Raises
    ------
    UsageError : no such family, or what an entry point names is not one.

    >>> get_family("bgnbd").parameters
    ('r', 'alpha', 'a', 'b')
    """
    built_in: dict[str, PurchaseFamily | SpendFamily] = {**PURCHASE_FAMILIES, **SPEND_FAMILIES}
    if name in built_in:
        return built_in[name]
    registered = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in registered:
        known = sorted({*built_in, *registered})
        raise UsageError(f"family {name!r} is not known.{did_you_mean(name, known)} Known are {', '.join(known)}.")
    family = registered[name].load()
    if not isinstance(family, PurchaseFamily | SpendFamily):
        raise UsageError(
            f"entry point {registered[name].value!r} of group {ENTRY_POINT_GROUP!r} is not a family: "
            "it lacks methods of the protocol in kundenwert.families.protocol."
        )
    return family
