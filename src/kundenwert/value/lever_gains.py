"""What packages of levers gain with each customer of a block, which is best, and what better knowledge is worth.

    gain = value with the package - value without - its expected cost

weighted with the chance of being alive, since a gain with a living customer and with one who has gone are two things.
The package is chosen on odd draws and judged on even ones (docs/statistics.md, section Levers).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kundenwert.errors import UsageError
from kundenwert.value.counters import FloatArray, Purpose
from kundenwert.value.eligibility import BoolArray
from kundenwert.value.lever_plan import LeverPlan
from kundenwert.value.lever_questions import Question
from kundenwert.value.variates import IntArray, read_only

if TYPE_CHECKING:
    from kundenwert.value.outlook import Outlook


@dataclass(frozen=True, eq=False)
class Reached:
    """What packages may be used on some customers, and what the customers are like in each draw.

    Parameters
    ----------
    usable : (row, package) from `packages_open`.
    which : (row,) the purchase history of each row.
    p_alive : (history, draw) chance of being alive.
    rate, dropout, mean_spend : (row, draw) of the living customer.
    offers : (row, 4) margin, cost of an order, cost of time alive and on file.
    owed_gone : (row,) what the record still costs if the customer has gone.
    slower : (history, draw) what the rate of the living is multiplied by to be that of those who have gone: the same
        number of orders in the time until the last one.
    past_dropout : (row, draw) of customers who have gone; (0, draw) where no package brings anybody back.
    """

    usable: BoolArray
    which: IntArray
    p_alive: FloatArray
    rate: FloatArray
    dropout: FloatArray
    mean_spend: FloatArray
    offers: FloatArray
    owed_gone: FloatArray
    slower: FloatArray
    past_dropout: FloatArray

    @property
    def arrays(self) -> tuple[npt.NDArray[np.generic], ...]:
        """What `kernels.packages` calls customers."""
        people = (self.rate, self.dropout, self.mean_spend, self.offers, self.owed_gone)
        first, *given, last = (np.ascontiguousarray(one) for one in (self.which, *people, self.past_dropout))
        shares = (read_only(one, one.shape) for one in (self.p_alive, self.slower))
        return first, next(shares), *given, next(shares), last


@dataclass(frozen=True, eq=False)
class LeverGains:
    """Packages of a block of customers. What a customer may not get, and doing nothing, has zeros.

    Parameters
    ----------
    chosen_on : (row, package) mean gain over odd draws, in money: what any choice among packages must rest on.
    gain, cost : (row, package) mean gain and expected cost over even draws, in money: what is reported of a choice.
    chance : (row, package) probability of a gain above 0, given what is known.
    shortfall : (row, package) mean of the 5 % worst gains.
    best : (row,) the package with the highest `chosen_on`, 0 (nothing) where none is above 0.
    room, room_gone : (row, draw) gain of the best package given alive, and given gone: unrealized value. Even draws
        alone are free of the choice.
    perfect : (row,) what is added to the gain by knowing the customer and all effects before choosing.
    answered : (row, question) what is added by an answer.
    """

    chosen_on: FloatArray
    gain: FloatArray
    chance: FloatArray
    shortfall: FloatArray
    cost: FloatArray
    best: IntArray
    room: FloatArray
    room_gone: FloatArray
    perfect: FloatArray
    answered: FloatArray

    @property
    def unrealized(self) -> FloatArray:
        """(row,) expected gain of the best package, on draws that had no part in choosing it."""
        return np.asarray(self.gain[np.arange(len(self.best)), self.best])


def reach(outlook: "Outlook", plan: LeverPlan, usable: BoolArray) -> Reached:
    """What the levers' algebra reads of a block of customers.

    Parameters
    ----------
    usable : (row, package) from `packages_open`.
    """
    block = outlook.block
    purchases, one, draws = block.purchases, block.individual, block.people.draws
    slower = purchases.full(one.rate_alive / one.rate_dead, draws)
    past_dropout = np.empty((0, draws))
    if plan.revives.any():
        first, second = (purchases.full(shape, draws) for shape in one.dropout_dead)
        past_dropout = block.streams.betas(Purpose.DEAD_DROPOUT, first, second, purchases.which)
    return Reached(
        usable=usable,
        which=purchases.which,
        p_alive=block.alive_share,
        rate=block.rate,
        dropout=block.dropout,
        mean_spend=block.mean_spend,
        offers=outlook.offers,
        owed_gone=outlook.owed_gone,
        slower=slower,
        past_dropout=past_dropout,
    )


def package_gains(plan: LeverPlan, reached: Reached, questions: Sequence[Question] | None = None) -> LeverGains:
    """Gains of all packages with each customer; called from several threads at once.

    Parameters
    ----------
    plan : from `plan_levers`.
    reached : some customers, with as many draws as the plan.
    questions : what might be asked; by default what each parameter of the plan is (`LeverPlan.questions`).

    Returns
    -------
    LeverGains, with NaN for a customer whose value is not finite on some draw.

    Raises
    ------
    UsageError : another number of draws than in the plan, or of packages.

    Notes
    -----
    docs/statistics.md, section Levers.
    """
    from kundenwert.value.kernels.packages import evaluate

    _check(plan, reached)
    rows, draws = reached.rate.shape
    asked = plan.questions if questions is None else tuple(questions)
    chosen_on, gain, chance, shortfall, cost = np.zeros((5, rows, len(plan.packages)))
    found = LeverGains(
        chosen_on=chosen_on,
        gain=gain,
        chance=chance,
        shortfall=shortfall,
        cost=cost,
        best=np.zeros(rows, dtype=np.int64),
        room=np.zeros((rows, draws)),
        room_gone=np.zeros((rows, draws)),
        perfect=np.zeros(rows),
        answered=np.zeros((rows, len(asked))),
    )
    evaluate(
        reached.arrays,
        np.ascontiguousarray(reached.usable),
        plan.arrays,
        _as_arrays(plan, asked),
        plan.terms.array,
        (chosen_on, gain, chance, shortfall, cost),
        found.best,
        found.room,
        found.room_gone,
        found.perfect,
        found.answered,
    )
    bad = ~np.isfinite(gain + chosen_on).all(axis=1)
    found.best[bad] = 0
    for one in (chosen_on, gain, chance, shortfall, found.room, found.room_gone, found.perfect, found.answered):
        one[bad] = np.nan
    return found


def gains_by_state(plan: LeverPlan, reached: Reached, codes: IntArray, states: int) -> tuple[FloatArray, FloatArray]:
    """Gains of packages by what customers truly are, added up over the customers of a block.

    Parameters
    ----------
    plan : from `plan_levers`, of the packages in question.
    reached : some customers; a package that is not usable on a customer gains nothing there.
    codes : (row, draw) position of the state given alive, -1 for draws that do not count.
    states : how many there are; the last one is that of customers who have gone.

    Returns
    -------
    sums : (package, state) money: over customers, the mean over counted draws of gain times the chance of the state.
    people : (state,) expected customers.
    """
    from kundenwert.value.kernels.packages import by_state

    _check(plan, reached)
    sums, people = np.zeros((len(plan.packages), states)), np.zeros(states)
    usable, given = np.ascontiguousarray(reached.usable), np.ascontiguousarray(codes, dtype=np.int64)
    by_state(reached.arrays, usable, plan.arrays, given, plan.terms.array, sums, people)
    return sums, people


def gains_by_draw(plan: LeverPlan, reached: Reached, chosen: IntArray) -> FloatArray:
    """(package, draw) gains of the packages that were chosen, added up over the customers of a block, in money.

    Parameters
    ----------
    plan : from `plan_levers`.
    reached : some customers; a package that is not usable on a customer gains nothing there.
    chosen : (row,) package of each customer, 0 for nothing.
    """
    from kundenwert.value.kernels.packages import by_draw

    _check(plan, reached)
    sums = np.zeros((len(plan.packages), plan.draws))
    usable, given = np.ascontiguousarray(reached.usable), np.ascontiguousarray(chosen, dtype=np.int64)
    by_draw(reached.arrays, usable, plan.arrays, given, plan.terms.array, sums)
    return sums


def _check(plan: LeverPlan, reached: Reached) -> None:
    wanted = (len(reached.rate), len(plan.packages))
    if reached.usable.shape != wanted or reached.rate.shape[1] != plan.draws:
        raise UsageError(
            f"customers have {reached.rate.shape[1]} draws and packages {reached.usable.shape}, the levers "
            f"{plan.draws} and {wanted}. Draw effects as often as customers."
        )


def _as_arrays(plan: LeverPlan, questions: Sequence[Question]) -> tuple[npt.NDArray[np.generic], ...]:
    """Questions as compiled code reads them, all with as many answers: a short list is said several times over."""
    sizes = [len(one.points) for one in questions]
    count = int(np.lcm.reduce(sizes)) if sizes else 1
    points = [np.repeat(one.points, count // len(one.points), axis=0) for one in questions]
    about = np.array([one.about for one in questions], dtype=np.int64)
    degree = plan.curves.shape[1]
    return plan.curves, plan.concerned, about, np.array(points, dtype=np.float64).reshape(len(points), count, degree)
