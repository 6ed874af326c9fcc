"""Event simulation of living customers: exact, without a loop over purchases.

Purchases come as a Poisson process and each is the last with probability `dropout`. Thinning makes the two kinds
independent: the fatal purchase comes after an exponential time at rate `rate * dropout`, the others are a Poisson
process at rate `rate * (1 - dropout)` until then. Source: docs/statistics.md, section Valuation identity.
"""

import numpy as np

from kundenwert.families.arithmetic import FloatArray, IntArray


def purchase_times(
    rate: FloatArray, dropout: FloatArray, span: FloatArray | float, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """Times of the purchases in (0, span] of customers who are alive at 0.

    Parameters
    ----------
    rate : (customer,) purchases per time unit; 0 for a customer who will not buy.
    dropout : (customer,) probability that a purchase is the last one.
    span : time observed, one value or (customer,).

    Returns
    -------
    who : (purchase,) position of the customer.
    when : (purchase,) time of the purchase; no order among the purchases is implied.
    """
    span = np.broadcast_to(np.asarray(span, dtype=np.float64), rate.shape)
    with np.errstate(divide="ignore", over="ignore"):
        fatal = rng.standard_exponential(rate.shape) / (rate * dropout)
    exposed = np.minimum(fatal, span)
    counts = rng.poisson(rate * (1.0 - dropout) * exposed)
    others = np.repeat(np.arange(rate.size), counts)
    died = np.flatnonzero(fatal <= span)
    when = np.concatenate([rng.random(others.size) * exposed[others], fatal[died]])
    return np.concatenate([others, died]), when
