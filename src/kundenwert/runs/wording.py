"""Numbers, dates and chances as people read them: report, plots and terminal all format here, so they agree.

The rules: never more digits than the draws support, a currency as its ISO code, a true minus, no-break spaces inside a
number, chances as frequencies ("7 of 10") because people judge those better than decimals, and never "certain".
"""

import datetime
import math
import re
from collections.abc import Sequence

NBSP = "\u00a0"
MINUS = "\u2212"
UNDEFINED = "no average exists"
_ABOUT = 1e-12

SEGMENT_NAMES = {
    "most_valuable": "Most valuable",
    "super_growth": "Super growth",
    "most_growable": "Most growable",
    "low_maintenance": "Low maintenance",
    "below_zero": "Below zero",
    "dormant": "Dormant",
    "migrator": "Undecided",
}
SEGMENT_ACTIONS = {
    "most_valuable": "keep",
    "super_growth": "keep, then grow",
    "most_growable": "test what helps",
    "low_maintenance": "self-service",
    "below_zero": "check costs first",
    "dormant": "stop mailing",
    "migrator": "wait, low cost",
}
BASIS_NAMES = {"peers": "peers' frontier", "wallet": "spent elsewhere", "levers": "declared actions"}
FAMILY_NAMES = {"bgnbd": "BG/NBD", "mbgnbd": "MBG/NBD", "gamma_gamma": "Gamma-Gamma"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def significant(value: float, digits: int) -> float:
    """A number rounded to significant digits; zero never carries a sign.

    >>> significant(489731.2, 3), significant(-0.0, 3)
    (490000.0, 0.0)
    """
    if value == 0 or not math.isfinite(value):
        return 0.0 if value == 0 else value
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return round(value, places) + 0.0


def number(value: float, digits: int = 3) -> str:
    """A measured number, at most `digits` significant digits and no cents from 10 upwards.

    >>> number(489731.2), number(71.94), number(6.83), number(4.02), number(0.05), number(-3012.0, 4)
    ('490,000', '72', '6.8', '4', '0.05', '−3,012')
    """
    if not math.isfinite(value):
        return "more than can be counted" if value > 0 else UNDEFINED
    rounded = significant(value, digits)
    size = abs(rounded)
    decimals = 0 if size >= 10 else digits - 2 if size >= 1 else 2
    if digits < 4 and round(rounded, decimals) == round(rounded):
        decimals = 0  # in text 4 says as much as 4.0
    text = f"{abs(round(rounded, decimals)):,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        return "0" if size < _ABOUT else "under 0.01"
    return f"{MINUS}{text}" if rounded < 0 else text


def count(value: float) -> str:
    """A counted number, every digit shown.

    >>> count(23570)
    '23,570'
    """
    return f"{round(value):,}".replace("-", MINUS)


def rough(value: float, digits: int = 3) -> str:
    """An estimated count: a whole number of at most `digits` significant digits.

    >>> rough(5263.4), rough(0.4)
    ('5,260', '0')
    """
    return count(significant(value, digits))


def money(value: float | None, currency: str | None, digits: int = 3) -> str:
    """An amount with its ISO code; amounts of ten million and more are said in millions.

    >>> money(327134.0, "EUR").replace(NBSP, " "), money(-3012.0, "EUR").replace(NBSP, " ")
    ('EUR 327,000', 'EUR −3,010')
    >>> money(12_345_678.0, "USD").replace(NBSP, " "), money(None, "USD")
    ('USD 12.3 million', 'no average exists')
    """
    if value is None or math.isnan(value):
        return UNDEFINED
    return f"{currency}{NBSP}{amount(value, digits)}" if currency else amount(value, digits)


def amount(value: float, digits: int = 3) -> str:
    """An amount without its currency, for table columns and second ends of ranges.

    >>> amount(2_500_000_000.0).replace(NBSP, " "), amount(9_994_000.0)
    ('2.5 billion', '9,990,000')
    """
    rounded = significant(value, digits) if math.isfinite(value) else 0.0
    for limit, unit, word in ((1e12, 1e12, "trillion"), (1e9, 1e9, "billion"), (1e7, 1e6, "million")):
        if abs(rounded) >= limit:
            return f"{rounded / unit:,.10g}{NBSP}{word}".replace("-", MINUS)
    return number(value, digits)


def signed(text: str) -> str:
    """A difference with its sign set apart: "+ 96", "− 3,000".

    >>> signed(count(96)).replace(NBSP, " "), signed(count(-210)).replace(NBSP, " ")
    ('+ 96', '− 210')
    """
    return f"{MINUS}{NBSP}{text.replace(MINUS, '')}" if MINUS in text else f"+{NBSP}{text}"


def between(low: float, high: float, digits: int = 3) -> str:
    """The two ends of an interval, in words.

    >>> between(474_112.0, 507_340.0)
    '474,000 to 507,000'
    """
    return f"{amount(low, digits)} to {amount(high, digits)}"


def nine_in_ten(interval: float) -> str:
    """How sure an interval is, as a frequency.

    >>> nine_in_ten(0.90), nine_in_ten(0.5), nine_in_ten(0.95)
    ('9 in 10', '5 in 10', '19 in 20')
    """
    for of in (10, 20, 100):
        if abs(interval * of - round(interval * of)) < 1e-9:
            return f"{round(interval * of)} in {of}"
    return f"{round(interval * 100)} in 100"


def percent(share: float | None) -> str:
    """A share for tables: whole per cents, never a bare 0 or 100 that is not exact.

    >>> [percent(p).replace(NBSP, " ") for p in (0.143, 0.0, 0.002, 0.998, 1.0, -0.28)]
    ['14 %', '0 %', 'under 1 %', 'over 99 %', '100 %', '−28 %']
    """
    if share is None or math.isnan(share):
        return "unknown"
    if 0 < abs(share) < 0.005:
        return f"under 1{NBSP}%"
    if 0.995 < share < 1:
        return f"over 99{NBSP}%"
    whole = round(share * 100)
    return f"{MINUS if whole < 0 else ''}{abs(whole):,}{NBSP}%"


def chance(p: float) -> str:
    """A probability as a frequency with the resolution that draws support.

    >>> [chance(p) for p in (0.001, 0.01, 0.02, 0.05, 0.12, 0.3, 0.97, 0.99, 0.999)]
    ['fewer than 1 of 200', '1 of 100', '1 of 50', '1 of 20', '1 of 10', '3 of 10', '19 of 20', '99 of 100', \
'more than 199 of 200']
    """
    steps = (
        (0.005, "fewer than 1 of 200"),
        (0.015, "1 of 100"),
        (0.035, "1 of 50"),
        (0.075, "1 of 20"),
        (0.125, "1 of 10"),
        (0.15, "3 of 20"),
    )
    for limit, text in steps:
        if p < limit:
            return text
    if p > 0.995:
        return "more than 199 of 200"
    if p > 0.975:
        return "99 of 100" if p > 0.985 else "49 of 50"
    if p > 0.925:
        return "19 of 20"
    if p > 0.85:
        return "17 of 20" if p < 0.875 else "9 of 10"
    return f"{round(p * 10)} of 10"


def tenths(p: float) -> str:
    """A probability for a table whose every row has the denominator ten.

    >>> [tenths(p) for p in (0.01, 0.32, 0.97)]
    ['under 1 of 10', '3 of 10', 'over 9 of 10']
    """
    if p < 0.05:
        return "under 1 of 10"
    return "over 9 of 10" if p > 0.95 else f"{round(p * 10)} of 10"


def diagnostic(name: str, value: float) -> str:
    """R-hat of chains, or Pareto k of weights; no tail is lighter than k = 0.

    >>> diagnostic("rhat", 1.0049), diagnostic("pareto_k", -0.31), diagnostic("pareto_k", 0.462)
    ('1.005', '0.00', '0.46')
    """
    return f"{value:.3f}" if name == "rhat" else f"{max(value, 0.0):.2f}"


def date(value: datetime.date | str | None) -> str:
    """A day as people write it; ISO text is read first.

    >>> date("2026-11-21").replace(NBSP, " ")
    '21 Nov 2026'
    """
    if value is None or value == "":
        return "an unknown day"
    day = datetime.date.fromisoformat(value[:10]) if isinstance(value, str) else value
    return f"{day.day}{NBSP}{_MONTHS[day.month - 1]}{NBSP}{day.year}"


def day_month(value: datetime.date | str) -> str:
    """A day of the current year.

    >>> day_month("2026-11-14").replace(NBSP, " ")
    '14 Nov'
    """
    return date(value).rsplit(NBSP, 1)[0]


def plural(n: float, noun: str, many: str | None = None) -> str:
    """A count with its noun.

    >>> plural(1, "cohort"), plural(3, "cohort"), plural(0, "customer")
    ('1 cohort', '3 cohorts', 'no customers')
    """
    word = noun if round(n) == 1 else many or f"{noun}s"
    return f"no {word}" if round(n) == 0 else f"{count(n)} {word}"


def ahead(horizon: str) -> str:
    """A horizon seen from today.

    >>> ahead("3 years"), ahead("1 year")
    ('next 3 years', 'next year')
    """
    text = str(horizon)
    return f"next {text.removeprefix('1 ')}"


def listed(parts: Sequence[str], last: str = "and") -> str:
    """Parts joined as a sentence does.

    >>> listed(["keep", "test", "wait"]), listed(["call", "mail"], "or")
    ('keep, test and wait', 'call or mail')
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {last} {parts[-1]}" if parts else ""


def typeset(text: str) -> str:
    """A sentence of another module with its numbers as they stand on the page: a true minus, a blank before per cent.

    >>> typeset("-0.12 of 36% (5.34 % to 52.1 %)").replace(NBSP, " "), typeset("2024-05-01, a-1")
    ('−0.12 of 36 % (5.34 % to 52.1 %)', '2024-05-01, a-1')
    """
    return re.sub(r"(?<=\d) ?%", f"{NBSP}%", re.sub(r"(?<![\w-])-(?=\d)", MINUS, text))


def too_few(expected: float, came: float) -> str:
    """How far a forecast was off, seen from what came.

    >>> too_few(16_874, 19_684).replace(NBSP, " "), too_few(100, 100), too_few(120, 100).replace(NBSP, " ")
    ('14 % too few', 'as expected', '20 % too many')
    """
    if came <= 0:
        return "nothing came" if expected > 0 else "as expected"
    off = (expected - came) / came
    if abs(off) < 0.005:
        return "as expected"
    return f"{percent(abs(off))} too {'many' if off > 0 else 'few'}"


def short_id(value: object, longest: int = 32) -> str:
    """An identifier shortened for a table: control characters are shown as a blank, the rest stays as it is.

    >>> short_id("C" * 40), short_id("a\\nb")
    ('CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC…', 'a b')
    """
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def plain(text: str) -> str:
    """The same text in ASCII, for mail subjects and log files.

    >>> plain("− 3,000 · 14\\u00a0% é")
    '- 3,000 - 14 % ?'
    """
    table = str.maketrans({NBSP: " ", MINUS: "-", "–": "-", "·": "-", "…": "...", "’": "'"})
    return text.translate(table).encode("ascii", "replace").decode("ascii")


def thousands(value: float) -> str:
    """An amount for a narrow line: "490k", "1.2m".

    >>> thousands(489_731), thousands(-3012), thousands(940), thousands(1_234_000)
    ('490k', '−3.01k', '940', '1.23m')
    """
    size = abs(significant(value, 3))
    for limit, mark in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if size >= limit:
            return f"{MINUS if value < 0 else ''}{significant(size / limit, 3):g}{mark}"
    return number(value)
