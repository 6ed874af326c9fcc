"""Why a customer has room to grow against the frontier of peers: few orders, leaving soon, small orders."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.inference.frontier_draws import extend
from kundenwert.value.actual import living_value
from kundenwert.value.appraisal import Appraisal, appraised
from kundenwert.value.block import SMALLEST_RATE
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import Population
from kundenwert.value.new_living import draw_new_living
from kundenwert.value.outlook import Outlook
from kundenwert.value.results import Value
from kundenwert.value.settings import Terms
from kundenwert.value.shapley import COORDINATES, Profile, frontier_parts, profile_at
from kundenwert.value.variates import IntArray

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior

CHUNK = 64  # parameter draws at once: 64 x 2000 new customers is one megabyte an array


def explain_room(
    value: Value, posterior: "Posterior", summary: "CustomerSummary", ids: Sequence[object]
) -> pd.DataFrame:
    """What makes up the unrealized value by peers of a few customers.

    Parameters
    ----------
    value : from the same posterior and summary.
    ids : customers, as in the summary.

    Returns
    -------
    (id,) `customer_id, frequency, retention, spend, cost`, money that adds up to unrealized value by peers. A part is
    negative where the customer is ahead of the mean newcomer at the frontier. `cost` is 0: the frontier is drawn under
    the customer's own costs.

    Raises
    ------
    UsageError : an id that the summary does not hold, or a value of another posterior or summary.

    Notes
    -----
    docs/statistics.md, section Potential value. Each customer with an own margin or cost takes about 0.2 seconds at
    1,000 draws.

    Examples
    --------
    >>> value = kw.estimate_value(posterior, summary, margin=0.3, draws=100)
    >>> parts = explain_room(value, posterior, summary, summary.table["customer_id"].head(2).tolist())
    >>> parts.columns.tolist()
    ['customer_id', 'frequency', 'retention', 'spend', 'cost']
    """
    position = {key: row for row, key in enumerate(summary.table["customer_id"])}
    unknown = [key for key in ids if key not in position]
    if unknown:
        raise UsageError(f"customer {unknown[0]!r} is not in the summary. Ids keep the type that they were read with.")
    wanted, place = np.unique(np.array([position[key] for key in ids], dtype=np.int64), return_inverse=True)
    base, frontier = appraised(value, posterior, summary), value.frontier
    targets = _targets(base, posterior, wanted)
    counts = frontier.attainable_scale * frontier.attainable

    def reduce(outlook: Outlook) -> dict[str, FloatArray]:
        block = outlook.block
        own = {
            "frequency": np.maximum(block.rate, SMALLEST_RATE),
            "retention": block.rate * block.dropout,
            "spend": block.mean_spend,
            "cost": outlook.offers,
        }
        rate, hazard, spend = np.stack([targets[row] for row in outlook.rows.tolist()], axis=1)
        kept = outlook.ahead.kept[:, None]
        target = {"frequency": rate, "retention": hazard, "spend": spend * kept, "cost": outlook.offers}
        level = frontier.level(frontier.quantile, block.cohort, outlook.ahead)
        weight = counts * block.p_alive * ~block.structurally_alive[:, None]
        return frontier_parts(own, target, level, weight, lambda profile: _worth(profile, outlook.terms))

    found = np.empty((len(value.table), len(COORDINATES)))
    for rows, _, parts in base.stream(reduce, rows=wanted, stage="room"):
        found[rows] = np.column_stack([parts[name] for name in COORDINATES])
    return pd.DataFrame({"customer_id": list(ids)} | dict(zip(COORDINATES, found[wanted][place].T, strict=True)))


def _worth(profile: Profile, terms: Terms) -> FloatArray:
    """(row, draw) value of living customers whose hazard is their own, whatever their rate."""
    rate = profile["frequency"]
    return living_value(rate, profile["retention"] / rate, profile["spend"], profile["cost"], terms)


def _targets(base: Appraisal, posterior: "Posterior", rows: IntArray) -> dict[int, FloatArray]:
    """Row -> (3, draw) rate, hazard and mean spend, before returns, of the mean newcomer at the customer's frontier."""
    people = base.people
    frozen = extend(posterior.frontier, posterior, people.draws).of(people.cohorts, people.draws)
    people = replace(people, theta=frozen)
    offers, cohorts = base.ahead.expected_offers[rows], base.customers.cohort[rows]
    alike: dict[tuple[float, ...], list[int]] = {}
    for row, cohort, offer in zip(rows.tolist(), cohorts.tolist(), offers.tolist(), strict=True):
        alike.setdefault((cohort, *offer), []).append(row)
    found: dict[int, FloatArray] = {}
    for (cohort, *offer), members in alike.items():
        profile = _profile(people, int(cohort), np.array(offer), base)
        found |= dict.fromkeys(members, profile)
    return found


def _profile(people: Population, cohort: int, offer: FloatArray, base: Appraisal) -> FloatArray:
    """(3, draw) in chunks of draws, so that newcomers of all draws never exist together."""
    settings, columns = base.settings, []
    for first in range(0, people.draws, CHUNK):
        draws = np.arange(first, min(first + CHUNK, people.draws))
        rate, dropout, spend = draw_new_living(people, cohort, draws, settings.newcomers)
        worth = living_value(rate, dropout, spend, np.tile(offer, (len(draws), 1)), settings.terms)
        coordinates = {"frequency": np.maximum(rate, SMALLEST_RATE), "retention": rate * dropout, "spend": spend}
        columns.append(np.stack([*profile_at(worth, coordinates, base.peers.quantile).values()]))
    return np.concatenate(columns, axis=1)
