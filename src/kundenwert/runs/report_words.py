"""The sentences of the report, computed from its numbers, and the glossary that explains its terms."""

from collections.abc import Mapping, Sequence
from typing import Any

from kundenwert.runs import wording as w

MONEY_WORDS = {"EUR": "euros", "USD": "dollars", "GBP": "pounds", "CHF": "francs"}
MIRROR = (
    "Potential here mostly mirrors actual value: customers worth little have room to grow by definition. "
    "It does not say who will grow."
)
NO_ACTIONS = "No actions declared in the spec, so no recommendation."
LEVER_LINES = (
    "[[levers]]",
    'name = "win-back mail"',
    'effect = {on = "reactivation", mean = 0.03, sd = 0.02}',
    "cost_per_contact = 0.60",
)
FIRST_RUN = "First run, nothing to compare with."
NO_FIGURES = "No figures are in use yet."

GLOSSARY: tuple[tuple[str, str, str, str], ...] = (
    (
        "actual",
        "Actual value",
        "What a customer will bring on average within the horizon, discounted; for example 72 over 3 years.",
        "actual_value",
    ),
    (
        "potential",
        "Potential value",
        "Actual value plus room: what the customer could be worth under the declared assumption.",
        "potential_value",
    ),
    (
        "room",
        "Room (unrealized value)",
        "Potential less actual value, an assumption: a distance to what good customers of the same cohort bring.",
        "unrealized_value",
    ),
    ("realized", "Realized value", "What the customer has brought so far, counted from the orders.", "realized_value"),
    (
        "again",
        "Chance of ordering again",
        "Of 10 customers like this one, how many order within the stated time; for example 7 of 10.",
        "1 - churn_probability",
    ),
    (
        "silent",
        "No order within the time stated (churn)",
        "The chance of no order at all until the stated day; it can be checked against what happens.",
        "churn_probability",
    ),
    (
        "alive",
        "Possibly inactive",
        "The model's chance that a customer is still a customer; for those who bought once it cannot tell.",
        "p_alive",
    ),
    ("mvc", "Most valuable", "Brings much and has little room; keep.", "most_valuable"),
    ("sgc", "Super growth", "Brings much and could bring more.", "super_growth"),
    ("mgc", "Most growable", "Brings little today and has much room; test what helps.", "most_growable"),
    ("lm", "Low maintenance", "Brings little, has little room, costs little.", "low_maintenance"),
    ("bz", "Below zero", "Costs more than it brings at today's terms; check the costs first.", "below_zero"),
    ("dorm", "Dormant", "Most likely no longer a customer.", "dormant"),
    ("undecided", "Undecided", "Any label would too often be the wrong one; wait at low cost.", "migrator"),
    ("borderline", "Borderline", "Close to another label, but waiting would not tell more.", "status = borderline"),
    ("cohort", "Cohort", "Customers won in the same period or channel; each has its own parameters.", "cohort"),
    ("holdout", "Holdout", "Weeks that were kept from the model to see whether its promises come true.", "holdout"),
    (
        "nine",
        "9 in 10",
        "How sure a figure is: of 10 such totals (or customers) 9 fall inside the range.",
        "actual_value_low, actual_value_high",
    ),
    ("assumption", "Assumption", "Not learned from the orders; drawn with a dashed outline.", "potential_basis"),
    (
        "basis",
        "Revenue or contribution",
        "Revenue is what customers pay; contribution is what is left of it after the margin and costs given.",
        "value_basis",
    ),
    (
        "discount",
        "Discounting",
        "Money that comes later counts less: at 10 % a year, 110 next year is 100.",
        "discount_rate",
    ),
    ("payback", "Payback", "When a customer has brought back what it cost to win.", "payback_time"),
    ("run", "Run, champion", "A run is one night's result; the champion is the run whose figures are in use.", "run"),
)


def headline(report: Mapping[str, Any]) -> dict[str, Any]:
    """The verdict in words: the lead, the body, and for REVIEW and FAIL what the findings say."""
    findings = report["checks"]["findings"]
    verdict = report["verdict"]
    worst = [f for f in findings if f["verdict"] == verdict and verdict != "PASS"]
    if verdict == "FAIL":
        return {
            "lead": "FAIL: the figures of this run are not in use.",
            "body": "",
            "points": [],
            "failure": _failure(report, worst),
        }
    if verdict == "REVIEW":
        points = [_point(f) for f in worst]
        many = "one thing" if len(points) == 1 else f"{len(points)} things"
        return {
            "lead": f"REVIEW, {many} to know before you use the figures.",
            "body": "",
            "points": points,
            "failure": None,
        }
    return {"lead": "PASS, one thing to know.", "body": weakness(report), "points": [], "failure": None}


def weakness(report: Mapping[str, Any]) -> str:
    """The largest known weakness of a run that passed: a missed forecast, then a missing test, then a note."""
    total = report["charts"]["tracking"]["total"] if report["charts"].get("tracking") else None
    if total is None:
        return "No weeks were held out, so nothing shows yet whether these figures come true."
    told = (
        f"The model expected {w.count(total['expected'])} repeat orders in "
        f"{w.plural(total['weeks'], 'held-out week')}; "
        f"{w.count(total['came'])} came ({w.too_few(total['expected'], total['came'])})."
    )
    if not total["inside"]:
        low = total["expected"] < total["came"]
        return f"{told} Values below are more likely too {'low than too high' if low else 'high than too low'}."
    notes = [f for f in report["checks"]["findings"] if f["affects"]]
    if notes:
        return f"{told} But {notes[0]['measured']}: {notes[0]['affects']}."
    return f"{told} That is one test of the orders; what customers could be worth remains an assumption."


def _point(finding: Mapping[str, Any]) -> str:
    moves = finding["affects"] or "every figure rests on less than it should"
    return f"{_sentence(finding['name'])}: {finding['measured']} (limit: {finding['limit']}). For the figures: {moves}."


def _failure(report: Mapping[str, Any], worst: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    first = worst[0] if worst else {"measured": "a check failed", "limit": "", "cause": "", "next_step": "", "name": ""}
    more = f" {w.plural(len(worst) - 1, 'more finding')} in section 7." if len(worst) > 1 else ""
    limit = f" (limit: {first['limit']})" if first["limit"] else ""
    name = f"{_sentence(first['name'])}: " if first["name"] else ""
    champion = report["champion"]
    in_use = (
        f"Run of {w.date(champion['as_of'])} ({champion['verdict']}): its numbers are shown below, dated."
        if champion
        else "Nothing yet: the next run that does not fail becomes champion."
    )
    return {
        "what": f"{name}{first['measured']}{limit}.{more}",
        "why": first["cause"] or "The checks name no cause; the chart below shows where it happens.",
        "next": f"1 {first['next_step'] or 'Look at the orders of the last weeks.'}  2 kundenwert validate SPEC",
        "in_use": in_use,
    }


def money_answer(base: Mapping[str, Any], currency: str | None) -> str:
    """How concentrated value is: the share of customers who carry seven tenths of it."""
    if base["carry"] is None:
        return "No customer brings more than it costs, so there is no value to divide."
    parts = f"7 of 10 {MONEY_WORDS[currency]}" if currency in MONEY_WORDS else "7 tenths of the value"
    return f"{_capital(w.chance(base['carry']))} customers carry {parts}."


def heavy_tail(base: Mapping[str, Any], currency: str | None) -> str:
    """Median and mean once, side by side: the average customer is rarer than readers think."""
    return (
        f"Half of all customers bring less than {w.money(base['median'], currency)}; "
        f"the average is {w.money(base['mean'], currency)}."
    )


def tiles(report: Mapping[str, Any]) -> list[dict[str, str]]:
    """The four numbers of the first screen, at most three significant digits each."""
    b, currency = report["base"], report["currency"]
    sure = w.nine_in_ten(report["interval"])
    silent, undecided = b["orders_again"], b["undecided"]
    change = report["change"] or {}
    assumed = f"assumption: {report['potential']['words']}"
    return [
        {
            "name": "The base is worth",
            "figure": w.money(b["value"], currency),
            "of": "",
            "range": f"{sure}: {w.between(b['low'], b['high'])}",
            "change": change.get("value", ""),
            "kind": "estimated",
        },
        {
            "name": "It could be worth",
            "figure": f"+{w.NBSP}{w.money(b['room'], currency)}" if b["room"] else "no more",
            "of": "",
            "range": assumed,
            "change": "",
            "kind": "assumed",
        },
        {
            "name": f"Will order by {w.date(report['churn_by'])}",
            "figure": w.chance(silent["share"]),
            "of": "customers",
            "range": f"{w.rough(silent['mean'])} ({sure}: {w.rough(silent['low'])} to {w.rough(silent['high'])})",
            "change": change.get("orders_again", ""),
            "kind": "estimated",
        },
        {
            "name": "Too early to label",
            "figure": w.chance(undecided["share"]) if undecided["customers"] else "nobody",
            "of": "customers" if undecided["customers"] else "",
            "range": f"{w.rough(undecided['customers'])}, holding {w.percent(undecided['money_share'])} of value",
            "change": change.get("undecided", ""),
            "kind": "estimated",
        },
    ]


def changes(report: Mapping[str, Any], previous: Mapping[str, Any]) -> dict[str, Any]:
    """What moved since the run that is in use, with noise called noise."""
    now, then = report["base"], previous["base"]
    day, currency = w.day_month(previous["as_of"]), report["currency"]
    gap = round(now["value"] - then["value"], 2)
    spread = max(now["high"] - now["low"], then["high"] - then["low"], 0.0) / 2
    noise = abs(gap) <= spread
    new = now["customers"] - then["customers"]
    moved = f"{w.money(abs(gap), currency)} {'more' if gap > 0 else 'less'} than" if gap else "as much as"
    told = f"{moved} on {w.date(previous['as_of'])}" + (", which is noise" if gap and noise else "")
    tile = w.signed(w.amount(gap)) if gap else "unchanged"
    return {
        "since": previous["as_of"],
        "run": previous["run_id"],
        "gap": gap,
        "noise": noise,
        "new": new,
        "value": f"{tile}: noise" if gap and noise else f"{tile} vs {day}",
        "orders_again": f"{w.signed(w.rough(now['orders_again']['mean'] - then['orders_again']['mean']))} vs {day}",
        "undecided": f"{w.signed(w.count(now['undecided']['customers'] - then['undecided']['customers']))} vs {day}",
        "sentence": f"The base is worth {told}; {w.plural(max(new, 0), 'new customer')}.",
    }


def basis_words(basis: str, margin: float | None) -> str:
    """What the figures are: revenue, or contribution and after which margin."""
    if basis == "revenue":
        return "revenue, no margin given"
    return (
        f"contribution after {w.percent(margin)} margin"
        if margin is not None
        else "contribution after each one's own margin"
    )


def potential_words(quantile: float, attainable: float, scale: float) -> str:
    """The basis of potential in words, as the tile and the terminal say it."""
    part = "a quarter of the gap" if abs(attainable - 0.25) < 0.005 else f"{w.percent(attainable)} of the gap"
    return f"peers' frontier {quantile:.2f}".replace("0.", ".") + f", {part}" + (", capped" if scale < 0.999 else "")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


_capital = _sentence
