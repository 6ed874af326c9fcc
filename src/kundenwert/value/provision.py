"""The provision for refunds: what of the newest orders is still expected to come back. Reported, never booked."""

from typing import TYPE_CHECKING, Final

import numpy as np

from kundenwert.customers.summary import need_summary
from kundenwert.errors import UsageError
from kundenwert.value.counters import FloatArray
from kundenwert.value.economics import Economics
from kundenwert.value.returns import ReturnPrior, return_shares

if TYPE_CHECKING:
    from kundenwert.customers.ledgers import Ledger
    from kundenwert.customers.summary import CustomerSummary

RETURN_DAYS: Final = 30


def refund_provision(
    summary: "CustomerSummary",
    economics: Economics,
    ledger: "Ledger",
    *,
    days: int = RETURN_DAYS,
    prior: ReturnPrior | None = None,
) -> FloatArray:
    """What refunds after the end of observation may take back of the value that customers have brought.

    A refund belongs to the run in which it comes, so that realized value of today holds the newest orders whole. The
    provision is margin, times the share of the customer's money that comes back, times what was paid in the last days
    and has not come back so far. It is on the safe side: some of these orders have been kept already.

    Parameters
    ----------
    summary, economics, ledger : of the same customers.
    days : within which orders come back.
    prior : of returns, see `fit_return_prior`; by default it is fitted to these customers.

    Returns
    -------
    (customer,) money, negative where the margin is.

    Raises
    ------
    DataError : as `return_shares`.
    UsageError : economics or a ledger of other customers, or no day.

    Notes
    -----
    docs/statistics.md, section Realized value.

    Examples
    --------
    >>> import pandas as pd
    >>> import kundenwert as kw
    >>> orders = pd.DataFrame({"who": ["a", "a", "a", "b"], "paid": [100.0, -50.0, 80.0, 60.0],
    ...                        "day": ["2025-01-02", "2025-01-09", "2025-03-20", "2025-01-30"]})
    >>> log = kw.read(orders, customer="who", time="day", amount="paid")
    >>> summary = kw.summarize(log, observation_end="2025-03-31")
    >>> costs = kw.resolve_economics(summary.table, margin=0.5, time_unit="week")
    >>> refund_provision(summary, costs, kw.ledger(log, summary)).round(2).tolist()
    [9.66, 0.0]
    """
    if days < 1:
        raise UsageError(f"days must be at least 1, not {days!r}.")
    need_summary(summary)
    ids = summary.table["customer_id"].to_numpy(dtype=object)
    if len(economics) != len(ids) or not np.array_equal(ids, ledger.customer_id.to_numpy(dtype=object)):
        raise UsageError("summary, economics and ledger are not of the same customers. Make all of them from one log.")
    return np.asarray(economics.margin * return_shares(summary, prior).money.mean * ledger.recent(days))
