"""The tables of a spec about money: what customers bring, cost and could bring, and what may not be said together."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from kundenwert.names import Allocation, Discounting, EventAhead, FrequencyLever, Returns
from kundenwert.spec_tables import ExperimentSpec, HorizonText, NotNegative, Positive, Share, Table, Text, Texts
from kundenwert.spec_values import (
    column_name,
    peers_mistake,
    read_choice,
    read_column,
    read_list,
    read_number_or_column,
    table_in,
)
from kundenwert.units import DiscountRate, Horizon

MAX_FRONTIER = 0.9
COSTS = ("cost_per_order", "cost_per_year_active", "cost_per_year_on_file", "acquisition_cost", "return_cost")

NumberOrColumn = Annotated[float | str, BeforeValidator(read_number_or_column)]
Column = Annotated[str, BeforeValidator(read_column)]


class CustomerSpec(Table):
    """`[customers]`: a table with one row a customer; its further columns are attributes."""

    source: Text
    customer: Text = "customer_id"
    objection: Text | None = None
    complaint: Text | None = None
    removed: Text | None = None


class EventSpec(Table):
    """`[events]`: what serving a customer cost besides orders, one row an event."""

    source: Text
    customer: Text = "customer_id"
    time: Text = "date"
    kind: Text = "kind"
    amount: Text = "amount"
    ahead: Annotated[EventAhead, BeforeValidator(read_choice(EventAhead))] = EventAhead.PER_ORDER
    allocation: Annotated[Allocation, BeforeValidator(read_choice(Allocation))] | None = None


class ValueSpec(Table):
    """`[value]`: from purchases to money. Rates and costs are per year, as people write them."""

    ADDED: ClassVar = frozenset({"return_cost", "returns", "discounting"})

    horizon: HorizonText = Horizon(3.0, "year")
    discount_rate: NotNegative = 0.10
    discounting: Annotated[Discounting, BeforeValidator(read_choice(Discounting))] = Discounting.CONTINUOUS
    margin: NumberOrColumn | None = None
    cost_per_order: NumberOrColumn = 0.0
    cost_per_year_active: NumberOrColumn = 0.0
    cost_per_year_on_file: NumberOrColumn = 0.0
    deactivate_after: HorizonText | None = None
    acquisition_cost: NumberOrColumn | None = None
    returns: Annotated[Returns, BeforeValidator(read_choice(Returns))] = Returns.NETTED
    return_cost: NumberOrColumn = 0.0
    interval: Share = 0.90
    draws: Annotated[int, Field(ge=1)] = 1000

    @field_validator("discount_rate")
    @classmethod
    def _a_rate(cls, rate: float) -> float:
        return DiscountRate(rate).per_year

    @field_validator("margin")
    @classmethod
    def _a_share(cls, margin: float | str | None) -> float | str | None:
        if isinstance(margin, float) and not 0 < margin <= 1:
            raise ValueError(f"a margin of {margin:g} is not a share of revenue in (0, 1]. Write 0.30 for 30 %.")
        return margin

    @field_validator(*COSTS)
    @classmethod
    def _a_cost(cls, cost: float | str | None) -> float | str | None:
        if isinstance(cost, float) and cost < 0:
            raise ValueError(f"a cost must not be negative, not {cost:g}.")
        return cost


class PotentialSpec(Table):
    """`[potential]`: what a customer's potential value rests on."""

    ADDED: ClassVar = frozenset({"attainable", "growth_cap", "experiments", "wallet_covariates", "frequency_lever"})

    basis: Literal["auto", "peers", "wallet", "levers"] = "auto"
    peers: Texts = ("cohort",)
    frontier: Positive = 0.80
    attainable: tuple[Positive, Positive] = (2.0, 6.0)
    experiments: Annotated[tuple[ExperimentSpec, ...], BeforeValidator(read_list)] = ()
    growth_cap: NotNegative = 0.20
    wallet: Column | None = None
    wallet_error: NumberOrColumn | None = None
    share: Column | None = None
    wallet_covariates: Texts = ()
    frequency_lever: Annotated[FrequencyLever, BeforeValidator(read_choice(FrequencyLever))] = (
        FrequencyLever.FIXED_HAZARD
    )

    @field_validator("frontier")
    @classmethod
    def _not_the_best_customer(cls, frontier: float) -> float:
        if frontier > MAX_FRONTIER:
            raise ValueError(
                f"a frontier of {frontier:g} compares everybody with the luckiest few customers. "
                f"Use at most {MAX_FRONTIER:g}."
            )
        return frontier

    @field_validator("peers")
    @classmethod
    def _with_the_cohort(cls, peers: tuple[str, ...]) -> tuple[str, ...]:
        if mistake := peers_mistake(peers, all_alike='cohorts.by = "all"'):
            raise ValueError(mistake)
        return peers

    @field_validator("attainable", mode="before")
    @classmethod
    def _two_shapes(cls, shapes: object) -> object:
        if not isinstance(shapes, list | tuple) or len(shapes) != 2:
            raise ValueError(f"{shapes!r} is not the two shapes of a Beta distribution. Write for example [2.0, 6.0].")
        return tuple(shapes)

    @field_validator("experiments")
    @classmethod
    def _estimates(cls, trials: tuple[ExperimentSpec, ...]) -> tuple[ExperimentSpec, ...]:
        if any(trial.successes is not None for trial in trials):
            raise ValueError("a count says nothing of the share of a gap that was closed. State mean and se.")
        return trials

    @field_validator("wallet_error")
    @classmethod
    def _not_negative(cls, error: float | str | None) -> float | str | None:
        if isinstance(error, float) and error < 0:
            raise ValueError(f"a standard error must not be negative, not {error:g}.")
        return error


def money_contradictions(mapping: Mapping[str, Any]) -> list[str]:
    """What the tables about money may not say together, as they were written: no other mistake may hide it."""
    value, potential = table_in(mapping, "value"), table_in(mapping, "potential")
    found = []
    if "margin" not in value:
        costs = [f"value.{key}: a cost is" for key in COSTS if _is_cost(value.get(key))]
        costs += ["events: costs of events are"] * bool(table_in(mapping, "events"))
        costs += ["levers: their costs are"] * any(map(_costs_money, _entries(mapping.get("levers"))))
        found += [
            f"{cost} taken from contribution, and without a margin there is only revenue. State value.margin too; "
            "margin = 1.0 says that amounts are contribution already."
            for cost in costs
        ]
    if {"wallet", "share"} <= potential.keys():
        found.append("potential.share: a share and a wallet say the same thing of a customer. State one of the two.")
    if "wallet_error" in potential and "wallet" not in potential:
        found.append("potential.wallet_error: there is no potential.wallet that it could be the error of. Add it.")
    if potential.get("wallet_covariates") and not {"wallet", "share"} & potential.keys():
        found.append(
            "potential.wallet_covariates: they carry wallets over to customers without one, and nobody has one here. "
            "Add potential.wallet or potential.share."
        )
    missing = {"levers": "[[levers]]"} if not mapping.get("levers") else {}
    missing |= {"wallet": "potential.wallet or potential.share"} if not {"wallet", "share"} & potential.keys() else {}
    basis = potential.get("basis")
    if isinstance(basis, str) and basis in missing:
        found.append(
            f"potential.basis: '{basis}' has nothing to rest on. Add {missing[basis]}, or leave the basis to 'auto'."
        )
    return found


def _entries(levers: object) -> list[Mapping[str, Any]]:
    return [one for one in levers if isinstance(one, Mapping)] if isinstance(levers, list | tuple) else []


def _costs_money(lever: Mapping[str, Any]) -> bool:
    return any(_is_cost(lever.get(key)) for key in ("cost_per_contact", "cost_per_taker", "fee_per_order"))


def _is_cost(entry: object) -> bool:
    """Whether an entry states a cost; what is no cost at all is another mistake, and told as that."""
    if isinstance(entry, str):
        return column_name(entry) is not None
    return isinstance(entry, int | float) and entry > 0
