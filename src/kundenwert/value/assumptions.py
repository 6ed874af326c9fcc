"""What an estimate takes for granted because nobody said otherwise, in words for those who use the figures."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from scipy.special import betaincinv

from kundenwert.names import Allocation, EventAhead, Returns
from kundenwert.value.economics import Economics
from kundenwert.value.settings import ValueSettings

Origin = Literal["given", "default", "absent"]


@dataclass(frozen=True)
class Assumption:
    """One thing that the figures rest on and that no order shows.

    Parameters
    ----------
    key : of the spec, dotted; `referrals` and `surveys` are inputs that no spec has.
    words : one or two sentences without a term of art.
    origin : "absent" where there is no such input, "default" where a value of ours stands in for it, "given" where it
        was stated and is still a judgement about the future.
    """

    key: str
    words: str
    origin: Origin


@dataclass(frozen=True)
class _Basis:
    """All that is known about how an estimate was made."""

    settings: ValueSettings
    economics: Economics
    stated: frozenset[str]
    returns: Returns
    ahead: EventAhead
    allocation: Allocation | None
    alive_by_construction: int

    def states(self, key: str) -> bool:
        """Whether somebody wrote this key, or one inside it."""
        return any(one == key or one.startswith(f"{key}.") for one in self.stated)


type _Words = Callable[[_Basis], str]
type _Test = Callable[[_Basis], bool]


@dataclass(frozen=True)
class _Line:
    """An input, its origin where nobody gave it, and what then holds.

    Parameters
    ----------
    known : whether it was given in another way than by stating the key.
    applies : whether anything rests on it.
    judged : whether it stays an assumption when it is given.
    """

    key: str
    silent: Origin
    words: _Words
    known: _Test = lambda basis: False
    applies: _Test = lambda basis: True
    judged: bool = False


def assumptions_of(
    settings: ValueSettings,
    economics: Economics,
    *,
    stated: Collection[str] = (),
    returns: Returns = Returns.NETTED,
    ahead: EventAhead = EventAhead.PER_ORDER,
    allocation: Allocation | None = None,
    alive_by_construction: int = 0,
) -> tuple[Assumption, ...]:
    """One assumption for each input that is absent or left at its default, and for each judgement about the future.

    Parameters
    ----------
    settings : of the estimate.
    economics : of its customers; a cost above 0 for anybody, a margin or an acquisition cost counts as given.
    stated : dotted keys that were stated, as `ModelSpec.given_keys` has them.
    returns : where refunds are counted.
    ahead : whether costs of events go on, where there are events.
    allocation : by what joint costs are shared; None where there are none.
    alive_by_construction : customers of whom the model cannot think that they are gone (BG/NBD, one purchase).

    Returns
    -------
    In the order in which money is counted: what was brought, what is to come, what could come, what is done about it.

    Notes
    -----
    docs/statistics.md, section Assumptions.

    Examples
    --------
    >>> from kundenwert.units import DiscountRate, Horizon, TimeUnit
    >>> from kundenwert.value.economics import resolve_economics
    >>> import pandas as pd
    >>> settings = ValueSettings(
    ...     horizon=Horizon(1, "year"), discount_rate=DiscountRate(0.1), margin=1.0, value_basis="revenue",
    ...     cost_per_order=0.0, cost_per_year_active=0.0, cost_per_year_on_file=0.0, acquisition_cost=None,
    ...     churn_horizon=Horizon(26, "week"), frontier=0.8, interval=0.9, draws=10, seed=1,
    ...     time_unit=TimeUnit.WEEK, currency=None)
    >>> economics = resolve_economics(pd.DataFrame({"customer_id": [1]}), time_unit="week")
    >>> first = assumptions_of(settings, economics, stated=["value.horizon"])[0]
    >>> first.key, first.origin
    ('data.currency', 'absent')
    """
    basis = _Basis(settings, economics, frozenset(stated), returns, ahead, allocation, alive_by_construction)
    found = []
    for line in _LINES:
        given = basis.states(line.key) or line.known(basis)
        if line.applies(basis) and (line.judged or not given):
            found.append(Assumption(line.key, line.words(basis), "given" if given else line.silent))
    return tuple(found)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _order_cost(basis: _Basis) -> str:
    handled = "Packing, shipping and payment of an order are taken to cost nothing"
    return f"{handled}." if basis.settings.value_basis == "revenue" else f"{handled} beyond what the margin holds."


def _discounting(basis: _Basis) -> str:
    rate = basis.settings.discount_rate.per_year
    return f"Money to come is discounted by {_percent(rate)} a year: 100 in a year count as {100 / (1 + rate):.3g} now."


def _returns(basis: _Basis) -> str:
    if basis.returns is Returns.NETTED:
        return (
            "Refunds are taken off the amounts that customers paid, so orders to come are expected to bring what "
            "orders so far have brought after refunds."
        )
    return (
        "Orders to come are expected to bring what customers pay first, less the share of it that the customer and "
        "others of the same cohort have returned so far."
    )


def _events_ahead(basis: _Basis) -> str:
    if basis.ahead is EventAhead.IGNORED:
        return "What service, complaints and visits have cost so far is not expected to go on."
    return (
        "Each order to come is expected to cause the costs of service, complaints and visits that orders of the "
        "customer and of others of the same cohort have caused so far."
    )


_SHARED_BY = {
    Allocation.PER_ORDER: "the orders that they made",
    Allocation.PER_EVENT: "the service that they asked for",
    Allocation.PER_AMOUNT: "what they paid",
}


def _allocation(basis: _Basis) -> str:
    assert basis.allocation is not None
    return (
        f"Costs of no customer, such as advertising, are shared among customers by {_SHARED_BY[basis.allocation]} "
        "since the last such cost. For whom they really were is not known. They are taken off what customers have "
        "brought so far, not off orders to come."
    )


def _never_gone(basis: _Basis) -> str:
    return (
        f"{basis.alive_by_construction:,} customers bought once, and the model BG/NBD takes all of them for active "
        "until the end: the yearly cost of an active customer is charged to each of them and can put them below zero. "
        "MBG/NBD can tell who has gone among them."
    )


def _attainable(basis: _Basis) -> str:
    first, second = basis.settings.attainable
    low, high = (_percent(float(betaincinv(first, second, p))) for p in (0.05, 0.95))
    return (
        f"Customers are taken to close {_percent(first / (first + second))} of the distance to that mark (9 in 10: "
        f"{low} to {high}). This is a judgement, not learned from orders."
    )


def _has_events(basis: _Basis) -> bool:
    return basis.states("events")


_LINES = (
    _Line(
        "data.currency",
        "absent",
        lambda basis: "No currency was given: amounts of money are shown without one and taken to be all in the same.",
        known=lambda basis: basis.settings.currency is not None,
    ),
    _Line(
        "value.margin",
        "absent",
        lambda basis: (
            "All money is revenue, that is what customers pay: no margin was given, so nothing is said about what the "
            "firm keeps of it."
        ),
        known=lambda basis: basis.economics.value_basis == "contribution",
    ),
    _Line(
        "value.acquisition_cost",
        "absent",
        lambda basis: (
            "What it cost to win a customer is not known: it is not taken off what customers have brought so far, and "
            "when they have paid it back is not said."
        ),
        known=lambda basis: basis.economics.acquisition_cost is not None,
    ),
    _Line("value.cost_per_order", "default", _order_cost, known=lambda basis: bool(basis.economics.order_cost.any())),
    _Line(
        "value.return_cost",
        "default",
        lambda basis: "Taking an order back is taken to cost nothing beyond the refund.",
        known=lambda basis: bool(basis.economics.return_cost.any()),
    ),
    _Line("value.returns", "default", _returns, judged=True),
    _Line(
        "events",
        "absent",
        lambda basis: "What service, complaints and visits cost is not known of any customer and not taken off.",
    ),
    _Line("events.ahead", "default", _events_ahead, applies=_has_events, judged=True),
    _Line(
        "events.allocation",
        "given",
        _allocation,
        applies=lambda basis: basis.allocation is not None,
        known=lambda basis: True,
        judged=True,
    ),
    _Line(
        "value.cost_per_year_active",
        "default",
        lambda basis: "Serving an active customer is taken to cost nothing between orders.",
        known=lambda basis: bool(basis.economics.active_cost.any()),
    ),
    _Line(
        "value.cost_per_year_active",
        "given",
        _never_gone,
        applies=lambda basis: basis.alive_by_construction > 0 and bool(basis.economics.active_cost.any()),
        known=lambda basis: True,
        judged=True,
    ),
    _Line(
        "value.cost_per_year_on_file",
        "default",
        lambda basis: "Keeping a customer on file, with mailings to those who are gone, is taken to cost nothing.",
        known=lambda basis: bool(basis.economics.file_cost.any()),
    ),
    _Line(
        "value.deactivate_after",
        "absent",
        lambda basis: (
            f"No record is ever dropped: each is paid for until the end of {basis.settings.horizon}, whether the "
            "customer comes back or not."
        ),
        known=lambda basis: basis.economics.deactivation < float("inf"),
        applies=lambda basis: bool(basis.economics.file_cost.any()),
    ),
    _Line(
        "value.horizon",
        "default",
        lambda basis: f"Value counts {basis.settings.horizon} ahead; what customers bring later is left out.",
    ),
    _Line("value.discount_rate", "default", _discounting),
    _Line(
        "churn.horizon",
        "default",
        lambda basis: f"Churn means no order within {basis.settings.churn_horizon}: no customer says that he leaves.",
    ),
    _Line(
        "potential.peers",
        "default",
        lambda basis: "What a customer could bring is measured against new customers of the same cohort.",
    ),
    _Line(
        "potential.frontier",
        "default",
        lambda basis: (
            f"The mark for what a customer could bring is what the best {_percent(1 - basis.settings.frontier)} of "
            "new customers reach."
        ),
    ),
    _Line("potential.attainable", "default", _attainable, judged=True),
    _Line(
        "potential.growth_cap",
        "default",
        lambda basis: (
            "All that customers could bring on top is held to "
            f"{_percent(basis.settings.growth_cap)} of what they are worth as they are, for each year ahead."
        ),
    ),
    _Line(
        "potential.wallet",
        "absent",
        lambda basis: "What customers spend elsewhere is not known, so room to grow is taken from other customers.",
        known=lambda basis: basis.states("potential.share"),
    ),
    _Line("levers", "absent", lambda basis: "No actions are described, so none is recommended: there are only labels."),
    _Line(
        "budget.amount",
        "absent",
        lambda basis: "No budget was given, so customers do not compete for money: who should get it is not said.",
    ),
    _Line(
        "segments.losses",
        "default",
        lambda basis: "How bad it is to treat a customer in a wrong way is a judgement of ours, in points, not money.",
    ),
    _Line(
        "segments.switching_cost",
        "default",
        lambda basis: "How much better another label must be before a customer's label changes is a judgement of ours.",
    ),
    _Line(
        "referrals",
        "absent",
        lambda basis: "Recommendations are not counted: a customer's value is that of the customer's own orders.",
    ),
    _Line("surveys", "absent", lambda basis: "What customers answer in surveys is not used."),
)
