"""Value and labels together: one pass over the individual draws with frozen thresholds, two where they are derived."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Unpack

import numpy.typing as npt

from kundenwert.decisions.derived_losses import resolve_losses
from kundenwert.decisions.evsi.waiting import RESOLVABLE, LookAhead
from kundenwert.decisions.hard_events import HardEvents
from kundenwert.decisions.hysteresis import SWITCHING_COST, Published
from kundenwert.decisions.judging import Judged, Rule, Verdicts, judge
from kundenwert.decisions.losses import Losses
from kundenwert.decisions.segments import (
    Segments,
    cheapest_of,
    concluded,
    memory_of,
    refuse_non_finite,
    repairs_of,
)
from kundenwert.decisions.thresholds import Thresholds, derive_marks
from kundenwert.units import Horizon
from kundenwert.value.appraisal import Wanted, appraise
from kundenwert.value.bases import chosen
from kundenwert.value.gathering import Expected, Gathered, Simulated, reduce_expected, reduce_futures
from kundenwert.value.individuals import Progress
from kundenwert.value.outlook import Outlook

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior


def assess(
    posterior: "Posterior",
    summary: "CustomerSummary",
    *,
    thresholds: Thresholds | None = None,
    losses: Losses | npt.ArrayLike | Literal["levers"] | None = None,
    packages: Mapping[str, Sequence[str] | None] | None = None,
    published: Published | None = None,
    switching_cost: float = SWITCHING_COST,
    dwell: Horizon | str = "4 weeks",
    look_ahead: Horizon | str = "1 quarter",
    resolvable: float = RESOLVABLE,
    events: HardEvents | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    **wanted: Unpack[Wanted],
) -> Segments:
    """What `estimate_value` and `segment` find, without going over the customers more often than it takes.

    Parameters
    ----------
    thresholds : of an earlier run: everything about a customer is then decided at once. Without them a first pass
        derives what money means valuable, and a second one decides.
    losses, packages, published, switching_cost, dwell, look_ahead, resolvable, events : as in `segment`.
    threads, progress, wanted : as in `estimate_value`.

    Returns
    -------
    Segments, whose `value` is what `estimate_value` returns.

    Raises
    ------
    UsageError, DataError, RunError, NumericalError : as there.

    Examples
    --------
    >>> segments = kw.assess(posterior, summary, horizon="1 year", margin=0.3, draws=100)
    >>> again = kw.assess(posterior, summary, thresholds=segments.thresholds, horizon="1 year", margin=0.3, draws=100)
    >>> bool((again.table["segment"] == segments.table["segment"]).all())
    True
    """
    # Nothing is done to who has died or is to be deleted, either.
    nobody, asking, gone = (None, None, None) if events is None else (events.any, events.complaint, events.removed)
    facts = {"objected": nobody, "complaint": asking, "gone": gone}
    appraisal = appraise(posterior, summary, threads=threads, progress=progress, **facts, **wanted)
    count, draws = len(appraisal.customers), appraisal.people.draws
    memory = memory_of(published, thresholds, summary, switching_cost, dwell, events, appraisal)
    gathered = Gathered.of(appraisal)

    def look(outlook: Outlook) -> Expected:
        return reduce_expected(outlook, appraisal)

    if thresholds is None:
        for rows, cohort, expected in appraisal.stream(look, stage="value", threads=threads, progress=progress):
            gathered.add_expected(rows, cohort, expected)
        peers = gathered.settled(appraisal, None)
        scale, unrealized = peers.attainable_scale, chosen(gathered.detail(appraisal, peers), appraisal.basis)
        marks = derive_marks(gathered.columns["actual_value"], unrealized, **cheapest_of(appraisal))
    else:
        marks, scale = thresholds.marks, thresholds.attainable_scale
    matrix, in_money = resolve_losses(losses, thresholds, appraisal, marks, scale, packages, threads=threads)
    rule = Rule(
        marks,
        scale,
        matrix,
        None if thresholds is None else thresholds.rejection_price,
        LookAhead(Horizon.parse(look_ahead).in_units(appraisal.settings.time_unit), resolvable),
        repairs_of(appraisal),
        memory,
        events,
        in_money,
    )
    verdicts = Verdicts.of(rule, count, draws)

    def decide(outlook: Outlook) -> tuple[Expected, Simulated, Judged]:
        expected, simulated = look(outlook), reduce_futures(outlook, appraisal)
        return expected, simulated, judge(outlook, expected.room, simulated.value, rule, appraisal)

    passed = appraisal.stream(decide, stage="segments", threads=threads, progress=progress)
    for rows, cohort, (expected, simulated, found) in passed:
        if thresholds is not None:
            gathered.add_expected(rows, cohort, expected)
        gathered.add_simulated(rows, cohort, simulated)
        verdicts.add(rows, found)
    value = gathered.value(appraisal, scale)
    refuse_non_finite(value)
    return concluded(value, appraisal, verdicts)
