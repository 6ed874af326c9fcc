"""What customers will be worth at a later date as far as anybody can say today: value without new data."""

from dataclasses import replace

import numpy as np

from kundenwert.value.counters import FloatArray
from kundenwert.value.outlook import Outlook, file_cost_gone
from kundenwert.value.variates import read_only


def sum_later_values(outlook: Outlook, later: float) -> FloatArray:
    """(draw,) expected value of a block's customers as it will be at a later date, averaged over what may come.

    Who is alive now is alive then with probability `exp(-mu later)`, and then worth as much as today; orders up to then
    have been realized and do not count any more. The record of who dies before is dropped so long after the last order,
    whenever that is. Under the model, value estimated at that date has this mean over what is seen until then.

    Parameters
    ----------
    later : time units from the end of observation to the date, 0 or more.

    Notes
    -----
    docs/statistics.md, section Change of equity. Customers without a mean spend are left out, as in `sum_values`.
    """
    from kundenwert.value.kernels.worth import sum_worths

    block, terms, offers = outlook.block, outlook.terms, outlook.ahead.expected_offers
    hazard, rows = block.rate * block.dropout, np.arange(len(block.rows))
    found, file_cost = np.zeros(block.shape[1]), offers[:, 3].copy()
    offers[:, 3] = 0.0
    alive = read_only(block.p_alive * np.exp(-hazard * later), block.shape)
    mean_spend = (block.spending.which, block.expected_spend)
    sum_worths(rows, alive, block.rate, block.dropout, *mean_spend, offers, terms.array, np.zeros(len(rows)), found)
    if not file_cost.any():
        return found
    known = np.isfinite(block.expected_spend).all(axis=1)[block.spending.which]
    owed = _owed_later(outlook, hazard, file_cost[:, None], later)
    return np.asarray(found - owed[known].sum(axis=0))


def _owed_later(outlook: Outlook, hazard: FloatArray, file_cost: FloatArray, later: float) -> FloatArray:
    """(row, draw) file cost from the later date on.

    The record of who is alive today is still kept at a time v after that date if death comes after `later + v - Q`, Q
    being how long records are kept: for Q > later it is as if the record had been kept for `Q - later` as of then.
    """
    from kundenwert.value.kernels.worth import times_on_file

    block, terms = outlook.block, outlook.terms
    rest = terms.deactivation - later
    then = replace(terms, deactivation=max(rest, 0.0))
    kept = np.empty(block.shape)
    times_on_file(block.rate, block.dropout, then.array, kept)
    if rest < 0:
        kept *= np.exp(hazard * rest)
    gone = file_cost_gone(block, file_cost[:, 0], replace(terms, deactivation=rest))
    return np.asarray(block.p_alive * file_cost * kept + (1.0 - block.p_alive) * gone[:, None])
