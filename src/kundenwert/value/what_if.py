"""What the base would be worth with one setting changed: closed forms over the draws that are there anyway."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kundenwert.units import DiscountRate, Horizon
from kundenwert.value.actual import expected_values
from kundenwert.value.block import Block
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import histories, population, stream
from kundenwert.value.results import Value
from kundenwert.value.settings import Terms

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior

MARGIN_STEP = 0.05
HORIZONS = (Horizon(1, "year"), Horizon(5, "year"))
DISCOUNT_RATES = (DiscountRate(0.05), DiscountRate(0.15))
DRAWS = 200


@dataclass(frozen=True)
class WhatIf:
    """The base's expected actual value at a low and a high setting of one key, all else as it is.

    Parameters
    ----------
    key : of the spec.
    low_setting, high_setting : as a person writes them.
    low, high : money.
    """

    key: str
    low_setting: str
    low: float
    high_setting: str
    high: float


@dataclass(frozen=True)
class _Change:
    terms: Terms
    margin_step: float = 0.0


def change_settings(value: Value, posterior: "Posterior", summary: "CustomerSummary") -> tuple[WhatIf, ...]:
    """The base at other horizons, discount rates and margins.

    Parameters
    ----------
    value, posterior, summary : of the same customers.

    Returns
    -------
    One record a setting. The difference to the present setting is taken over the same 200 parameter draws, so that
    most of the Monte Carlo noise cancels, and added to the base's value. Not the ratio: costs can bring a base near
    zero, where a ratio of two totals has any size and sign.
    """
    settings = value.settings
    changes = [_Change(settings.terms)]
    changes += [_Change(replace(settings, horizon=horizon).terms) for horizon in HORIZONS]
    changes += [_Change(replace(settings, discount_rate=rate).terms) for rate in DISCOUNT_RATES]
    if settings.value_basis == "contribution":
        changes += [_Change(settings.terms, step) for step in (-MARGIN_STEP, MARGIN_STEP)]

    steps = [change.margin_step for change in changes]

    def reduce(block: Block) -> FloatArray:
        ahead = value.ahead.take(block.rows)
        return np.asarray(np.nansum(expected_values(block, ahead, [one.terms for one in changes], steps), axis=0))

    people = population(posterior, min(DRAWS, settings.draws), settings.seed)
    passed = stream(people, histories(posterior, summary), reduce, returned=value.ahead.returned)
    totals = np.sum([found for _, _, found in passed], axis=0)
    base = float(np.nansum(value.table["actual_value"]))
    others = (base + (totals[1:] - totals[0])).tolist()
    named = [
        ("value.horizon", *map(str, HORIZONS)),
        ("value.discount_rate", *(f"{rate.per_year:.0%}" for rate in DISCOUNT_RATES)),
        ("value.margin", f"{MARGIN_STEP * 100:g} points less", f"{MARGIN_STEP * 100:g} points more"),
    ]
    pairs = zip(others[::2], others[1::2], strict=True)
    return tuple(
        WhatIf(key, low_setting, low, high_setting, high)
        for (key, low_setting, high_setting), (low, high) in zip(named, pairs, strict=False)
    )
