"""How labels change where nothing happened to the customers, and as weeks pass: what memory of labels is for."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from harness.output import tell
from harness.tables import markdown
from segment_worlds import THETA, VALUED, World

import kundenwert as kw
from kundenwert.decisions.hysteresis import SWITCHING_COST, recall
from kundenwert.decisions.losses import Losses
from kundenwert.decisions.one_pass import assess
from kundenwert.decisions.segments import Segments
from kundenwert.names import MIGRATOR, SEGMENTS, STATES
from kundenwert.value.levers import Lever

CUT = "1997-09-30"
FAMILIES = ("mbgnbd", "bgnbd")
SPEC = {"margin": 0.30, "horizon": "3 years", "discount_rate": 0.10}  # as models/cdnow.toml
LEVERS = (
    Lever("win-back mail", "reactivation", cost_per_contact=0.6),
    Lever("call", "retention", cost_per_contact=1.5),
    Lever("newsletter", "frequency", cost_per_contact=0.3),
    Lever("self-service", "cost_to_serve", cost_per_contact=0.1),
)
WITH_LEVERS = SPEC | {"cost_per_order": 2.0, "levers": LEVERS}
FIRST_SEED, OTHER_SEEDS = 20260101, (11, 12, 13)
STEP, STEPS = 4, 6  # weeks, and how often
COSTS = (0.0, SWITCHING_COST, 0.10)
WORLD_CUSTOMERS = 20_000
MOST_BY_SEED = 0.002


@dataclass(frozen=True, eq=False)
class Changes:
    """Shares of customers whose label changed, one for each repetition or step.

    Parameters
    ----------
    without : where every label is given anew.
    with_memory : where the published label is remembered.
    """

    without: np.ndarray
    with_memory: np.ndarray


def changed(one: Segments, other: Segments) -> float:
    """Share of customers whose label differs."""
    return float((one.table["segment"] != other.table["segment"]).mean())


def remembered(segments: Segments, day: str, *, aged: bool = False) -> dict[str, Any]:
    """What the next run is told of this one: thresholds, and labels that were published on a day.

    Parameters
    ----------
    aged : whether all of them count as having stood since that day.
    """
    table = segments.table.drop(columns="label_since") if aged else segments.table
    ids = table["customer_id"].to_numpy(dtype=object)
    return {"thresholds": segments.thresholds, "published": recall(ids, table, np.datetime64(day))}


@cache
def calibration(data: str) -> kw.CustomerSummary:
    """CDNOW up to the cut, one group."""
    log = getattr(kw.examples, data)()
    return kw.summarize(log, customer="customer_id", time="date", amount="spend", cohort="all", observation_end=CUT)


def across_seeds(
    summary: kw.CustomerSummary, family: str, wanted: dict[str, Any], seeds: tuple[int, ...] = OTHER_SEEDS
) -> Changes:
    """The same customers fitted and labelled again with other seeds of everything, thresholds frozen.

    Labels of the first run count as published four weeks before, so that they are not held because they are young.
    """
    first = assess(fitted(summary, family, FIRST_SEED), summary, seed=FIRST_SEED, **wanted)
    memory = remembered(first, "1997-09-02", aged=True)
    found = []
    for seed in seeds:
        posterior = fitted(summary, family, seed)
        anew = assess(posterior, summary, seed=seed, thresholds=first.thresholds, **wanted)
        again = assess(posterior, summary, seed=seed, **memory, **wanted)
        found.append((changed(first, anew), changed(first, again)))
    return Changes(*np.array(found).T)


def fitted(summary: kw.CustomerSummary, family: str, seed: int) -> kw.Posterior:
    """One group of customers."""
    return kw.fit(summary, purchase=family, pooling="complete", seed=seed)


def seeds() -> str:
    """Labels that another seed changes."""
    lines = []
    for data in ("cdnow", "cdnow_sample"):
        for family in FAMILIES:
            for text, wanted in (("peers", SPEC), ("4 levers", WITH_LEVERS)):
                tell(f"seeds: {data}, {family}, {text}")
                found = across_seeds(calibration(data), family, wanted)
                cells = [f"{one.mean():.2%} ({one.max():.2%})" for one in (found.without, found.with_memory)]
                kept = "held" if found.with_memory.max() <= MOST_BY_SEED else "MISSED"
                lines.append([f"{data}, {family}, potential by {text}", *cells, kept])
    header = ["", "changed, labels given anew: mean (most)", "changed, labels remembered"]
    return markdown([*header, f"at most {MOST_BY_SEED:.1%}"], lines)


def week_by_week(
    bases: list[kw.CustomerSummary], family: str, wanted: dict[str, Any]
) -> Iterator[tuple[str, list[Segments]]]:
    """Labels as weeks pass, by what is remembered: parameters and thresholds are those of the first day."""
    posterior = fitted(bases[0], family, FIRST_SEED)
    first = assess(posterior, bases[0], **wanted)
    for cost in (None, *COSTS):
        name = "labels given anew" if cost is None else f"remembered, switching cost {cost:g}"
        tell(f"flicker: {family}, {name}")
        found = [first]
        for before, summary in pairwise(bases):
            told: dict[str, Any] = {"thresholds": first.thresholds}
            if cost is not None:
                told = remembered(found[-1], str(before.observation_end)) | {"switching_cost": cost}
            found.append(assess(posterior, summary, **told, **wanted))
        yield name, found


def flicker() -> str:
    """Labels that change in four weeks: on CDNOW, and in a world where it is known what the change is worth."""
    lines = [line for family in FAMILIES for line in real_lines(family)]
    header = ["", "changed in 4 weeks", "least, most", "changed, and back four weeks later"]
    known = [line for family in FAMILIES for line in known_lines(family)]
    return f"{markdown(header, lines)}\n\n{markdown(['', 'changed in 4 weeks', 'loss', 'right'], known)}"


def real_lines(family: str) -> Iterator[list[str]]:
    """CDNOW's master, the day of the labels moved on by four weeks at a time."""
    log = kw.examples.cdnow()
    days = [(pd.Timestamp(CUT) + pd.Timedelta(weeks=STEP * step)).date() for step in range(STEPS + 1)]
    bases = [
        kw.summarize(log, customer="customer_id", time="date", amount="spend", cohort="all", observation_end=day)
        for day in days
    ]
    for name, runs in week_by_week(bases, family, SPEC):
        labels = np.array([one.table["segment"].to_numpy() for one in runs])
        moved = labels[1:] != labels[:-1]
        share, back = moved.mean(axis=1), moved[:-1] & moved[1:] & (labels[2:] == labels[:-2])
        cells = [f"{share.mean():.1%}", f"{share.min():.1%}, {share.max():.1%}", f"{back.mean():.2%}"]
        yield [f"cdnow, {family}, {name}", *cells]


def known_lines(family: str) -> Iterator[list[str]]:
    """A simulated world: what a label costs that is remembered."""
    world = World(family, THETA[family], WORLD_CUSTOMERS, seed=5, after=STEP * STEPS)
    weeks = [STEP * step for step in range(STEPS + 1)]
    bases = [world.summary(later, str((pd.Timestamp(CUT) + pd.Timedelta(weeks=later)).date())) for later in weeks]
    for name, runs in week_by_week(bases, family, VALUED):
        share = np.mean([changed(one, other) for one, other in pairwise(runs)])
        loss, right = np.mean([judged(one, world, later) for one, later in zip(runs[1:], weeks[1:], strict=True)], 0)
        yield [f"known truth, {family}, {name}", f"{share:.1%}", f"{loss:.4f}", f"{right:.1%}"]


def judged(segments: Segments, world: World, later: float) -> tuple[float, float]:
    """Mean loss of what is published, a withheld label at its price; and how many of the others are right."""
    truth = world.truth(segments.thresholds, later)
    action = pd.Index(SEGMENTS).get_indexer(segments.table["segment"])
    withheld = action == SEGMENTS.index(MIGRATOR)
    price = np.full((1, len(STATES)), segments.thresholds.rejection_price)
    loss = np.vstack([Losses().array, price])[action, truth]
    return float(loss.mean()), float((action == truth)[~withheld].mean())
