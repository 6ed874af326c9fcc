"""From rows to the tables of README.md."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import floor, log10
from statistics import median
from typing import Any

from harness.cases import CASE_TEXT, CASES, CONTESTANTS, DATASETS, FITS, reference_of

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


def ratio(rows: Sequence[Row], ours: Sequence[Row], figure: str = "wall_seconds") -> float | None:
    """How many times as much as ours: the median over warm repetitions, each against ours of the same turn."""
    beside = {row["repetition"]: row[figure] for row in ours if row["status"] == "ok"}
    pairs = [
        row[figure] / beside[row["repetition"]]
        for row in rows
        if row["status"] == "ok" and row["state"] == "warm" and row["repetition"] in beside
    ]
    return median(pairs) if pairs else None


def last_result(rows: Sequence[Row]) -> Mapping[str, Any]:
    """What the contestant found: the last repetition that ended; empty where none did."""
    return next((row["result"] for row in reversed(rows) if row["status"] == "ok"), {})


def case_table(case: str, rows: Sequence[Row], facts: Mapping[str, Any]) -> str:
    """One case on one data set: what it took, and what was found."""
    named = {one.name: [row for row in rows if row["contestant"] == one.name] for one in CONTESTANTS}
    about = f"**{rows[0]['dataset']}** ({facts['customers']:,} customers)"
    if case == "gradient":
        return f"{about}\n\n{_gradient_table(named)}"
    took, found = [], []
    posterior = named[reference_of("posterior")]
    for one in CONTESTANTS:
        own = named[one.name]
        if own:
            beside = [significant(ratio(own, posterior))] if case in FITS else []
            took.append([one.name, *_took(own, named[reference_of(one.kind)]), *beside, *TIMES[case][1](own)])
            found.append([one.name, *FOUND[case][1](last_result(own))])
    if case == "score":
        about += f"; {facts['holdout_purchases']:,} purchases really came"
    header = ["", *TOOK, *["times our posterior"] * (case in FITS), *TIMES[case][0]]
    return f"{about}\n\n{markdown(header, took)}\n\n{markdown(['', *FOUND[case][0]], found)}"


def _gradient_table(named: Mapping[str, Sequence[Row]]) -> str:
    """Microseconds an evaluation: the median over the warm blocks, and the ratio within a turn."""
    blocks = {
        name: [row if row["status"] != "ok" else {**row, "call": row["result"]["seconds_a_call"]} for row in rows]
        for name, rows in named.items()
        if rows
    }
    lines = []
    for name, rows in blocks.items():
        result, call = last_result(rows), of_good(rows, "call", "warm")
        own, judged = result.get("own_log_likelihood"), result.get("log_likelihood")
        compressing = result.get("compressing_seconds")
        lines.append(
            [
                name,
                significant(call * 1e6) if call is not None else rows[-1]["status"],
                significant(ratio(rows, blocks.get(reference_of("gradient"), []), "call")),
                str(sum(row["state"] == "warm" and row["status"] == "ok" for row in rows)),
                significant(compressing * 1e3 if compressing is not None else None),
                *(f"{value:,.4f}" if value is not None else NOTHING for value in (own, judged)),
            ]
        )
    header = ["", "microseconds an evaluation", "times ours", "blocks", "compressing before, ms"]
    return markdown([*header, "log-likelihood there", "by the judge"], lines)


TOOK = ["cold s", "warm s", "turns", "times ours", "CPU s, cold", "CPU s, warm", "times ours", "peak MiB"]


def _took(own: Sequence[Row], ours: Sequence[Row]) -> list[str]:
    good = [row for row in own if row["status"] == "ok"]
    return [
        seconds(own, "cold"),
        seconds(own, "warm"),
        str(sum(row["state"] == "warm" for row in good)),
        significant(ratio(own, ours)),
        significant(of_good(own, "cpu_seconds", "cold")),
        significant(of_good(own, "cpu_seconds", "warm")),
        significant(ratio(own, ours, "cpu_seconds")),
        significant(max((max(row["peak_rss_mib"], row["peak_children_mib"]) for row in good), default=None)),
    ]


def _per_effective_draw(own: Sequence[Row]) -> list[str]:
    effective = last_result(own).get("smallest_ess")
    both = [of_good(own, figure, "warm") for figure in ("wall_seconds", "cpu_seconds")]
    return [significant(took / effective * 1000 if took and effective else None) for took in both]


def _nothing_more(_: Sequence[Row]) -> list[str]:
    return []


SCORES = ("purchases", "p_alive", "spend", "value")


def _by_score(own: Sequence[Row]) -> list[str]:
    parts = [row["result"]["seconds"] for row in own if row["status"] == "ok" and row["state"] == "warm"]
    return [significant(median([part[name] for part in parts]), 2) if parts else NOTHING for name in SCORES]


def _summary_found(result: Row) -> list[str]:
    columns = {"customers": 0, "frequency": 0, "recency": 3, "T": 3, "monetary_value": 3}
    return [f"{result[name]:,.{digits}f}" if result else NOTHING for name, digits in columns.items()]


def _fit_found(result: Row) -> list[str]:
    estimates = ", ".join(f"{name} {value:.4g}" for name, value in result.get("estimates", {}).items())
    likelihood, effective = result.get("log_likelihood"), result.get("smallest_ess")
    return [
        estimates or NOTHING,
        f"{likelihood:,.2f}" if likelihood is not None else NOTHING,
        f"{effective:,.0f} of {result['draws']:,}" if effective else NOTHING,
        f"k {result['pareto_k']:.2f}"
        if "pareto_k" in result
        else f"{result['largest_rhat']:.3f}"
        if effective
        else NOTHING,
    ]


def _score_found(result: Row) -> list[str]:
    totals = result.get("totals", {})
    return [f"{totals[name]:,.0f}" if name in totals else NOTHING for name in SCORES]


_PER_DRAW = (["s per 1,000 ESS", "CPU s per 1,000 ESS"], _per_effective_draw)
TIMES: dict[str, tuple[list[str], Callable[[Sequence[Row]], list[str]]]] = {
    "summarize": ([], _nothing_more),
    "fit_bgnbd": _PER_DRAW,
    "fit_gamma_gamma": _PER_DRAW,
    "score": ([f"{name} s" for name in ("purchases", "P(alive)", "spend", "value")], _by_score),
}
_FIT = (["estimates", "log-likelihood there", "smallest ESS", "R-hat or Pareto k"], _fit_found)
FOUND = {
    "summarize": (["customers", "sum of frequency", "of recency", "of T", "of monetary value"], _summary_found),
    "fit_bgnbd": _FIT,
    "fit_gamma_gamma": _FIT,
    "score": (["purchases", "sum of P(alive)", "sum of spend per order", "value"], _score_found),
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
