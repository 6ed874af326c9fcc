"""Potential value by wallets: the model fitted to those who were asked, peers' shares, and room block by block."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np

from kundenwert.names import PotentialBasis
from kundenwert.value.counters import FloatArray
from kundenwert.value.individuals import Histories, Population
from kundenwert.value.outlook import Outlook
from kundenwert.value.room import Room
from kundenwert.value.variates import IntArray
from kundenwert.value.wallet import Coefficients, WalletModel, fit_wallet, log_spending, used_draws
from kundenwert.value.wallet_data import Regressor, WalletData, peer_rows, survey_rows
from kundenwert.value.wallet_room import (
    Wallets,
    answer_weights,
    attainable_of_wallet,
    room_in_wallets,
    share_mark,
    share_sums,
    wallet_draws,
    wallet_gain,
)

type Stream = Callable[[Callable[[Outlook], FloatArray], IntArray], Iterator[tuple[IntArray, int, FloatArray]]]


@dataclass(frozen=True, eq=False)
class WalletLevels:
    """What a customer's wallet is held against; frozen with the thresholds.

    Parameters
    ----------
    model : of wallets.
    cohorts : labels.
    marks : (cohort, draw) share of wallet that peers reach.
    """

    model: WalletModel
    cohorts: tuple[str, ...]
    marks: FloatArray

    def of(self, cohort: str, draws: int) -> FloatArray:
        """(draw,) the share that peers of one cohort reach; the mean of all cohorts for one that came later."""
        known = cohort in self.cohorts
        marks = self.marks[self.cohorts.index(cohort)] if known else self.marks.mean(axis=0)
        return np.asarray(marks[(np.arange(draws) * len(marks)) // draws])

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the shares of peers as their draws."""
        model = {name: getattr(self.model, name) for name in ("centre", "customers", "below_spending", "contradicted")}
        model |= {"mode": self.model.mode.tolist(), "covariance": self.model.covariance.tolist()}
        model |= {"regressors": [asdict(one) for one in self.model.regressors]}
        return {"model": model, "cohorts": list(self.cohorts), "marks": self.marks.tolist()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        stated = dict(data["model"])
        stated |= {name: np.array(stated[name], dtype=np.float64) for name in ("mode", "covariance")}
        stated |= {"regressors": tuple(Regressor(**one) for one in stated["regressors"])}
        return cls(WalletModel(**stated), tuple(data["cohorts"]), np.array(data["marks"], dtype=np.float64))


@dataclass(frozen=True, eq=False)
class WalletBasis:
    """Wallets of all customers, as far as they are known, with what the others' are drawn from.

    Parameters
    ----------
    data : (customer,).
    levels : the model, and what peers reach.
    coefficients, attainable : draws that all customers share.
    cohorts : labels, in the order of the posterior.
    """

    data: WalletData
    levels: WalletLevels
    coefficients: Coefficients
    attainable: FloatArray
    cohorts: tuple[str, ...]

    def room(self, outlook: Outlook) -> Room:
        """Unrealized value of one block's customers."""
        wallets = _wallets(self.levels.model, self.coefficients, self.data.take(outlook.rows), outlook)
        return self._room(outlook, wallets, outlook.block.p_alive)

    def stated(self, outlook: Outlook) -> FloatArray:
        """(row, draw) what one block's customers would state, if they knew exactly; see `WalletData`."""
        wallets = _wallets(self.levels.model, self.coefficients, self.data.take(outlook.rows), outlook)
        return np.log(wallets.wallet) - (np.log(wallets.spending) if self.data.relative else 0.0)

    def room_after(self, outlook: Outlook, answer: FloatArray) -> Room:
        """Unrealized value as it is found once one block's customers have stated this, exactly.

        Parameters
        ----------
        answer : (row,) see `WalletData`.
        """
        data = replace(self.data.take(outlook.rows), stated=answer, error=np.zeros(len(answer)))
        return self._room(outlook, _wallets(self.levels.model, self.coefficients, data, outlook), outlook.block.p_alive)

    def room_given(self, outlook: Outlook, answer: FloatArray) -> tuple[Room, FloatArray]:
        """The same by Bayes' rule alone, every draw at its place, and (row, draw) what the draws count; rows sum to 1.

        Parameters
        ----------
        answer : (row,) of customers who have stated nothing; see `WalletData`.
        """
        data, block = self.data.take(outlook.rows), outlook.block
        drawn = _wallets(self.levels.model, self.coefficients, data, outlook)
        weights = answer_weights(self.levels.model, self.coefficients, data, drawn, answer)
        told = np.exp(answer)[:, None] * (drawn.spending if data.relative else 1.0)
        wallets = replace(drawn, wallet=np.maximum(told, drawn.spending))
        return self._room(outlook, wallets, block.p_alive * weights * block.shape[1]), weights

    def _room(self, outlook: Outlook, wallets: Wallets, weight: FloatArray) -> Room:
        block, ahead = outlook.block, outlook.ahead
        mark = self.levels.of(self.cohorts[block.cohort], block.people.draws)
        costs = (block.mean_spend, ahead.drawn_margin, ahead.order_cost)
        gain = wallet_gain(wallets, mark, self.attainable, outlook.time, *costs)
        given_alive, mean = room_in_wallets(gain, weight)
        return Room(PotentialBasis.WALLET, np.ascontiguousarray(given_alive), slice(None), mean)


def wallet_basis_of(
    data: WalletData,
    people: Population,
    customers: Histories,
    stream: Stream,
    quantile: float,
    frozen: WalletLevels | None = None,
) -> WalletBasis:
    """The model of wallets and the shares that peers reach, derived from these customers or taken over.

    Parameters
    ----------
    data : (customer,).
    stream : a pass over some customers.
    quantile : of peers, that a customer's share is held against.
    frozen : of an earlier run.

    Raises
    ------
    UsageError : too few wallets to fit to.
    """
    seed, draws = people.seed, people.draws
    if frozen is None:
        rows = survey_rows(data, customers.keys)
        columns = used_draws(len(rows), draws)

        def look(outlook: Outlook) -> FloatArray:
            block = outlook.block
            spending = log_spending(block.rate, block.mean_spend)[:, columns]
            return np.stack([spending, block.p_alive[:, columns]])

        place = np.full(len(customers), -1)
        place[rows] = np.arange(len(rows))
        seen = np.empty((2, len(rows), len(columns)))
        for at, _, found in stream(look, rows):
            seen[:, place[at]] = found
        model = fit_wallet(data.take(rows), seen[0], seen[1])
    else:
        model = frozen.model
    coefficients = model.coefficients(draws, seed=seed)
    levels = frozen or WalletLevels(
        model, people.cohorts, _marks(model, coefficients, data, people, customers, stream, quantile)
    )
    return WalletBasis(data, levels, coefficients, attainable_of_wallet(draws, seed=seed), people.cohorts)


def _marks(
    model: WalletModel,
    coefficients: Coefficients,
    data: WalletData,
    people: Population,
    customers: Histories,
    stream: Stream,
    quantile: float,
) -> FloatArray:
    """(cohort, draw) share of wallet at a quantile of living peers."""

    def look(outlook: Outlook) -> FloatArray:
        return share_sums(_wallets(model, coefficients, data.take(outlook.rows), outlook), outlook.block.p_alive)

    sums = np.zeros((len(people.cohorts), 3, people.draws))
    for _, cohort, found in stream(look, np.sort(peer_rows(customers.cohort, customers.keys))):
        sums[cohort] += found
    return np.array([share_mark(one, quantile) for one in sums])


def _wallets(model: WalletModel, coefficients: Coefficients, data: WalletData, outlook: Outlook) -> Wallets:
    block = outlook.block
    return wallet_draws(model, coefficients, data, block.rate, block.mean_spend, block.p_alive, block.streams)
