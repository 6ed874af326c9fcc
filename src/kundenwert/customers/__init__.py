"""IDENTIFY: from a transaction log to the customer summary."""

from kundenwert.customers import examples
from kundenwert.customers.attributes import Attributes, read_attributes, with_attributes
from kundenwert.customers.events import CostEvents, events_of, read_events, sum_events
from kundenwert.customers.holdout import Holdout, hold_out, split
from kundenwert.customers.joint_costs import share_joint_costs
from kundenwert.customers.ledgers import Ledger, ledger
from kundenwert.customers.sources import read
from kundenwert.customers.summary import CustomerSummary, as_summary, summarize
from kundenwert.customers.transactions import Transactions

__all__ = [
    "Attributes",
    "CostEvents",
    "CustomerSummary",
    "Holdout",
    "Ledger",
    "Transactions",
    "as_summary",
    "events_of",
    "examples",
    "hold_out",
    "ledger",
    "read",
    "read_attributes",
    "read_events",
    "share_joint_costs",
    "split",
    "sum_events",
    "summarize",
    "with_attributes",
]
