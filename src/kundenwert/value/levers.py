"""Levers: what the firm can do to a customer, with its costs, its reach, and what is known of its effect.

A lever changes what is drawn for a customer (docs/statistics.md, section Levers):

| on            | effect                          | default prior    | beside it                                     |
|---------------|---------------------------------|------------------|-----------------------------------------------|
| reactivation  | rr: a dead customer comes back  | Beta(1, 30)      | then leaves at 1.5 mu                         |
| retention     | mu (1 - e)                      | Beta(1, 19)      |                                               |
| frequency     | lambda exp(u)                   | N(.03, .03)      |                                               |
| spend         | zeta exp(w)                     | N(.02, .03)      |                                               |
| cost_to_serve | costs (1 - f), a fee per order  | Beta(2, 8)       | mu (1 + h), h exponential with mean .10       |
| vip           | mu (1 - e)                      | Beta(1, 19)      | cost per order exp(abs(c)), c ~ N(0, .10)     |

An effect is that of reaching out to a customer, whether or not he takes the offer: `take_up` sets costs alone.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from kundenwert.errors import KundenwertError, SpecError, UsageError
from kundenwert.names import Customize, Journey, LeverOn
from kundenwert.spec import ModelSpec
from kundenwert.spec_actions import LeverSpec
from kundenwert.spec_tables import ExperimentSpec
from kundenwert.spec_values import table_in
from kundenwert.spec_wording import sentences
from kundenwert.units import Horizon
from kundenwert.value.counters import FloatArray, Purpose
from kundenwert.value.effects import (
    Beta,
    Counts,
    Effect,
    Experiment,
    Exponential,
    Fixed,
    HalfNormal,
    Measurement,
    Normal,
    stratified_draws,
    update,
)
from kundenwert.value.eligibility import BoolArray, Condition, eligible, parse_condition
from kundenwert.value.journey import PHASES_IN_TABLE, PhaseArray, in_phases

DEFAULT_EFFECTS: Mapping[LeverOn, Effect] = {
    LeverOn.REACTIVATION: Beta(1.0, 30.0),
    LeverOn.RETENTION: Beta(1.0, 19.0),
    LeverOn.FREQUENCY: Normal(0.03, 0.03),
    LeverOn.SPEND: Normal(0.02, 0.03),
    LeverOn.COST_TO_SERVE: Beta(2.0, 8.0),
    LeverOn.VIP: Beta(1.0, 19.0),
}
SIDE_EFFECT, COST_RISE = 0.10, 0.10
_LOGARITHMS = (LeverOn.FREQUENCY, LeverOn.SPEND)
_OTHERS = frozenset(LeverOn) - {LeverOn.REACTIVATION}
_OUTSIDE = frozenset(Journey) - set(PHASES_IN_TABLE)
_EFFECT_KEYS = ("on", "mean", "sd")


@dataclass(frozen=True, init=False)
class Lever:
    """Something that the firm can do to a customer.

    Parameters
    ----------
    name : its own; budgets, packages and random streams go by it.
    on : what it changes, a `LeverOn` or its name.
    mean, sd : of the prior of the effect, see the table above; both or neither. Without them the default of its kind,
        and no effect on costs where there is a fee: a fee saves nothing.
    experiments : randomised trials, as `Counts`, `Measurement` or mappings with their keys; counts of a reactivation
        alone.
    side_effect : mean of the rise of the hazard that a saving or a fee brings, above 0; it cannot be left out.
    cost_per_contact : money, for everybody who is reached.
    cost_per_taker : money, for everybody who takes the offer.
    take_up : (mean, sd) of the share of those reached who do, or a mapping of them. A reactivation has none: who is
        inactive takes the offer where it works, who is active where he buys within the window anyway.
    fee_per_order : money, paid by the customer.
    window : how long a reactivation offer stands, a `Horizon` or its text.
    duration : how long the effect lasts, likewise; None for the whole horizon.
    channel : any name, for capacities.
    customize : how it treats customers differently (Gilmore and Pine 1997).
    journey : phases that it is meant for; None for all.
    eligible : a condition on columns, see `value/eligibility.py`; None for everybody.

    Raises
    ------
    SpecError : every mistake, each with its key and the way out.

    Examples
    --------
    >>> mail = Lever("win-back mail", "reactivation", cost_per_contact=0.6, experiments=[{"n": 400, "successes": 12}])
    >>> lever_effects(mail)[Purpose.EFFECT]
    Beta(a=13.0, b=418.0)
    """

    name: str
    on: LeverOn
    mean: float | None
    sd: float | None
    experiments: tuple[Experiment, ...]
    side_effect: float | None
    cost_per_contact: float
    cost_per_taker: float
    take_up: tuple[float, float] | None
    fee_per_order: float
    window: Horizon | None
    duration: Horizon | None
    channel: str | None
    customize: Customize | None
    journey: tuple[Journey, ...] | None
    eligible: Condition | None

    def __init__(
        self,
        name: str,
        on: LeverOn | str,
        *,
        mean: float | None = None,
        sd: float | None = None,
        experiments: Sequence[Experiment | Mapping[str, Any]] = (),
        side_effect: float | None = None,
        cost_per_contact: float = 0.0,
        cost_per_taker: float = 0.0,
        take_up: tuple[float, float] | Mapping[str, float] | None = None,
        fee_per_order: float = 0.0,
        window: Horizon | str | None = None,
        duration: Horizon | str | None = None,
        channel: str | None = None,
        customize: Customize | str | None = None,
        journey: Sequence[Journey | str] | None = None,
        eligible: Condition | str | None = None,
    ) -> None:
        stated = locals()
        values, mistakes = _fields(_nested({field.name: stated[field.name] for field in fields(self)}))
        if mistakes:
            raise SpecError(f"lever {name!r}", mistakes)
        for key, value in values.items():
            object.__setattr__(self, key, value)

    @property
    def costs_money(self) -> bool:
        """Whether anybody pays anything for it, the firm or the customer: then gains need a margin."""
        return self.cost_per_contact > 0 or self.cost_per_taker > 0 or self.fee_per_order > 0

    @property
    def assumed(self) -> bool:
        """Whether the effect rests on its prior alone, no experiment having been read."""
        return not self.experiments


@dataclass(frozen=True, eq=False)
class EffectDraws:
    """What a lever does, one number a parameter draw for all customers.

    Parameters
    ----------
    effect : (draw,) see the table of the module.
    side_effect : (draw,) h of a saving or fee, zeros elsewhere.
    cost_rise : (draw,) logarithm of the factor on costs per order of a VIP status, zeros elsewhere.
    take_up : (draw,) share of those reached who take the offer; None where it is not stated.
    """

    effect: FloatArray
    side_effect: FloatArray
    cost_rise: FloatArray
    take_up: FloatArray | None


def lever_of(mapping: Mapping[str, Any]) -> Lever:
    """A lever from the keys of `[[levers]]` in a spec.

    Parameters
    ----------
    mapping : `effect = {on, mean, sd}` and the other keys of `Lever`; None counts as absent.

    Raises
    ------
    SpecError : every mistake, unknown keys too.

    Examples
    --------
    >>> lever_of({"name": "call", "effect": {"on": "retention"}, "cost_per_contact": 1.5}).on.value
    'retention'
    """
    values, mistakes = _fields(mapping)
    if mistakes:
        raise SpecError(f"lever {mapping.get('name')!r}", mistakes)
    return Lever(**values)


def levers_of(spec: ModelSpec | Iterable[Mapping[str, Any]]) -> tuple[Lever, ...]:
    """All levers of a spec, or of plain mappings; the mistakes of all of them in one message.

    Raises
    ------
    SpecError : mistakes, as `levers[2].effect.sd: ...`, counted from 1; two levers of one name.
    """
    entries = [lever.model_dump() for lever in spec.levers] if isinstance(spec, ModelSpec) else list(spec)
    read = [_fields(entry) for entry in entries]
    mistakes = [f"levers[{i}].{mistake}" for i, (_, wrong) in enumerate(read, start=1) for mistake in wrong]
    names = Counter(str(entry["name"]) for entry in entries if "name" in entry)
    mistakes += [
        f"levers: {count} of them are called {name!r}. Give each a name of its own: draws and budgets go by it."
        for name, count in names.items()
        if count > 1
    ]
    if mistakes:
        raise SpecError("levers", mistakes)
    return tuple(Lever(**values) for values, _ in read)


def lever_priors(lever: Lever) -> dict[Purpose, Effect]:
    """What is believed before any experiment: of the effect, and of side effect, cost rise and take-up if any."""
    found = {Purpose.EFFECT: _prior(lever.on, lever.mean, lever.sd, lever.fee_per_order)}
    if lever.side_effect is not None:
        found[Purpose.SIDE_EFFECT] = Exponential(lever.side_effect)
    if lever.on is LeverOn.VIP:
        found[Purpose.COST_RISE] = HalfNormal(COST_RISE)
    if lever.take_up is not None:
        found[Purpose.TAKE_UP] = Beta.of_moments(*lever.take_up)
    return found


def lever_effects(lever: Lever) -> dict[Purpose, Effect]:
    """The same after the lever's experiments, which change the effect alone."""
    found = lever_priors(lever)
    return found | {Purpose.EFFECT: update(found[Purpose.EFFECT], lever.experiments)}


def draw_effects(lever: Lever, draws: int, seed: int) -> EffectDraws:
    """Draws of a lever's effects that all customers share, whatever the other levers.

    Parameters
    ----------
    draws : parameter draws.
    seed : of the run.
    """
    drawn = {
        purpose: stratified_draws(effect, draws, seed=seed, name=lever.name, purpose=purpose)
        for purpose, effect in lever_effects(lever).items()
    }
    none = np.zeros(draws)
    return EffectDraws(
        effect=drawn[Purpose.EFFECT],
        side_effect=drawn.get(Purpose.SIDE_EFFECT, none),
        cost_rise=drawn.get(Purpose.COST_RISE, none),
        take_up=drawn.get(Purpose.TAKE_UP),
    )


def open_to(lever: Lever, table: pd.DataFrame, phases: PhaseArray) -> BoolArray:
    """To whom a lever may be applied.

    Parameters
    ----------
    table : (customer,) the columns that `lever.eligible` names.
    phases : (customer,) from `journey_phases`.

    Returns
    -------
    (customer,) True where the condition holds and the phase is one that the lever is meant for.
    """
    meant = in_phases(phases, lever.journey or ())
    return meant if lever.eligible is None else meant & eligible(lever.eligible, table)


def _nested(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `Lever` as the keys of a spec."""
    outer = {key: value for key, value in stated.items() if key not in _EFFECT_KEYS and value is not None}
    outer["effect"] = {key: stated[key] for key in _EFFECT_KEYS}
    if isinstance(stated["take_up"], tuple | list) and len(stated["take_up"]) == 2:
        outer["take_up"] = dict(zip(("mean", "sd"), stated["take_up"], strict=True))
    if isinstance(stated["experiments"], tuple | list):
        outer["experiments"] = [
            _stated(trial) if isinstance(trial, Counts | Measurement) else trial for trial in stated["experiments"]
        ]
    return outer


def _stated(trial: Experiment) -> dict[str, Any]:
    return {key: value for key, value in asdict(trial).items() if value is not None}


def _fields(mapping: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The fields of a `Lever` by the keys of a spec; and every mistake, of which none hides another."""
    stated = {key: value for key, value in mapping.items() if value is not None}
    condition = stated.pop("eligible") if isinstance(stated.get("eligible"), Condition) else None
    text = stated.get("eligible")
    mistakes = [*_misplaced(stated), *_costs(stated)]
    if isinstance(text, str) and text:
        mistakes += _refused("eligible", partial(parse_condition, text))
    try:
        spec = LeverSpec.model_validate(stated)
    except ValidationError as error:
        return {}, [*sentences(error, LeverSpec), *mistakes]
    effect, experiments = spec.effect, tuple(map(_trial, spec.experiments))
    take_up = None if spec.take_up is None else (spec.take_up.mean, spec.take_up.sd)
    prior = partial(_prior, effect.on, effect.mean, effect.sd, spec.fee_per_order)
    mistakes += _refused("effect", prior) or _refused("experiments", lambda: update(prior(), experiments))
    if take_up is not None:
        mistakes += _refused("take_up", partial(Beta.of_moments, *take_up))
    if mistakes:
        return {}, mistakes
    condition = parse_condition(spec.eligible) if spec.eligible else condition
    values: dict[str, Any] = {name: getattr(spec, name) for name in LeverSpec.model_fields if name != "effect"}
    values |= {key: getattr(effect, key) for key in _EFFECT_KEYS}
    values |= {"experiments": experiments, "take_up": take_up, "eligible": condition}
    if effect.on is LeverOn.COST_TO_SERVE and spec.side_effect is None:
        values["side_effect"] = SIDE_EFFECT
    return values, []


def _refused(key: str, work: Callable[[], object]) -> list[str]:
    """What an attempt says where it fails."""
    try:
        work()
    except KundenwertError as error:
        return [f"{key}: {error}"]
    return []


def _misplaced(stated: Mapping[str, Any]) -> Iterator[str]:
    """What means nothing for what the lever is on, as it was written."""
    on, rise, journey = _kind(stated), stated.get("side_effect"), stated.get("journey")
    if "window" in stated and on in _OTHERS:
        yield f"window: only a reactivation offer has one, and this lever is on {on}. Write duration, or leave it out."
    if "duration" in stated and on == LeverOn.REACTIVATION:
        yield "duration: who comes back has come back, a reactivation has none. Leave it out."
    if isinstance(rise, int | float) and rise > 1:
        yield f"side_effect: {rise:g} is the mean rise of the hazard, at most 1. Write 0.10 for 10 %."
    if isinstance(journey, tuple | list) and journey and {str(phase) for phase in journey} <= _OUTSIDE:
        yield f"journey: no customer is in such a phase. Name one of {', '.join(PHASES_IN_TABLE)} too."


def _costs(stated: Mapping[str, Any]) -> Iterator[str]:
    """What the cost of takers needs, and what needs it, as it was written."""
    on, cost, taken = _kind(stated), stated.get("cost_per_taker", 0.0), "take_up" in stated
    paid = isinstance(cost, int | float) and cost > 0
    if on == LeverOn.REACTIVATION:
        if paid and "window" not in stated:
            yield 'window: cost_per_taker falls due for active customers who buy within it. Write window = "4 weeks".'
        if taken:
            yield "take_up: takers of a reactivation follow from its effect and its window. Leave it out."
    elif paid and not taken:
        yield "take_up: cost_per_taker needs the share who take the offer. Write take_up = {mean = 0.05, sd = 0.02}."
    elif taken and not paid:
        yield "take_up: it sets the cost of takers, which is 0, and no effect. State cost_per_taker, or leave it out."


def _kind(stated: Mapping[str, Any]) -> str:
    return str(table_in(stated, "effect").get("on"))


def _trial(spec: ExperimentSpec) -> Experiment:
    if spec.mean is not None and spec.se is not None:
        return Measurement(spec.mean, spec.se, spec.n)
    return Counts(spec.successes or 0, spec.n or 0)


def _prior(on: LeverOn, mean: float | None, sd: float | None, fee: float) -> Effect:
    if mean is None or sd is None:
        return Fixed(0.0) if fee > 0 else DEFAULT_EFFECTS[on]
    if on not in _LOGARITHMS:
        return Beta.of_moments(mean, sd)
    if abs(mean) > 1 or sd > 1:
        raise UsageError(f"mean = {mean:g}, sd = {sd:g} is the logarithm of a factor. Write 0.03 for 3 %.")
    return Normal(mean, sd)
