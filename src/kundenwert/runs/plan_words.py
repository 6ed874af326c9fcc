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


def who(labels: Mapping[str, int], most: int = 3) -> str:
    """For whom an action was chosen, the largest labels first.

    >>> who({"dormant": 70, "migrator": 14, "low_maintenance": 5, "most_valuable": 1})
    '70 dormant, 14 undecided, 5 low maintenance, 1 other'
    """
    ranked = sorted(labels.items(), key=lambda item: (-item[1], item[0]))
    parts = [f"{w.count(n)} {w.SEGMENT_NAMES[label].lower()}" for label, n in ranked[:most]]
    rest = sum(n for _, n in ranked[most:])
    return ", ".join([*parts, f"{w.count(rest)} {'other' if rest == 1 else 'others'}"] if rest else parts)


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
    return f"{brings}.{_spare(plan, currency)} {_more(plan, currency)}{_limits(plan, currency)}"


def _spare(plan: Mapping[str, Any], currency: str | None) -> str:
    """What of the budget is left, where it is worth a word."""
    withheld, held = plan["withheld"], sum(a["held_out"] for a in plan["actions"])
    left, parts = plan["budget"] - plan["cost"] - withheld, []
    if withheld > 0.005 * plan["budget"]:
        parts.append(f"{w.money(withheld, currency)} is not spent on the {w.plural(held, 'customer')} held out")
    if left > 0.01 * plan["budget"]:
        parts.append(f"{w.money(left, currency)} is left")
    return f" Of the budget of {w.money(plan['budget'], currency)}, {w.listed(parts)}." if parts else ""


def _more(plan: Mapping[str, Any], currency: str | None) -> str:
    unit, price = one_more(currency), plan["shadow_price"]
    if not price:
        return f"Another {unit} no longer pays."
    after = "" if plan["enough"] is None else f", and none pays after {w.money(plan['enough'], currency)}"
    return f"One more {unit} would bring {w.amount(price)}{after}."


def _limits(plan: Mapping[str, Any], currency: str | None) -> str:
    """Channels with a limit: how much of it is taken, and what one more contact would bring where all is."""
    told = []
    for one in plan["channels"]:
        use = f" {w.count(one['contacts'])} of the {w.plural(one['limit'], 'possible contact')} by {one['name']} "
        full = one["contacts"] >= one["limit"] and one["price"] > 0
        more = f"; one more would bring {w.money(one['price'], currency)}" if full else ""
        told.append(f"{use}{'is' if one['contacts'] == 1 else 'are'} planned{more}.")
    return "".join(told)


def rests_on(plan: Mapping[str, Any]) -> str:
    """What no experiment has met, empty where all has been met."""
    names = [a["name"] for a in plan["actions"] if a["assumed"]]
    if not names:
        return ""
    untested = plan["untested"] or names
    every = not plan["untested"] and len(names) == len(plan["actions"])
    which = "any of the actions" if every else w.listed(untested, "or")
    return f"Rests on assumed effects: no experiment has tested what {which} brings."
