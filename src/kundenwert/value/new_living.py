"""New customers who are alive, drawn from the population: what a frontier is a quantile of."""

import numpy as np

from kundenwert.value.block import SMALLEST_RATE
from kundenwert.value.counters import FloatArray, Purpose, text_keys
from kundenwert.value.individuals import Population
from kundenwert.value.variates import IntArray, Rows


def draw_new_living(
    people: Population, cohort: int, draws: IntArray, count: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(draw, newcomer) order rate, dropout probability and mean spend, the same whatever else is drawn.

    Parameters
    ----------
    people : parameter draws; of a frozen frontier, the frozen ones.
    draws : positions of the parameter draws that are wanted.
    count : newcomers a draw.
    """
    theta, zero = people.of_cohort(cohort), np.zeros(1)
    new = people.purchase.individual(theta, zero, zero, zero)
    spend_shape, spend_rate = people.spend.individual(theta, zero, zero)
    key = text_keys([people.cohorts[cohort]])[0]
    rows = Rows(people.seed, np.full(len(draws), key), draws.astype(np.uint64), count)
    each = np.arange(len(draws))

    def of(values: FloatArray) -> FloatArray:
        return np.broadcast_to(values, people.draws)[draws, None]

    rate = rows.gammas(Purpose.FRONTIER_RATE, of(new.rate_shape), of(new.rate_alive), each)
    first, second = map(of, new.dropout_alive)
    dropout = rows.betas(Purpose.FRONTIER_DROPOUT, first, second, each)
    nu = rows.gammas(Purpose.FRONTIER_SPEND, of(spend_shape), of(spend_rate), each)
    return rate, dropout, np.asarray(theta["p"][draws, None] / np.maximum(nu, SMALLEST_RATE))
