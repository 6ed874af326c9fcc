"""What is known of packages once their gains are drawn: which is best, how surely, and what more knowledge would bring.

A package is chosen on odd draws and judged on even ones: chosen and judged on the same draws, the luckiest of several
looks better than it is. Groups of arrays are described where they are made, in `value.lever_plan` and
`value.lever_gains`. Importing this loads numba.
"""

import numpy as np
from numba import njit

from kundenwert.families.kernels.scalar import ANY_ORDER
from kundenwert.value.kernels.levers import (
    BoolArray,
    Buffers,
    Comeback,
    Costs,
    IntArray,
    Regimes,
    Schedule,
    gains_alive,
    gains_gone,
)
from kundenwert.value.kernels.words import Array
from kundenwert.value.kernels.worth import Terms, numbers

type Plan = tuple[Regimes, Schedule, Schedule, Costs, Comeback]
type Customers = tuple[IntArray, Array, Array, Array, Array, Array, Array, Array, Array]
type Questions = tuple[Array, BoolArray, IntArray, Array]  # curves, concerned, about, points
type Judged = tuple[Array, Array, Array, Array, Array]  # chosen on, gain, chance, shortfall, cost
type Sides = tuple[Array, Array, Array]  # (package, draw) gain given alive, given gone, cost given alive

TAIL = 0.05  # of the distribution of a gain: its mean is what a bad end costs


@njit(cache=True, nogil=True, error_model="numpy", fastmath=False)
def _tail_mean(values: Array, weights: Array, mass: float) -> float:
    """Mean of the lowest values that weigh so much together; reorders both arrays (Hoare's selection)."""
    low, high, missing, total = 0, len(values), mass, 0.0
    while high > low:
        pivot, below, same, sum_below = values[(low + high) // 2], 0.0, 0.0, 0.0
        less, at, more = low, low, high
        while at < more:
            value, weight = values[at], weights[at]
            if value < pivot:
                values[at], weights[at] = values[less], weights[less]
                values[less], weights[less] = value, weight
                below += weight
                sum_below += weight * value
                less += 1
                at += 1
            elif value > pivot:
                more -= 1
                values[at], weights[at] = values[more], weights[more]
                values[more], weights[more] = value, weight
            else:
                same += weight
                at += 1
        if below >= missing:
            high = less
        elif below + same >= missing:
            return (total + sum_below + (missing - below) * pivot) / mass
        else:
            total += sum_below + same * pivot
            missing -= below + same
            low = more
    return total / (mass - missing)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def _judge(
    alive: Array, living: Array, gone: Array, paid: Array, lost: Array, values: Array, weights: Array
) -> tuple[float, float, float]:
    """Of one package, on even draws: chance of a gain, mean of the worst gains, expected cost.

    Parameters
    ----------
    alive : (draw,) chance of being alive.
    living, gone, paid, lost : (draw,) gain in either case, and cost in either case.
    values, weights : scratch, twice as long as the even draws.
    """
    held, chance, cost = 0, 0.0, 0.0
    for i in range(0, len(alive), 2):
        share, rest = alive[i], 1.0 - alive[i]
        chance += (share if living[i] > 0.0 else 0.0) + (rest if gone[i] > 0.0 else 0.0)
        cost += share * paid[i] + rest * lost[i]
        values[held], weights[held] = living[i], share
        held += 1 if share > 0.0 else 0
        values[held], weights[held] = gone[i], rest
        held += 1 if rest > 0.0 else 0
    n = (len(alive) + 1) // 2
    return chance / n, _tail_mean(values[:held], weights[:held], TAIL * n), cost / n


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def _perfect(alive: Array, living: Array, gone: Array, usable: BoolArray, top: Array, bottom: Array) -> float:
    """Expected gain of whoever knows the customer and all effects, and takes the best package each time."""
    top[:], bottom[:] = 0.0, 0.0
    for p in range(1, len(living)):
        if usable[p]:
            for i in range(len(alive)):
                top[i] = living[p, i] if living[p, i] > top[i] else top[i]
                bottom[i] = gone[p, i] if gone[p, i] > bottom[i] else bottom[i]
    total = 0.0
    for i in range(len(alive)):
        total += alive[i] * top[i] + (1.0 - alive[i]) * bottom[i]
    return total / len(alive)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def _regress(mixed: Array, usable: BoolArray, curve: Array, has: BoolArray, slopes: Array) -> None:
    """How the gain of each package depends on one effect: its slopes on the effect's curves.

    The gain of packages without that effect cannot depend on it.
    """
    for p in range(1, len(mixed)):
        for d in range(len(curve)):
            total = 0.0
            if usable[p] and has[p]:
                for i in range(mixed.shape[1]):
                    total += curve[d, i] * mixed[p, i]
            slopes[p, d] = total / mixed.shape[1]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def _answered(means: Array, slopes: Array, usable: BoolArray, points: Array) -> float:
    """Expected gain of whoever learns an answer about one effect, and takes the package that is then best."""
    gained = 0.0
    for b in range(len(points)):
        top = 0.0
        for p in range(1, len(means)):
            if usable[p]:
                fit = means[p]
                for d in range(points.shape[1]):
                    fit += slopes[p, d] * points[b, d]
                top = fit if fit > top else top
        gained += top
    return gained / len(points)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def _gains_of(
    row: int, customers: Customers, usable: BoolArray, plan: Plan, terms: Terms, buffers: Buffers, sides: Sides
) -> None:
    """Gains and costs of one customer's packages in either case."""
    which, _, rate, dropout, spend, offers, owed, slower, past_dropout = customers
    regimes, schedule, record, costs, comeback = plan
    living, gone, paid = sides
    offer = numbers(offers[row])
    person = (rate[row], dropout[row], spend[row], offer)
    gains_alive(person, usable, regimes, schedule, record, costs, terms, buffers, paid, living)
    past = past_dropout if len(past_dropout) else dropout
    before = (rate[row] * slower[which[row]], past[row], spend[row], offer)
    gains_gone(before, owed[row], usable, regimes, schedule, record, costs, comeback, terms, buffers, gone)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def _space(regimes: int, packages: int, draws: int) -> tuple[Buffers, Sides]:
    """What one customer's figures are kept in."""
    one, many = (regimes, draws), (packages, draws)
    buffers = np.empty(one), np.empty(one), np.ones(one), np.empty(draws), np.empty(draws), np.empty(draws)
    return buffers, (np.zeros(many), np.zeros(many), np.zeros(many))


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def evaluate(
    customers: Customers,
    usable: BoolArray,
    plan: Plan,
    questions: Questions,
    terms: Array,
    judged: Judged,
    best: IntArray,
    room: Array,
    lost: Array,
    perfect: Array,
    answered: Array,
) -> None:
    """Every customer's packages, and the best of them.

    Parameters
    ----------
    customers, usable : see `value.lever_gains.Reached`.
    plan, questions : see `value.lever_plan.LeverPlan`.
    terms : (4,).
    judged : (row, package) each, zeros: mean gain on odd draws; on even ones mean gain, chance of a gain, mean of the
        worst gains, expected cost.
    best : (row,) the package with the highest mean on odd draws.
    room, lost : (row, draw) its gain given alive, and given gone.
    perfect, answered : (row,), (row, question) what perfect knowledge, and what an answer, adds to the gain.
    """
    share, fixed, (count, n) = customers[1], numbers(terms), (usable.shape[1], room.shape[1])
    buffers, sides = _space(plan[0][0].shape[0], count, n)
    living, gone, paid = sides
    curves, concerned, about, points = questions
    mixed, spare, slopes = np.zeros((count, n)), np.empty((2, n + 2)), np.zeros((count, curves.shape[1]))
    choosing, gain, chance, shortfall, cost = judged
    for row in range(len(best)):
        alive, may, means, lead = share[customers[0][row]], usable[row], np.zeros(count), 0
        _gains_of(row, customers, may, plan, fixed, buffers, sides)
        for p in range(1, count):
            if not may[p]:
                continue
            even, odd = 0.0, 0.0
            for i in range(n):
                mixed[p, i] = alive[i] * living[p, i] + (1.0 - alive[i]) * gone[p, i]
            for i in range(0, n, 2):
                even += mixed[p, i]
            for i in range(1, n, 2):
                odd += mixed[p, i]
            choosing[row, p], gain[row, p], means[p] = odd / (n // 2), even / ((n + 1) // 2), (even + odd) / n
            lead = p if choosing[row, p] > choosing[row, lead] else lead
            chance[row, p], shortfall[row, p], cost[row, p] = _judge(
                alive, living[p], gone[p], paid[p], plan[3][1][p], spare[0], spare[1]
            )
        best[row], most = lead, means.max()
        for i in range(n):
            room[row, i], lost[row, i] = living[lead, i], gone[lead, i]
        perfect[row] = _perfect(alive, living, gone, may, spare[0, :n], spare[1, :n]) - most
        for q in range(len(about)):
            if q == 0 or about[q] != about[q - 1]:
                _regress(mixed, may, curves[about[q]], concerned[about[q]], slopes)
            answered[row, q] = _answered(means, slopes, may, points[q]) - most


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def by_state(
    customers: Customers,
    usable: BoolArray,
    plan: Plan,
    codes: IntArray,
    terms: Array,
    sums: Array,
    people: Array,
) -> None:
    """Adds up gains of customers by what they truly are; a package that a customer may not get gains nothing.

    Parameters
    ----------
    customers, usable, plan, terms : as in `evaluate`.
    codes : (row, draw) state given alive, -1 for draws that do not count.
    sums, people : (package, state), (state,), zeros; the last state is that of those who have gone.
    """
    share, fixed, n = customers[1], numbers(terms), codes.shape[1]
    buffers, sides = _space(plan[0][0].shape[0], usable.shape[1], n)
    living, gone, _ = sides
    last = len(people) - 1
    for row in range(len(codes)):
        alive, may, code, counted = share[customers[0][row]], usable[row], codes[row], 0
        _gains_of(row, customers, may, plan, fixed, buffers, sides)
        for i in range(n):
            counted += 1 if code[i] >= 0 else 0
        for i in range(n):
            if code[i] >= 0:
                people[code[i]] += alive[i] / counted
                people[last] += (1.0 - alive[i]) / counted
                for p in range(1, len(may)):
                    if may[p]:
                        sums[p, code[i]] += alive[i] * living[p, i] / counted
                        sums[p, last] += (1.0 - alive[i]) * gone[p, i] / counted


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def by_draw(customers: Customers, usable: BoolArray, plan: Plan, chosen: IntArray, terms: Array, sums: Array) -> None:
    """Adds up gains of the packages that were chosen, draw by draw.

    Parameters
    ----------
    customers, usable, plan, terms : as in `evaluate`.
    chosen : (row,) package of each customer.
    sums : (package, draw), zeros.
    """
    share, fixed, n = customers[1], numbers(terms), sums.shape[1]
    buffers, sides = _space(plan[0][0].shape[0], usable.shape[1], n)
    living, gone, _ = sides
    may = np.zeros(usable.shape[1], np.bool_)
    for row in range(len(chosen)):
        alive, p = share[customers[0][row]], chosen[row]
        if p > 0 and usable[row, p]:
            may[:] = False
            may[0] = may[p] = True
            _gains_of(row, customers, may, plan, fixed, buffers, sides)
            for i in range(n):
                sums[p, i] += alive[i] * living[p, i] + (1.0 - alive[i]) * gone[p, i]
