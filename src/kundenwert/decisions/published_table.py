"""The table of customers that a run publishes, and the notes that stand beside it."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from kundenwert.decisions.judging import Rule, Verdicts
from kundenwert.decisions.rule import BoolArray, Decision
from kundenwert.decisions.thresholds import Thresholds
from kundenwert.names import CUSTOMER_COLUMNS, STATES, Flag, State, Status
from kundenwert.value.appraisal import Appraisal
from kundenwert.value.results import Value

PROFILE = (
    "p_alive",
    "churn_probability",
    "expected_purchases",
    "actual_value",
    "actual_value_low",
    "actual_value_high",
    "potential_value",
    "unrealized_value",
    "expected_loss",
    "expected_gain",
)


def customer_table(
    value: Value, appraisal: Appraisal, verdicts: Verdicts, decision: Decision, frozen: Thresholds
) -> pd.DataFrame:
    table = value.table.copy()
    for name in ("frequency", "recency", "T", "monetary_value"):
        table[name] = appraisal.summary.table[name].to_numpy()
    for state, chance in zip(STATES, verdicts.probabilities.T, strict=True):
        table[f"p_{state.value}"] = chance
    table["segment"] = decision.labels
    firm = np.where(decision.borderline, Status.BORDERLINE.value, Status.DECIDED.value)
    table["status"] = np.where(decision.undecided, Status.UNDECIDED.value, firm).astype(object)
    table["expected_loss"] = decision.risk
    table["action"] = None
    table["expected_gain"] = np.nan
    actual, unrealized = table["actual_value"].to_numpy(), table["unrealized_value"].to_numpy()
    marks = {
        Flag.FIXABLE_BZ: (actual < -frozen.below_zero) & (actual + unrealized > 0),
        Flag.BZ_UNCONFIRMED: decision.unconfirmed,
        Flag.STOP_MARKETING: decision.labels == State.BELOW_ZERO.value,
        Flag.HELD: decision.held,
    }
    events, memory = verdicts.rule.events, verdicts.rule.memory
    if events is not None:
        table = _without_profile(table, events.objected)
        marks = {flag: mask & ~events.objected for flag, mask in marks.items()}
        marks |= {Flag.OBJECTED: events.objected, Flag.COMPLAINT_OPEN: events.complaint & ~events.objected}
        marks |= {Flag.REMOVED: events.removed & ~events.objected}
    table["flags"] = list(_flags(table["flags"], marks))
    columns = [*CUSTOMER_COLUMNS]
    if memory is not None:
        table["label_since"] = memory.published.since_when(table["segment"].to_numpy(dtype=object), memory.now)
        columns.append("label_since")
    elif appraisal.summary.observation_end is not None:
        labelled = table["segment"].notna().to_numpy()
        day = np.datetime64(appraisal.summary.observation_end, "D")
        table["label_since"] = np.where(labelled, day, np.datetime64("NaT", "D"))
        columns.append("label_since")
    return table[columns]


def _without_profile(table: pd.DataFrame, objected: BoolArray) -> pd.DataFrame:
    """What a model says of customers who objected is not said: only what they brought so far stays."""
    if objected.any():
        table.loc[objected, [*PROFILE, *(f"p_{state.value}" for state in STATES)]] = np.nan
        for name in ("segment", "status"):
            table.loc[objected, name] = None
        table["flags"] = [[] if gone else flags for flags, gone in zip(table["flags"], objected, strict=True)]
    return table


def _flags(before: pd.Series, marks: dict[Flag, BoolArray]) -> Iterator[list[str]]:
    found = [list(flags) for flags in before]
    for flag, mask in marks.items():
        for row in np.flatnonzero(mask):
            found[row].append(flag.value)
    return iter(found)


def notes_on(value: Value, frozen: Thresholds, decision: Decision, possible: bool, rule: Rule) -> tuple[str, ...]:
    notes = list(value.notes)
    if not possible:
        notes.append("Nobody can be below zero here: no costs to come are counted.")
    if np.isinf(frozen.valuable):
        notes.append("Nobody can be valuable here: no customer has positive actual value.")
    if np.isinf(frozen.growable):
        notes.append("Nobody can be growable here: there is no unrealized value.")
    if waiting := int(decision.unconfirmed.sum()):
        repaired = bool(rule.repairs_evaluated.any())
        notes.append(
            f"{waiting:,} customers look below zero, but too little is known to label them so."
            if repaired
            else f"{waiting:,} customers look below zero. They are not labelled so: what would mend it, a lever on the "
            "cost to serve, has not been evaluated."
        )
    if rule.events is not None and (objected := int(rule.events.objected.sum())):
        notes.append(f"{objected:,} customers objected to profiling: they are in every total and in no list.")
    return tuple(notes)
