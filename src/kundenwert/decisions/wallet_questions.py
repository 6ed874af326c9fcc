"""Whom to ask what they spend elsewhere: what a known wallet would save by another label, customer by customer.

Where potential value rests on wallets, an answer moves unrealized value, and with it the states that a label is chosen
for (docs/statistics.md, section Value of information).
"""

import numpy as np
import pandas as pd

from kundenwert.decisions.losses import FloatArray, least_risk, risks
from kundenwert.decisions.rule import DORMANT, BoolArray
from kundenwert.decisions.segments import Segments
from kundenwert.decisions.states import codes_of_living, states_of
from kundenwert.decisions.thresholds import Marks
from kundenwert.errors import UsageError
from kundenwert.names import PotentialBasis
from kundenwert.value.individuals import Progress
from kundenwert.value.outlook import Outlook
from kundenwert.value.room import Room

ANSWERS = 20


def value_of_wallets(
    segments: Segments, *, answers: int = ANSWERS, threads: int | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """What knowing a customer's wallet would save by a better label, in units of loss.

    Parameters
    ----------
    segments : whose unrealized value rests on wallets.
    answers : equally likely answers that are tried of each customer.
    threads, progress : as in `estimate_value`.

    Returns
    -------
    (customer,) in the order of the summary, missing of customers whose wallet is stated already, and of those who
    objected or have gone:

        - `customer_id`.
        - `perfect` : what the answer saves if the label then rests on all that it tells, in units of
          `segments.losses`; never negative.
        - `value` : what it saves by the label that is given here once it is stated, which takes actual value and the
          chance of being alive from orders alone; at most `perfect`, and below 0 where that label would be worse. An
          answer also decides whether `below_zero` may be said.
        - `changes` : chance that it leads to that other label.

    Raises
    ------
    UsageError : unrealized value does not rest on wallets, so that no answer would change a label; no answer to try.

    Notes
    -----
    docs/statistics.md, section Value of information. Each answer is taken as exact: one that is only about right is
    worth less. To withhold the label is not counted as one, and neither is a label that stands. About 10 milliseconds a
    customer at 1,000 draws on two cores.

    Examples
    --------
    >>> people = summary.table.assign(spent=400.0 + 10.0 * np.arange(len(summary.table)))
    >>> people.loc[people.index % 10 > 0, "spent"] = np.nan
    >>> wallets = kw.read_wallets(people, wallet="spent", wallet_error=0.3, time_unit="week")
    >>> segments = kw.assess(posterior, summary, margin=0.3, draws=50, newcomers=50, wallets=wallets)
    >>> asked = value_of_wallets(segments)
    >>> bool((asked["perfect"].dropna() >= 0).all()), int(asked["perfect"].isna().sum())
    (True, 236)
    """
    appraisal, rule, verdicts = segments.context, segments.verdicts.rule, segments.verdicts
    basis = appraisal.wallets
    if basis is None or appraisal.basis is not PotentialBasis.WALLET:
        raise UsageError(
            f"unrealized value rests on {appraisal.basis.value}, so that no wallet would change a label. Give "
            "wallets=read_wallets(...), with basis='wallet' where there are levers, too."
        )
    if answers < 1:
        raise UsageError(f"answers = {answers}: there must be one at least.")
    events, customers = rule.events, appraisal.customers
    closed = basis.data.known if events is None else basis.data.known | events.objected | events.removed
    levels = (np.arange(answers) + 0.5) / answers

    def look(outlook: Outlook) -> FloatArray:
        rows = outlook.rows

        def allowed(probabilities: FloatArray) -> BoolArray:
            return rule.allowed(probabilities, customers.T[rows], verdicts.cycle[rows], rows)

        today = allowed(verdicts.probabilities[rows])
        risk, published = np.empty((answers, *today.shape)), np.empty((answers, len(rows)), dtype=np.int64)
        least = np.empty((answers, len(rows)))
        for k, answer in enumerate(np.quantile(basis.stated(outlook), levels, axis=1)):
            after = states_of(outlook, basis.room_after(outlook, answer), 1.0, rule.marks).probabilities
            given = allowed(after)
            published[k] = least_risk(risks(after, rule.losses), given)[0]
            room, weights = basis.room_given(outlook, answer)
            known = weighted_states(outlook, room, weights, rule.marks)
            risk[k] = risks(known, rule.losses)
            least[k] = least_risk(risk[k], today | given | allowed(known))[1]
        label = least_risk(risks(verdicts.probabilities[rows], rule.losses), today)[0]
        loss = np.take_along_axis(risk.mean(axis=0), label[:, None], axis=1)[:, 0]
        value = loss - np.take_along_axis(risk, published[..., None], axis=2)[..., 0].mean(axis=0)
        return np.array([np.maximum(loss - least.mean(axis=0), 0.0), value, (published != label).mean(axis=0)])

    found = np.full((3, len(customers)), np.nan)
    passed = appraisal.stream(look, rows=np.flatnonzero(~closed), stage="wallets", threads=threads, progress=progress)
    for rows, _, columns in passed:
        found[:, rows] = columns
    names = ("perfect", "value", "changes")
    return pd.DataFrame({"customer_id": segments.table["customer_id"].array} | dict(zip(names, found, strict=True)))


def weighted_states(outlook: Outlook, room: Room, weights: FloatArray, marks: Marks) -> FloatArray:
    """(row, state) probabilities where draws are not equally likely; see `states_of`.

    Parameters
    ----------
    weights : (row, draw), rows add up to 1.
    """
    codes = codes_of_living(outlook.actual, room.given_alive, 1.0, marks)
    alive = outlook.block.p_alive * weights
    living = [np.where(codes == k, alive, 0.0).sum(axis=1) for k in range(DORMANT)]
    return np.column_stack([*living, 1.0 - alive.sum(axis=1)])
