"""The sentences of the report, computed from its numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from scipy.special import betaincinv

from kundenwert.names import PotentialBasis
from kundenwert.runs import wording as w
from kundenwert.runs.report_actions import RoomOfBasis

MONEY_WORDS = {"EUR": "euros", "USD": "dollars", "GBP": "pounds", "CHF": "francs"}
MIRROR = (
    "Potential here mostly mirrors actual value: customers worth little have room to grow by definition. "
    "It does not say who will grow."
)
NO_ACTIONS = "No actions declared in the spec, so no recommendation."
NO_PLAN = "The spec declares actions, but this run made no plan of them. Retrain the model to get one."
LIKE_THIS = "These lines in the spec declare one; with a [budget] it is given where it brings most:"
MARGIN_TOO = (
    "What an action costs is taken from contribution, so it needs a margin: write yours for 0.30. "
    "These lines in the spec state it and declare an action; with a [budget] it is given where it brings most:"
)
MARGIN_FIRST = (
    "What an action costs is taken from contribution, so it needs a margin: write yours for 0.30. This line belongs "
    "under [value], which the spec has:"
)
MARGIN_LINE = "margin = 0.30"
LEVER_LINES = (
    "[[levers]]",
    'name = "win-back mail"',
    'effect = {on = "reactivation", mean = 0.03, sd = 0.02}',
    "cost_per_contact = 0.60",
)
FIRST_RUN = "First run, nothing to compare with."
NO_FIGURES = "No figures are in use yet."


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
        return f"{told} But {w.typeset(notes[0]['measured'])}: {notes[0]['affects']}."
    return f"{told} That is one test of the orders; what customers could be worth remains an assumption."


def _point(finding: Mapping[str, Any]) -> str:
    moves = finding["affects"] or "every figure rests on less than it should"
    told = w.typeset(f"{finding['measured']} (limit: {finding['limit']})")
    return f"{_sentence(finding['name'])}: {told}. For the figures: {moves}."


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
        "what": w.typeset(f"{name}{first['measured']}{limit}.{more}"),
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
    """What moved since the run that is in use, with noise called noise.

    With a bridge the difference is that of paired draws; without one, it is noise where it is smaller than what
    either total varies by.
    """
    now, then = report["base"], previous["base"]
    day, currency = w.day_month(previous["as_of"]), report["currency"]
    bridge, flows = report["charts"].get("bridge"), report["charts"].get("flows")
    if bridge:
        gap, noise, told = bridge["change"]["mean"], bridge["change"]["noise"], bridge["answer"]
    else:
        gap = round(now["value"] - then["value"], 2)
        noise = abs(gap) <= max(now["high"] - now["low"], then["high"] - then["low"], 0.0) / 2
        told = ""
    new = sum(flows["counts"][-1]) if flows else now["customers"] - then["customers"]
    tile = w.signed(w.amount(gap)) if gap else "unchanged"
    return {
        "since": previous["as_of"],
        "run": previous["run_id"],
        "gap": gap,
        "noise": noise,
        "new": new,
        "relabelled": flows["share"] if flows else None,
        "value": f"{tile}: noise" if gap and noise else f"{tile} vs {day}",
        "orders_again": f"{w.signed(w.rough(now['orders_again']['mean'] - then['orders_again']['mean']))} vs {day}",
        "undecided": f"{w.signed(w.count(now['undecided']['customers'] - then['undecided']['customers']))} vs {day}",
        "sentence": told or _unparted(gap, noise, new, previous["as_of"], currency),
    }


def _unparted(gap: float, noise: bool, new: int, since: str, currency: str | None) -> str:
    moved = f"{w.money(abs(gap), currency)} {'more' if gap > 0 else 'less'} than" if gap else "as much as"
    told = f"{moved} on {w.date(since)}" + (", which is noise" if gap and noise else "")
    return f"The base is worth {told}; {w.plural(max(new, 0), 'new customer')}."


def since_line(report: Mapping[str, Any]) -> str:
    """The first screen's line on what changed: the parts with their sign, and who changed label."""
    change = report["change"]
    if not change:
        return FIRST_RUN
    bridge = report["charts"].get("bridge")
    if not bridge:
        told = change["sentence"]
    else:
        parts = [f"{part['name'].lower()} {part['says']}" for part in bridge["parts"] if part["says"] != "0"]
        unit = f" ({report['currency']})" if report["currency"] else ""
        told = f"Since {w.date(change['since'])}{unit}: {' · '.join(parts) or 'nothing changed'}."
    if change["relabelled"] is None:
        return str(told)
    share = w.percent(change["relabelled"]) if change["relabelled"] else "None"
    return f"{told} {share} of customers changed label."


def first_action(report: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """What to write into a spec without actions: sentences, each with its lines.

    A run in revenue needs a margin besides. TOML takes no table twice, so where the spec has [value] the line goes
    there.
    """
    if report["basis"] != "revenue":
        return [(LIKE_THIS, LEVER_LINES)]
    settings = report["assumptions"]["settings"]
    if any(key.startswith("value.") and origin == "given" for key, _, origin in settings):
        return [(MARGIN_FIRST, (MARGIN_LINE,)), (LIKE_THIS, LEVER_LINES)]
    return [(MARGIN_TOO, ("[value]", MARGIN_LINE, "", *LEVER_LINES))]


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


def potential_loud(quantile: float, attainable: tuple[float, float], used: RoomOfBasis | None) -> str:
    """The basis of potential as section 9 says it, with how much of it is a judgement."""
    if used is not None and used.basis is not PotentialBasis.PEERS:
        return f"Potential: {used.words}: an assumption, not learned from the orders alone."
    first, second = attainable
    low, high = (w.percent(float(betaincinv(first, second, p))) for p in (0.05, 0.95))
    return (
        f"Potential: peers' frontier at {quantile:.2f}, customers reach "
        f"{w.percent(first / (first + second))} of the gap (9 in 10: {low} to {high}): "
        "judgement, not learned from the orders."
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


_capital = _sentence
