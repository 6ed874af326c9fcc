"""Room in wallets: what a customer would bring if more of the wallet came here.

A wallet that is known says something about the spending here too, and draws of the two that ignored each other would
find room that is not there. So draws of spending that a stated wallet makes unlikely give their place to likelier ones
before anything is computed (docs/statistics.md, section Wallets).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kundenwert.value.counters import FloatArray, Purpose
from kundenwert.value.effects import Beta, stratified_draws
from kundenwert.value.variates import IntArray, Rows
from kundenwert.value.wallet import SMALLEST, Coefficients, WalletModel
from kundenwert.value.wallet_data import WalletData, design

ATTAINABLE = Beta(2.0, 4.0)
CERTAIN = 1e8  # shapes of a Beta together from which its quantiles are its mean, for all that can be told

type Growth = Literal["orders", "basket"]


@dataclass(frozen=True, eq=False)
class Wallets:
    """What customers of a block spend here and in the whole category, under each draw and given alive.

    Parameters
    ----------
    spending : (row, draw) money per time unit here.
    wallet : (row, draw) money per time unit in the category, at least `spending`.
    known : (known,) rows whose wallet was stated.
    used : (known, draw) which draw of rate, spend and dropout each draw of these rows uses.
    """

    spending: FloatArray
    wallet: FloatArray
    known: IntArray
    used: IntArray

    @property
    def share(self) -> FloatArray:
        """(row, draw) share of wallet, in (0, 1]."""
        return np.asarray(self.spending / self.wallet)

    def follow(self, values: FloatArray) -> FloatArray:
        """(row, draw) draws of a quantity of the same customers, each taken from the draw that `spending` is of."""
        return _replaced(values, self.known, self.used)


def wallet_draws(
    model: WalletModel,
    coefficients: Coefficients,
    data: WalletData,
    rate: FloatArray,
    mean_spend: FloatArray,
    p_alive: FloatArray,
    streams: Rows,
) -> Wallets:
    """Draws of what customers spend here and in the whole category.

    Parameters
    ----------
    model, coefficients : see `fit_wallet`, `WalletModel.coefficients`.
    data : (row,) of the customers of a block.
    rate, mean_spend : (row, draw) of the living customer.
    p_alive : (row, draw).
    streams : of the rows.

    Returns
    -------
    Wallets

    Notes
    -----
    A wallet that is known exactly is what it is, or spending here where a draw of that is more. One that is known with
    an error, and one that is not known, is drawn from the truncated normal that what is stated and the model leave.
    """
    from kundenwert.value.kernels.wallets import fill_above

    known = np.flatnonzero(data.known)
    spending = np.maximum(rate * mean_spend, SMALLEST)
    used = _likely_draws(model, data.take(known), np.log(spending[known]), p_alive[known], _of(streams, known))
    spending = _replaced(spending, known, used)
    low = np.log(spending)
    mean = _mean_log(model, coefficients, data, low)
    sd = np.repeat(coefficients.sd[None], len(low), axis=0)
    seen = data.stated[known, None] + (low[known] if data.relative else 0.0)
    error = data.error[known, None] ** 2
    variance = sd[known] ** 2
    mean[known] = (mean[known] * error + seen * variance) / (variance + error)
    sd[known] *= np.sqrt(error / (variance + error))
    drawn = np.empty_like(low)
    fill_above(np.uint64(streams.seed), streams.keys, np.uint64(Purpose.WALLET), low, mean, sd, drawn)
    return Wallets(spending, np.maximum(np.exp(drawn), spending), known, used)


def answer_weights(
    model: WalletModel, coefficients: Coefficients, data: WalletData, wallets: Wallets, answer: FloatArray
) -> FloatArray:
    """(row, draw) how likely each draw makes an exact answer, of rows that have stated nothing; rows add up to 1.

    Parameters
    ----------
    data, wallets : of the rows, see `wallet_draws`.
    answer : (row,) what each of them states, see `WalletData`; some draw must make it possible.
    """
    from scipy.special import log_ndtr

    low = np.log(wallets.spending)
    mean, sd = _mean_log(model, coefficients, data, low), coefficients.sd
    seen = answer[:, None] + (low if data.relative else 0.0)
    logs = -0.5 * ((seen - mean) / sd) ** 2 - np.log(sd) - log_ndtr((mean - low) / sd)
    logs = np.where(seen >= low, logs, -np.inf)
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def share_sums(wallets: Wallets, p_alive: FloatArray) -> FloatArray:
    """(3, draw) sums over customers of the chance of being alive, times 1, the share of wallet and its square.

    Those of several blocks of one cohort add up.
    """
    share = wallets.share
    weighted = p_alive * share
    return np.array([p_alive.sum(axis=0), weighted.sum(axis=0), (weighted * share).sum(axis=0)])


def share_mark(sums: FloatArray, quantile: float) -> FloatArray:
    """(draw,) the share of wallet at a quantile of living peers: that of the Beta with the moments of their shares.

    Parameters
    ----------
    sums : (3, draw), see `share_sums`.
    quantile : between 0 and 1.

    Examples
    --------
    >>> shares = np.random.default_rng(1).beta(2.0, 5.0, (10_000, 1))
    >>> sums = np.array([np.full(1, 10_000.0), shares.sum(axis=0), (shares**2).sum(axis=0)])
    >>> share_mark(sums, 0.8).round(2).tolist()
    [0.42]
    """
    from scipy.special import betaincinv

    alive, first, second = sums
    mean = np.divide(first, alive, out=np.zeros_like(first), where=alive > 0)
    square = np.divide(second, alive, out=np.zeros_like(first), where=alive > 0)
    variance, most = square - mean**2, mean * (1.0 - mean)
    size = np.divide(most, variance, out=np.full_like(mean, np.inf), where=variance > most / CERTAIN) - 1.0
    several = np.isfinite(size) & (size > 0)
    spread = np.where(several, size, 1.0)
    inside = np.where(several, mean, 0.5)
    return np.where(several, betaincinv(inside * spread, (1.0 - inside) * spread, quantile), mean)


def attainable_of_wallet(draws: int, *, seed: int) -> FloatArray:
    """(draw,) stratified draws of the attainable part of the distance to that share: Beta(2, 4), an assumption.

    Examples
    --------
    >>> round(float(attainable_of_wallet(1000, seed=1).mean()), 3)
    0.333
    """
    purpose = Purpose.WALLET_ATTAINABLE
    return stratified_draws(ATTAINABLE, draws, seed=seed, name="attainable share of wallet", purpose=purpose)


def wallet_gain(
    wallets: Wallets,
    mark: FloatArray,
    attainable: FloatArray,
    time: FloatArray,
    mean_spend: FloatArray,
    margin: FloatArray,
    order_cost: FloatArray,
    *,
    growth: Growth = "orders",
) -> FloatArray:
    """(row, draw) contribution of what could come here of the wallet, given alive; negative where orders cost more.

    Parameters
    ----------
    mark : (draw,) share of wallet that peers reach, see `share_mark`.
    attainable : (draw,) part of the distance to it that can be closed.
    time : (row, draw) expected discounted time alive within the horizon.
    mean_spend : (row, draw), net of what comes back where returns are modelled.
    margin, order_cost : (row,) share of spend that is contribution, and money per order.
    growth : "orders": more orders of the same size, each of which costs; "basket": larger orders.
    """
    grown = attainable * np.maximum(mark * wallets.wallet - wallets.spending, 0.0)
    worth = margin[:, None]
    if growth == "orders":
        worth = worth - order_cost[:, None] / wallets.follow(mean_spend)
    return np.asarray(wallets.follow(time) * grown * worth)


def room_in_wallets(gain: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Unrealized value: the gain where it is expected to be positive, 0 where nothing should be done.

    Parameters
    ----------
    gain : (row, draw) given alive, see `wallet_gain`.
    weight : (row, draw) chance of being alive, times what a draw counts where draws are not equally likely.

    Returns
    -------
    (row, draw) room given alive, and (row,) its mean under these weights, never negative. Single
    draws of it may be: to take the positive part of each would choose with knowledge that nobody has.
    """
    mean = (weight * gain).mean(axis=1)
    worthwhile = mean > 0
    return gain * worthwhile[:, None], mean * worthwhile


def _mean_log(model: WalletModel, coefficients: Coefficients, data: WalletData, low: FloatArray) -> FloatArray:
    """(row, draw) mean log wallet before it is truncated, given log spending."""
    base = design(model.regressors, data.covariates) @ coefficients.beta
    return np.asarray(base + coefficients.rho * (np.maximum(low, model.floor) - model.centre))


def _likely_draws(
    model: WalletModel, data: WalletData, low: FloatArray, p_alive: FloatArray, streams: Rows
) -> IntArray:
    """(row, draw) which draw each draw uses, of rows whose wallet is known; streams are the second of the purpose."""
    from kundenwert.value.kernels.wallets import likely_draws

    used = np.empty(low.shape, dtype=np.int64)
    if len(data):
        units = Rows(streams.seed, streams.keys, np.ones_like(streams.lanes), streams.length).units(Purpose.WALLET)
        alive = np.ascontiguousarray(p_alive)
        likely_draws(units, data.stated, data.relative, data.error, model.base(data), model.line, low, alive, used)
    return used


def _of(streams: Rows, rows: IntArray) -> Rows:
    return Rows(streams.seed, streams.keys[rows], streams.lanes[rows], streams.length)


def _replaced(values: FloatArray, rows: IntArray, used: IntArray) -> FloatArray:
    if not len(rows):
        return values
    found = values.copy()
    found[rows] = np.take_along_axis(values[rows], used, axis=1)
    return found
