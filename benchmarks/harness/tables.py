"""From rows to the tables of README.md."""

from collections.abc import Iterable, Mapping, Sequence
from math import floor, log10
from statistics import median
from typing import Any

from harness.cases import CASE_TEXT, CASES, CONTESTANTS, DATASETS, reference_of

Row = Mapping[str, Any]
NOTHING = "-"


def markdown(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table; the first column is text, the others are figures."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *lines])


def significant(value: float | None, digits: int = 3) -> str:
    """A figure with at least so many significant digits and no exponent; `-` where there is none."""
    if value is None or value != value:
        return NOTHING
    if value == 0:
        return "0"
    return f"{value:,.{max(0, digits - 1 - floor(log10(abs(value))))}f}"


def seconds(rows: Sequence[Row], state: str) -> str:
    """Cold: import and first repetition together. Warm: the median of the later ones. Or why there is none."""
    found = [row for row in rows if row["state"] == state]
    good = [row for row in found if row["status"] == "ok"]
    if not good:
        return found[-1]["status"] if found else NOTHING
    if state == "cold":
        return significant(good[0]["import_seconds"] + good[0]["wall_seconds"])
    stopped = "" if len(good) == len(found) else f" (then {found[-1]['status']})"
    return significant(median([row["wall_seconds"] for row in good])) + stopped


def of_good(rows: Sequence[Row], figure: str, state: str) -> float | None:
    """The median of a figure over the repetitions that ended."""
    values = [row[figure] for row in rows if row["state"] == state and row["status"] == "ok"]
    return median(values) if values else None


def ratio(rows: Sequence[Row], ours: Sequence[Row]) -> float | None:
    """How many times as long as ours: the median over warm repetitions, each against ours of the same turn."""
    beside = {row["repetition"]: row["wall_seconds"] for row in ours if row["status"] == "ok"}
    pairs = [
        row["wall_seconds"] / beside[row["repetition"]]
        for row in rows
        if row["status"] == "ok" and row["state"] == "warm" and row["repetition"] in beside
    ]
    return median(pairs) if pairs else None


def last_result(rows: Sequence[Row]) -> Mapping[str, Any]:
    """What the contestant found: the last repetition that ended; empty where none did."""
    return next((row["result"] for row in reversed(rows) if row["status"] == "ok"), {})


def case_table(case: str, rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """Both data sets of one case."""
    dataset = rows[0]["dataset"]
    named = {one.name: [row for row in rows if row["contestant"] == one.name] for one in CONTESTANTS}
    lines = []
    for one in CONTESTANTS:
        own = named[one.name]
        if not own:
            continue
        warm = [row for row in own if row["status"] == "ok" and row["state"] == "warm"]
        good = [row for row in own if row["status"] == "ok"]
        lines.append(
            [
                one.name,
                seconds(own, "cold"),
                seconds(own, "warm"),
                str(len(warm)),
                significant(ratio(own, named[reference_of(one.kind)])),
                significant(of_good(own, "cpu_seconds", "cold")),
                significant(of_good(own, "cpu_seconds", "warm")),
                significant(max(max(row["peak_rss_mib"], row["peak_children_mib"]) for row in good) if good else None),
                *RESULTS[case](last_result(own), warm),
            ]
        )
    header = ["", "cold s", "warm s", "turns", "times ours", "CPU s, cold", "CPU s, warm", "peak MiB", *HEADERS[case]]
    about = f"{facts['customers']:,} customers"
    if case == "score":
        about += f"; {facts['holdout_purchases']:,} purchases really came"
    return f"**{dataset}** ({about})\n\n{markdown(header, lines)}"


def _summary_result(result: Row, _: Sequence[Row]) -> list[str]:
    columns = {"customers": 0, "frequency": 0, "recency": 3, "T": 3, "monetary_value": 3}
    return [f"{result[name]:,.{digits}f}" if result else NOTHING for name, digits in columns.items()]


def _fit_result(result: Row, warm: Sequence[Row]) -> list[str]:
    estimates = ", ".join(f"{name} {value:.4g}" for name, value in result.get("estimates", {}).items())
    likelihood = result.get("log_likelihood")
    effective = result.get("smallest_ess")
    wall = of_good(warm, "wall_seconds", "warm")
    return [
        significant(wall / effective * 1000 if wall and effective else None),
        f"{effective:,.0f} of {result['draws']:,}" if effective else NOTHING,
        f"{result['largest_rhat']:.3f}" if effective else NOTHING,
        estimates or NOTHING,
        f"{likelihood:,.2f}" if likelihood is not None else NOTHING,
    ]


def _score_result(result: Row, warm: Sequence[Row]) -> list[str]:
    parts, totals = ("purchases", "p_alive", "spend", "value"), result.get("totals", {})
    times = [[row["result"]["seconds"][part] for row in warm] for part in parts]
    shown = " / ".join(significant(median(values), 2) if values else NOTHING for values in times)
    return [shown, *(f"{totals[part]:,.0f}" if part in totals else NOTHING for part in parts)]


RESULTS = {
    "summarize": _summary_result,
    "fit_bgnbd": _fit_result,
    "fit_gamma_gamma": _fit_result,
    "score": _score_result,
}
_FIT = ["s per 1,000 ESS", "smallest ESS", "R-hat", "estimates", "log-likelihood there"]
HEADERS = {
    "summarize": ["customers", "sum of frequency", "of recency", "of T", "of monetary value"],
    "fit_bgnbd": _FIT,
    "fit_gamma_gamma": _FIT,
    "score": ["of which s", "purchases", "sum of P(alive)", "sum of spend", "value"],
}


def report(found: Mapping[str, Any]) -> str:
    """Everything that a run of `run.py` found, as Markdown."""
    loads = [row["load"] for row in found["rows"] if row["status"] == "ok"]
    if not loads:
        return f"{found['date']}: nothing ran."
    parts = [
        f"{found['date']}, {found['code']}, {found['machine']}. At most {found['repetitions']} warm turns, one after "
        f"{found['patience']:g} s; at most {found['timeout']:g} s per contestant, case and data set. Load of the "
        f"machine while it ran: {min(loads):.1f} to {max(loads):.1f}."
    ]
    for case in CASES:
        tables = []
        for dataset in DATASETS:
            rows = [row for row in found["rows"] if row["case"] == case and row["dataset"] == dataset]
            if rows:
                tables.append(case_table(case, rows, found["facts"][dataset]))
        if tables:
            parts += [f"### {case}: {CASE_TEXT[case]}", *tables]
    return "\n\n".join([*parts, "### Versions", version_list(found["versions"])])


def version_list(versions: Mapping[str, Mapping[str, str]]) -> str:
    """What each environment ran on."""
    lines = [[name, ", ".join(f"{k} {v}" for k, v in found.items())] for name, found in versions.items()]
    return "\n".join(f"- {name}: {text}" for name, text in lines)
