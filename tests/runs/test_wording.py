"""Numbers as people read them: what the wording rules allow, on any number."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kundenwert.runs import wording as w

FINITE = st.floats(min_value=-1e13, max_value=1e13, allow_nan=False)
CHANCES = st.floats(min_value=0, max_value=1)


def value_of(text: str) -> float:
    words = {"trillion": 1e12, "billion": 1e9, "million": 1e6}
    digits, *unit = text.replace(w.MINUS, "-").replace(",", "").split(w.NBSP)
    return float(digits) * (words[unit[0]] if unit else 1)


@given(FINITE)
def test_an_amount_reads_back_to_the_digits_its_size_is_shown_with(value: float) -> None:
    """Cents below 1 (0.05), tenths below 10 (6.8), whole units below 100 (72), three significant digits from there."""
    text = w.amount(value)
    assert not any(part in text for part in ("e+", "e-", "nan", "inf", "-"))
    if text == "under 0.01":
        assert abs(value) < 0.01
    else:
        size = abs(value)
        half = 0.00501 if size < 0.995 else 0.0501 if size < 9.95 else 0.501 if size < 99.5 else 0.00501 * size
        assert abs(value_of(text) - value) <= half


@given(FINITE)
def test_zero_never_carries_a_sign(value: float) -> None:
    text = w.amount(value * 1e-14)
    assert not text.startswith(w.MINUS) or value_of(text) != 0


def test_money_that_has_no_mean_says_so() -> None:
    assert w.money(math.nan, "EUR") == w.money(None, "EUR") == "no average exists"
    assert w.number(math.inf) == "more than can be counted"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (6.84, "6.8"),
        (9.96, "10"),
        (99.6, "100"),
        (1234.5, "1,230"),
        (-0.004, "under 0.01"),
        (1e7, "10 million"),
    ],
)
def test_amounts_at_the_edges(value: float, text: str) -> None:
    assert w.amount(value).replace(w.NBSP, " ") == text


@given(CHANCES)
def test_a_chance_is_never_nothing_and_never_certain(p: float) -> None:
    text = w.chance(p)
    assert "0 of" not in text.replace("10 of", "").replace("20 of", "").replace("00 of", "") or p > 0
    assert not text.startswith(("0 ", "10 of 10", "20 of 20", "200 of 200"))


@given(CHANCES, CHANCES)
def test_chances_keep_their_order(p: float, q: float) -> None:
    def size(text: str) -> float:
        part, whole = text.replace("fewer than 1", "0.5").replace("more than 199", "199.5").split(" of ")
        return float(part) / float(whole)

    if p <= q:
        assert size(w.chance(p)) <= size(w.chance(q)) + 1e-12


@given(st.text())
def test_plain_text_is_ascii_and_ids_stay_on_one_line(text: str) -> None:
    assert w.plain(text).isascii()
    assert len(w.short_id(text)) <= 32
    assert all(c.isprintable() for c in w.short_id(text))


def test_a_forecast_is_judged_from_what_came() -> None:
    assert w.too_few(0, 0) == "as expected"
    assert w.too_few(5, 0) == "nothing came"
    assert w.too_few(75, 100).replace(w.NBSP, " ") == "25 % too few"


def test_dates_and_lists() -> None:
    assert w.date(None) == "an unknown day"
    assert w.listed([]) == ""
    assert w.listed(["one"]) == "one"
    assert w.ahead("26 weeks") == "next 26 weeks"
