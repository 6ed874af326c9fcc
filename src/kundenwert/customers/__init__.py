"""IDENTIFY: from a transaction log to the customer summary."""

from kundenwert.customers import examples
from kundenwert.customers.holdout import Holdout, hold_out, split
from kundenwert.customers.sources import read
from kundenwert.customers.summary import CustomerSummary, as_summary, summarize
from kundenwert.customers.transactions import Transactions

__all__ = [
    "CustomerSummary",
    "Holdout",
    "Transactions",
    "as_summary",
    "examples",
    "hold_out",
    "read",
    "split",
    "summarize",
]
