"""Losses in money: what it costs to treat a customer like somebody else, from what the standard treatments gain.

Source: docs/statistics.md, section Segments.
"""

from dataclasses import dataclass

import numpy as np

from kundenwert.decisions.losses import UNIT_LOSSES, FloatArray, Losses
from kundenwert.errors import UsageError
from kundenwert.names import STATES, State

REPUTATION = 1.5  # units of loss, for whoever is wrongly treated as below zero
FEWEST = 30.0  # expected customers of a state, below which their mean gain says nothing
TIES = 0.01  # share of the unit losses: it tells apart labels that are treated alike, and hardly anything else
_SIZE = len(STATES)
_WRONG = ~np.eye(_SIZE, dtype=bool)
_INSULT = REPUTATION * (_WRONG & (np.arange(_SIZE)[:, None] == STATES.index(State.BELOW_ZERO)))


@dataclass(frozen=True)
class LossesInMoney:
    """A loss matrix that standard treatments imply.

    Parameters
    ----------
    losses : in units of loss, with the mean of the unit losses: rejection price, switching cost and the worth of
        waiting keep their meaning.
    unit : money that one unit of loss stands for.
    regrets : (action, truth) money that is forgone; 0 where the truth's own treatment gains no more, NaN where the
        truth has too few customers.
    unknown : true states with too few customers, whose unit losses stand.
    outdone : (truth, action) pairs where another label's treatment gains more than that of the true one.
    """

    losses: Losses
    unit: float
    regrets: tuple[tuple[float, ...], ...]
    unknown: tuple[State, ...]
    outdone: tuple[tuple[State, State], ...]


def mean_gains(sums: FloatArray, people: FloatArray) -> FloatArray:
    """Mean gain per customer of each treatment, by true state; NaN where nobody can be in the state.

    Parameters
    ----------
    sums : (action, truth) money: over customers, the mean over draws of gain times the chance of the state.
    people : (truth,) expected customers: over customers, the probability of the state.

    Returns
    -------
    (action, truth)
    """
    return np.asarray(np.divide(sums, people, out=np.full(sums.shape, np.nan), where=people > 0))


def derive_losses(gains: FloatArray, people: FloatArray) -> LossesInMoney:
    """The loss matrix in which a wrong label costs what its treatment gains less than the right one.

    `regret(d, k) = max(W(k, k) - W(d, k), 0)`: the right label is the measure, so that it costs nothing. Taking the
    best treatment of any label as the measure would charge the truth for a poor package, and paying for a better one
    would reward a label for being wrong; `outdone` names such packages instead.

    Parameters
    ----------
    gains : (action, truth) W, mean net gain of a label's standard treatment on customers truly of a state, in money,
        both in the order of `names.STATES`. `migrator` has a price and no row.
    people : (truth,) expected customers of each state. Those with fewer than 30 keep their unit losses.

    Returns
    -------
    LossesInMoney

    Raises
    ------
    UsageError : gains that are not finite where customers are, or treatments that gain the same everywhere.
    """
    if gains.shape != (_SIZE, _SIZE) or people.shape != (_SIZE,):
        raise UsageError(f"gains are {_SIZE} x {_SIZE} and people {_SIZE}, not {gains.shape} and {people.shape}.")
    known = people >= FEWEST
    if not np.isfinite(gains[:, known]).all():
        raise UsageError("mean gains of the standard treatments must be finite. Look at costs and effects of levers.")
    ahead = np.diagonal(gains)[None, :] - gains
    regrets = np.where(known, np.maximum(ahead, 0.0), np.nan)
    units, cells = np.array(UNIT_LOSSES), _WRONG & known
    total = float(regrets[cells].sum())
    if not total > 0:
        raise UsageError(
            "levers tell no two labels apart: every standard treatment gains the same, or too few customers are known. "
            "Declare levers that differ, set segments.packages, or leave out segments.losses."
        )
    # The reputation counts in units, and the unit is what makes the mean loss that of the unit losses:
    # sum(regrets) / unit + sum(reputation) = sum(unit losses).
    unit = total / float((units - _INSULT)[cells].sum())
    money = np.where(known, np.where(known, regrets, 0.0) / unit + _INSULT, units)
    final = (1.0 - TIES) * money + TIES * units
    return LossesInMoney(
        losses=Losses.resolve(final),
        unit=unit,
        regrets=tuple(map(tuple, regrets.tolist())),
        unknown=tuple(state for state, enough in zip(STATES, known, strict=True) if not enough),
        outdone=tuple((STATES[k], STATES[d]) for d, k in np.argwhere(np.where(known, ahead, 0.0) < 0)),
    )
