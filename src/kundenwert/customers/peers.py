"""Peer groups: a cohort parted by what is known of its customers before they do anything, such as the channel.

A peer group exists only where it has parameters of its own, so it is part of the cohort's label: `1997-01 x web`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from kundenwert.customers.cohorts import PEERS, CohortRule, merge_small_groups
from kundenwert.customers.summary import need_summary
from kundenwert.customers.tables import blank, row_violation
from kundenwert.customers.transactions import category_texts
from kundenwert.errors import DataError, UsageError, Violation, did_you_mean
from kundenwert.names import CUSTOMER_COLUMNS, SUMMARY_TABLE
from kundenwert.spec_values import peers_mistake

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary

COHORT = "cohort"
UNKNOWN = "unknown"
_BEHAVIOUR: Final = frozenset({*SUMMARY_TABLE, *CUSTOMER_COLUMNS, "returned_orders"}) - {"customer_id"}
_WHERE = "peer groups"


def with_peers(
    summary: "CustomerSummary", peers: Sequence[str], *, cohort: str = "month", min_customers: int = 0
) -> "CustomerSummary":
    """A summary whose cohorts are parted into peer groups, each of which gets parameters and a frontier of its own.

    Parameters
    ----------
    summary : with the columns that peers have in common: of a table joined by `with_attributes`, carried from the
        log, or brought along. They hold text, whole numbers, or true and false.
    peers : "cohort", then columns that were decided before the first order: channel, region, first basket, size of
        the company. Customers of whom a column says nothing are peers of each other, called `unknown`.
    cohort : what `summary`'s cohorts are of, as in `summarize`; it says how small ones join.
    min_customers : smaller groups join others: first a value that is rare over all cohorts joins `other`, then small
        cohorts join their neighbors within a value. Leave it to this function, and `summarize` without.

    Returns
    -------
    CustomerSummary
        Its cohorts are called `1997-01 x web`, or `1997-01 x web x DE` with two columns; the columns stay. `notes`
        gains one sentence on the groups, and one for each merge.

    Raises
    ------
    UsageError
        No or unknown columns, or one of what customers do: frequency, recency, spend and all that is computed of
        them. Whoever is compared with those who buy as he does has no room by construction.
    DataError
        Values that make no groups, or peers were added before.

    Notes
    -----
    docs/statistics.md, section Potential value. A column of the log that holds text becomes an attribute by way of
    `summarize(log, cohort="column:NAME")`, whose cohorts are the column's values on the day of the first purchase.

    Examples
    --------
    >>> from kundenwert.customers.summary import as_summary
    >>> frame = pd.DataFrame({"frequency": 0, "recency": 0.0, "T": 30.0, "monetary_value": 0.0,
    ...                       "cohort": "1997-01", "channel": ["web", "shop", None]})
    >>> with_peers(as_summary(frame, time_unit="week"), ["cohort", "channel"]).cohorts
    ('1997-01 x shop', '1997-01 x unknown', '1997-01 x web')
    """
    need_summary(summary)
    rule, columns, table = CohortRule(cohort, min_customers), _columns(peers), summary.table
    _check_columns(columns, table)
    if not columns:
        return summary
    texts, violations = {}, _already(table)
    for name in columns:
        texts[name], broken = _values(table, name)
        violations += broken
    if violations:
        raise DataError(_WHERE, violations)
    labels, merges = merge_small_groups(table[COHORT].astype("str"), _joined(texts), rule)
    sizes = labels.value_counts()
    note = (
        f"peers are {PEERS.join([COHORT, *columns])}: {len(sizes):,} groups, the smallest of {sizes.min():,} customers"
    )
    return replace(summary, table=table.assign(cohort=labels), notes=(*summary.notes, note, *merges))


def _columns(peers: Sequence[str]) -> list[str]:
    """The columns besides the cohort."""
    if mistake := peers_mistake([peers] if isinstance(peers, str) else peers, all_alike='cohort = "all"'):
        raise UsageError(mistake)
    twice = sorted({name for name in peers if peers.count(name) > 1})
    if twice:
        raise UsageError(f"peers name {', '.join(twice)} more than once.")
    return [name for name in peers if name != COHORT]


def _check_columns(columns: Sequence[str], table: pd.DataFrame) -> None:
    possible = [str(name) for name in table.columns if name not in _BEHAVIOUR and name != "customer_id"]
    told = f"It has: {', '.join(possible)}." if possible else "It has none besides the standard ones."
    mistakes = []
    for name in columns:
        if name in _BEHAVIOUR:
            mistakes.append(
                f"{name} is what customers do, or computed of it: beside those who buy as he does nobody has room to "
                "grow, and chance makes the groups. Take what was decided before the first order, such as the channel."
            )
        elif name == "customer_id" or name not in table:
            mistakes.append(
                f"{name!r} is no column that peers could have in common. {did_you_mean(name, possible)} {told}"
            )
    if mistakes:
        raise UsageError("\n".join(f"peers: {' '.join(mistake.split())}" for mistake in mistakes))


def _already(table: pd.DataFrame) -> list[Violation]:
    parted = table[COHORT].astype("str").str.contains(PEERS, regex=False)
    if not parted.any():
        return []
    remedy = f"Add all peers at once; where it is the name of a cohort, rename it so that it holds no {PEERS!r}."
    return [row_violation(table.loc[parted, "customer_id"], f"the cohort holds {PEERS!r} already", remedy, "customer")]


def _values(table: pd.DataFrame, name: str) -> tuple["pd.Series[str]", list[Violation]]:
    """A column as labels, and what is wrong with it."""
    values, ids = table[name], table["customer_id"]
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = category_texts(values)
    kind, unknown = pd.api.types.infer_dtype(values, skipna=True), blank(values)
    texts = pd.Series(UNKNOWN, index=values.index, dtype="str")
    known = values[~unknown]
    rules: list[tuple[pd.Series[Any], str, str]] = []
    if known.empty:
        rules.append((ids[unknown], f"column {name!r} is empty for all", "Fill it in, or leave it out of the peers."))
    elif kind == "boolean":
        texts[known.index] = known.map({True: "true", False: "false"})
    elif kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        numbers = pd.to_numeric(known).astype("float64")
        broken = numbers[numbers % 1 != 0].index
        remedy = "Peers need values that many have in common. Put the numbers into bands first."
        rules.append((ids[broken], f"column {name!r} is not a whole number", remedy))
        texts[known.index] = numbers.map("{:.0f}".format)
    elif kind == "string":
        texts[known.index] = known.astype("str").str.strip()
    else:
        rules.append((ids[known.index], f"column {name!r} holds values of the kind {kind!r}", "Make them text."))
    holding = texts[texts.str.contains(PEERS, regex=False)].index
    rules.append((ids[holding], f"column {name!r} holds {PEERS!r}, which parts labels", "Write the value otherwise."))
    return texts, [row_violation(who, rule, remedy, "customer") for who, rule, remedy in rules if len(who)]


def _joined(texts: dict[str, "pd.Series[str]"]) -> "pd.Series[str]":
    joined, *others = texts.values()
    for other in others:
        joined = joined + PEERS + other
    return joined
