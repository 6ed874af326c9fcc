"""The tables of a spec about data and models, one class each: their keys, types, defaults and limits.

Those about money are in `spec_money`, those about what to do with a customer in `spec_actions`.
"""

import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from kundenwert.names import EngineName, FamilyName, Pooling
from kundenwert.spec_values import (
    horizon_text,
    prior_mistake,
    read_choice,
    read_cohort_rule,
    read_currency,
    read_date,
    read_horizon,
    read_list,
    read_timezone,
)
from kundenwert.streams import DEFAULT_SEED
from kundenwert.units import Horizon, TimeUnit

PURCHASE_FAMILY_NAMES = (FamilyName.BGNBD, FamilyName.MBGNBD)
MIN_DRAWS = 16  # four chains, four draws each: below that nothing can be said about convergence

HorizonText = Annotated[Horizon, BeforeValidator(read_horizon), PlainSerializer(horizon_text, return_type=str)]
Day = Annotated[datetime.date, BeforeValidator(read_date)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(read_list)]


class Table(BaseModel):
    """What all tables share: frozen, no unknown key, no silent conversion, no infinite number.

    A key in `ADDED` is written out only where it leaves its default: a spec that does not use it keeps the canonical
    text, the hash and so the run folder that it had before the key was known. Its default may therefore never change.
    """

    ADDED: ClassVar[frozenset[str]] = frozenset()
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_serializer(mode="wrap")
    def _leave_out(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        silent = {key for key in self.ADDED if getattr(self, key) == fields[key].default}
        return {key: entry for key, entry in write(self).items() if key not in silent}


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
    sd: Positive

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


class ChurnSpec(Table):
    """`[churn]`: one horizon for everybody."""

    horizon: HorizonText = Horizon(26.0, "week")


class ExperimentSpec(Table):
    """What a randomised trial found: a count of those who did it, or an estimate with its standard error."""

    n: Annotated[int, Field(ge=1)] | None = None
    successes: Annotated[int, Field(ge=0)] | None = None
    mean: float | None = None
    se: Positive | None = Field(default=None, validate_default=True)

    @field_validator("successes")
    @classmethod
    def _at_most_all(cls, successes: int | None, info: ValidationInfo) -> int | None:
        if successes is None or "n" not in info.data:
            return successes
        if info.data["n"] is None:
            raise ValueError("a count needs n, the number of people in the trial.")
        if successes > info.data["n"]:
            raise ValueError(f"{successes} of {info.data['n']} is more than all of them.")
        return successes

    @field_validator("se")
    @classmethod
    def _one_finding(cls, se: float | None, info: ValidationInfo) -> float | None:
        if {"successes", "mean"} <= info.data.keys():
            counted, estimated = info.data["successes"] is not None, info.data["mean"] is not None
            if counted == (estimated or se is not None) or estimated != (se is not None):
                raise ValueError("a trial found either successes, or a mean and its se. State one of the two, whole.")
        return se


class ReportSpec(Table):
    """`[report]`: how the page presents itself."""

    title: Text | None = None
    customer_ids: Literal["show", "hide"] = "show"


class GateSpec(Table):
    """`[gate]`: what a run must meet to be used."""

    max_rhat: Annotated[float, Field(gt=1)] = 1.01
    min_ess: Positive = 400.0
    holdout: HorizonText = Horizon(26.0, "week")
    max_bias: Positive = 0.25
