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
from kundenwert.names import SEGMENTS, STATES
from kundenwert.value.actual import file_cost, simulate_value
from kundenwert.value.block import Block
from kundenwert.value.individuals import Histories, Population, Progress, stream
from kundenwert.value.results import Value


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
    from kundenwert.decisions.kernels import positions

    given = [np.array(one, dtype=np.float64) for one in np.broadcast_arrays(actual, unrealized)]
    found = np.empty(given[0].shape, dtype=np.int64)
    positions(given[0].ravel(), given[1].ravel(), marks.array, found.reshape(-1))
    return found


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
    from kundenwert.decisions.kernels import tally

    peers, terms = value.frontier, value.settings.terms

    def reduce(block: Block) -> tuple[FloatArray, FloatArray, FloatArray]:
        margin = value.margin[block.rows]
        chances, room = np.empty((len(margin), len(STATES))), np.empty(len(margin))
        tally(
            block.purchases.which,
            block.alive_share,
            block.rate,
            block.dropout,
            block.mean_spend,
            margin,
            (~block.structurally_alive).astype(np.float64),
            terms.array,
            file_cost(terms),
            np.ascontiguousarray(peers.level(peers.quantile, block.cohort, margin)),
            peers.attainable,
            scale,
            marks.array,
            chances,
            room,
        )
        if (bad := np.isnan(chances).any(axis=1)).any():
            raise NumericalError(f"draws of value are not finite for {customers.first_ids(block.rows[bad])}.")
        # One over the expected rate: the mean of 1/rate does not exist for customers without a repeat purchase.
        one = block.individual
        cycle = block.purchases.full(one.rate_alive / one.rate_shape, people.draws).mean(axis=1)
        return chances, room, cycle[block.purchases.which]

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
    """Simulated value by label and draw, from the same futures that `estimate_value` saw.

    The label that most customers have gets what the others leave of the base: their futures need not be drawn again.
    """
    order = {name: position for position, name in enumerate(SEGMENTS)}
    codes = np.array([order[label] for label in labels], dtype=np.int64)
    rest = int(np.bincount(codes, minlength=len(SEGMENTS)).argmax())
    chosen = np.flatnonzero(codes != rest)

    def reduce(block: Block) -> FloatArray:
        rows = chosen[block.rows]
        future = simulate_value(block, value.margin[rows, None], value.settings.terms).value
        total = np.zeros((len(SEGMENTS), block.shape[1]))
        for code in np.unique(codes[rows]):
            total[code] = future[codes[rows] == code].sum(axis=0)
        return total

    total = np.zeros((len(SEGMENTS), people.draws))
    passed = stream(
        people, customers.take(chosen), reduce, stage="totals by segment", threads=threads, progress=progress
    )
    for _, _, part in passed:
        total += part
    total[rest] = value.totals.base - total.sum(axis=0)
    return dict(zip(SEGMENTS, total, strict=True))
