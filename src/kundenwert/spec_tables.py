"""The tables of a spec, one class each: their keys, types, defaults and limits."""

import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, field_validator, model_validator

from kundenwert.names import STATES, EngineName, FamilyName, Pooling
from kundenwert.spec_values import (
    horizon_text,
    prior_mistake,
    read_choice,
    read_cohort_rule,
    read_currency,
    read_date,
    read_horizon,
    read_number_or_column,
    read_timezone,
)
from kundenwert.streams import DEFAULT_SEED
from kundenwert.units import Horizon, TimeUnit

PURCHASE_FAMILY_NAMES = (FamilyName.BGNBD, FamilyName.MBGNBD)
MAX_FRONTIER = 0.9
MIN_DRAWS = 16  # four chains, four draws each: below that nothing can be said about convergence

HorizonText = Annotated[Horizon, BeforeValidator(read_horizon), PlainSerializer(horizon_text, return_type=str)]
Day = Annotated[datetime.date, BeforeValidator(read_date)]
NumberOrColumn = Annotated[float | str, BeforeValidator(read_number_or_column)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]


class Table(BaseModel):
    """What all tables share: frozen, no unknown key, no silent conversion, no infinite number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DataSpec(Table):
    """`[data]`: where the transactions are and how to read them."""

    source: Text
    customer: Text = "customer_id"
    time: Text = "date"
    amount: Text = "spend"
    currency: Annotated[str | None, BeforeValidator(read_currency)] = None
    timezone: Annotated[str, BeforeValidator(read_timezone)] = "UTC"
    observation_end: Day | None = None
    time_unit: Annotated[TimeUnit, BeforeValidator(read_choice(TimeUnit))] = TimeUnit.WEEK


class CohortSpec(Table):
    """`[cohorts]`: who shares parameters with whom."""

    by: Annotated[str, BeforeValidator(read_cohort_rule)] = "month"
    min_customers: Annotated[int, Field(ge=0)] | None = None
    pooling: Annotated[Pooling, BeforeValidator(read_choice(Pooling))] = Pooling.PARTIAL


class NormalPriorSpec(Table):
    """A normal prior on an unconstrained coordinate."""

    dist: Literal["normal"] = "normal"
    mean: float
    sd: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _in_reach(self) -> Self:
        if mistake := prior_mistake(self.mean, self.sd):
            raise ValueError(mistake)
        return self


class PurchasePriorSpec(Table):
    """`[purchase.priors]`: one entry per coordinate that leaves its default."""

    log_r: NormalPriorSpec | None = None
    log_alpha_over_T: NormalPriorSpec | None = None
    logit_phi: NormalPriorSpec | None = None
    log_kappa: NormalPriorSpec | None = None


class SpendPriorSpec(Table):
    """`[spend.priors]`: one entry per coordinate that leaves its default."""

    log_p: NormalPriorSpec | None = None
    log_q_minus_1: NormalPriorSpec | None = None
    log_mean_over_z: NormalPriorSpec | None = None


class PurchaseSpec(Table):
    """`[purchase]`: the model of when customers buy and when they leave."""

    family: Annotated[FamilyName, BeforeValidator(read_choice(PURCHASE_FAMILY_NAMES))] = FamilyName.BGNBD
    priors: PurchasePriorSpec = PurchasePriorSpec()


class SpendSpec(Table):
    """`[spend]`: the model of what customers spend on a purchase day."""

    family: Annotated[FamilyName, BeforeValidator(read_choice((FamilyName.GAMMA_GAMMA,)))] = FamilyName.GAMMA_GAMMA
    priors: SpendPriorSpec = SpendPriorSpec()


class InferenceSpec(Table):
    """`[inference]`: how the posterior is computed."""

    engine: Annotated[EngineName, BeforeValidator(read_choice(EngineName))] = EngineName.AUTO
    draws: int = 4000
    seed: Annotated[int, Field(ge=0)] = DEFAULT_SEED

    @field_validator("draws")
    @classmethod
    def _enough_to_judge(cls, draws: int) -> int:
        if draws < MIN_DRAWS:
            raise ValueError(
                f"{draws} draws over all chains are too few to judge. Write {MIN_DRAWS} at least, 1000 or more for use."
            )
        return draws


class ValueSpec(Table):
    """`[value]`: from purchases to money. Rates and costs are per year, as people write them."""

    horizon: HorizonText = Horizon(3.0, "year")
    discount_rate: NotNegative = 0.10
    margin: NumberOrColumn | None = None
    cost_per_order: NotNegative = 0.0
    cost_per_year_active: NotNegative = 0.0
    cost_per_year_on_file: NotNegative = 0.0
    acquisition_cost: NumberOrColumn | None = None
    interval: Share = 0.90
    draws: Annotated[int, Field(ge=1)] = 1000

    @field_validator("discount_rate")
    @classmethod
    def _a_rate(cls, rate: float) -> float:
        if rate >= 1:
            raise ValueError(f"a discount rate of {rate:g} is {rate:.0%} a year. It is a share: 0.10 for 10 %.")
        return rate

    @field_validator("margin")
    @classmethod
    def _a_share(cls, margin: float | str | None) -> float | str | None:
        if isinstance(margin, float) and not 0 < margin <= 1:
            raise ValueError(f"a margin of {margin:g} is not a share of revenue in (0, 1]. Write 0.30 for 30 %.")
        return margin

    @field_validator("acquisition_cost")
    @classmethod
    def _a_cost(cls, cost: float | str | None) -> float | str | None:
        if isinstance(cost, float) and cost < 0:
            raise ValueError(f"a cost must not be negative, not {cost:g}.")
        return cost


class ChurnSpec(Table):
    """`[churn]`: one horizon for everybody."""

    horizon: HorizonText = Horizon(26.0, "week")


class PotentialSpec(Table):
    """`[potential]`: what a customer's potential value rests on."""

    basis: Literal["auto", "peers", "wallet", "levers"] = "auto"
    peers: tuple[Text, ...] = ("cohort",)
    frontier: Annotated[float, Field(gt=0)] = 0.80

    @field_validator("peers", mode="before")
    @classmethod
    def _a_list(cls, peers: object) -> object:
        return tuple(peers) if isinstance(peers, list) else peers

    @field_validator("frontier")
    @classmethod
    def _not_the_best_customer(cls, frontier: float) -> float:
        if frontier > MAX_FRONTIER:
            raise ValueError(
                f"a frontier of {frontier:g} compares everybody with the luckiest few customers. "
                f"Use at most {MAX_FRONTIER:g}."
            )
        return frontier


class EffectSpec(Table):
    """What a lever does, as a prior."""

    on: Literal["reactivation", "retention", "frequency", "spend", "cost_to_serve"]
    mean: float
    sd: Annotated[float, Field(gt=0)]


class LeverSpec(Table):
    """`[[levers]]`: something that the firm can do to a customer."""

    name: Text
    effect: EffectSpec
    cost_per_contact: NotNegative = 0.0
    cost_per_taker: NotNegative = 0.0
    duration: HorizonText | None = None
    eligible: Text | None = None


class SegmentSpec(Table):
    """`[segments]`: what a wrong treatment costs; rows are treatments, columns the truth, in the order of `STATES`."""

    losses: tuple[tuple[NotNegative, ...], ...] | None = None
    switching_cost: NotNegative = 0.05

    @field_validator("losses", mode="before")
    @classmethod
    def _square(cls, losses: object) -> object:
        names = ", ".join(STATES)
        size = len(STATES)
        shape = f"the loss matrix needs {size} rows of {size} numbers, in the order {names}."
        if not isinstance(losses, list) or len(losses) != size:
            raise ValueError(shape)
        if any(not isinstance(row, list) or len(row) != size for row in losses):
            raise ValueError(shape)
        if any(row[i] != 0 for i, row in enumerate(losses)):
            raise ValueError("the diagonal of the loss matrix must be 0: the right treatment costs nothing.")
        return tuple(tuple(row) for row in losses)


class BudgetSpec(Table):
    """`[budget]`: what may be spent on levers."""

    amount: NotNegative | None = None


class ReportSpec(Table):
    """`[report]`: how the page presents itself."""

    title: Text | None = None
    customer_ids: Literal["show", "hide"] = "show"


class GateSpec(Table):
    """`[gate]`: what a run must meet to be used."""

    max_rhat: Annotated[float, Field(gt=1)] = 1.01
    min_ess: Annotated[float, Field(gt=0)] = 400.0
    holdout: HorizonText = Horizon(26.0, "week")
    max_bias: Annotated[float, Field(gt=0)] = 0.25
