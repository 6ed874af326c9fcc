"""A grid over margins and costs: levels of value are computed at its nodes and interpolated between them."""

from dataclasses import dataclass

import numpy as np

from kundenwert.value.counters import FloatArray
from kundenwert.value.variates import IntArray

STEP = 2.0**0.25  # from node to node of the ratio of a cost to the margin
LEAST_MARGIN = 1e-6  # a margin nearer to 0 counts as none: the costs alone decide, in units of money


@dataclass(frozen=True, eq=False)
class OfferGrid:
    """Offers in units of the margin, at which something proportional to them is computed.

    Parameters
    ----------
    nodes : (node, 3) sign of the margin, cost of an order and of time alive, each over the size of the margin.
    exact : whether the nodes are the ratios of the customers themselves, not those of the grid.
    """

    nodes: FloatArray
    exact: bool

    def __len__(self) -> int:
        return len(self.nodes)

    @classmethod
    def of(cls, offers: FloatArray, *, exact: bool) -> "OfferGrid":
        """The nodes between which customers lie. The grid is the same for every base; others are left out.

        Parameters
        ----------
        offers : (customer, 4) see `Ahead`.
        exact : whether all customers, of whatever base, have the same offer.
        """
        distinct = np.unique(_ratios(offers)[1], axis=0)
        if exact:
            return cls(distinct, exact)
        first, second = (_brackets(distinct[:, column]) for column in (1, 2))
        corners = [np.column_stack([distinct[:, 0], first[i], second[j]]) for i in (0, 1) for j in (0, 1)]
        return cls(np.unique(np.concatenate(corners), axis=0), exact)

    @property
    def offers(self) -> FloatArray:
        """(node, 4) as compiled code reads them; without file cost, which levels know nothing of."""
        return np.column_stack([self.nodes, np.zeros(len(self.nodes))])

    def interpolate(self, levels: FloatArray, offers: FloatArray) -> FloatArray:
        """(row, draw) levels in money, (1, draw) where all rows have the same offer.

        Parameters
        ----------
        levels : (node, draw) in units of the margin.
        offers : (row, 4).
        """
        distinct, owner = np.unique(offers[:, :3], axis=0, return_inverse=True)
        scale, ratios = _ratios(distinct)
        found = np.zeros((len(distinct), levels.shape[1]))
        for nodes, weight in self._corners(ratios):
            found += (scale * weight)[:, None] * levels[nodes]
        return found if len(distinct) == 1 else np.asarray(found[owner.reshape(-1)])

    def _corners(self, ratios: FloatArray) -> list[tuple[IntArray, FloatArray]]:
        """The nodes round some ratios, (row,) each, and their weights."""
        if self.exact:
            return [(np.zeros(len(ratios), dtype=np.int64), np.ones(len(ratios)))]
        low, high = _brackets(ratios[:, 1]), _brackets(ratios[:, 2])
        shares = [
            np.divide(r - b[0], b[1] - b[0], out=np.zeros(len(r)), where=b[1] > b[0])
            for r, b in ((ratios[:, 1], low), (ratios[:, 2], high))
        ]
        position = {tuple(node): row for row, node in enumerate(self.nodes.tolist())}
        found = []
        for i in (0, 1):
            for j in (0, 1):
                corner = np.column_stack([ratios[:, 0], low[i], high[j]]).tolist()
                nodes = np.array([position[tuple(one)] for one in corner], dtype=np.int64)
                found.append((nodes, np.abs(1 - i - shares[0]) * np.abs(1 - j - shares[1])))
        return found


def _ratios(offers: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(row,) the size of the margin, 1 where there is none, and (row, 3) its sign and the costs over its size."""
    none = np.abs(offers[:, 0]) < LEAST_MARGIN
    size = np.where(none, 1.0, np.abs(offers[:, 0]))
    sign = np.where(none, 0.0, np.sign(offers[:, 0]))
    return size, np.column_stack([sign, offers[:, 1] / size, offers[:, 2] / size])


def _brackets(ratios: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The points of the grid below and above; 0 is a point of its own."""
    steps = np.floor(np.log(np.where(ratios > 0, ratios, 1.0)) / np.log(STEP))
    below = np.where(ratios > 0, STEP**steps, 0.0)
    above = np.where(ratios > 0, STEP ** (steps + 1.0), 0.0)
    return below, above
