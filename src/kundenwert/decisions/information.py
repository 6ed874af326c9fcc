"""What better knowledge would be worth before acting: of effects, by trials of levers, of customers, by asking them.

    value = expected gain of whoever takes the best package once the answer is known - that of the best package today

added up over the base, each customer getting the package that is best for him, without a budget
(docs/statistics.md, section Value of information).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kundenwert.decisions.actions import open_gains
from kundenwert.decisions.losses import FloatArray
from kundenwert.decisions.segments import Segments
from kundenwert.decisions.trial_errors import errors_of_one
from kundenwert.errors import UsageError, did_you_mean
from kundenwert.names import LeverOn
from kundenwert.value.counters import Purpose
from kundenwert.value.lever_basis import PackageGains
from kundenwert.value.lever_gains import gains_by_state, package_gains, reach
from kundenwert.value.lever_questions import Parameter, Question
from kundenwert.value.lever_trials import FEWEST, Trial, counted_question, measured_question, standard_error
from kundenwert.value.levers import Lever, draw_effects
from kundenwert.value.outlook import Outlook

type Found = tuple[FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True, eq=False)
class Information:
    """What could be learnt, and what that is worth.

    Parameters
    ----------
    table : questions by value per euro, dearest last: `question, about, customers, value, cost, net, per_euro`; money.
        Of those without a price `cost` is missing: no answer to them is to be had, they say what answers are worth at
        most.
    trials : every trial by size: `lever, customers, se, value, cost, net, per_euro`; `se` of the estimate, missing
        where people are counted.
    customers : `customer_id, perfect, alive`: what knowing everything about a customer and all effects, and what
        knowing whether he is still a customer, would add to his expected gain; money.
    """

    table: pd.DataFrame
    trials: pd.DataFrame
    customers: pd.DataFrame

    def __repr__(self) -> str:
        priced, paying = self.table["cost"].notna(), self.table["net"] > 0
        if paying.any():
            best = self.table[paying].iloc[0]
            told = f", best per euro: {best['question']}, {best['about']}"
        else:
            told = ", none is worth its price" if priced.any() else ""
        return f"<Information: {len(self.table)} questions about {len(self.customers):,} customers{told}>"


@dataclass(frozen=True)
class _Size:
    """One trial in one size."""

    trial: Trial
    lever: Lever
    customers: int
    se: float
    question: Question

    def row(self, value: float) -> dict[str, object]:
        cost = self.trial.cost(self.lever, self.customers)
        return {"customers": self.customers, "se": self.se, **_priced(value, cost)}


def value_of_information(
    segments: Segments,
    *,
    trials: Sequence[Trial] = (),
    cost_per_answer: float | None = None,
    threads: int | None = None,
) -> Information:
    """What answers would add to what levers are expected to gain, and which of them are worth their price.

    Parameters
    ----------
    segments : with levers.
    trials : that could be made, each in several sizes.
    cost_per_answer : money for finding out whether one customer is still a customer; those are asked where the answer
        is worth more. None: everybody, at no stated price.
    threads : of the pass over the customers; no result depends on it.

    Returns
    -------
    Information

    Raises
    ------
    UsageError : no levers, a trial of a lever that is none, whose effect is known, or which too few may get.

    Notes
    -----
    docs/statistics.md, section Value of information. What a trial costs is reaching out, what its treated customers
    gain meanwhile is left out, and so is what waiting for it costs. Priced are exact numbers, trials, and whether a
    customer is still one. A wallet is not: what levers gain is computed from orders and amounts, which it says little
    about. Where unrealized value rests on wallets, see `value_of_wallets`. `perfect` bounds the value of every question
    about a customer.

    Examples
    --------
    >>> mail = kw.Lever("mail", "frequency", cost_per_contact=0.5)
    >>> segments = kw.assess(posterior, summary, horizon="1 year", margin=0.3, draws=100, levers=[mail])
    >>> found = value_of_information(segments, trials=[Trial("mail", sizes=(200, 2000))])
    >>> bool(found.trials["value"].is_monotonic_increasing)
    True
    """
    if cost_per_answer is not None and not cost_per_answer >= 0:
        raise UsageError(f"cost_per_answer = {cost_per_answer!r} must be money, not negative.")
    gains = open_gains(segments)
    plan = gains.plan
    sizes = list(_sizes(segments, gains, trials, threads))
    asked = [*plan.questions, *(one.question for one in sizes)]
    answered, perfect, alive = _answers(segments, gains, asked, threads)
    known, tried = answered[: len(plan.questions)], answered[len(plan.questions) :]
    by_size = pd.DataFrame(
        [{"lever": one.lever.name, **one.row(value)} for one, value in zip(sizes, tried, strict=True)],
        columns=["lever", "customers", "se", "value", "cost", "net", "per_euro"],
    )
    rows = [*_at_most(gains, known, perfect), _asking(alive, cost_per_answer), *_best(by_size)]
    table = pd.DataFrame(rows).sort_values(["per_euro", "value"], ascending=False, ignore_index=True)
    ids = segments.table["customer_id"]
    return Information(table, by_size, pd.DataFrame({"customer_id": ids, "perfect": perfect, "alive": alive}))


def _sizes(segments: Segments, gains: PackageGains, trials: Sequence[Trial], threads: int | None) -> Iterator[_Size]:
    """Every trial in every size, with what its outcome would tell; those about one effect beside each other."""
    plan, settings = gains.plan, segments.value.settings
    by_name = {lever.name: lever for lever in plan.packages.levers}
    for trial in sorted(trials, key=lambda one: one.lever):
        if trial.lever not in by_name:
            raise UsageError(f"a trial of {trial.lever!r}: there is no such lever.{did_you_mean(trial.lever, by_name)}")
        lever, parameter = by_name[trial.lever], Parameter(trial.lever, Purpose.EFFECT)
        if parameter not in plan.parameters:
            raise UsageError(f"a trial of {lever.name!r}: its effect is known for certain, there is nothing to learn.")
        about = plan.parameters.index(parameter)
        who = np.flatnonzero(gains.usable[:, plan.concerned[about]].any(axis=1))
        if len(who) < FEWEST:
            raise UsageError(f"a trial of {lever.name!r}: only {len(who)} customers may get it.")
        curve, effect = plan.curves[about], draw_effects(lever, plan.draws, settings.seed).effect
        counted = lever.on is LeverOn.REACTIVATION
        sd = np.nan if counted else trial.sd or errors_of_one(segments.context, lever, trial.window, who, threads)
        for size in trial.sizes_up_to(len(who)):
            if counted:
                yield _Size(trial, lever, size, np.nan, counted_question(about, curve, effect, size))
            else:
                se = standard_error(sd, size)
                yield _Size(trial, lever, size, se, measured_question(about, curve, effect, se))


def _answers(segments: Segments, gains: PackageGains, asked: Sequence[Question], threads: int | None) -> Found:
    """(question,) what answers add over the base; (customer,) what knowing everything, and who is alive, adds."""
    plan, count = gains.plan, len(segments.table)
    answered, perfect, alive = np.zeros(len(asked)), np.zeros(count), np.zeros(count)

    def look(outlook: Outlook) -> Found:
        reached = reach(outlook, plan, gains.usable[outlook.rows])
        found, people = package_gains(plan, reached, asked), len(outlook.rows)
        draws = plan.draws
        means = (found.gain * ((draws + 1) // 2) + found.chosen_on * (draws // 2)) / draws
        # One state a customer, so that sums over customers by state are those of single ones.
        each = np.repeat(np.arange(people)[:, None], draws, axis=1)
        living = gains_by_state(plan, reached, each, people + 1)[0][:, :-1].T
        parted = living.max(axis=1) + (means - living).max(axis=1)
        return found.answered, found.perfect, parted - means.max(axis=1)

    for rows, _, (answers, everything, life) in segments.context.stream(look, stage="information", threads=threads):
        answered += np.nansum(answers, axis=0)
        perfect[rows], alive[rows] = everything, life
    return answered, perfect, alive


def _at_most(gains: PackageGains, known: FloatArray, perfect: FloatArray) -> Iterator[dict[str, object]]:
    """What answers are worth at most: everything, and each parameter by itself."""
    count = int(gains.usable[:, 1:].any(axis=1).sum())
    yield {"question": "everything", "about": "customers and effects", "customers": count} | _priced(
        float(np.nansum(perfect)), np.nan
    )
    for position, (parameter, value) in enumerate(zip(gains.plan.parameters, known.tolist(), strict=True)):
        about = f"{parameter.lever}: {parameter.purpose.name.lower().replace('_', ' ')}"
        who = int(gains.usable[:, gains.plan.concerned[position]].any(axis=1).sum())
        yield {"question": "exact number", "about": about, "customers": who} | _priced(value, np.nan)


def _asking(alive: FloatArray, cost: float | None) -> dict[str, object]:
    """Asking those of whom an answer is worth its price whether they are still customers."""
    asked = alive > (0.0 if cost is None else cost)
    paid = np.nan if cost is None else cost * int(asked.sum())
    about = {"question": "still a customer", "about": "each customer", "customers": int(asked.sum())}
    return about | _priced(float(alive[asked].sum()), paid)


def _best(by_size: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Each lever's trial in the size that brings most beyond its cost, the smallest of several."""
    for lever, rows in by_size.groupby("lever", sort=False):
        best = rows.iloc[int(rows["net"].to_numpy().argmax())]
        figures = {name: best[name] for name in ("customers", "value", "cost", "net", "per_euro")}
        yield {"question": "trial", "about": lever, **figures}


def _priced(value: float, cost: float) -> dict[str, float]:
    return {"value": value, "cost": cost, "net": value - cost, "per_euro": value / cost if cost > 0 else np.nan}
