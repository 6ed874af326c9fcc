"""Why a listed customer has this label: what it rests on, what came next, what would change it; few and without ids."""

from types import SimpleNamespace
from typing import Any

import pytest
from report_world import world

from kundenwert.errors import NumericalError
from kundenwert.runs.report import render_report
from kundenwert.runs.report_data import build_report
from kundenwert.runs.report_people import EXPLAINED, TIE
from kundenwert.runs.report_reasons import NOTHING_CHANGES, reasons


def change(kind: str, size: float, label: str | None, words: str) -> Any:
    return SimpleNamespace(kind=kind, size=size, label=label, words=words)


def other(label: str, loss: float, *why: str) -> Any:
    return SimpleNamespace(label=label, expected_loss=loss, reasons=why)


def explanation(**changed: Any) -> Any:
    """Of a dormant customer: 6 repeat orders of EUR 66, silent for 30 of 64 weeks."""
    drivers = {"orders": 6, "last": 34.0, "age": 64.0, "mean_order": 66.1, "p_alive": 0.31}
    made = {
        "label": "dormant",
        "expected_loss": 0.20,
        "drivers": SimpleNamespace(**{**drivers, **changed.pop("drivers", {})}),
        "alternatives": (other("migrator", 0.25), other("most_valuable", 0.9)),
        "counterfactuals": (
            change("silence", 104, None, "No silence of up to 104 more weeks changes the label."),
            change("spend", 90.0, "most_valuable", "Repeat orders of EUR 90: most_valuable."),
            change("orders", 3, "most_valuable", "3 more orders within 90 days: most_valuable."),
            change("orders", 1, "migrator", "1 more order within 90 days: migrator."),
        ),
        "currency": "EUR",
    }
    return SimpleNamespace(**{**made, **changed})


def test_three_sentences_with_the_nearest_change_last() -> None:
    said = [text.replace("\u00a0", " ") for text in reasons(explanation())]
    assert said == [
        "6 repeat orders of EUR 66 on average in 64 weeks, silent for 30 weeks; still a customer: 3 of 10.",
        "Next best: undecided, 25 % dearer to be wrong about.",
        "1 more order within 90 days: undecided.",
    ]


def test_a_barred_label_is_named_with_what_bars_it() -> None:
    barred = (other("migrator", 0.01, "waiting is worth 0"), other("below_zero", 0.05, "1 complaint is open"))
    said = reasons(explanation(alternatives=(*barred, other("most_valuable", 0.9))))
    assert said[1] == "Below zero would be nearer, but may not be said: 1 complaint is open."
    assert not any("undecided" in text.lower() for text in said[:2]), "that waiting tells nothing is no reason"


@pytest.mark.parametrize(
    ("own", "next_best", "words"),
    [(0.2, 0.2004, "as dear"), (0.2, 0.7, "3.5 times as dear"), (0.0, 0.3, "dearer")],
)
def test_losses_are_said_as_a_ratio(own: float, next_best: float, words: str) -> None:
    said = reasons(explanation(expected_loss=own, alternatives=(other("migrator", next_best),)))
    assert said[1] == f"Next best: undecided, {words} to be wrong about."


def test_what_is_not_there_is_not_said() -> None:
    bare = {"orders": 0, "last": 0.0, "age": 0.2, "mean_order": None, "p_alive": 1.0}
    said = reasons(explanation(drivers=bare, counterfactuals=(), alternatives=()))
    assert said == [
        "No repeat order in less than a week, the last one this week; still a customer: over 9 of 10.",
        NOTHING_CHANGES,
    ]


def people(explain: Any, **options: Any) -> tuple[list[dict[str, Any]], str]:
    bare = {"tracking": None, "holdout": None, "cohort_values": None, "explain_for": explain}
    report = build_report(**{**world(500, costs=True), **bare, **options})
    return [row for entry in report["people"] for row in entry["rows"]], render_report(report)


def test_at_most_ten_customers_are_explained_and_each_once() -> None:
    asked: list[Any] = []

    def explain(customer_id: Any) -> Any:
        asked.append(customer_id)
        return explanation()

    rows, page = people(explain)
    assert len(rows) > EXPLAINED
    assert len(asked) == len(set(asked)) == EXPLAINED
    told = {row["id"]: row["reasons"] for row in rows if row["reasons"]}
    assert set(told) == set(asked)
    assert "1 more order within 90 days: undecided." in page
    plain, _ = people(None)
    assert not any(row["reasons"] for row in plain)


def test_hidden_ids_are_asked_about_and_not_shown() -> None:
    asked: list[Any] = []

    def explain(customer_id: Any) -> Any:
        asked.append(customer_id)
        return explanation()

    _, page = people(explain, customer_ids="hide")
    assert asked
    assert not any(f">{one}<" in page for one in asked)


def test_a_tie_is_said_and_does_not_end_the_report() -> None:
    def explain(customer_id: Any) -> Any:
        raise NumericalError("the pass made again gives another label")

    rows, page = people(explain)
    assert [TIE] in [row["reasons"] for row in rows]
    assert TIE in page


def test_the_chance_beside_a_label_is_that_of_the_label() -> None:
    parts = world(500, costs=True)
    table = parts["segments"].table
    first = table["actual_value"].idxmax()
    states = [name for name in table if name.startswith("p_") and name != "p_alive"]
    table.loc[first, states] = 0.0
    table.loc[first, ["p_below_zero", "p_dormant", "churn_probability"]] = [0.85, 0.15, 0.7]
    table.loc[first, "segment"] = "dormant"
    report = build_report(**{**parts, "tracking": None, "holdout": None, "cohort_values": None})
    row = report["people"][0]["rows"][0]
    assert (row["segment"], row["probability"]) == ("dormant", 0.15)
    page = render_report(report).replace("\u00a0", " ")
    assert "Dormant, 2 of 10" in page or "Dormant, 1 of 10" in page
    assert "most probably below zero (8 of 10)" in page or "most probably below zero (9 of 10)" in page
