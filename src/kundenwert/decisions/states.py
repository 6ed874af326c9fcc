"""What a customer may truly be: the probability of each state, draw by draw, and what each label's customers bring.

States are about living customers' actual and unrealized value; whoever has gone is dormant
(docs/statistics.md, section Segments).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kundenwert.decisions.losses import FloatArray, IntArray
from kundenwert.decisions.thresholds import Marks
from kundenwert.errors import NumericalError
from kundenwert.names import SEGMENTS, STATES, State
from kundenwert.value.actual import alive_value, file_cost, simulate_value
from kundenwert.value.block import Block
from kundenwert.value.individuals import Histories, Population, Progress, stream
from kundenwert.value.results import Value

BELOW_ZERO = STATES.index(State.BELOW_ZERO)
DORMANT = STATES.index(State.DORMANT)


@dataclass(frozen=True)
class StatePosterior:
    """What the second pass knows of each customer.

    Parameters
    ----------
    probabilities : (customer, state), rows add up to 1.
    room : (customer,) expected unrealized value before the attainable scale, in money.
    cycle : (customer,) expected time between a living customer's orders, in time units.
    """

    probabilities: FloatArray
    room: FloatArray
    cycle: FloatArray


def label_codes(actual: FloatArray, unrealized: FloatArray, marks: Marks) -> IntArray:
    """The state of living customers, as a position in `names.STATES`, elementwise.

    Parameters
    ----------
    actual, unrealized : money, of one shape.

    Examples
    --------
    >>> marks = Marks(valuable=50.0, growable=10.0, below_zero=1.0)
    >>> [STATES[k].value for k in label_codes(np.array([60.0, 20.0, -5.0]), np.array([0.0, 12.0, 3.0]), marks)]
    ['most_valuable', 'most_growable', 'below_zero']
    """
    growable = unrealized >= marks.growable
    code = np.where(actual >= marks.valuable, np.where(growable, 1, 0), np.where(growable, 2, 3))
    return np.where((actual < -marks.below_zero) & (actual + unrealized <= 0), BELOW_ZERO, code)


def state_posterior(
    people: Population,
    customers: Histories,
    value: Value,
    marks: Marks,
    scale: float,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> StatePosterior:
    """Each draw's label given alive, weighted by its probability of being alive.

    Parameters
    ----------
    scale : of unrealized value.

    Raises
    ------
    NumericalError : a draw that is not finite, with the ids.
    """
    peers, terms = value.frontier, value.settings.terms
    owed = file_cost(terms)

    def reduce(block: Block) -> tuple[FloatArray, FloatArray, FloatArray]:
        contribution = alive_value(block.rate, block.dropout, terms).contribution(
            value.margin[block.rows, None], block.mean_spend, terms
        )
        if not np.isfinite(contribution).all():
            bad = block.rows[~np.isfinite(contribution).all(axis=1)]
            raise NumericalError(f"draws of value are not finite for {customers.first_ids(bad)}.")
        room = peers.attainable * peers.gap(peers.quantile, block.cohort, value.margin[block.rows], contribution)
        room *= ~block.structurally_alive[:, None]
        code = label_codes(contribution - owed, scale * room, marks)
        chance = np.stack([(block.p_alive * (code == state)).mean(axis=1) for state in range(len(STATES))], axis=1)
        chance[:, DORMANT] = (1.0 - block.p_alive).mean(axis=1)
        # One over the expected rate: the mean of 1/rate does not exist for customers without a repeat purchase.
        cycle = block.by_row(block.individual.rate_alive / block.individual.rate_shape).mean(axis=1)
        return chance, (block.p_alive * room).mean(axis=1), cycle

    count = len(customers)
    found = StatePosterior(np.empty((count, len(STATES))), np.empty(count), np.empty(count))
    for rows, _, (chance, room, cycle) in stream(
        people, customers, reduce, stage="segments", threads=threads, progress=progress
    ):
        found.probabilities[rows] = chance
        found.room[rows] = room
        found.cycle[rows] = cycle
    return found


def totals_by_label(
    people: Population,
    customers: Histories,
    value: Value,
    labels: npt.NDArray[np.object_],
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, FloatArray]:
    """Simulated value by label and draw, from the same futures that `estimate_value` saw."""
    order = {name: position for position, name in enumerate(SEGMENTS)}
    codes = np.array([order[label] for label in labels], dtype=np.int64)

    def reduce(block: Block) -> FloatArray:
        future = simulate_value(block, value.margin[block.rows, None], value.settings.terms).value
        total = np.zeros((len(SEGMENTS), block.shape[1]))
        for code in np.unique(codes[block.rows]):
            total[code] = future[codes[block.rows] == code].sum(axis=0)
        return total

    total = np.zeros((len(SEGMENTS), people.draws))
    passed = stream(people, customers, reduce, stage="totals by segment", threads=threads, progress=progress)
    for _, _, part in passed:
        total += part
    return dict(zip(SEGMENTS, total, strict=True))
