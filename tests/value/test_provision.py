"""The provision for refunds: by hand, and against refunds that come later in a simulated shop."""

import numpy as np
import pandas as pd
import pytest

import kundenwert as kw
from kundenwert.errors import UsageError
from kundenwert.value.provision import refund_provision
from kundenwert.value.returns import return_shares

COLUMNS = {"customer": "who", "time": "day", "amount": "paid"}


def test_the_provision_is_margin_times_share_times_what_is_open():
    orders = pd.DataFrame(
        [
            ("a", "2025-01-02", 100.0),
            ("a", "2025-01-09", -50.0),
            ("a", "2025-03-20", 80.0),
            ("a", "2025-03-25", -20.0),
            ("b", "2025-01-30", 60.0),
            ("c", "2025-03-31", 10.0),
        ],
        columns=["who", "day", "paid"],
    )
    log = kw.read(orders, **COLUMNS)
    summary = kw.summarize(log, observation_end="2025-03-31", cohort="all")
    economics = kw.resolve_economics(summary.table, margin=[0.5, 0.5, -0.1], time_unit="week")
    share, book = return_shares(summary).money.mean, kw.ledger(log, summary)
    found = refund_provision(summary, economics, book)
    np.testing.assert_allclose(found, [0.5 * share[0] * 60.0, 0.0, -0.1 * share[2] * 10.0], rtol=1e-14)
    assert refund_provision(summary, economics, book, days=5)[0] == 0.0
    with pytest.raises(UsageError, match="days must be at least 1, not 0"):
        refund_provision(summary, economics, book, days=0)
    other = kw.summarize(log, observation_end="2025-02-28", cohort="all")
    with pytest.raises(UsageError, match="not of the same customers"):
        refund_provision(other, economics, book)


def test_it_covers_what_comes_back_later_and_not_much_more():
    """A third of all orders comes back after 3 to 21 days.

    Of an order of age u a share F(u) of the returns has come, on average 9/21 of those of the last 21 days. So 1 - 9/21
    of a third are still to come, and a third of the money that has not come back, 1 - 3/21, is half as much again.
    """
    rng = np.random.default_rng(5)
    end, rows = pd.Timestamp("2025-06-30"), []
    for who in range(3_000):
        days = np.sort(rng.choice(181, rng.integers(1, 8), replace=False))
        for day in pd.Timestamp("2025-01-01") + pd.to_timedelta(days, unit="D"):
            paid = round(float(rng.gamma(4.0, 10.0)), 2) + 0.01
            rows.append((who, day, paid))
            if rng.random() < 1 / 3:
                rows.append((who, day + pd.Timedelta(days=int(rng.integers(3, 22))), -paid))
    orders = pd.DataFrame(rows, columns=["who", "day", "paid"])
    log = kw.read(orders, **COLUMNS)
    summary = kw.summarize(log, observation_end=end.date(), cohort="all")
    economics = kw.resolve_economics(summary.table, margin=0.4, time_unit="week")
    later = -0.4 * orders.loc[(orders["paid"] < 0) & (orders["day"] > end), "paid"].sum()
    found = refund_provision(summary, economics, kw.ledger(log, summary), days=21).sum()
    assert found / later == pytest.approx(1.5, abs=0.2)
