"""Potential value: the distance to what the better ones among a customer's peers are worth.

The frontier is a quantile of *new living customers* drawn from the population, never of observed customers: raw rates
reward luck, and survivors under BG/NBD are mostly slow one-time buyers. A share of the gap, a judgement and not an
estimate, counts as attainable (docs/statistics.md, section Potential value).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kundenwert.names import PotentialBasis
from kundenwert.threads import ordered_map, thread_count
from kundenwert.value.ahead import Ahead
from kundenwert.value.attainable import attainable_draws
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import Population, Progress
from kundenwert.value.new_living import draw_new_living
from kundenwert.value.offer_grid import OfferGrid
from kundenwert.value.outlook import Outlook
from kundenwert.value.room import Room
from kundenwert.value.settings import ValueSettings
from kundenwert.value.variates import IntArray

SENSITIVITY = (0.7, 0.8, 0.9)
CHUNK = 64  # parameter draws at once: 64 x 2000 new customers is one megabyte an array
IDENTIFIED = 0.1


@dataclass(frozen=True, repr=False)
class Frontier:
    """What peers set as the mark, and how much of the distance counts.

    Parameters
    ----------
    quantile : of new living customers.
    levels : quantile -> (cohort, node, draw) value of a new living customer at that quantile, in units of the margin.
    grid : the offers that `levels` were computed for.
    attainable : (draw,) attainable share, stratified draws of its prior.
    attainable_scale : factor on all unrealized value that keeps its total below `limit`.
    limit : the most that all unrealized value together may be, in money.
    potential_identified : share of the variation of unrealized value that lies between cohorts, 0 to 1.
    sensitivity : quantile -> total of unrealized value before the limit, in money.
    """

    quantile: float
    levels: Mapping[float, FloatArray]
    grid: OfferGrid
    attainable: FloatArray
    attainable_scale: float = 1.0
    limit: float = np.inf
    potential_identified: float = 0.0
    sensitivity: Mapping[float, float] = field(default_factory=dict)
    basis: PotentialBasis = PotentialBasis.PEERS

    @property
    def warning(self) -> str | None:
        """What a reader of potential values must be told, or None."""
        if self.potential_identified >= IDENTIFIED:
            return None
        return (
            f"Potential mostly mirrors actual value: {self.potential_identified:.0%} of its variation lies between "
            "peer groups. Customers worth little have room to grow by definition; it does not say who will grow. "
            "Peer groups by channel, region or first basket would tell more."
        )

    def level(self, quantile: float, cohort: int, ahead: Ahead) -> FloatArray:
        """(row, draw) value at a quantile for customers with these margins and costs, (1, draw) where all are alike.

        Value is proportional to margin and costs together, so the grid is one of their ratios; between its nodes the
        level is interpolated linearly.
        """
        return self.grid.interpolate(self.levels[quantile][cohort], ahead.expected_offers)

    def mean_gaps(self, outlook: Outlook) -> dict[float, tuple[FloatArray, FloatArray]]:
        """What customers fall short of the frontier by, in money, and the attainable part of it, by quantile.

        Returns
        -------
        quantile -> (row,) gap, (row,) room; averaged over draws, each weighted by the chance of being alive.
        """
        from kundenwert.value.kernels.worth import mean_gaps

        block = outlook.block
        gaps, rooms = np.empty((len(self.levels), len(block.rows))), np.empty((len(self.levels), len(block.rows)))
        mean_gaps(
            block.purchases.which,
            block.alive_share,
            outlook.worth,
            np.array([self.level(quantile, block.cohort, outlook.ahead) for quantile in self.levels]),
            self.attainable,
            gaps,
            rooms,
        )
        return {quantile: (gap, room) for quantile, gap, room in zip(self.levels, gaps, rooms, strict=True)}

    def room(self, outlook: Outlook, mean: FloatArray) -> Room:
        """Unrealized value before the attainable scale: none without proof of life, which an order would be.

        Parameters
        ----------
        mean : (row,) its expectation, see `mean_gaps`.
        """
        from kundenwert.value.kernels.worth import rooms_below

        block = outlook.block
        if_proven, proven = np.empty(block.shape), ~block.structurally_alive
        level = self.level(self.quantile, block.cohort, outlook.ahead)
        rooms_below(outlook.worth, level, self.attainable, if_proven)
        if proven.all():
            return Room(self.basis, if_proven, slice(None), mean)
        return Room(self.basis, if_proven * proven[:, None], slice(None), mean, if_proven)

    def __repr__(self) -> str:
        return (
            f"<Frontier of peers at {self.quantile:.2f}: scale {self.attainable_scale:.3g}, "
            f"identified {self.potential_identified:.1%}>"
        )


def build_frontier(
    people: Population,
    cohorts: IntArray,
    ahead: Ahead,
    settings: ValueSettings,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Frontier:
    """Frontier levels of the cohorts that customers belong to.

    Parameters
    ----------
    cohorts : (customer,) positions on the cohort axis; levels of absent cohorts stay NaN.
    ahead : (customer,).

    Notes
    -----
    A level depends on the posterior, the settings, the seed and the cohort's name, and on no customer: scored alone or
    with others, in the run that was fitted or with a saved one, a customer is held against the same mark.
    """
    grid = OfferGrid.of(ahead.expected_offers, exact=ahead.uniform)
    quantiles = tuple(sorted({*SENSITIVITY, settings.frontier}))
    present = np.unique(cohorts).tolist()
    levels = {q: np.full((len(people.cohorts), len(grid), people.draws), np.nan) for q in quantiles}

    def work(cohort: int) -> FloatArray:
        return _cohort_levels(people, cohort, grid.offers, quantiles, settings)

    for done, (cohort, found) in enumerate(ordered_map(work, present, thread_count(threads)), start=1):
        for q, level in zip(quantiles, found, strict=True):
            levels[q][cohort] = level
        if progress is not None:
            progress("peers' frontier", done / len(present))
    return Frontier(
        quantile=settings.frontier,
        levels=levels,
        grid=grid,
        attainable=attainable_draws(settings.attainable, settings.experiments, draws=people.draws, seed=people.seed),
    )


def growth_limit(actual: FloatArray, settings: ValueSettings) -> float:
    """The most that all unrealized value may add up to: a share of positive actual value per year of horizon."""
    return settings.growth_cap * settings.horizon.years * float(np.nansum(np.maximum(actual, 0.0)))


def adding_up_scale(limit: float, unrealized: float) -> float:
    """The factor, at most 1, that keeps the total of unrealized value below the limit; 1 where there is none."""
    return min(1.0, limit / unrealized) if unrealized > 0 else 1.0


def share_between_cohorts(unrealized: FloatArray, cohort: IntArray) -> float:
    """How much of the variance of unrealized value lies between cohorts; 0 where nothing varies."""
    centred = unrealized - unrealized.mean()
    total = float(centred @ centred)
    if total <= 0:
        return 0.0
    counts = np.bincount(cohort)
    sums = np.bincount(cohort, centred)
    held = counts > 0
    return float((sums[held] ** 2 / counts[held]).sum()) / total


def _cohort_levels(
    people: Population, cohort: int, offers: FloatArray, quantiles: tuple[float, ...], settings: ValueSettings
) -> FloatArray:
    """(quantile, node, draw) of one cohort; new customers exist in chunks of parameter draws only."""
    from kundenwert.value.kernels.frontier import frontier_levels

    found = np.empty((len(quantiles), len(offers), people.draws))
    for first in range(0, people.draws, CHUNK):
        draws = np.arange(first, min(first + CHUNK, people.draws))
        part = np.empty((len(quantiles), len(offers), len(draws)))
        newcomers = draw_new_living(people, cohort, draws, settings.newcomers)
        frontier_levels(*newcomers, offers, settings.terms.array, np.array(quantiles), part)
        found[:, :, draws] = part
    return found
