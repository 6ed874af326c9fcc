"""Choices that keep to a budget and to capacities of channels: prices that clear them, and what still fits.

Nothing here chooses what does not fit. Source: docs/statistics.md, section Actions.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kundenwert.decisions.knapsack_path import ROUNDING, Options
from kundenwert.decisions.losses import FloatArray, IntArray
from kundenwert.errors import NumericalError

BoolArray = npt.NDArray[np.bool_]

EXACT_SIZE = 200  # customers x actions up to which the whole problem is solved exactly
EXACT_STATES = 10_000  # partial choices: a limit in seconds would make the answer depend on the machine
DUAL_GAP = 1e-7  # relative to what all actions together would bring
DUAL_ROUNDS = 200
LEAST_SUPPLY = 1e-7  # of the money that would be spent without limits: fewer euros have the price of so many


@dataclass(frozen=True)
class Contacts:
    """Channels with a capacity: names, capacity (channel,), and the channel of each option, the last for none."""

    names: tuple[str, ...]
    capacity: IntArray
    channel: IntArray

    def made(self, choice: IntArray) -> IntArray:
        """(channel,) contacts that these choices take."""
        return np.bincount(self.channel[choice], minlength=len(self.names) + 1)[:-1]

    def enough_for(self, choice: IntArray) -> bool:
        """Whether no channel is asked for more than it can make."""
        return bool((self.made(choice) <= self.capacity).all())

    def charged(self, prices: FloatArray) -> FloatArray:
        """(option,) price of the contact that each option takes."""
        return np.append(prices, 0.0)[self.channel]

    def fits(self, options: IntArray, room: IntArray) -> BoolArray:
        """(choice,) whether the choices up to and with each find room, (channel,) contacts."""
        takes = self.channel[options][:, None] == np.arange(len(self.names))
        return np.asarray((takes.cumsum(axis=0) <= room).all(axis=1))


@dataclass(frozen=True)
class Partial:
    """Choices for some of the customers: cost and gain, (choice,), and contacts made, (choice, channel)."""

    cost: FloatArray
    gain: FloatArray
    made: IntArray

    def with_each(self, cost: FloatArray, gain: FloatArray, takes: BoolArray) -> "Partial":
        """Every choice with every option of one more customer, (choice x option,); the option varies fastest."""
        return Partial(
            (self.cost[:, None] + cost).ravel(),
            (self.gain[:, None] + gain).ravel(),
            np.repeat(self.made, len(cost), axis=0) + np.tile(takes, (len(self.cost), 1)),
        )

    def undominated(self, rows: IntArray) -> IntArray:
        """Those of the rows that gain more than all others that cost no more and make the same contacts."""
        rows = rows[np.lexsort((-self.gain[rows], self.cost[rows], *self.made[rows].T))]
        made = self.made[rows]
        group = np.append(0, (made[1:] != made[:-1]).any(axis=1).cumsum())[: len(rows)]
        # Ranks instead of gains, so that the running maximum can start anew at each group.
        standing = group * len(rows) + np.unique(self.gain[rows], return_inverse=True)[1]
        best = np.append(True, standing[1:] > np.maximum.accumulate(standing)[:-1])[: len(rows)]
        return np.asarray(rows[best])


def find_prices(options: Options, budget: float, contacts: Contacts) -> tuple[float, FloatArray, float]:
    """Prices of a euro and of contacts at which the Lagrangian bound is least, and that bound.

    What nobody can have, for want of any money or contact, is left out at first; its price is then what the first
    buyer would give.
    """
    charged = np.append(contacts.capacity == 0, False)[contacts.channel]
    shut = charged | ((options.cost > 0) & (budget == 0))
    price, contact_prices, bound = _cut_planes(
        Options(np.where(shut, 0.0, options.cost), np.where(shut, 0.0, options.gain)), budget, contacts
    )
    surplus = options.gain - contacts.charged(contact_prices) - price * options.cost
    surplus -= np.where(shut, 0.0, surplus).max(axis=1, keepdims=True)
    for channel in np.flatnonzero(contacts.capacity == 0):
        contact_prices[channel] = surplus[:, contacts.channel == channel].max(initial=0.0)
    if budget == 0:
        bought = (options.cost > 0) & ~charged
        price = float(np.divide(surplus, options.cost, out=np.zeros_like(surplus), where=bought).max(initial=0.0))
    return price, contact_prices, bound


def _cut_planes(options: Options, budget: float, contacts: Contacts) -> tuple[float, FloatArray, float]:
    """The bound is convex in the prices, so a few dozen of its tangents pin down its lowest point (Kelley 1960).

    Prices are scaled by what there is to sell, and by the gain without limits: all then lie in [0, 1].
    """
    from scipy.optimize import linprog

    there = np.append(budget, contacts.capacity)
    least = LEAST_SUPPLY * options.sums(options.gain.argmax(axis=1))[0]
    supply = np.maximum(there, np.append(least or 1.0, np.ones(len(contacts.capacity))))
    scale = float(options.gain.max(axis=1).sum()) or 1.0
    share, best, tangents, heights = np.zeros(len(supply)), (np.inf, supply), [], []
    for _ in range(DUAL_ROUNDS):
        prices = share * scale / supply
        reduced = options.gain - prices[0] * options.cost - contacts.charged(prices[1:])
        choice = reduced.argmax(axis=1)
        used = np.append(options.sums(choice)[0], contacts.made(choice))
        height = float(share.sum() + reduced.max(axis=1).sum() / scale)
        tangent = 1.0 - used / supply
        best = min(best, (height, prices), key=lambda found: found[0])
        tangents.append(np.append(tangent, -1.0))
        heights.append(float(tangent @ share) - height)
        below = linprog(np.append(np.zeros(len(supply)), 1.0), np.array(tangents), np.array(heights), bounds=(0.0, 1.0))
        if below.x is None:
            raise NumericalError(f"prices of contacts were not found: {below.message}")
        if best[0] - below.x[-1] <= DUAL_GAP:
            break
        share = below.x[:-1]
    height, prices = best
    return float(prices[0]), prices[1:], height * scale - float(prices @ (supply - there))


def _lead(reduced: FloatArray) -> FloatArray:
    """(customer,) by how much the best option leads the next."""
    ranked = np.sort(reduced, axis=1)[:, -2:]
    return np.asarray(ranked[:, -1] - ranked[:, 0])


def settle(options: Options, budget: float, contacts: Contacts, price: float, contact_prices: FloatArray) -> IntArray:
    """What everybody would choose at these prices, those who would lose most otherwise first, while there is room."""
    reduced = options.gain - price * options.cost - contacts.charged(contact_prices)
    choice, order = reduced.argmax(axis=1), np.argsort(-_lead(reduced), kind="stable")
    spent = np.cumsum(options.cost[order, choice[order]])
    fits = (spent <= budget * (1.0 + ROUNDING)) & contacts.fits(choice[order], contacts.capacity)
    choice[order[fits.sum() :]] = 0
    return choice


def top_up(
    options: Options, choice: IntArray, budget: float, contacts: Contacts, contact_prices: FloatArray
) -> IntArray:
    """Spends what is left over: the best gain per euro that still fits, again and again, until nothing does."""
    choice, rows, charged = choice.copy(), np.arange(len(choice)), contacts.charged(contact_prices)
    while True:
        spare = budget * (1.0 + ROUNDING) - options.sums(choice)[0]
        room = np.append(contacts.capacity - contacts.made(choice), 1)  # beyond the last capacity there always is
        stays = contacts.channel == contacts.channel[choice][:, None]
        more = options.gain - options.gain[rows, choice][:, None]
        extra = options.cost - options.cost[rows, choice][:, None]
        who, what = np.nonzero((more > 0) & (extra <= spare) & ((room > 0)[contacts.channel] | stays))
        if not len(who):
            return choice
        worth, extra = more[who, what] - charged[what] + charged[choice[who]], extra[who, what]
        with np.errstate(over="ignore"):
            rate = np.divide(worth, extra, out=np.copysign(np.inf, worth), where=extra > 0)
        order = np.argsort(-rate, kind="stable")
        order = order[np.sort(np.unique(who[order], return_index=True)[1])]  # one move a customer and round
        who, what, extra = who[order], what[order], extra[order]
        arrivals = np.where(stays[who, what], 0, what)
        fits = (np.cumsum(np.maximum(extra, 0.0)) <= spare) & contacts.fits(arrivals, room[:-1])
        choice[who[fits]] = what[fits]


def refine(
    options: Options, choice: IntArray, budget: float, contacts: Contacts, price: float, contact_prices: FloatArray
) -> tuple[IntArray, bool]:
    """Chooses anew for those in most doubt at these prices, with all that the others leave; whether it is exact."""
    reduced = options.gain - price * options.cost - contacts.charged(contact_prices)
    order = np.argsort(_lead(reduced), kind="stable")
    count = EXACT_SIZE // max(reduced.shape[1] - 1, 1)
    few, others = order[:count], order[count:]
    spent = Options(options.cost[others], options.gain[others]).sums(choice[others])[0]
    left = replace(contacts, capacity=contacts.capacity - contacts.made(choice[others]))
    better = choice.copy()
    better[few], exact = solve(
        Options(options.cost[few], options.gain[few]),
        choice[few],
        budget * (1.0 + ROUNDING) - spent,
        left,
        price,
        contact_prices,
    )
    return better, exact and not len(others)


def solve(
    options: Options, choice: IntArray, limit: float, contacts: Contacts, price: float, contact_prices: FloatArray
) -> tuple[IntArray, bool]:
    """The best choice of all and True; a good one and False where too many partial choices stay in the race.

    One customer after the other is added to all partial choices. Dropped are those that another one beats at no more
    cost and the same contacts, and those that cannot beat the given choice even if all others get what gains most, or
    what is best at the given prices (Lagrange's bound, for any prices that are not negative). If too many are still
    left, the most promising go on. SciPy's `milp` does as well, but writes to standard output (HiGHS 1.12, issue 2783).
    """
    reduced = options.gain - price * options.cost - contacts.charged(contact_prices)
    top = reduced.max(axis=1)
    beaten = options.sums(choice)[1] * (1.0 + ROUNDING)
    supply = price * limit + float(contact_prices @ contacts.capacity)
    hopeful = top.sum() + supply + reduced - top[:, None] > beaten
    takes = contacts.channel[:, None] == np.arange(len(contacts.names))

    exact = True
    order = np.argsort(-_lead(reduced), kind="stable")  # those in doubt last, so that few partial choices live long
    rest, most, trail = top.sum(), options.gain.max(axis=1).sum(), []
    partial = Partial(np.zeros(1), np.zeros(1), np.zeros((1, len(contacts.names)), int))
    for customer in order:
        rest, most = rest - top[customer], most - options.gain[customer].max()
        what = np.flatnonzero(hopeful[customer])
        more = partial.with_each(options.cost[customer, what], options.gain[customer, what], takes[what])
        bound = np.minimum(rest + supply - price * more.cost - more.made @ contact_prices, most) + more.gain
        fits = (more.cost <= limit) & (more.made <= contacts.capacity).all(axis=1)
        kept = more.undominated(np.flatnonzero(fits & (bound > beaten)))
        if not len(kept):
            return choice, exact
        if len(kept) > EXACT_STATES:
            kept, exact = kept[np.argsort(-bound[kept], kind="stable")[:EXACT_STATES]], False
        trail.append((kept // len(what), what[kept % len(what)]))
        partial = Partial(more.cost[kept], more.gain[kept], more.made[kept])
    better, at = np.empty_like(choice), int(partial.gain.argmax())
    for customer, (before, option) in zip(order[::-1], trail[::-1], strict=True):
        better[customer], at = option[at], before[at]
    return better, exact
