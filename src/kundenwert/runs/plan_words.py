"""What section 6 says of a plan."""

from collections.abc import Mapping
from typing import Any

from kundenwert.runs import wording as w

ONE_MORE = {"EUR": "euro", "USD": "dollar", "GBP": "pound", "CHF": "franc"}
NOBODY = "No action is expected to bring more than it costs, so nobody gets one."


def one_more(currency: str | None) -> str:
    """The word for one unit of a currency.

    >>> one_more("EUR"), one_more(None)
    ('euro', 'unit of money')
    """
    return ONE_MORE.get(currency or "", "unit of money")


def answer(plan: Mapping[str, Any], currency: str | None) -> str:
    """What the plan costs, brings and risks, and whether more money would bring more."""
    if not plan["actions"]:
        return NOBODY
    treated = sum(a["customers"] - a["held_out"] for a in plan["actions"])
    gain = w.money(plan["gain"]["mean"], currency)
    brings = (
        f"{w.money(plan['cost'], currency)} on {w.plural(treated, 'customer')} is expected to return {gain} on top of "
        f"what it costs; chance of a loss: {w.chance(plan['loss_chance'])}"
    )
    if plan["budget"] is None:
        return (
            f"No budget was given, so customers do not compete for money: every action that pays is listed. {brings}."
        )
    return f"{brings}.{_spare(plan, currency)} {_more(plan, currency)}"


def _spare(plan: Mapping[str, Any], currency: str | None) -> str:
    """What of the budget is left, where it is worth a word."""
    left = plan["budget"] - plan["cost"]
    if left <= 0.01 * plan["budget"]:
        return ""
    return f" Of the budget of {w.money(plan['budget'], currency)}, {w.money(left, currency)} is left."


def _more(plan: Mapping[str, Any], currency: str | None) -> str:
    unit, price = one_more(currency), plan["shadow_price"]
    if not price:
        return f"Another {unit} no longer pays."
    after = "" if plan["enough"] is None else f", and none pays after {w.money(plan['enough'], currency)}"
    return f"One more {unit} would bring {w.amount(price)}{after}."


def rests_on(plan: Mapping[str, Any]) -> str:
    """Whose effects no experiment has met, empty where all have."""
    names = [a["name"] for a in plan["actions"] if a["assumed"]]
    if not names:
        return ""
    which = "every action" if len(names) == len(plan["actions"]) else w.listed(names)
    return f"Rests on assumed effects: no experiment has tested what {which} brings."
