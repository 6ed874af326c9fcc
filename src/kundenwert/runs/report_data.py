"""`report.json`: everything that the report, the terminal and a web page show, binned, so that its size knows no N.

From this alone the page is drawn, without PyMC and without the customer table, by this version or a newer one.
"""

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kundenwert.errors import UsageError
from kundenwert.inference.diagnostics import MAX_RHAT, MIN_ESS
from kundenwert.names import Flag, Verdict
from kundenwert.runs import report_words as words
from kundenwert.runs import wording as w
from kundenwert.runs.plots.churn import churn_by_money_data, churn_calibration_data
from kundenwert.runs.plots.cohorts import cohort_values_data
from kundenwert.runs.plots.predictive import conditional_expectation_data, frequency_data, tracking_data
from kundenwert.runs.plots.sampler import convergence_data
from kundenwert.runs.plots.style import Record, json_number, numbers
from kundenwert.runs.plots.value_map import map_data
from kundenwert.runs.report_figures import base_figures, peers_count, potential_figures, segment_figures
from kundenwert.runs.report_people import Explain, Quantiles, people
from kundenwert.runs.report_sections import Further, assumption_lines, check_change, further_charts, further_records
from kundenwert.sources_cited import cite

if TYPE_CHECKING:
    from kundenwert.customers.holdout import Holdout
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.decisions.segments import Segments
    from kundenwert.inference.findings import Checks
    from kundenwert.inference.posterior import Posterior
    from kundenwert.inference.predictive import Tracking

REPORT_VERSION = 2
SHOWN_COHORTS = 24
NOTHING_FURTHER = Further()


def build_report(
    *,
    title: str,
    name: str,
    as_of: datetime.date,
    run_id: str,
    summary: "CustomerSummary",
    posterior: "Posterior",
    checks: "Checks",
    segments: "Segments",
    tracking: "Tracking | None" = None,
    holdout: "Holdout | None" = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    customer_ids: str = "show",
    cohort_values: Any | None = None,
    quantiles_for: Quantiles | None = None,
    explain_for: Explain | None = None,
    what_if: Sequence[Mapping[str, Any]] = (),
    previous: Mapping[str, Any] | None = None,
    actions: bool = False,
    choices: Sequence[str] = (),
    timings: Mapping[str, float] | None = None,
    versions: Mapping[str, str] | None = None,
    seed: int | None = None,
    spec_hash: str = "",
    max_rhat: float = MAX_RHAT,
    min_ess: float = MIN_ESS,
    further: Further = NOTHING_FURTHER,
) -> Record:
    """Everything that a run shows, as plain JSON.

    Parameters
    ----------
    title, name, run_id : how the run is called.
    as_of : the last day that the model saw.
    summary, posterior, checks, segments : of the same customers; currency, horizons and basis come from
        `segments.value.settings`.
    tracking, holdout : None, or a holdout of 0 days, where nothing was held out.
    settings : key -> {"value": ..., "origin": "given" | "default" | "judgement"}.
    customer_ids : "show" or "hide".
    cohort_values : (draw, cohort) value of a new customer, cohorts as in the posterior.
    quantiles_for : ids -> (n, 20) predictive quantiles of the value of the few customers that are listed.
    explain_for : id -> why a customer has this label; asked for a few of those who are listed.
    what_if : records with `key`, `low_setting`, `low`, `high_setting`, `high` (money of the base).
    previous : the report of the run that was in use before this one; None on the first run.
    actions : True where the spec declares levers.
    choices : automatic choices, in words.
    timings : stage -> seconds.
    versions : package -> version.
    max_rhat, min_ess : the limits that `checks` held the sampler against.
    further : what value and decisions know beyond that: the change in parts, actions, payback and more.

    Raises
    ------
    UsageError : an unknown `customer_ids`, or a change that is not the one from `previous` to this base.
    """
    if customer_ids not in ("show", "hide"):
        raise UsageError(f"customer_ids is {customer_ids!r}. Use 'show' or 'hide'.")
    options = segments.value.settings
    verdict = Verdict(checks.verdict)
    currency = str(options.currency) if options.currency else None
    report: Record = {
        "report_version": REPORT_VERSION,
        "title": title,
        "name": name,
        "as_of": as_of.isoformat(),
        "run_id": run_id,
        "verdict": verdict.value,
        "in_use": verdict is not Verdict.FAIL,
        "currency": currency,
        "horizon": str(options.horizon),
        "basis": options.value_basis,
        "margin": json_number(options.margin) if options.margin is not None else None,
        "basis_words": words.basis_words(options.value_basis, options.margin),
        "churn_horizon": str(options.churn_horizon),
        "churn_by": (as_of + datetime.timedelta(days=round(options.churn_horizon.days))).isoformat(),
        "interval": options.interval,
        "base": base_figures(segments, summary, further.objected),
        "segments": segment_figures(segments),
        "potential": potential_figures(segments, further.used),
        "checks": _checks(checks),
        "champion": _champion(previous),
        "charts": {
            **_charts(segments, summary, posterior, tracking, holdout, cohort_values, previous),
            "convergence": convergence_data(posterior, max_rhat=max_rhat, min_ess=min_ess),
            **further_charts(further, options, show_ids=customer_ids == "show"),
        },
        **further_records(further, currency),
        "people": people(
            segments,
            summary,
            show_ids=customer_ids == "show",
            quantiles_for=quantiles_for,
            explain_for=explain_for,
        ),
        "assumptions": _assumptions(segments, summary, settings or {}, what_if, further),
        "actions": actions,
        "complaints": sum(Flag.COMPLAINT_OPEN.value in flags for flags in segments.table["flags"]),
        "record": _record(posterior, choices, timings or {}, versions or {}, seed, spec_hash),
    }
    check_change(further, report["base"], previous)
    report["change"] = words.changes(report, previous) if previous else None
    kept = ("segment", "customers", "value")
    report["then"] = [{key: one[key] for key in kept} for one in previous["segments"]] if previous else None
    report["tiles"] = words.tiles(report)
    report["headline"] = words.headline(report)
    report["said"] = {
        "money": words.money_answer(report["base"], currency),
        "tail": words.heavy_tail(report["base"], currency),
        "change": report["change"]["sentence"] if report["change"] else words.FIRST_RUN,
        "since": words.since_line(report),
    }
    return report


def _checks(checks: "Checks") -> Record:
    order = [v.value for v in Verdict]
    findings: list[Record] = [
        {
            "name": f.name,
            "verdict": Verdict(f.verdict).value,
            "measured": f.measured,
            "limit": f.limit,
            "cause": f.cause,
            "next_step": f.next_step,
            "affects": f.affects,
            "value": None if f.value is None else json_number(float(f.value)),
        }
        for f in checks.findings
    ]
    findings.sort(key=lambda f: -order.index(f["verdict"]))
    passed = sum(f["verdict"] == "PASS" for f in findings)
    return {"verdict": Verdict(checks.verdict).value, "passed": passed, "findings": findings}


def _champion(previous: Mapping[str, Any] | None) -> Record | None:
    """What of the run in use a FAIL page must show in the place of this run's figures."""
    if previous is None:
        return None
    return {
        "run_id": previous["run_id"],
        "as_of": previous["as_of"],
        "verdict": previous["verdict"],
        "tiles": [{**tile, "change": ""} for tile in previous["tiles"]],
    }


def _charts(
    segments: "Segments",
    summary: "CustomerSummary",
    posterior: "Posterior",
    tracking: "Tracking | None",
    holdout: "Holdout | None",
    cohort_values: Any | None,
    previous: Mapping[str, Any] | None,
) -> Record:
    settings = segments.value.settings
    frame = previous["charts"]["map"]["scales"] if previous else None
    charts: Record = {"map": map_data(segments, frame=frame), "churn": churn_by_money_data(segments)}
    if cohort_values is not None and np.isfinite(cohort_values).all():  # else no average of a new customer exists
        sizes = np.bincount(posterior.cohort_codes(summary.table["cohort"]), minlength=len(posterior.cohorts))
        charts["cohorts"] = cohort_values_data(
            cohort_values,
            posterior.cohorts,
            sizes.tolist(),
            currency=str(settings.currency) if settings.currency else None,
            horizon=str(settings.horizon),
            basis=settings.value_basis,
            interval=settings.interval,
            acquisition_cost=settings.acquisition_cost,
        )
    if tracking is not None:
        charts["tracking"] = tracking_data(tracking)
        charts["frequency"] = frequency_data(tracking)
        if holdout is not None and tracking.observed_total is not None:
            charts["conditional"] = conditional_expectation_data(tracking, summary, holdout)
            charts["calibration"] = churn_calibration_data(tracking, summary, holdout)
    return charts


def _assumptions(
    segments: "Segments",
    summary: "CustomerSummary",
    settings: Mapping[str, Mapping[str, Any]],
    what_if: Sequence[Mapping[str, Any]],
    further: Further,
) -> Record:
    options, frontier = segments.value.settings, segments.value.frontier
    currency = str(options.currency) if options.currency else None
    loud = []
    if options.value_basis == "revenue":
        loud.append("Values are revenue, no margin given.")
    loud.append(words.potential_loud(frontier.quantile, options.attainable, further.used))
    loud.extend(segments.notes)
    rows = [[k, _setting(v["value"]), str(v["origin"])] for k, v in settings.items()]
    tries = [
        [
            str(t["key"]),
            f"{w.typeset(str(t['low_setting']))}: {w.money(t['low'], currency, 4)}",
            f"{w.typeset(str(t['high_setting']))}: {w.money(t['high'], currency, 4)}",
        ]
        for t in what_if
    ]
    if len(frontier.sensitivity) > 1 and peers_count(further.used):
        at = {q: min(total, frontier.limit) for q, total in sorted(frontier.sensitivity.items())}
        ends = [min(at), max(at)]
        tries.append(["frontier of potential (room)", *(f"{q:g}: + {w.money(at[q], currency, 4)}" for q in ends)])
    return {
        "loud": loud,
        "lines": assumption_lines(further.assumed),
        "settings": rows,
        "what_if": tries,
        "counts": {str(k): int(v) for k, v in summary.counts.items()},
    }


def _setting(value: Any) -> str:
    """A setting as text: what is absent is not given, a whole number has no decimal point, nothing is in brackets."""
    if value is None:
        return "not given"
    return re.sub(r"(?<=\d)\.0\b", "", str(value)).strip("()")


def _record(
    posterior: "Posterior",
    choices: Sequence[str],
    timings: Mapping[str, float],
    versions: Mapping[str, str],
    seed: int | None,
    spec_hash: str,
) -> Record:
    return {
        "families": [posterior.purchase_family, posterior.spend_family],
        "papers": list(cite(families=(posterior.purchase_family, posterior.spend_family))),
        "engine": posterior.engine,
        "pooling": str(posterior.pooling),
        "time_unit": str(posterior.time_unit),
        "parameters": _parameters(posterior),
        "choices": [str(c) for c in choices],
        "timings": {str(k): json_number(float(v), 3) for k, v in timings.items()},
        "versions": {str(k): str(v) for k, v in versions.items()},
        "seed": seed,
        "spec_hash": spec_hash,
    }


def _parameters(posterior: "Posterior") -> Record:
    """Medians with 90 % by cohort, the latest cohorts where there are many, and the prior as the first row."""
    names = list(posterior.draws)
    shown = posterior.cohorts[-SHOWN_COHORTS:]
    start = len(posterior.cohorts) - len(shown)
    rows = []
    if all(name in posterior.prior for name in names):
        rows.append(["prior", *(_spread(posterior.prior[name]) for name in names)])
    for k, cohort in enumerate(shown):
        rows.append([w.short_id(cohort, 24), *(_spread(posterior.draws[name][..., start + k]) for name in names)])
    more = f", the latest {len(shown)} of {len(posterior.cohorts)}" if start else ""
    unit = posterior.time_unit
    return numbers(f"Parameters by cohort: median, and 9 in 10 draws (per {unit}){more}", ["Cohort", *names], rows)


def _spread(draws: Any) -> str:
    low, middle, high = np.quantile(np.asarray(draws, dtype=float), [0.05, 0.5, 0.95])
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"
