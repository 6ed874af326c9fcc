"""What unrealized value is made of: how much of it is frequency, retention, spend and cost.

The four coordinates of a customer are exchanged for those of a target one after the other; each gets its mean
contribution over all orders in which that can be done (Shapley 1953; docs/statistics.md, section Potential value).
"""

from collections.abc import Callable, Mapping
from math import comb
from typing import Any

import numpy as np

from kundenwert.errors import UsageError
from kundenwert.value.counters import FloatArray

COORDINATES = ("frequency", "retention", "spend", "cost")
WINDOW = 0.05

type Profile = Mapping[str, Any]
"""A customer by coordinates: order rate, hazard, mean spend, costs. Only `value_of` reads what stands there."""


def shapley_parts(own: Profile, target: Profile, value_of: Callable[[Profile], FloatArray]) -> dict[str, FloatArray]:
    """What each coordinate contributes to the difference in value between two profiles.

    Parameters
    ----------
    own, target : under the same names, anything that `value_of` reads.
    value_of : value of a profile, an array of one shape whatever is mixed; called once for each of the 2^n mixtures.

    Returns
    -------
    name -> part: together `value_of(target) - value_of(own)`; 0 where a coordinate changes no value.

    Raises
    ------
    UsageError : profiles of unlike coordinates.

    Examples
    --------
    >>> parts = shapley_parts({"rate": 1.0, "spend": 10.0}, {"rate": 3.0, "spend": 20.0},
    ...                       lambda one: np.asarray(one["rate"] * one["spend"]))
    >>> {name: float(part) for name, part in parts.items()}
    {'rate': 30.0, 'spend': 20.0}
    """
    names = tuple(own)
    if set(names) != set(target):
        raise UsageError(f"a profile of {', '.join(own)} and one of {', '.join(target)} have no common coordinates.")
    count = len(names)
    values = [
        value_of({name: (target if mixture >> i & 1 else own)[name] for i, name in enumerate(names)})
        for mixture in range(2**count)
    ]
    parts = {}
    for i, name in enumerate(names):
        without = [mixture for mixture in range(2**count) if not mixture >> i & 1]
        shares = [1.0 / (count * comb(count - 1, mixture.bit_count())) for mixture in without]
        gains = [values[mixture | 1 << i] - values[mixture] for mixture in without]
        parts[name] = np.asarray(sum(share * gain for share, gain in zip(shares, gains, strict=True)))
    return parts


def parts_of(total: FloatArray, parts: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Parts that add up to a total: what they lack, or have too much, is spread in proportion to their sizes.

    Parameters
    ----------
    total : of the shape of the parts; where it is 0, so is each part.
    parts : name -> array. Where all of them are 0 there is nothing to go by, and all get the same.
    """
    sizes = np.abs(np.stack([*parts.values()]))
    whole = sizes.sum(axis=0)
    shares = np.divide(sizes, whole, out=np.full(sizes.shape, 1.0 / len(parts)), where=whole > 0)
    residual = total - sum(parts.values())
    return {
        name: np.where(total == 0, 0.0, part + residual * share)
        for (name, part), share in zip(parts.items(), shares, strict=True)
    }


def profile_at(
    value: FloatArray, coordinates: Mapping[str, FloatArray], quantile: float, *, window: float = WINDOW
) -> dict[str, FloatArray]:
    """The mean profile of new customers about a quantile of their value: what a frontier looks like as a customer.

    Parameters
    ----------
    value : (draw, newcomer) under the costs of the customer who is held against them.
    coordinates : name -> (draw, newcomer).
    window : share of the newcomers, around the quantile, that are averaged; at least one.

    Returns
    -------
    name -> (draw,). Its own value is near the quantile, not at it: a mean of customers who are worth the same in
    different ways is worth another amount, which is why `frontier_parts` spreads a residual.
    """
    count = value.shape[1]
    first = min(max(int((quantile - window / 2) * count), 0), count - 1)
    last = max(int(np.ceil((quantile + window / 2) * count)), first + 1)
    around = np.argsort(value, axis=1, kind="stable")[:, first:last]
    return {name: np.take_along_axis(values, around, axis=1).mean(axis=1) for name, values in coordinates.items()}


def frontier_parts(
    own: Profile, target: Profile, level: FloatArray, weight: FloatArray, value_of: Callable[[Profile], FloatArray]
) -> dict[str, FloatArray]:
    """Unrealized value against the peers' frontier by coordinates, averaged over draws.

    Parameters
    ----------
    own : (row, draw) coordinates of living customers.
    target : coordinates of `profile_at`, with the customers' own costs; broadcast against own.
    level : the frontier, broadcasts against (row, draw).
    weight : (row, draw) what of a gap counts: scale, attainable share and chance of being alive.
    value_of : (row, draw) value of the living.

    Returns
    -------
    name -> (row,) in money: together the mean of `weight * max(level - value, 0)`. A part is negative where the
    customer is ahead of the frontier in that coordinate.
    """
    gap = np.maximum(level - value_of(own), 0.0)
    parts = parts_of(gap, shapley_parts(own, target, value_of))
    return {name: (weight * part).mean(axis=-1) for name, part in parts.items()}
