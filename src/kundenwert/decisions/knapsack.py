"""Who gets which action where money and contacts are short: a knapsack with at most one action a customer.

Three numbers per customer and action are known: what it costs, what it brings beyond its cost, and whose contact it
takes. Source: docs/statistics.md, section Actions; Kellerer, Pferschy, Pisinger 2004, chapter 11.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kundenwert.decisions.knapsack_limits import BoolArray, Contacts, find_prices, refine, settle, top_up
from kundenwert.decisions.knapsack_path import Options, walk
from kundenwert.decisions.losses import FloatArray, IntArray
from kundenwert.errors import UsageError, did_you_mean


@dataclass(frozen=True)
class Allocation:
    """Who gets what.

    Parameters
    ----------
    action : (customer,) number of the chosen action, -1 for none.
    spent : expected cost, in money; at most the budget, but for the rounding of sums.
    gain : expected gain net of that cost.
    shadow_price : expected net gain of the last euro, by the relaxation in which actions can be split; 0 where the
        budget holds more than all that pays.
    lp_bound : no allocation whatever gains more than this.
    exact : whether it is known that none gains more than this one.
    contact_prices : by channel with a capacity, expected net gain of its last contact.
    contacts : by channel with a capacity, contacts made.
    """

    action: IntArray
    spent: float
    gain: float
    shadow_price: float
    lp_bound: float
    exact: bool
    contact_prices: Mapping[str, float] = field(default_factory=dict)
    contacts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class BudgetCurve:
    """What budgets would bring, each (budget,) in the order asked for.

    Parameters
    ----------
    budget : asked for, in money.
    spent, gain : expected cost and net gain of the increments that are taken before the first that does not fit.
    lp_bound : what no allocation can exceed; less than one increment above `gain`.
    shadow_price : expected net gain of the last euro.
    enough : budget after which another euro no longer pays.
    """

    budget: FloatArray
    spent: FloatArray
    gain: FloatArray
    lp_bound: FloatArray
    shadow_price: FloatArray
    enough: float


def allocate(
    cost: npt.ArrayLike,
    gain: npt.ArrayLike,
    budget: float,
    *,
    capacities: Mapping[str, int] | None = None,
    channel: Sequence[str | None] | None = None,
    keys: npt.ArrayLike | None = None,
) -> Allocation:
    """Spends a budget where it brings most, at most one action a customer.

    Of each customer's actions those remain that lie on the upper hull of (cost, gain); their increments are taken by
    gain per euro, free ones first, until the budget is spent or another euro no longer pays. What then is left over
    buys the best that still fits. Capacities of channels become prices of contacts. Up to 200 customers x actions the
    problem is solved exactly, unless too many near ties make that too long.

    Parameters
    ----------
    cost : (customer, action) expected cost, those who would have done it anyway included, in money, not negative.
    gain : (customer, action) expected gain net of the cost. Actions with a gain of 0 or less are never chosen:
        0 is the way to say that a customer may not get one.
    budget : money, not negative.
    capacities : by channel, how many contacts it can make; channels that are not named here have no limit.
    channel : (action,) channel that carries each action, None for an action that needs no contact.
    keys : (customer,) numbers to put customers in order by, such as `text_keys` of their ids, so that equals are not
        told apart by the order of rows. By default the order of rows.

    Returns
    -------
    Allocation

    Raises
    ------
    UsageError : shapes that do not agree, numbers that are not finite, negative costs, a budget or capacity that is
        none, a channel unknown to the actions.
    NumericalError : no prices of contacts were found.

    Notes
    -----
    docs/statistics.md, section Actions.

    Examples
    --------
    >>> found = allocate([[1.0, 3.0], [1.0, 4.0]], [[2.0, 4.0], [3.0, 4.0]], budget=4.0)
    >>> found.action.tolist(), found.gain, found.shadow_price
    ([1, 0], 7.0, 1.0)
    """
    options = _options(cost, gain)
    limit = float(_money("budget", [budget])[0])
    contacts = _contacts(capacities, channel, options.gain.shape[1] - 1)
    order = _order(keys, len(options.gain))
    options = Options(options.cost[order], options.gain[order])

    path = walk(options)
    price, bound = float(path.price(limit)), float(path.bound(limit))
    taken = int(path.fitting(limit))
    choice, contact_prices = path.choice(taken), np.zeros(len(contacts.names))
    # The relaxation lies between these choices and the next; where either is too many, it needs prices of contacts.
    if not (contacts.enough_for(choice) and contacts.enough_for(path.choice(taken + 1))):
        price, contact_prices, bound = find_prices(options, limit, contacts)
        choice = settle(options, limit, contacts, price, contact_prices)
    choice = top_up(options, choice, limit, contacts, contact_prices)
    choice, exact = refine(options, choice, limit, contacts, price, contact_prices)
    choice = top_up(options, choice, limit, contacts, contact_prices)

    spent, gained = options.sums(choice)
    action = np.empty(len(order), dtype=np.int64)
    action[order] = choice - 1
    return Allocation(
        action=action,
        spent=spent,
        gain=gained,
        shadow_price=price,
        lp_bound=max(bound, gained),
        exact=exact,
        contact_prices=dict(zip(contacts.names, contact_prices.tolist(), strict=True)),
        contacts=dict(zip(contacts.names, contacts.made(choice).tolist(), strict=True)),
    )


def budget_points(
    cost: npt.ArrayLike, gain: npt.ArrayLike, budgets: npt.ArrayLike, *, reported: npt.ArrayLike | None = None
) -> BudgetCurve:
    """What each of many budgets would bring, from one sort.

    `allocate` gains at least as much, and less than one increment more: it fills what is left over.

    Parameters
    ----------
    cost, gain : (customer, action), as for `allocate`.
    budgets : (budget,) money, not negative, in any order.
    reported : (customer, action) gains to add up of what `gain` chooses: those of other draws, since what was chosen on
        some looks better on the same ones than it is. By default `gain`. Bounds and prices are those of the choice.

    Returns
    -------
    BudgetCurve

    Raises
    ------
    UsageError : as for `allocate`.

    Examples
    --------
    >>> budget_points([[1.0, 3.0], [1.0, 4.0]], [[2.0, 4.0], [3.0, 4.0]], [0.0, 2.0, 9.0]).gain.tolist()
    [0.0, 5.0, 8.0]
    """
    path = walk(_options(cost, gain))
    at = _money("budgets", budgets)
    taken = path.fitting(at)
    gained = path.gained[taken]
    if reported is not None:
        judged = _options(cost, reported)
        gained = np.array([judged.sums(path.choice(one))[1] for one in taken.tolist()])
    return BudgetCurve(at, path.spent[taken], gained, path.bound(at), path.price(at), enough=float(path.spent[-1]))


def _options(cost: npt.ArrayLike, gain: npt.ArrayLike) -> Options:
    """The two tables, checked, with doing nothing as their first column."""
    costs, gains = _table("cost", cost), _table("gain", gain)
    if costs.shape != gains.shape:
        raise UsageError(f"cost is {costs.shape} and gain {gains.shape}: both must be (customer, action).")
    _refuse(costs < 0, "cost", "negative", "A saving belongs into the gain, which is net of the cost.")
    nothing = np.zeros((len(costs), 1))
    return Options(np.hstack([nothing, costs]), np.hstack([nothing, gains]))


def _table(name: str, given: npt.ArrayLike) -> FloatArray:
    table = np.asarray(given, dtype=np.float64)
    if table.ndim != 2:
        raise UsageError(f"{name} has shape {table.shape}: it must be (customer, action).")
    _refuse(~np.isfinite(table), name, "not finite", "A gain of 0 says that a customer may not get an action.")
    return table


def _refuse(wrong: BoolArray, name: str, fault: str, remedy: str) -> None:
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        where = f"first: customer in row {row}, action {column}"
        raise UsageError(f"{name}: {wrong.sum():,} of {wrong.size:,} numbers are {fault} ({where}). {remedy}")


def _money(name: str, given: npt.ArrayLike) -> FloatArray:
    amounts = np.asarray(given, dtype=np.float64)
    if amounts.ndim != 1 or not np.isfinite(amounts).all() or (amounts < 0).any():
        raise UsageError(f"{name} {amounts.tolist()} must be money: finite and not negative.")
    return amounts


def _contacts(capacities: Mapping[str, int] | None, channel: Sequence[str | None] | None, actions: int) -> Contacts:
    limits = dict(capacities or {})
    if limits and channel is None:
        raise UsageError("capacities need channel: by which channel each action reaches a customer.")
    carriers = list(channel) if channel is not None else [None] * actions
    if len(carriers) != actions:
        raise UsageError(
            f"channel has {len(carriers)} entries: it must name one for each of {actions} actions, or None."
        )
    known = {name for name in carriers if name is not None}
    for name, contacts in limits.items():
        if name not in known:
            raise UsageError(f"capacities: no action goes by {name!r}.{did_you_mean(name, sorted(known))}")
        if isinstance(contacts, bool) or not isinstance(contacts, (int, np.integer)) or contacts < 0:
            raise UsageError(f"capacities: {contacts!r} of {name!r} must be a whole number of contacts, 0 or more.")
    number: dict[str | None, int] = {name: i for i, name in enumerate(limits)}
    return Contacts(
        tuple(limits),
        np.array(list(limits.values()), dtype=np.int64),
        np.array([number.get(name, len(limits)) for name in [None, *carriers]], dtype=np.int64),
    )


def _order(keys: npt.ArrayLike | None, customers: int) -> IntArray:
    if keys is None:
        return np.arange(customers)
    given = np.asarray(keys)
    if given.shape != (customers,):
        raise UsageError(f"keys has shape {given.shape}: it must be one number for each of {customers:,} customers.")
    return np.argsort(given, kind="stable")
