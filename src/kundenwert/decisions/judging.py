"""The decision on every customer of a pass: states, what may be published, what waiting would tell, and the label.

With frozen thresholds a block's labels are known when the block is done. Where the price of a withheld label is still
to be derived from all customers, simulated values are added up by label and by the price from which on it would be
published, so that no customer has to be simulated again (docs/statistics.md, section Segments).
"""

from dataclasses import dataclass, replace

import numpy as np

from kundenwert.decisions.evsi.waiting import LookAhead, values_of_waiting
from kundenwert.decisions.flicker import chance_of_turning, chances_of_change
from kundenwert.decisions.hard_events import HardEvents, known_gone
from kundenwert.decisions.hysteresis import NOTHING, STANDARD_ERRORS, Memory, Published
from kundenwert.decisions.losses import FloatArray, IntArray, Losses, least_risk, risks
from kundenwert.decisions.rule import ROUNDING, WITHHELD, BoolArray, Decision, allowed_labels, decide
from kundenwert.decisions.states import BlockStates, codes_of_living, not_finite, states_of
from kundenwert.decisions.thresholds import REJECTION_FLOOR, Marks, derive_price
from kundenwert.errors import NumericalError
from kundenwert.names import SEGMENTS, STATES
from kundenwert.value.actual import Living
from kundenwert.value.appraisal import Appraisal
from kundenwert.value.counters import Purpose
from kundenwert.value.outlook import Outlook, interval_of
from kundenwert.value.room import Room

OBJECTED = len(SEGMENTS)  # after the labels: in the total, in none of them
PRICE_STEPS = 800  # of the grid of prices, from the lowest one to the largest loss


@dataclass(frozen=True, eq=False)
class Rule:
    """What decides labels, besides the customers themselves.

    Parameters
    ----------
    marks, scale, losses : of thresholds that are frozen, or were derived before this pass.
    price : expected loss above which a label is withheld; None where it is derived from these customers.
    look_ahead : how long one would wait for more to be known, and what that must be worth for a label to be withheld.
    repairs_evaluated : (customer,) whether a lever on the cost to serve was evaluated.
    memory : what was published on all customers before; None where nothing was.
    events : objections, removals and complaints of all customers; None where there are none.
    in_money : whether `losses` were derived from levers, and are frozen with the thresholds.
    """

    marks: Marks
    scale: float
    losses: Losses
    price: float | None
    look_ahead: LookAhead
    repairs_evaluated: BoolArray
    memory: Memory | None = None
    events: HardEvents | None = None
    in_money: bool = False

    @property
    def prices(self) -> FloatArray:
        """The grid that a derived price lies on, ascending; the least and the largest loss are its ends."""
        return np.linspace(REJECTION_FLOOR, max(REJECTION_FLOOR, float(self.losses.array.max())), PRICE_STEPS + 1)

    def published_from(self, least: FloatArray) -> IntArray:
        """(row,) position on the grid of prices from which on `decide` publishes a label of this expected loss."""
        return np.searchsorted(self.prices * (1.0 + ROUNDING), least)

    @property
    def mark(self) -> float:
        """What waiting must be worth where nothing was published."""
        return self.look_ahead.resolvable

    def allowed(self, probabilities: FloatArray, age: FloatArray, cycle: FloatArray, rows: IntArray) -> BoolArray:
        """(row, state) labels that may be published on some customers, see `allowed_labels`.

        Parameters
        ----------
        probabilities, age, cycle : of these customers.
        """
        return allowed_labels(
            probabilities,
            age,
            cycle,
            repairs_evaluated=self.repairs_evaluated[rows],
            complaint=None if self.events is None else self.events.complaint[rows],
        )

    def resolves(self, waiting: FloatArray) -> BoolArray:
        """(row,) whether waiting tells enough; where it was not asked, that is not in question."""
        return ~(waiting < self.mark)

    def remembered(self, rows: IntArray, squares: FloatArray, waiting: FloatArray, error: FloatArray) -> Memory | None:
        """What was published on some customers, and what it takes to publish something else.

        Parameters
        ----------
        squares, waiting, error : of these customers, see `Judged`.
        """
        if self.memory is None:
            return None
        one, published = self.memory, self.memory.published
        return replace(
            one,
            published=Published(published.labels[rows], published.since[rows]),
            hard_event=None if one.hard_event is None else one.hard_event[rows],
            squares=squares,
            resolvable=~(waiting < self.marks_of_waiting(rows, error)),
        )

    def marks_of_waiting(self, rows: IntArray, error: FloatArray) -> FloatArray:
        """(row,) what waiting must be worth for what was published to stay.

        That moves the mark away from itself by two standard errors: a value of waiting is an estimate, too, and many
        customers lie close to the mark. Where it cannot stay for other reasons, and after a hard event, nothing moves.
        """
        before = np.full(len(rows), NOTHING)
        if self.memory is not None:
            stands = True if self.memory.hard_event is None else ~self.memory.hard_event[rows]
            before = np.where(stands, self.memory.published.labels[rows], NOTHING)
        band = STANDARD_ERRORS * error
        return self.mark + np.select([before == WITHHELD, before != NOTHING], [-band, band], 0.0)


@dataclass(frozen=True, eq=False)
class Judged:
    """What one block leaves behind.

    Parameters
    ----------
    probabilities, squares, cycle : see `BlockStates`.
    waiting, waiting_error : (row,) what waiting is worth and its Monte Carlo standard error, NaN where not asked.
    label : (row,) position in `names.SEGMENTS`, or after them for customers who objected.
    price : (row,) position on the grid of prices from which on that label is published, 0 where it is in any case.
    future : (row, draw) simulated value.
    intervals : (row, 4) ends of the predictive intervals of unrealized and of potential value.
    """

    probabilities: FloatArray
    squares: FloatArray
    cycle: FloatArray
    waiting: FloatArray
    waiting_error: FloatArray
    label: IntArray
    price: IntArray
    future: FloatArray
    intervals: FloatArray


def judge(outlook: Outlook, room: Room, future: FloatArray, rule: Rule, appraisal: Appraisal) -> Judged:
    """The states of one block's customers, what waiting is worth, and labels as far as they are known.

    Parameters
    ----------
    room : unrealized value of the block's customers.
    future : (row, draw) simulated value.
    appraisal : of all customers.

    Raises
    ------
    NumericalError : a draw that is not finite, with the ids.
    """
    rows, customers = outlook.rows, appraisal.customers
    found = states_of(outlook, room, room.scaled_by(rule.scale), rule.marks)
    if (bad := not_finite(found)).any():
        raise NumericalError(f"draws of value are not finite for {customers.first_ids(rows[bad])}.")
    if rule.events is not None:
        found = replace(found, probabilities=known_gone(found.probabilities, rule.events.removed[rows]))
    allowed = rule.allowed(found.probabilities, customers.T[rows], found.cycle, rows)
    action, least = least_risk(risks(found.probabilities, rule.losses), allowed)
    dear = least > (REJECTION_FLOOR if rule.price is None else rule.price)
    if rule.memory is not None:  # which may keep a label withheld that is not dear any more
        dear |= rule.memory.published.labels[rows] == WITHHELD
    waiting, error = np.full((2, len(rows)), np.nan)
    if dear.any():
        waiting[dear], error[dear] = _waiting(outlook, room, found, np.flatnonzero(dear), allowed, rule)
    if rule.price is None:
        price = np.where(rule.resolves(waiting), rule.published_from(least), 0)
        label = action
    else:
        decision = decide(
            found.probabilities,
            allowed,
            rule.losses,
            rule.price,
            memory=rule.remembered(rows, found.squares, waiting, error),
            resolvable=rule.resolves(waiting),
        )
        label, price = decision.positions, np.zeros(len(rows), dtype=np.int64)
    if rule.events is not None:
        label = np.where(rule.events.objected[rows], OBJECTED, label)
    intervals = _intervals(outlook, room, future, rule, appraisal.settings.interval)
    return Judged(found.probabilities, found.squares, found.cycle, waiting, error, label, price, future, intervals)


@dataclass
class Verdicts:
    """Decisions on all customers, put together from blocks.

    Parameters
    ----------
    probabilities, squares, cycle, waiting, waiting_error : (customer, ...), see `Judged`.
    totals : (label, price, draw) simulated value; one price where it is given.
    intervals : (customer, 4), see `Judged`.
    """

    rule: Rule
    probabilities: FloatArray
    squares: FloatArray
    cycle: FloatArray
    waiting: FloatArray
    waiting_error: FloatArray
    totals: FloatArray
    intervals: FloatArray

    @classmethod
    def of(cls, rule: Rule, customers: int, draws: int) -> "Verdicts":
        """Nothing yet."""
        states, prices = len(STATES), len(rule.prices) if rule.price is None else 1
        chances, squares = np.empty((customers, states)), np.empty((customers, states - 1))
        totals = np.zeros((len(SEGMENTS) + 1, prices, draws))
        cycle, waiting, error = np.empty((3, customers))
        return cls(rule, chances, squares, cycle, waiting, error, totals, np.empty((customers, 4)))

    def add(self, rows: IntArray, found: Judged) -> None:
        """The next block, of these customers."""
        self.probabilities[rows], self.squares[rows] = found.probabilities, found.squares
        self.cycle[rows] = found.cycle
        self.waiting[rows], self.waiting_error[rows] = found.waiting, found.waiting_error
        self.intervals[rows] = found.intervals
        keys = found.label * self.totals.shape[1] + found.price
        flat = self.totals.reshape(-1, self.totals.shape[2])
        for key in np.unique(keys).tolist():
            flat[key] += found.future[keys == key].sum(axis=0)

    def decision(self, age: FloatArray) -> Decision:
        """The labels of all customers.

        Parameters
        ----------
        age : (customer,) T, in time units.
        """
        rule, allowed = self.rule, self._allowed(age)
        price = rule.price
        if price is None:
            least = least_risk(risks(self.probabilities, rule.losses), allowed)[1]
            price = float(rule.prices[np.searchsorted(rule.prices, derive_price(least))])
        return self._decide(allowed, price, self._memory(), rule.resolves(self.waiting))

    def held_by_mark(self, age: FloatArray, price: float) -> BoolArray:
        """(customer,) whose label would be another one, if the mark of waiting did not move away from what stands.

        Parameters
        ----------
        age, price : see `flicker`.
        """
        memory, tells, allowed = self._memory(), self.rule.resolves(self.waiting), self._allowed(age)
        if memory is None:
            return np.zeros(len(age), dtype=bool)
        one, other = (
            self._decide(allowed, price, some, tells).positions for some in (memory, replace(memory, resolvable=None))
        )
        return np.asarray(one != other)

    def flicker(self, age: FloatArray, price: float) -> float | None:
        """Share of the labels that stood before that another set of draws would decide otherwise.

        Parameters
        ----------
        age : (customer,) T, in time units.
        price : that decided.

        Returns
        -------
        None where no label stood before of anybody who may be looked at.
        """
        rule, memory, allowed = self.rule, self._memory(), self._allowed(age)
        if memory is None:
            return None
        before, asked = memory.published.labels, ~np.isnan(self.waiting)
        counted = before != NOTHING
        if rule.events is not None:
            counted &= ~rule.events.objected
        if not counted.any():
            return None
        tells = rule.resolves(self.waiting)
        stays = self._decide(allowed, price, memory, tells).positions == before
        marks = np.where(stays, rule.marks_of_waiting(np.arange(len(age)), self.waiting_error), rule.mark)
        # Whom nothing was asked about another set of draws may ask; what waiting is worth then is not known.
        open_to = np.column_stack([allowed, asked & (self.waiting >= marks)])
        risk = np.column_stack([risks(self.probabilities, rule.losses), np.full(len(age), price)])
        chance = chances_of_change(risk, open_to, self.probabilities, rule.losses, memory)
        waits, decides = (
            self._decide(allowed, price, replace(memory, resolvable=some), some).positions
            for some in (np.ones(len(age), dtype=bool), np.zeros(len(age), dtype=bool))
        )
        crosses = chance_of_turning(self.waiting - marks, self.waiting_error)
        chance = np.where(asked & (waits != decides), crosses + (1.0 - crosses) * chance, chance)
        return float(chance[counted].mean())

    def _memory(self) -> Memory | None:
        everybody = np.arange(len(self.waiting))
        return self.rule.remembered(everybody, self.squares, self.waiting, self.waiting_error)

    def _allowed(self, age: FloatArray) -> BoolArray:
        return self.rule.allowed(self.probabilities, age, self.cycle, np.arange(len(age)))

    def _decide(self, allowed: BoolArray, price: float, memory: Memory | None, tells: BoolArray) -> Decision:
        return decide(self.probabilities, allowed, self.rule.losses, price, memory=memory, resolvable=tells)

    def totals_by_label(self, price: float) -> tuple[dict[str, FloatArray], FloatArray]:
        """Label -> (draw,) simulated value of its customers, in money; and that of customers who objected."""
        found, objected = self.totals[:OBJECTED, 0].copy(), self.totals[OBJECTED].sum(axis=0)
        if self.rule.price is None:
            reached = int(np.searchsorted(self.rule.prices, price))
            found = self.totals[:OBJECTED, : reached + 1].sum(axis=1)
            found[WITHHELD] += self.totals[:OBJECTED, reached + 1 :].sum(axis=(0, 1))
        return dict(zip(SEGMENTS, found, strict=True)), objected


def _intervals(outlook: Outlook, room: Room, future: FloatArray, rule: Rule, mass: float) -> FloatArray:
    """(row, 4) what more a customer will be worth, and in all: in each draw's future, of those who are not gone."""
    block, draws = outlook.block, room.draws
    alive = block.streams.units(Purpose.PREDICTIVE)[:, draws] < block.p_alive[:, draws]
    lost = 0.0 if room.given_gone is None else room.given_gone
    more = np.where(alive, room.scaled_by(rule.scale) * room.given_alive, lost)
    return np.column_stack([*interval_of(more, mass), *interval_of(future[:, draws] + more, mass)])


def _waiting(
    outlook: Outlook, room: Room, found: BlockStates, rows: IntArray, allowed: BoolArray, rule: Rule
) -> tuple[FloatArray, FloatArray]:
    """What waiting is worth for some rows of a block, and its standard error."""
    block, draws = outlook.block, room.draws
    drawn = (one[rows][:, draws] for one in (block.rate, block.dropout, block.spend_rate))
    living = Living(block.purchases.which[rows], found.p_alive, *map(np.ascontiguousarray, drawn))
    silent = found.codes[rows]
    bought = silent
    if room.given_order is not None:
        bought = codes_of_living(
            outlook.actual[rows][:, draws], room.given_order[rows], room.scaled_by(rule.scale), rule.marks
        )
    return values_of_waiting(
        block.people.seed,
        block.keys[rows],
        living,
        np.ascontiguousarray(block.theta["p"][draws]),
        silent,
        bought,
        rule.losses,
        allowed[rows],
        rule.look_ahead,
    )
