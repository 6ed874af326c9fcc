"""Refunds: each nets against the customer's latest purchase day not after it, an excess against earlier days.

They change money, never timing. What is left over after the first purchase stays with the first purchase, so that
`gross - refunds = first_amount + spend_days * monetary_value` holds for every customer.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

DIGITS = 12
"""Significant digits of a sum of money.

Engines add in different orders, and DuckDB in another one each time it runs on several threads: the last bits of a sum
are noise. Twelve digits keep every cent of 10 billion, make the sums of all engines equal, and turn the residue
of `10.1 + 20.2 - 30.3` (3.6e-15, which Gamma-Gamma would take for a purchase) into the zero that it is.
"""


def round_money(value: Any, scale: Any) -> Any:
    """Money to twelve significant digits of the sums it was made from.

    Parameters
    ----------
    value : (n,) money.
    scale : (n,) the size of the largest sum that went into each value, not negative.

    Examples
    --------
    >>> float(round_money(10.1 + 20.2 - 30.3, 30.3))
    0.0
    """
    size = np.where(np.asarray(scale) > 0, scale, 1.0)
    factor = 10.0 ** np.clip(DIGITS - 1 - np.floor(np.log10(size)), 0, 22)
    return np.round(np.asarray(value) * factor) / factor + 0.0  # -0.0 becomes 0.0


@dataclass(frozen=True)
class DayBook:
    """Purchase days and refund days of some customers, sorted by customer, then day, purchases first.

    Parameters
    ----------
    code : (row,) customer. refund : (row,) whether the row is a refund day. amount : (row,) money, not negative.
    """

    code: Any
    refund: Any
    amount: Any


def _day_book(days: pd.DataFrame, refunds: pd.DataFrame) -> tuple[DayBook, Any]:
    code, ids = pd.factorize(pd.concat([days["customer_id"], refunds["customer_id"]], ignore_index=True))
    day = pd.concat([days["day"], refunds["day"]]).to_numpy()
    refund = np.repeat([False, True], [len(days), len(refunds)])
    amount = np.concatenate([days["gross"].to_numpy(float), refunds["refund"].to_numpy(float)])
    order = np.lexsort((refund, day, code))
    return DayBook(code[order], refund[order], amount[order]), ids


def net_days(book: DayBook) -> tuple[Any, Any]:
    """What refunds leave of each purchase day.

    Parameters
    ----------
    book : of some customers.

    Returns
    -------
    (purchase day,) net money, negative on a first day that bears an excess; and (row,) whether the row is a refund that
    has a purchase day not after it.
    """
    row = np.arange(len(book.code))
    latest = np.maximum.accumulate(np.where(book.refund, -1, row)) if len(row) else row
    matched = book.refund & (latest >= 0)
    matched[matched] = book.code[latest[matched]] == book.code[matched]
    taken = np.bincount(latest[matched], weights=book.amount[matched], minlength=len(row))
    bought = ~book.refund
    code = book.code[bought]
    net = _carry(book.amount[bought] - taken[bought], _first_rows(code))
    return round_money(net, np.bincount(book.code, weights=book.amount)[code]), matched


def _first_rows(code: Any) -> Any:
    """(row,) whether a row is the first of its customer, where rows are sorted by customer."""
    return np.r_[True, code[1:] != code[:-1]][: len(code)]


def net_refunds(days: pd.DataFrame, refunds: pd.DataFrame) -> pd.DataFrame:
    """Net the refunds of some customers against their purchase days.

    Parameters
    ----------
    days : (purchase day,) `customer_id, day, gross` of these customers.
    refunds : (refund day,) `customer_id, day, refund`, positive.

    Returns
    -------
    (customer,) `customer_id, first_amount, spend` (net of the repeat days with a positive net), `spend_days` (their
    number), `returned_orders` (days that were paid for and have no positive net), `refunds` (matched, positive),
    `early_refund` (a refund before the first purchase was ignored), `purchases` (purchase days; 0 for a customer with
    refunds alone).

    Examples
    --------
    >>> day = pd.to_datetime(["1997-01-01", "1997-02-01", "1997-03-01"])
    >>> days = pd.DataFrame({"customer_id": 1, "day": day, "gross": [10.0, 20.0, 30.0]})
    >>> back = pd.DataFrame({"customer_id": [1], "day": pd.to_datetime(["1997-04-01"]), "refund": [35.0]})
    >>> net_refunds(days, back)[["first_amount", "spend", "spend_days"]].to_numpy().tolist()
    [[10.0, 15.0, 1.0]]
    """
    book, ids = _day_book(days, refunds)
    n = len(ids)
    net, matched = net_days(book)
    bought = ~book.refund
    code = book.code[bought]
    first = _first_rows(code)
    scale = np.bincount(book.code, weights=book.amount, minlength=n)
    paid = ~first & (net > 0)
    back = np.bincount(book.code[matched], weights=book.amount[matched], minlength=n)
    return pd.DataFrame(
        {
            "customer_id": ids,
            "first_amount": np.bincount(code[first], weights=net[first], minlength=n),
            "spend": np.bincount(code[paid], weights=net[paid], minlength=n),
            "spend_days": np.bincount(code[paid], minlength=n),
            "returned_orders": np.bincount(code[(book.amount[bought] > 0) & (net <= 0)], minlength=n),
            "refunds": round_money(back, scale),
            "early_refund": np.bincount(book.code[book.refund & ~matched], minlength=n) > 0,
            "purchases": np.bincount(code, minlength=n),
        }
    )


def _carry(net: Any, first: Any) -> Any:
    """Move what a day cannot bear to the purchase day before it; the first one bears the rest."""
    net = net.copy()
    # From the last day backwards a carry can only make an earlier day negative, so one pass settles all; days that
    # bear their own refunds are skipped at the price of one comparison.
    for i in np.flatnonzero((net < 0) & ~first)[::-1]:
        while net[i] < 0 and not first[i]:
            net[i - 1] += net[i]
            net[i] = 0.0
            i -= 1
    return net
