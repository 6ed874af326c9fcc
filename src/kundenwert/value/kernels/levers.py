"""What packages of levers gain: customer by customer, all packages and draws of one at a time, in compiled form.

A schedule says how time goes by under each package: in stretches, each under a regime, that is, under one set of
factors on what is drawn for the customer. Package 0 and regime 0 are "nothing is done". Groups of arrays come from
`value.lever_plan`, whose classes describe them (docs/statistics.md, section Levers).
"""

from typing import Any

import numpy as np
from numba import njit

from kundenwert.families.kernels.scalar import ANY_ORDER, exp
from kundenwert.value.kernels.words import Array
from kundenwert.value.kernels.worth import Offer, Terms, annuity, time_alive

IntArray = np.ndarray[Any, np.dtype[np.int64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

type Regimes = tuple[Array, Array, float]  # factors, fees, least limit of the dropout
type Schedule = tuple[IntArray, IntArray, Array, Array, BoolArray]  # first, regime, length, weight, discounted
type Costs = tuple[Array, Array, Array]  # if alive, if gone, takers
type Comeback = tuple[BoolArray, Array, float]  # revives, back, kept
type Person = tuple[Array, Array, Array, Offer]  # (draw,) rate, dropout, mean amount of an order; what orders bring
type Buffers = tuple[Array, Array, Array, Array, Array, Array]

RATE, SPEND, HAZARD, ORDER_COST, ACTIVE_COST = range(5)
AFTERWARDS = 1.5  # the hazard of those who came back, over what it was


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def _lives(person: Person, scale: float, regimes: Regimes, hazards: Array, flows: Array) -> None:
    """(regime, draw) hazard of leaving, scaled, and contribution per time unit alive."""
    rate, dropout, spend, (margin, order_cost, active_cost, _) = person
    factors, fees, limit = regimes
    for k in range(len(fees)):
        factor, fee = factors[k], fees[k]
        for i in range(len(rate)):
            # Who orders less often than his hazard leaves at each order, and then less often too.
            certain = max(factor[RATE, i], limit)
            hazards[k, i] = scale * rate[i] * min(dropout[i], certain) * factor[HAZARD, i]
            order = margin * spend[i] * factor[SPEND, i] + fee - order_cost * factor[ORDER_COST, i]
            flows[k, i] = rate[i] * factor[RATE, i] * order - active_cost * factor[ACTIVE_COST, i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def _discounted(
    p: int, schedule: Schedule, hazards: Array, flows: Array, terms: Terms, lasting: Array, out: Array
) -> None:
    """(draw,) what flows while the customer is alive, expected and discounted, over the stretches of a package."""
    first, regime, length, weight, discounted = schedule
    lasting[:], out[:] = 1.0, 0.0
    for at in range(first[p], first[p + 1]):
        hazard, flow, long, share = hazards[regime[at]], flows[regime[at]], length[at], weight[at]
        if discounted[at]:
            for i in range(len(out)):
                out[i] += share * lasting[i] * flow[i] * time_alive(hazard[i], long, terms)
        else:
            for i in range(len(out)):
                out[i] += share * lasting[i] * flow[i] * annuity(hazard[i], long)
        if at + 1 < first[p + 1]:
            for i in range(len(out)):
                lasting[i] *= exp(-hazard[i] * long)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def gains_alive(
    person: Person,
    usable: BoolArray,
    regimes: Regimes,
    schedule: Schedule,
    record: Schedule,
    costs: Costs,
    terms: Terms,
    buffers: Buffers,
    paid: Array,
    gain: Array,
) -> None:
    """(package, draw) what usable packages cost, and gain over doing nothing, for a living customer."""
    hazards, flows, ones, lasting, value, kept = buffers
    fixed, _, takers = costs
    rate, file_cost = person[0], person[3][3]
    filed = file_cost > 0.0 and len(record[1]) > 0
    _lives(person, 1.0, regimes, hazards, flows)
    for p in range(len(gain)):
        if not usable[p]:
            continue
        paid[p] = fixed[p]
        for one in range(takers.shape[1]):
            cost, window = takers[p, one, 0], takers[p, one, 1]
            if cost > 0.0:
                for i in range(len(rate)):
                    paid[p, i] += cost * (1.0 - exp(-rate[i] * window))
        _discounted(p, schedule, hazards, flows, terms, lasting, value)
        if filed:
            _discounted(p, record, hazards, ones, terms, lasting, kept)
            for i in range(len(rate)):
                value[i] -= file_cost * kept[i]
        gain[p] = value
    for p in range(len(gain) - 1, -1, -1):  # nothing itself, package 0, is what the others are held against
        if usable[p]:
            for i in range(len(rate)):
                gain[p, i] = gain[p, i] - gain[0, i] - paid[p, i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=ANY_ORDER)
def gains_gone(
    person: Person,
    owed: float,
    usable: BoolArray,
    regimes: Regimes,
    schedule: Schedule,
    record: Schedule,
    costs: Costs,
    comeback: Comeback,
    terms: Terms,
    buffers: Buffers,
    gain: Array,
) -> None:
    """(package, draw) gain over doing nothing for a customer who has gone, and whose record would still cost `owed`.

    Who comes back is a living customer from now on, with what he was like before and a higher hazard.
    """
    hazards, flows, ones, lasting, value, kept = buffers
    revives, back, always = comeback
    file_cost = person[3][3]
    filed = file_cost > 0.0 and len(record[1]) > 0
    for p in range(len(gain)):
        if usable[p]:
            for i in range(len(value)):
                gain[p, i] = -costs[1][p, i]
    if not revives.any():
        return
    _lives(person, AFTERWARDS, regimes, hazards, flows)
    for p in range(len(gain)):
        if usable[p] and revives[p]:
            _discounted(p, schedule, hazards, flows, terms, lasting, value)
            kept[:] = 0.0
            if filed:
                _discounted(p, record, hazards, ones, terms, lasting, kept)
            for i in range(len(value)):
                gain[p, i] += back[p, i] * (value[i] - file_cost * (always + kept[i]) + owed)
