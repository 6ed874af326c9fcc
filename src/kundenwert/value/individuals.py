"""Streams customers in blocks: each block makes its individual posterior draws, is reduced, and is forgotten.

Rate and dropout are always those of the living customer and weighted by `p_alive`: averaging over who is alive in
closed form takes most of the Monte Carlo noise out of labels. Nothing here knows what the draws are for; reducers do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kundenwert.customers.summary import need_summary
from kundenwert.errors import UsageError
from kundenwert.families import get_family
from kundenwert.families.protocol import PurchaseFamily, SpendFamily
from kundenwert.threads import ordered_map, thread_count
from kundenwert.value.block import Block, Shared
from kundenwert.value.counters import FloatArray, KeyArray, check_seed, text_keys
from kundenwert.value.variates import IntArray

if TYPE_CHECKING:
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.posterior import Posterior

Progress = Callable[[str, float], None]

BLOCK = 64_000  # numbers in an array of a block: half a megabyte, which stays in the processor's cache


@dataclass(frozen=True)
class Histories:
    """What the individual posterior reads of each customer, as arrays in the order of the summary.

    Parameters
    ----------
    ids : (customer,) as the user knows them.
    keys : (customer,) of the random streams.
    cohort : (customer,) position on the posterior's cohort axis.
    x, t_x, T : (customer,) repeat purchases, recency, age; times in the posterior's unit.
    n, spend : (customer,) repeat days with positive spend, and what was spent on them.
    gone : (customer,) who is known to be no customer any more, has died or is to be deleted; None where nobody is.
    """

    ids: npt.NDArray[np.object_]
    keys: KeyArray
    cohort: IntArray
    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    n: FloatArray
    spend: FloatArray
    gone: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: IntArray) -> "Histories":
        """Some of the customers."""
        taken = {name: values[rows] for name, values in vars(self).items() if values is not None}
        return Histories(**taken)

    def first_ids(self, rows: IntArray) -> str:
        """The first five ids of some rows, for messages."""
        return ", ".join(str(i) for i in self.ids[rows[:5]]) + (", ..." if len(rows) > 5 else "")


@dataclass(frozen=True)
class Population:
    """Parameter draws with the algebra that reads them.

    Parameters
    ----------
    theta : name -> (draw, cohort).
    cohorts : labels.
    seed : of the individual draws.
    """

    theta: dict[str, FloatArray]
    cohorts: tuple[str, ...]
    purchase: PurchaseFamily
    spend: SpendFamily
    seed: int

    @property
    def draws(self) -> int:
        """Parameter draws."""
        return int(next(iter(self.theta.values())).shape[0])

    def of_cohort(self, cohort: int) -> dict[str, FloatArray]:
        """Parameters of one cohort, name -> (draw,)."""
        return {name: np.ascontiguousarray(values[:, cohort]) for name, values in self.theta.items()}


def population(posterior: "Posterior", draws: int | None, seed: int) -> Population:
    """The parameter draws that individual draws are made from, evenly thinned."""
    purchase, spend = get_family(posterior.purchase_family), get_family(posterior.spend_family)
    if not isinstance(purchase, PurchaseFamily) or not isinstance(spend, SpendFamily):
        raise UsageError(
            f"{posterior.purchase_family} and {posterior.spend_family} are not a purchase and a spend family."
        )
    return Population(posterior.thinned(draws), posterior.cohorts, purchase, spend, check_seed(seed))


def histories(posterior: "Posterior", summary: "CustomerSummary") -> Histories:
    """The customers of a summary as the posterior's individual draws need them.

    Raises
    ------
    UsageError : no `CustomerSummary`; posterior and summary quote times in different units or amounts in different
        currencies.
    RunError : a cohort that the posterior does not know.
    """
    need_summary(summary)
    if summary.time_unit != posterior.time_unit:
        raise UsageError(
            f"the posterior's rates are per {posterior.time_unit.value}, the summary's times are in "
            f"{summary.time_unit.value}s. Summarize with time_unit='{posterior.time_unit.value}'."
        )
    if summary.currency and posterior.currency and summary.currency != posterior.currency:
        raise UsageError(f"the posterior is in {posterior.currency}, the summary in {summary.currency}.")
    table = summary.table

    def column(name: str) -> FloatArray:
        return np.asarray(table[name], dtype=np.float64)

    n = column("spend_days")
    ids = table["customer_id"].to_numpy(dtype=object)
    return Histories(
        ids=ids,
        keys=text_keys(ids),
        cohort=posterior.cohort_codes(table["cohort"]),
        x=column("frequency"),
        t_x=column("recency"),
        T=column("T"),
        n=n,
        # The mean of no orders is never read: whatever a summary holds there, nothing was spent.
        spend=np.where(n > 0, n * column("monetary_value"), 0.0),
    )


def stream[Result](
    people: Population,
    customers: Histories,
    reduce: Callable[[Block], Result],
    *,
    returned: FloatArray | None = None,
    stage: str = "individual draws",
    block: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[IntArray, int, Result]]:
    """One pass over the customers: `reduce` is called with each block, in threads.

    Parameters
    ----------
    people : parameter draws.
    customers : histories.
    reduce : turns a block with its draws into something small; called from several threads at once.
    returned : (customer, 2), see `Block`.
    stage : what `progress` calls the pass.
    block : customers a block; a matter of speed, never of results. By default as many as stay in cache.
    progress : called with the stage and the share done, from the calling thread.

    Yields
    ------
    (rows, cohort, result), cohort by cohort, rows of one history together: the same order whatever the threads.
    """
    left = np.zeros(len(customers)) if customers.gone is None else customers.gone.astype(np.float64)
    purchases = (customers.x, customers.t_x, customers.T, left)
    spending = (customers.n, customers.spend)
    pieces = cohort_blocks(customers.cohort, block or max(1, BLOCK // people.draws), *purchases, *spending)
    theta = {cohort: people.of_cohort(cohort) for cohort in np.unique(customers.cohort).tolist()}

    def work(piece: tuple[int, IntArray]) -> Result:
        cohort, rows = piece
        bought = Shared.of(*(column[rows] for column in purchases))
        return reduce(
            Block(
                rows=rows,
                cohort=cohort,
                theta=theta[cohort],
                people=people,
                keys=customers.keys[rows],
                purchases=Shared(bought.columns[:3], bought.which),
                spending=Shared.of(*(column[rows] for column in spending)),
                returned=None if returned is None else returned[rows],
                gone=None if customers.gone is None else bought.columns[3][:, 0] > 0,
            )
        )

    done, total = 0, len(customers)
    for (cohort, rows), result in ordered_map(work, pieces, thread_count(threads)):
        yield rows, cohort, result
        done += len(rows)
        if progress is not None:
            progress(stage, done / total)


def cohort_blocks(cohort: IntArray, size: int, *columns: FloatArray) -> list[tuple[int, IntArray]]:
    """Blocks hold customers of one cohort, so that parameters are one vector a block and not a table.

    Within a cohort customers are sorted by the columns, so that those of one history stand beside each other.
    """
    order = np.lexsort((*columns[::-1], cohort))
    starts = np.flatnonzero(np.diff(cohort[order], prepend=-1))
    groups = np.split(order, starts[1:])
    return [
        (int(cohort[group[0]]), group[first : first + size])
        for group in groups
        if len(group)
        for first in range(0, len(group), size)
    ]
