"""The tables of a spec about what to do: levers, segments and budget; and what they may not say together."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from kundenwert.errors import did_you_mean
from kundenwert.names import SEGMENTS, STATES, Customize, Journey, LeverOn
from kundenwert.spec_tables import ExperimentSpec, HorizonText, NotNegative, Positive, Table, Text
from kundenwert.spec_values import beta_mistake, read_choice, read_choices, read_list, table_in
from kundenwert.units import Horizon

# A share of something: what comes back, the part of the hazard or of a cost that goes.
SHARES = frozenset({LeverOn.REACTIVATION, LeverOn.RETENTION, LeverOn.COST_TO_SERVE, LeverOn.VIP})
MAX_PACKAGE = 2
BY_LEVERS: Final = "levers"

Matrix = tuple[tuple[NotNegative, ...], ...]
Package = Annotated[tuple[Text, ...], BeforeValidator(read_list), Field(max_length=MAX_PACKAGE)]


class TakeUpSpec(Table):
    """The share of those reached who take an offer, as a prior."""

    mean: float
    sd: Positive

    @field_validator("sd")
    @classmethod
    def _a_beta(cls, sd: float, info: ValidationInfo) -> float:
        if "mean" in info.data and (mistake := beta_mistake(info.data["mean"], sd)):
            raise ValueError(mistake)
        return sd


class EffectSpec(Table):
    """What a lever does, as a prior; without mean and sd the sceptical one of its kind."""

    on: Annotated[LeverOn, BeforeValidator(read_choice(LeverOn))]
    mean: float | None = None
    sd: Positive | None = Field(default=None, validate_default=True)

    @field_validator("sd")
    @classmethod
    def _a_prior(cls, sd: float | None, info: ValidationInfo) -> float | None:
        if "mean" not in info.data:
            return sd
        mean = info.data["mean"]
        if (mean is None) != (sd is None):
            raise ValueError("mean and sd belong together. State both, or neither for the default of this kind.")
        if sd is not None and info.data.get("on") in SHARES and (mistake := beta_mistake(mean, sd)):
            raise ValueError(mistake)
        return sd


class LeverSpec(Table):
    """`[[levers]]`: something that the firm can do to a customer."""

    ADDED: ClassVar = frozenset({"fee_per_order", "experiments"})

    name: Text
    effect: EffectSpec
    take_up: TakeUpSpec | None = None
    experiments: Annotated[tuple[ExperimentSpec, ...], BeforeValidator(read_list)] = ()
    side_effect: Positive | None = None
    fee_per_order: NotNegative = 0.0
    cost_per_contact: NotNegative = 0.0
    cost_per_taker: NotNegative = 0.0
    duration: HorizonText | None = None
    window: HorizonText | None = None
    channel: Text | None = None
    eligible: Text | None = None
    journey: Annotated[tuple[Journey, ...] | None, BeforeValidator(read_choices(Journey))] = None
    customize: Annotated[Customize, BeforeValidator(read_choice(Customize))] | None = None

    @field_validator("experiments")
    @classmethod
    def _countable(cls, trials: tuple[ExperimentSpec, ...], info: ValidationInfo) -> tuple[ExperimentSpec, ...]:
        counted = any(trial.successes is not None for trial in trials)
        if counted and _kind(info) not in (None, LeverOn.REACTIVATION):
            raise ValueError(
                f"only those who come back can be counted: effect.on = '{_kind(info)}' needs mean and se of a trial."
            )
        return trials

    @field_validator("side_effect", "fee_per_order")
    @classmethod
    def _of_a_fee(cls, amount: float | None, info: ValidationInfo) -> float | None:
        if amount and _kind(info) not in (None, LeverOn.COST_TO_SERVE):
            raise ValueError(f"only effect.on = 'cost_to_serve' has one, and this one is on '{_kind(info)}'.")
        return amount


def _kind(info: ValidationInfo) -> LeverOn | None:
    """What the lever acts on, None where that itself is a mistake."""
    effect = info.data.get("effect")
    return None if effect is None else effect.on


class PackageSpec(Table):
    """`[segments.packages]`: the standard treatment of each label, as names of levers."""

    most_valuable: Package | None = None
    super_growth: Package | None = None
    most_growable: Package | None = None
    low_maintenance: Package | None = None
    below_zero: Package | None = None
    dormant: Package | None = None
    migrator: Package | None = None


class SegmentSpec(Table):
    """`[segments]`: what a wrong treatment costs; rows are treatments, columns the truth, in the order of `STATES`."""

    ADDED: ClassVar = frozenset({"packages", "dwell", "look_ahead", "resolvable"})

    losses: Matrix | Literal["levers"] | None = None
    switching_cost: NotNegative = 0.05
    packages: PackageSpec = PackageSpec()
    dwell: HorizonText = Horizon(4.0, "week")
    look_ahead: HorizonText = Horizon(1.0, "quarter")
    resolvable: NotNegative = 0.05

    @field_validator("losses", mode="before")
    @classmethod
    def _square(cls, losses: object) -> object:
        if losses is None or losses == BY_LEVERS:
            return losses
        if isinstance(losses, str):
            hint = did_you_mean(losses, [BY_LEVERS])
            raise ValueError(f"{losses!r} is not known.{hint} Write a matrix or '{BY_LEVERS}'.")
        size = len(STATES)
        shape = f"the loss matrix needs {size} rows of {size} numbers, in the order {', '.join(STATES)}."
        if not isinstance(losses, list) or len(losses) != size:
            raise ValueError(shape)
        if any(not isinstance(row, list) or len(row) != size for row in losses):
            raise ValueError(shape)
        if any(row[i] != 0 for i, row in enumerate(losses)):
            raise ValueError("the diagonal of the loss matrix must be 0: the right treatment costs nothing.")
        return tuple(tuple(row) for row in losses)

    @property
    def loss_matrix(self) -> Matrix | None:
        """The stated matrix; None where it is built in, or derived from levers."""
        return None if isinstance(self.losses, str) else self.losses


class BudgetSpec(Table):
    """`[budget]`: what may be spent on levers, whom it must leave out, and what a channel can carry."""

    ADDED: ClassVar = frozenset({"holdout", "capacities"})

    amount: NotNegative | None = None
    holdout: Annotated[float, Field(ge=0, lt=1)] = 0.10
    capacities: dict[str, Annotated[int, Field(ge=0)]] = Field(default={})


def action_contradictions(mapping: Mapping[str, Any]) -> list[str]:
    """What the tables about actions may not say together, as they were written: no other mistake may hide it."""
    levers = mapping.get("levers")
    stated = [lever for lever in levers if isinstance(lever, Mapping)] if isinstance(levers, list | tuple) else []
    names = [lever["name"] for lever in stated if isinstance(lever.get("name"), str)]
    channels = [lever["channel"] for lever in stated if isinstance(lever.get("channel"), str)]
    segments = table_in(mapping, "segments")
    found = [
        f"levers: {count} of them are called {name!r}. Give each a name of its own: packages and budgets go by it."
        for name, count in Counter(names).items()
        if count > 1
    ]
    if segments.get("losses") == BY_LEVERS and not stated:
        found.append(
            f"segments.losses: '{BY_LEVERS}' derives losses from what levers gain, and there are none. Add [[levers]]."
        )
    for label, package in table_in(segments, "packages").items():
        if label in SEGMENTS and isinstance(package, list | tuple):
            found += [
                f"segments.packages.{label}: no lever is called {name!r}.{_near(name, names)}"
                for name in package
                if isinstance(name, str) and name not in names
            ]
    found += [
        f"budget.capacities.{channel}: no lever has this channel.{_near(channel, channels)}"
        for channel in table_in(table_in(mapping, "budget"), "capacities")
        if channel not in channels
    ]
    return found


def _near(name: str, known: list[str]) -> str:
    """The nearest name, else all of them, else what is missing."""
    if not known:
        return " Add it to [[levers]]."
    return did_you_mean(name, known) or f" Known: {', '.join(dict.fromkeys(known))}."
