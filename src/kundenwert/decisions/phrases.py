"""Numbers of one customer inside a sentence."""

import math

from kundenwert.units import Currency

MINUS = "\u2212"
NO_AVERAGE = "no average exists"


def money_words(value: float, currency: Currency | None) -> str:
    """An amount, with cents below 10 only.

    Examples
    --------
    >>> money_words(1234.4, Currency("EUR")), money_words(-3.5, None), money_words(math.nan, None)
    ('EUR 1,234', '−3.50', 'no average exists')
    """
    if math.isnan(value):
        return NO_AVERAGE
    size = abs(value)
    text = f"{size:,.0f}" if round(size, 2) >= 10 else f"{size:,.2f}"
    sign = MINUS if value < 0 and float(text.replace(",", "")) else ""
    return f"{currency} {sign}{text}" if currency else f"{sign}{text}"


def loss_words(value: float) -> str:
    """An expected loss, in units of loss.

    Examples
    --------
    >>> loss_words(0.3456), loss_words(-0.02)
    ('0.346', '−0.020')
    """
    return f"{MINUS if value < 0 else ''}{abs(value):.3f}"


def counted(count: float, noun: str) -> str:
    """A count with its noun.

    Examples
    --------
    >>> counted(1, "order"), counted(0, "order"), counted(2.5, "week")
    ('1 order', '0 orders', '2.5 weeks')
    """
    text = f"{count:,.0f}" if count == round(count) or count >= 100 else f"{count:,.1f}"
    return f"{text} {noun}{'' if text == '1' else 's'}"
