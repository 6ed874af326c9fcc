"""The report page: one HTML file of text, tables and static SVG, drawn from `report.json` alone, without any script."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kundenwert.errors import RunError
from kundenwert.runs import report_tables as tables
from kundenwert.runs import report_words as words
from kundenwert.runs import wording as w
from kundenwert.runs.dotplots import dot_axis, dotplot
from kundenwert.runs.glossary import GLOSSARY
from kundenwert.runs.plots.bridge import draw_equity_bridge
from kundenwert.runs.plots.budget import draw_budget_curve
from kundenwert.runs.plots.churn import draw_churn_by_money, draw_churn_calibration
from kundenwert.runs.plots.cohorts import draw_cohort_values
from kundenwert.runs.plots.flows import draw_segment_flows
from kundenwert.runs.plots.map_chart import draw_map
from kundenwert.runs.plots.payback import draw_payback_curve
from kundenwert.runs.plots.predictive_charts import draw_conditional_expectation, draw_frequency, draw_tracking
from kundenwert.runs.plots.sampler import draw_convergence
from kundenwert.runs.plots.style import DARK, LIGHT, SEGMENT_TOKENS, Record
from kundenwert.runs.report_data import REPORT_VERSION
from kundenwert.runs.report_realized import realized_table
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
    "bridge": draw_equity_bridge,
    "flows": draw_segment_flows,
    "payback": draw_payback_curve,
    "budget": draw_budget_curve,
}
DRAWS = (1, REPORT_VERSION)  # a report of version 1 knows nothing of what came with version 2
SINCE_2: Record = {
    "plan": None,
    "break_even": [],
    "rooms": [],
    "objected": 0,
    "complaints": 0,
    "recalibrated": "",
    "realized": None,
    "beyond_wallet": 0,
}
CONTENTS = (
    (2, "Who could be worth more?"),
    (3, "What changed?"),
    (4, "Which new customers are worth most?"),
    (5, "Who will not come back?"),
    (6, "What should we do?"),
    (7, "Can I believe it?"),
    (8, "Whom should we look at?"),
    (9, "What was assumed?"),
    (10, "Words and record"),
)


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

    report = _current(report)
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
        money=tables.money_table(report),
        then=tables.then_table(report),
        movers=tables.movers_table(report),
        actions=tables.actions_table(report),
        break_even=tables.break_even_table(report),
        rooms=tables.rooms_line(report),
        realized=realized_table(report),
        objected=tables.objected_line(report),
        complaints=tables.complaints_line(report),
        origin_words=tables.origin_words,
        people=_people(report),
        counts=[[_spaced(k), w.count(v)] for k, v in report["assumptions"]["counts"].items()],
        record=_record(report),
        evidence=_evidence(report),
        frontier=_frontier(report),
        worth_a_call=_worth_a_call(report),
        sure=w.nine_in_ten(report["interval"]),
        contents=CONTENTS,
        glossary=GLOSSARY,
        mirror=words.MIRROR,
        no_actions=words.NO_ACTIONS,
        no_plan=words.NO_PLAN,
        first_action=words.first_action(report),
        no_figures=words.NO_FIGURES,
    )


def _current(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """The report with everything that its version did not know as absent."""
    version = report.get("report_version")
    if version not in DRAWS:
        raise RunError(
            f"this report has version {version!r}, this program draws versions {w.listed([str(v) for v in DRAWS])}. "
            "Install the version that wrote it, or retrain."
        )
    said = {"since": report["said"]["change"], **report["said"]}
    return {**SINCE_2, **report, "said": said, "assumptions": {"lines": [], **report["assumptions"]}}


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


def _people(report: Mapping[str, Any]) -> Record:
    currency, lists = report["currency"], []
    for entry in report["people"]:
        drawn = [[v or 0.0 for v in row["quantiles"]] for row in entry["rows"] if row["quantiles"]]
        axis = dot_axis(drawn) if drawn else None
        rows = [_person(row, axis, currency, entry["key"]) for row in entry["rows"]]
        note = ""
        if drawn:
            note = _dots_note(drawn, currency)
        lists.append({"title": entry["title"], "note": entry["note"], "rows": rows, "axis": note})
    risk, room, undecided = (w.count(entry["total"]) for entry in report["people"])
    answer = (
        f"{risk} valuable customers may stay away, {room} who bought again have room, {undecided} are undecided; "
        "at most ten of each are listed."
    )
    return {"lists": lists, "by": w.date(report["churn_by"]), "answer": answer}


def _dots_note(drawn: list[list[float]], currency: str | None) -> str:
    """How to read the dots; their least and largest outcome in money."""
    least, most = (find(v for row in drawn for v in row) for find in (min, max))
    left = "bring nothing" if least >= 0 else f"cost more than they bring (down to {w.money(least, currency)})"
    if least < 0 and any(not v for row in drawn for v in row):
        left += " or bring nothing"
    return (
        f"Each dot is one of twenty equally likely outcomes: left of the upright line those that {left}, "
        f"right of it up to {w.money(most, currency)}, scale stretched near zero."
    )


def _person(row: Mapping[str, Any], axis: Any, currency: str | None, key: str) -> Record:
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
        "why": _told(row, key),
    }


def _told(row: Mapping[str, Any], key: str) -> str:
    """Why a customer is listed and has this label; a pace of orders is not said twice."""
    given = row.get("reasons", [])
    own = [] if given and key == "risk" else [row["why"]]
    doubt = row.get("doubt", "")
    parts = ["; ".join([*own, doubt] if doubt else own), *given]
    return " ".join(f"{part[:1].upper()}{part[1:].rstrip('.')}." for part in parts if part)


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
