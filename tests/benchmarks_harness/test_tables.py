"""From rows to tables, on rows written by hand."""

import pytest
from harness.output import put_between_markers
from harness.tables import case_table, last_result, ratio, report, seconds, significant

OURS, PEER = "kundenwert maximum likelihood", "lifetimes maximum likelihood"


def row(contestant, repetition, wall, status="ok", **more):
    about = {"contestant": contestant, "repetition": repetition, "state": "warm" if repetition else "cold"}
    about |= {"case": "fit_gamma_gamma", "dataset": "sample", "kind": "point", "status": status}
    if status != "ok":
        return {**about, **more}
    figures = {"wall_seconds": wall, "cpu_seconds": wall / 2, "peak_rss_mib": 100.0, "peak_children_mib": 0.0}
    result = {"estimates": {"p": 6.25, "q": 3.744, "v": 15.44}, "log_likelihood": -4055.9177}
    return {**about, **figures, "import_seconds": 1.0, "load": 1.5, "result": result, **more}


ROWS = [
    row(OURS, 0, 3.0), row(PEER, 0, 5.0),
    row(OURS, 1, 1.0), row(PEER, 1, 4.0),
    row(OURS, 2, 10.0), row(PEER, 2, 20.0),
    row(OURS, 3, 1.0), row(PEER, 3, 3.0),
]  # fmt: skip
OF_OURS, OF_PEER = ([one for one in ROWS if one["contestant"] == name] for name in (OURS, PEER))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.012345, "0.0123"),
        (12.345, "12.3"),
        (12345.6, "12,346"),
        (0.0, "0"),
        (1.0, "1.00"),
        (None, "-"),
        (float("nan"), "-"),
    ],
)
def test_figures_without_exponent(value, text):
    assert significant(value) == text


def test_cold_has_the_import_and_warm_is_a_median():
    assert seconds(OF_OURS, "cold") == "4.00"
    assert seconds(OF_PEER, "warm") == "4.00"


def test_ratios_are_taken_within_a_turn():
    """A turn in which the machine was slow for both (the second) does not move the ratio; medians of 4 and 1 would."""
    assert ratio(OF_PEER, OF_OURS) == 3.0
    assert ratio(OF_OURS, OF_OURS) == 1.0
    assert ratio(OF_PEER, OF_OURS, "cpu_seconds") == 3.0


def test_no_ratio_without_a_common_turn():
    assert ratio([row(PEER, 1, 2.0)], [row(OURS, 0, 1.0)]) is None
    assert ratio([row(PEER, 1, None, "timeout")], OF_OURS) is None


def test_a_timeout_is_shown():
    cold = [row(PEER, 0, None, "timeout")]
    assert (seconds(cold, "cold"), seconds(cold, "warm")) == ("timeout", "-")
    later = [row(PEER, 0, 5.0), row(PEER, 1, 4.0), row(PEER, 2, None, "timeout")]
    assert seconds(later, "warm") == "4.00 (then timeout)"
    assert last_result(later)["log_likelihood"] == -4055.9177
    assert last_result(cold) == {}


def test_table_of_a_case():
    """Everybody is in both tables, also who did not end, and each table has as many cells in every line."""
    text = case_table("fit_gamma_gamma", [*ROWS, row("pymc-marketing MAP", 0, None, "timeout")], {"customers": 2357})
    title, times, found = text.split("\n\n")
    assert title == "**sample** (2,357 customers)"
    for table in (times, found):
        assert len({line.count("|") for line in table.splitlines()}) == 1
    _, _, ours, peer, late = times.splitlines()
    assert ours.startswith(f"| {OURS} | 4.00 | 1.00 | 3 | 1.00 |")
    assert peer == f"| {PEER} | 6.00 | 4.00 | 3 | 3.00 | 2.50 | 2.00 | 3.00 | 100 | - | - | - |"
    assert late.startswith("| pymc-marketing MAP | timeout | - | 0 | - |")
    _, _, _, peer, late = found.splitlines()
    assert peer == f"| {PEER} | p 6.25, q 3.744, v 15.44 | -4,055.92 | - | - |"
    assert late == "| pymc-marketing MAP | - | - | - | - |"


def test_points_are_held_against_our_posterior_too():
    posterior = [row("kundenwert importance sampling", n, 0.5, kind="posterior") for n in range(2)]
    table = case_table("fit_gamma_gamma", [*posterior, *ROWS], {"customers": 2357}).split("\n\n")[1]
    _, _, own, _, peer = table.splitlines()
    assert own.endswith("| 1.00 | 100 | 1.00 | - | - |")
    assert peer.endswith("| 3.00 | 100 | 8.00 | - | - |")


def test_importance_sampling_shows_the_tail_of_its_weights():
    result = {"draws": 4000, "smallest_ess": 4000.0, "pareto_k": 0.0649, "estimates": {"p": 6.5}}
    rows = [row("kundenwert importance sampling", n, 0.5, result={**result, "log_likelihood": -1.0}) for n in (0, 1)]
    assert case_table("fit_gamma_gamma", rows, {"customers": 2357}).endswith("| 4,000 of 4,000 | k 0.06 |")


def test_gradients_are_shown_by_the_call():
    def block(name, number, call, **more):
        found = {"seconds_a_call": call, "own_log_likelihood": -9582.4305, "log_likelihood": -9582.43048, **more}
        return row(name, number, 0.5, case="gradient", kind="gradient", result=found)

    calls = {"kundenwert, compiled likelihood": (9e-6, 1e-5, 3e-5), "pymc-marketing, C": (9e-4, 4e-4, 6e-4)}
    rows = [
        block(name, n, took, **({"compressing_seconds": 0.0025} if "kundenwert" in name else {}))
        for name, times in calls.items()
        for n, took in enumerate(times)
    ]
    late = row("pymc-marketing, Numba", 0, None, "timeout", case="gradient")
    _, _, ours, default, peer = case_table("gradient", [*rows, late], {"customers": 2357}).splitlines()[2:]
    assert ours.startswith("| kundenwert, compiled likelihood | 20.0 | 1.00 | 2 | 2.50 | -9,582.4305 | -9,582.4305 |")
    assert peer.startswith("| pymc-marketing, C | 500 | 30.0 | 2 | - |")
    assert default == "| pymc-marketing, Numba | timeout | - | 0 | - | - | - |"


def test_effective_draws_and_scores_are_shown():
    draws = {"draws": 4000, "smallest_ess": 1500.0, "largest_rhat": 1.0014, "estimates": {"p": 6.5}}
    sampled = [row("kundenwert NUTS", n, 3.0, result={**draws, "log_likelihood": -4059.8}) for n in (0, 1)]
    text = case_table("fit_gamma_gamma", sampled, {"customers": 2357})
    assert "| 2.00 | 1.00 |\n\n" in text
    assert text.endswith("| p 6.5 | -4,059.80 | 1,500 of 4,000 | 1.001 |")
    scores = {name: 1653.4 for name in ("purchases", "p_alive", "spend", "value")}
    scored = [row(OURS, n, 3.0, result={"totals": scores, "seconds": dict.fromkeys(scores, 0.5)}) for n in (0, 1)]
    text = case_table("score", scored, {"customers": 2357, "holdout_purchases": 1882})
    assert text.startswith("**sample** (2,357 customers); 1,882 purchases really came")
    assert "| 0.50 | 0.50 | 0.50 | 0.50 |\n" in text
    assert text.endswith("| 1,653 | 1,653 | 1,653 | 1,653 |")


def test_a_report_says_when_what_and_on_what():
    found = {
        "date": "2026-01-02",
        "code": "commit abc",
        "machine": "2 cores, 24 GB",
        "repetitions": 3,
        "patience": 60.0,
        "timeout": 300.0,
        "facts": {"sample": {"customers": 2357}},
        "versions": {"lifetimes": {"python": "3.13.0", "lifetimes": "0.11.3"}},
        "rows": ROWS,
    }
    text = report(found)
    assert text.startswith("2026-01-02, commit abc, 2 cores, 24 GB. At most 3 warm turns")
    assert "Load of the machine while it ran: 1.5 to 1.5" in text
    assert "- lifetimes: python 3.13.0, lifetimes 0.11.3" in text
    assert "summarize" not in text


def test_only_what_is_between_the_markers_is_replaced(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- it: begin -->\nold\n<!-- it: end -->\nafter\n")
    put_between_markers(page, "it", "\nnew\n")
    assert page.read_text() == "before\n<!-- it: begin -->\nnew\n<!-- it: end -->\nafter\n"
    put_between_markers(page, "it", "newer")
    assert page.read_text() == "before\n<!-- it: begin -->\nnewer\n<!-- it: end -->\nafter\n"


def test_markers_must_be_there(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("<!-- it: end --> <!-- it: begin -->")
    with pytest.raises(ValueError, match="must have one"):
        put_between_markers(page, "it", "new")
