"""The tables of the page, as text: money by segment, what moved, actions, and what a customer may cost."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from kundenwert.runs import plan_words
from kundenwert.runs import wording as w
from kundenwert.runs.plots.flows import NAMES
from kundenwert.runs.plots.style import Record, numbers

EXCEPTIONS = (
    "What to do follows from the label; the plan of section 6 adds actions for single customers where they pay."
)
ONCE_SHOWN = 0.20
LATEST = 24


def money_table(report: Mapping[str, Any]) -> Record:
    """Rows of the money table: text and bar lengths; both kinds of bar have one scale each."""
    currency, filled = report["currency"], [s for s in report["segments"] if s["customers"]]
    most = max((s["customers"] for s in filled), default=1)
    richest = max((abs(s["value"]) for s in filled), default=0) or 1
    planned = Counter[str]()
    for one in report["plan"]["actions"] if report["plan"] else ():
        planned.update(one.get("labels", {}))
    rows = [
        {
            "segment": s["segment"],
            "name": w.SEGMENT_NAMES[s["segment"]],
            "customers": w.count(s["customers"]),
            "people": round(100 * s["customers"] / most, 1),
            "value": w.amount(s["value"], 3),
            "range": f"{w.nine_in_ten(report['interval'])}: {w.between(s['low'], s['high'])}",
            "share": round(100 * abs(s["value"]) / richest, 1),
            "mean": w.money(s["mean"], currency),
            "room": w.money(s["room"], currency) if s["room"] else "none",
            "once": w.count(s["once"]) if s["once"] > ONCE_SHOWN * s["customers"] else "",
            "bought_once": w.count(s["once"]),
            "action": w.SEGMENT_ACTIONS[s["segment"]],
            "planned": w.count(planned[s["segment"]]) if planned[s["segment"]] else "nobody",
        }
        for s in filled
    ]
    empty = [w.SEGMENT_NAMES[s["segment"]] for s in report["segments"] if not s["customers"]]
    if not report["potential"]["below_zero_possible"]:
        empty = [name for name in empty if name != w.SEGMENT_NAMES["below_zero"]]
        note = "Nobody can be below zero here: no costs to come are counted."
    else:
        note = ""
    if empty:
        note = f"{note} {w.listed(empty)}: nobody.".strip()
    if report["base"]["no_mean"]:
        without = w.plural(report["base"]["no_mean"], "customer")
        note = f"{note} {without} without a mean value are not in the sums.".strip()
    note = f"{note} {_living(report)}".strip()
    if planned:
        note = f"{note} {EXCEPTIONS}".strip()
    note = f"{note} {objected_line(report)}".strip()
    table = numbers(
        f"Segments, {w.ahead(report['horizon'])}, {report['basis_words']}",
        [
            "Segment",
            "Customers",
            "Worth together",
            f"{w.nine_in_ten(report['interval'])} totals",
            "On average",
            "Room (assumption)",
        ],
        [
            [
                w.SEGMENT_NAMES[s["segment"]],
                w.count(s["customers"]),
                w.money(s["value"], currency, 4),
                w.between(s["low"], s["high"], 4),
                w.money(s["mean"], currency, 4),
                w.money(s["room"], currency, 4),
            ]
            for s in filled
        ],
    )
    return {"rows": rows, "empty": note, "numbers": table, "planned": bool(planned)}


def _living(report: Mapping[str, Any]) -> str:
    """What else a dormant customer may be, empty where all are more likely gone than not."""
    dormant = next(s for s in report["segments"] if s["segment"] == "dormant")
    living, below = dormant.get("living", 0), dormant.get("doubtful", 0)
    if not living:
        return ""
    why = ", most of whom may cost more than they bring" if 2 * below > living else ""
    return f"Of the dormant, {w.plural(living, 'is', 'are')} probably still customers{why}."


def then_table(report: Mapping[str, Any]) -> Record | None:
    """Customers and money by segment, in the run before and now."""
    if not report["then"]:
        return None
    before = {s["segment"]: s for s in report["then"]}
    currency = report["currency"]
    rows = [
        [
            w.SEGMENT_NAMES[s["segment"]],
            w.count(before[s["segment"]]["customers"]),
            w.count(s["customers"]),
            w.money(before[s["segment"]]["value"], currency, 4),
            w.money(s["value"], currency, 4),
        ]
        for s in report["segments"]
        if s["customers"] or before[s["segment"]]["customers"]
    ]
    since = w.date(report["change"]["since"])
    columns = ["Segment", f"Customers on {since}", "Customers now", f"Worth on {since}", "Worth now"]
    return numbers(f"Segments on {since} and now, {report['basis']}", columns, rows)


def movers_table(report: Mapping[str, Any]) -> Record | None:
    """The largest changes of value among those whose label changed, None where there are none."""
    flows = report["charts"].get("flows")
    if not flows or not flows["movers"]:
        return None
    currency, day = report["currency"], w.date(flows["since"])
    rows = [
        {
            "id": one["id"],
            "before": one["before"],
            "after": one["after"],
            "names": (NAMES[one["before"]], NAMES[one["after"]]),
            "worth": (w.money(one["value_before"], currency), w.money(one["value_after"], currency)),
            "why": one["why"],
        }
        for one in flows["movers"]
    ]
    return {"since": day, "rows": rows}


def actions_table(report: Mapping[str, Any]) -> list[Record]:
    """One row an action, the largest gain first: to whom, at what cost, for what gain, and who is held out."""
    currency = report["currency"]
    planned = report["plan"]["actions"] if report["plan"] else []
    return [
        {
            "name": one["name"],
            "who": plan_words.who(one.get("labels", {})),
            "customers": w.count(one["customers"]),
            "held_out": f"{w.count(one['held_out'])} ({w.percent(one['held_out'] / max(one['customers'], 1))})",
            "cost": w.money(one["cost"], currency, 4),
            "gain": w.money(one["gain"]["mean"], currency, 4),
            "range": w.between(one["gain"]["low"], one["gain"]["high"]),
            "chance": w.tenths(one["chance"]),
            "rests": "assumed effects" if one["assumed"] else "an experiment",
            "assumed": one["assumed"],
        }
        for one in sorted(planned, key=lambda one: -one["gain"]["mean"])
    ]


def break_even_table(report: Mapping[str, Any]) -> Record | None:
    """The most that winning a customer may cost, by cohort, the latest where there are many."""
    given = report["break_even"]
    if not given:
        return None
    currency, shown = report["currency"], given[-LATEST:]
    priced = any(one["cost"] is not None for one in shown)
    rows = [
        [
            one["cohort"],
            w.money(one["value"]["mean"], currency),
            w.between(one["value"]["low"], one["value"]["high"]),
            w.money(one["cautious"], currency),
            *([_worth_it(one, currency)] if priced else []),
        ]
        for one in shown
    ]
    more = f", the latest {len(shown)} of {len(given)}" if len(given) > len(shown) else ""
    columns = [
        "Cohort",
        "At most, on average",
        f"{w.nine_in_ten(report['interval'])} sure",
        "At most, to be 8 of 10 sure",
        *(["It cost on average"] if priced else []),
    ]
    caption = f"What winning a customer may cost, {w.ahead(report['horizon'])}, {report['basis']}{more}"
    return numbers(caption, columns, rows)


def _worth_it(one: Mapping[str, Any], currency: str | None) -> str:
    if one["cost"] is None:
        return "not known"
    cost = w.money(one["cost"], currency)
    if one["cost"] > one["value"]["mean"]:
        return f"{cost}: too much"
    return cost if one["cost"] <= one["cautious"] else f"{cost}: a risk"


def rooms_line(report: Mapping[str, Any]) -> str:
    """The room of each basis side by side, empty where there is only one; bases are never averaged."""
    if len(report["rooms"]) < 2:
        return ""
    currency = report["currency"]
    parts = [
        f"{w.BASIS_NAMES[one['basis']]} {w.money(one['room'], currency)}" + (" (used here)" if one["used"] else "")
        for one in report["rooms"]
    ]
    told = f"All room together, by what it rests on: {w.listed(parts)}. They answer different questions; no average."
    if not report["beyond_wallet"]:
        return told
    who = w.plural(report["beyond_wallet"], "customer")
    return f"{told} For {who} the actions promise more than the wallet leaves room for."


def objected_line(report: Mapping[str, Any]) -> str:
    """How many customers are counted and not named, empty where nobody objected."""
    if not report["objected"]:
        return ""
    return f"{w.plural(report['objected'], 'customer')} objected: in the total, in no list."


def complaints_line(report: Mapping[str, Any]) -> str:
    """What an open complaint keeps from happening, empty where there is none."""
    if not report["complaints"]:
        return ""
    have = "1 customer has" if report["complaints"] == 1 else f"{w.count(report['complaints'])} customers have"
    return f"{have} an open complaint: nothing is sold to them, and nobody of them is called below zero."


def origin_words(origin: str) -> str:
    """Where an assumption comes from, for a reader who knows no spec."""
    return {"given": "given, still a judgement", "default": "our default", "absent": "not given"}[origin]
