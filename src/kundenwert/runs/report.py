"""The report page: one HTML file of text, tables and static SVG, drawn from `report.json` alone, without any script."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kundenwert.errors import RunError
from kundenwert.runs import report_words as words
from kundenwert.runs import wording as w
from kundenwert.runs.dotplots import dot_axis, dotplot
from kundenwert.runs.plots.churn import draw_churn_by_money, draw_churn_calibration
from kundenwert.runs.plots.cohorts import draw_cohort_values
from kundenwert.runs.plots.map_chart import draw_map
from kundenwert.runs.plots.predictive_charts import draw_conditional_expectation, draw_frequency, draw_tracking
from kundenwert.runs.plots.sampler import draw_convergence
from kundenwert.runs.plots.style import DARK, LIGHT, SEGMENT_TOKENS, Record, numbers
from kundenwert.runs.report_data import REPORT_VERSION
from kundenwert.runs.svg import render_svgs

if TYPE_CHECKING:
    import jinja2

DRAWN: dict[str, Callable[..., Any]] = {
    "map": draw_map,
    "cohorts": draw_cohort_values,
    "churn": draw_churn_by_money,
    "tracking": draw_tracking,
    "frequency": draw_frequency,
    "conditional": draw_conditional_expectation,
    "calibration": draw_churn_calibration,
    "convergence": draw_convergence,
}
CONTENTS = (
    (2, "Who could be worth more?"),
    (3, "What changed?"),
    (4, "Which vintages are good?"),
    (5, "Who will not come back?"),
    (6, "What should we do?"),
    (7, "Can I believe it?"),
    (8, "Whom should we look at?"),
    (9, "What was assumed?"),
    (10, "Words and record"),
)
ONCE_SHOWN = 0.20


def render_report(report: Mapping[str, Any]) -> str:
    """The page as text.

    Parameters
    ----------
    report : what `build_report` returned, or what `report.json` holds.

    Raises
    ------
    RunError : the report was written by a newer program.
    """
    import jinja2
    from markupsafe import Markup

    if report.get("report_version") != REPORT_VERSION:
        raise RunError(
            f"this report has version {report.get('report_version')!r}, this program draws version {REPORT_VERSION}. "
            "Install the version that wrote it, or retrain."
        )
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kundenwert.runs", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(w=w, token=SEGMENT_TOKENS)
    given = report["charts"]
    drawn = render_svgs((DRAWN[name](data, "css", help=False), data["label"]) for name, data in given.items())
    charts = {name: {"data": data, "svg": Markup(svg)} for (name, data), svg in zip(given.items(), drawn, strict=True)}
    return environment.get_template("report.html").render(
        r=report,
        css=_css(environment, report),
        charts={name: charts.get(name) for name in DRAWN},
        as_of=w.date(report["as_of"]),
        money=_money(report),
        then=_then(report),
        people=_people(report),
        counts=[[_spaced(k), w.count(v)] for k, v in report["assumptions"]["counts"].items()],
        record=_record(report),
        evidence=_evidence(report),
        frontier=_frontier(report),
        worth_a_call=_worth_a_call(report),
        sure=w.nine_in_ten(report["interval"]),
        contents=CONTENTS,
        glossary=words.GLOSSARY,
        mirror=words.MIRROR,
        no_actions=words.NO_ACTIONS,
        no_figures=words.NO_FIGURES,
        lever_lines=words.LEVER_LINES,
    )


def write_report(report: Mapping[str, Any], path: str | Path) -> None:
    """Writes the page as UTF-8."""
    Path(path).write_text(render_report(report), encoding="utf-8")


def _css(environment: "jinja2.Environment", report: Mapping[str, Any]) -> Any:
    from markupsafe import Markup

    state = " · NOT IN USE" if not report["in_use"] else ""
    foot = f"{report['title']} · {w.date(report['as_of'])} · run {report['run_id'][-8:]} · {report['verdict']}{state}"
    css = environment.get_template("report.css").render(light=LIGHT, dark=DARK, foot=Markup(css_text(foot)))
    return Markup(css)


def css_text(text: str) -> str:
    """A CSS string in which whatever is no plain letter or digit is escaped, so that a title cannot end the rule."""
    inside = "".join(c if re.fullmatch(r"[A-Za-z0-9 ]", c) else f"\\{ord(c):06x}" for c in text)
    return f'"{inside}"'


def _money(report: Mapping[str, Any]) -> Record:
    """Rows of the money table: text and bar lengths; both kinds of bar have one scale each."""
    currency, filled = report["currency"], [s for s in report["segments"] if s["customers"]]
    most = max((s["customers"] for s in filled), default=1)
    richest = max((abs(s["value"]) for s in filled), default=0) or 1
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
        }
        for s in filled
    ]
    empty = [w.SEGMENT_NAMES[s["segment"]] for s in report["segments"] if not s["customers"]]
    if not report["potential"]["below_zero_possible"]:
        empty = [name for name in empty if name != w.SEGMENT_NAMES["below_zero"]]
        note = "Nobody can be below zero here: no costs were given."
    else:
        note = ""
    if empty:
        note = f"{note} {w.listed(empty)}: nobody.".strip()
    if report["base"]["no_mean"]:
        without = w.plural(report["base"]["no_mean"], "customer")
        note = f"{note} {without} without a mean value are not in the sums.".strip()
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
    return {"rows": rows, "empty": note, "numbers": table}


def _then(report: Mapping[str, Any]) -> Record | None:
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


def _people(report: Mapping[str, Any]) -> Record:
    currency, lists = report["currency"], []
    for entry in report["people"]:
        drawn = [[v or 0.0 for v in row["quantiles"]] for row in entry["rows"] if row["quantiles"]]
        axis = dot_axis(drawn) if drawn else None
        rows = [_person(row, axis, currency) for row in entry["rows"]]
        note = ""
        if drawn:
            most = max(v for row in drawn for v in row)
            note = (
                "Each dot is one of twenty equally likely outcomes: left of the upright line those that bring nothing, "
                f"right of it up to {w.money(most, currency)}, scale stretched near zero."
            )
        lists.append({"title": entry["title"], "note": entry["note"], "rows": rows, "axis": note})
    risk, room, undecided = (w.count(entry["total"]) for entry in report["people"])
    answer = (
        f"{risk} valuable customers may stay away, {room} who bought again have room, {undecided} are undecided; "
        "at most ten of each are listed."
    )
    return {"lists": lists, "by": w.date(report["churn_by"]), "answer": answer}


def _person(row: Mapping[str, Any], axis: Any, currency: str | None) -> Record:
    from markupsafe import Markup

    quantiles = [v or 0.0 for v in row["quantiles"]] if row["quantiles"] else None
    name = w.SEGMENT_NAMES[row["segment"]]
    return {
        "id": row["id"],
        "cohort": row["cohort"],
        "orders": w.count(row["orders"]),
        "last": w.date(row["last"]) if row["last"] else "unknown",
        "again": w.tenths(row["again"]),
        "actual": w.money(row["actual"], currency),
        "range": w.between(row["low"], row["high"])
        if row["low"] is not None and row["high"] is not None
        else w.UNDEFINED,
        "dots": Markup(dotplot(quantiles, axis, currency)) if quantiles else "",
        "segment": row["segment"],
        "label": name if row["segment"] == "migrator" else f"{name}, {w.tenths(row['probability'])}",
        "why": row["why"],
    }


def _evidence(report: Mapping[str, Any]) -> str | None:
    """The one chart that a FAIL page shows: the sampler where the sampler failed, the weeks otherwise."""
    failed = [f["name"] for f in report["checks"]["findings"] if f["verdict"] == "FAIL"]
    if report["verdict"] != "FAIL":
        return None
    sampler = failed and any(word in failed[0] for word in ("R-hat", "ESS", "Pareto k", "divergent"))
    return "convergence" if sampler or "tracking" not in report["charts"] else "tracking"


def _frontier(report: Mapping[str, Any]) -> str:
    at = report["potential"]["sensitivity"]
    if len(at) < 2 or not report["base"]["room"]:
        return ""
    parts = [
        f"{w.money(total, report['currency'])} at a frontier of {quantile}"
        for quantile, total in at.items()
        if total is not None
    ]
    return f"All room together: {w.listed(parts)}. The frontier is a judgement."


def _worth_a_call(report: Mapping[str, Any]) -> str:
    calls = report["charts"]["churn"]["worth_a_call"]
    if not calls:
        return "Nobody is both valuable and likely to stay away, so nobody is worth a call for that reason."
    return (
        f"{w.plural(calls, 'valuable customer')} will not order until {w.date(report['churn_by'])} with a chance of "
        "6 of 10 or more: worth a call. Section 8 lists the ten worth most."
    )


def _record(report: Mapping[str, Any]) -> list[list[str]]:
    record = report["record"]
    purchase, spend = (w.FAMILY_NAMES.get(name, name) for name in record["families"])
    rows = [
        ["Run", report["run_id"]],
        [
            "Model",
            f"{purchase} and {spend}, {record['pooling']} pooling, {record['engine']}, rates per {record['time_unit']}",
        ],
        ["Seed", "not given" if record["seed"] is None else str(record["seed"])],
        ["Hash of the spec", record["spec_hash"] or "not given"],
        *([f"Seconds for {stage}", w.number(seconds)] for stage, seconds in record["timings"].items()),
        *([f"Version of {package}", version] for package, version in record["versions"].items()),
        *([["Chosen automatically", choice] for choice in record["choices"]]),
    ]
    return rows


def _spaced(name: str) -> str:
    return name.replace("_", " ")
