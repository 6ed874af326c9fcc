"""What makes up a customer's unrealized value: few orders, leaving soon, small orders, costs."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.inference.frontier_draws import extend
from kundenwert.names import PotentialBasis
from kundenwert.value.actual import living_value
from kundenwert.value.appraisal import Appraisal, appraised
from kundenwert.value.bases import basis_of
from kundenwert.value.block import SMALLEST_RATE
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import Population
from kundenwert.value.labelled import rows_of
from kundenwert.value.lever_basis import LeverBasis
from kundenwert.value.lever_gains import package_gains, reach
from kundenwert.value.new_living import draw_new_living
from kundenwert.value.outlook import Outlook
from kundenwert.value.potential import Frontier
from kundenwert.value.results import Value
from kundenwert.value.settings import Terms
from kundenwert.value.shapley import COORDINATES, Profile, frontier_parts, profile_at, shapley_parts
from kundenwert.value.variates import IntArray

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior

type Reduce = Callable[[Outlook], dict[str, FloatArray]]

CHUNK = 64  # parameter draws at once: 64 x 2000 new customers is one megabyte an array


def explain_room(
    value: Value,
    posterior: "Posterior",
    summary: "CustomerSummary",
    ids: Sequence[object],
    *,
    basis: PotentialBasis | str | None = None,
) -> pd.DataFrame:
    """What makes up the unrealized value of a few customers.

    Parameters
    ----------
    value : from the same posterior and summary.
    ids : customers, as in the summary.
    basis : `peers` or `levers`; by default what the value rests on.

    Returns
    -------
    (id,) `customer_id, frequency, retention, spend, cost`, money that adds up to unrealized value on that basis.

    - `peers`: a part is negative where the customer is ahead of the mean newcomer at the frontier. `cost` is 0: the
      frontier is drawn under the customer's own costs.
    - `levers`: parts of the gain of the customer's best package, on the draws that had no part in choosing it. What
      the package itself costs and fees belong to `cost`, coming back to `retention`. All are 0 where no package gains
      anything.

    Raises
    ------
    UsageError : an id that the summary does not hold, a value of another posterior or summary, levers where the value
        knows none, or a value that rests on wallets: money spent elsewhere does not say in how many orders.

    Notes
    -----
    docs/statistics.md, section Potential value. By peers, each customer with an own margin or cost takes about 0.2
    seconds at 1,000 draws.

    Examples
    --------
    >>> value = kw.estimate_value(posterior, summary, margin=0.3, draws=100)
    >>> parts = explain_room(value, posterior, summary, summary.table["customer_id"].head(2).tolist())
    >>> parts.columns.tolist()
    ['customer_id', 'frequency', 'retention', 'spend', 'cost']
    """
    base = appraised(value, posterior, summary)
    wanted, place = np.unique(rows_of(summary, ids), return_inverse=True)
    asked = value.basis if basis is None else basis_of(basis, base.bases)
    if asked is PotentialBasis.WALLET:
        raise UsageError(
            "what customers spend elsewhere is money, and does not say in how many orders: it has no parts. Pass "
            "basis='peers', or 'levers' where there are levers."
        )
    if asked is PotentialBasis.LEVERS and base.levers is not None:
        reduce = _by_levers(base.levers)
    else:
        reduce = _by_peers(value.frontier, _targets(base, posterior, wanted))
    found = np.empty((len(value.table), len(COORDINATES)))
    for rows, _, parts in base.stream(reduce, rows=wanted, stage="room"):
        found[rows] = np.column_stack([parts[name] for name in COORDINATES])
    return pd.DataFrame({"customer_id": list(ids)} | dict(zip(COORDINATES, found[wanted][place].T, strict=True)))


def _by_levers(levers: LeverBasis) -> Reduce:
    """Parts of the gain of each customer's best package."""

    def reduce(outlook: Outlook) -> dict[str, FloatArray]:
        best = levers.gains(outlook).best
        everybody = np.arange(len(best))
        chosen = np.zeros((len(best), len(levers.packages)), dtype=bool)
        chosen[everybody, 0] = chosen[everybody, best] = True
        reached = reach(outlook, levers.plan, chosen)

        def gain_of(profile: Profile) -> FloatArray:
            return np.asarray(package_gains(levers.plan.only(**profile), reached).gain[everybody, best])

        nothing, all_of_it = (dict.fromkeys(COORDINATES, does) for does in (False, True))
        return shapley_parts(nothing, all_of_it, gain_of)

    return reduce


def _by_peers(frontier: Frontier, targets: dict[int, FloatArray]) -> Reduce:
    """Parts of the gap between customers and the mean newcomer at their frontier."""
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

    return reduce


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
