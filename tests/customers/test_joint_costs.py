"""Joint costs: shares by hand, a second reckoning cost by cost in fractions, and nothing that moves the past."""

import math
from fractions import Fraction

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from kundenwert.customers.events import CostEvents, events_of, read_events, sum_events
from kundenwert.customers.joint_costs import joint_costs_note, share_joint_costs
from kundenwert.customers.ledgers import ledger
from kundenwert.customers.sources import read
from kundenwert.customers.summary import CustomerSummary, summarize
from kundenwert.customers.transactions import Transactions
from kundenwert.errors import DataError, UsageError

COLUMNS = {"customer": "customer_id", "time": "date", "amount": "spend"}
LOG = pd.DataFrame(
    [
        ("a", "2025-01-05", 10.0),
        ("a", "2025-01-20", 30.0),
        ("a", "2025-01-20", 10.0),  # the same day: one order
        ("a", "2025-01-25", -30.0),  # a refund moves no share
        ("b", "2025-01-31", 50.0),
        ("b", "2025-02-20", 0.0),  # an order of nothing is an order, and no amount
        ("c", "2025-02-10", 200.0),
        ("c", "2025-03-05", 40.0),
    ],
    columns=["customer_id", "date", "spend"],
)
COSTS = pd.DataFrame(
    [
        (None, "2025-01-31", "advertising", 90.0),
        (None, "2025-02-28", "advertising", 100.0),
        (None, "2025-02-28", "advertising", 20.0),  # with the one before: one cost of 120
        (None, "2025-02-28", "call centre", 60.0),
        (None, "2025-06-30", "advertising", 999.0),  # after the end
        ("a", "2025-01-10", "ticket", 4.0),
        ("a", "2025-02-28", "ticket", 6.0),
        ("c", "2025-01-01", "visit", 25.0),
        ("z", "2025-01-01", "visit", 25.0),  # a stranger bears nothing
    ],
    columns=["customer_id", "date", "kind", "amount"],
)


def shop(end: str = "2025-03-31") -> tuple[Transactions, CustomerSummary]:
    orders = read(LOG, **COLUMNS, currency="EUR")
    return orders, summarize(orders, observation_end=end)


def shared(allocation: str, costs: object = COSTS, end: str = "2025-03-31") -> tuple[CostEvents, pd.DataFrame]:
    orders, summary = shop(end)
    found = share_joint_costs(read_events(costs, currency="EUR", allocation=allocation), orders, summary)
    return found, sum_events(found, summary)


@pytest.mark.parametrize(
    ("allocation", "advertising", "call_centre"),
    [
        # January: a twice, b once. February: b and c once; call centre, the first of its kind: a 2, b 2, c 1.
        ("per_order", [60.0, 30.0 + 60.0, 60.0], [24.0, 24.0, 12.0]),
        # January: a one ticket, c one visit. February: a one ticket. Call centre: a two tickets, c one visit.
        ("per_event", [45.0 + 120.0, 0.0, 45.0], [40.0, 0.0, 20.0]),
        # January: a 50, b 50. February: c 200. Call centre: a 50, b 50, c 200.
        ("per_amount", [45.0, 45.0, 120.0], [10.0, 10.0, 40.0]),
    ],
)
def test_shares_by_hand(allocation, advertising, call_centre):
    found, sums = shared(allocation)
    assert found.kinds == ("joint_advertising", "joint_call centre", "ticket", "visit")
    assert sums["joint_advertising"].tolist() == pytest.approx(advertising, rel=1e-12)
    assert sums["joint_call centre"].tolist() == pytest.approx(call_centre, rel=1e-12)
    assert sums["ticket"].tolist() == [10.0, 0.0, 0.0]
    assert sums["visit"].tolist() == [0.0, 0.0, 25.0]
    assert found.counts == {"events_read": 9, "events_cut": 1, "events_of_strangers": 1, "joint_costs": 4}
    how = allocation.replace("_", " ")
    assert list(joint_costs_note(found)) == [
        f"joint costs of 270.00 EUR (advertising, call centre) are shared among customers {how}"
    ]


def test_shares_lie_on_the_day_of_their_cost():
    found, _ = shared("per_order")
    rows = found.table[found.table["kind"] == "joint_advertising"]
    assert rows[["customer_id", "amount"]].to_numpy().tolist() == [["a", 60.0], ["b", 30.0], ["b", 60.0], ["c", 60.0]]
    assert rows["day"].astype(str).tolist() == ["2025-01-31", "2025-01-31", "2025-02-28", "2025-02-28"]


def test_the_ledger_holds_the_shares_as_costs_of_their_day():
    orders, summary = shop()
    found, sums = shared("per_order")
    book = ledger(orders, summary, found)
    np.testing.assert_array_equal(book.sums().events, sums)
    # b: the order on the 31st, and on the same day a share; grown to the end of March.
    left = {"2025-01-31": 59, "2025-02-28": 31}
    b = 30 * math.exp(0.01 * left["2025-01-31"] / 7) + 60 * math.exp(0.01 * left["2025-02-28"] / 7)
    assert book.compounded(0.01).events[1, 0] == pytest.approx(b, rel=1e-11)
    flows = book.contributions(margin=1.0)
    assert book.covered(flows, 20.0)["day"].astype(str).tolist()[1] == "2025-01-31"  # 50 less 30
    assert book.covered(flows, 20.01)["day"].isna().tolist()[1]


def _large(seed: int = 3) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Three years of two hundred customers, with costs of three kinds at odd days; some far from each other."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2022-01-01")
    first = start + pd.to_timedelta(rng.integers(0, 90, 200), unit="D")
    more = start + pd.to_timedelta(rng.integers(90, 1000, 1500), unit="D")
    log = pd.DataFrame(
        {
            "customer_id": [f"c{i:03d}" for i in [*range(200), *rng.integers(0, 200, 1500)]],
            "date": [*first, *more],
            "spend": rng.gamma(2.0, 20.0, 1700).round(2),
        }
    )
    days = [start + pd.Timedelta(days=int(d)) for d in [30, 45, 45, 80, 460, 480, 990, *range(120, 900, 30)]]
    joint = pd.DataFrame({"customer_id": None, "date": days, "kind": rng.choice(["tv", "mail"], len(days))})
    own = pd.DataFrame(
        {
            "customer_id": rng.choice(log["customer_id"], 400),
            "date": start + pd.to_timedelta(rng.integers(0, 990, 400), unit="D"),
            "kind": "ticket",
        }
    )
    costs = pd.concat([joint, own], ignore_index=True)
    return log, costs.assign(amount=rng.gamma(2.0, 300.0, len(costs)).round(2))


def _reckoned(log: pd.DataFrame, costs: pd.DataFrame, allocation: str) -> dict[tuple[str, str], Fraction]:
    """Shares cost by cost, as somebody with a pencil would find them."""
    bought: dict[tuple[str, pd.Timestamp], Fraction] = {}
    for row in log.itertuples():
        at = (row.customer_id, row.date)
        bought[at] = bought.get(at, Fraction(0)) + Fraction(round(row.spend * 100))
    if allocation == "per_event":
        own = costs[costs["customer_id"].notna()]
        did = [(row.customer_id, row.date, Fraction(1)) for row in own.itertuples()]
    else:
        did = [(who, day, paid if allocation == "per_amount" else Fraction(1)) for (who, day), paid in bought.items()]
    joint = costs[costs["customer_id"].isna()]
    shares: dict[tuple[str, str], Fraction] = {}
    for kind, rows in joint.groupby("kind"):
        before = pd.Timestamp("1900-01-01")
        for day in sorted(rows["date"].unique()):
            amount = sum(Fraction(round(a * 100), 100) for a in rows.loc[rows["date"] == day, "amount"])
            since = max(before, day - pd.Timedelta(days=365))
            part = [(who, weight) for who, on, weight in did if since < on <= day]
            for who, weight in part:
                at = (who, f"joint_{kind}")
                shares[at] = shares.get(at, Fraction(0)) + amount * weight / sum(w for _, w in part)
            before = day
    return shares


@pytest.mark.parametrize("allocation", ["per_order", "per_event", "per_amount"])
def test_shares_as_reckoned_cost_by_cost_add_up_to_the_costs(allocation):
    log, costs = _large()
    orders = read(log, **COLUMNS)
    summary = summarize(orders, observation_end="2025-01-01")
    found = share_joint_costs(read_events(costs, allocation=allocation), orders, summary)
    sums = sum_events(found, summary).set_index(summary.table["customer_id"])
    for (who, kind), share in _reckoned(log, costs, allocation).items():
        assert sums.loc[who, kind] == pytest.approx(float(share), rel=1e-11)
    joint = costs[costs["customer_id"].isna()]
    for kind, total in joint.groupby("kind")["amount"].sum().items():
        assert sums[f"joint_{kind}"].sum() == pytest.approx(total, abs=1e-6)
    assert sums["ticket"].sum() == pytest.approx(costs.loc[costs["kind"] == "ticket", "amount"].sum(), abs=1e-6)


@pytest.mark.parametrize("allocation", ["per_order", "per_event", "per_amount"])
def test_a_later_retraining_leaves_the_shares_of_the_past_as_they_are(allocation):
    log, costs = _large()
    orders = read(log, **COLUMNS)
    then, now = (summarize(orders, observation_end=day) for day in ("2023-06-30", "2025-01-01"))
    events = read_events(costs, allocation=allocation)
    before, after = (share_joint_costs(events, orders, one).table for one in (then, now))
    kept = after[after["day"] <= "2023-06-30"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, before, check_exact=True)
    assert len(after) > len(before)


def test_order_of_rows_and_kind_of_source_change_nothing(tmp_path):
    log, costs = _large()
    orders = read(log, **COLUMNS)
    summary = summarize(orders, observation_end="2025-01-01")
    expected = share_joint_costs(read_events(costs, allocation="per_amount"), orders, summary).table
    costs.to_csv(tmp_path / "events.csv", index=False)
    frame = pl.from_pandas(costs)
    for source in (
        costs.sample(frac=1, random_state=1),
        tmp_path / "events.csv",
        frame.lazy(),
        duckdb.connect().from_arrow(frame.to_arrow()),
    ):
        found = share_joint_costs(read_events(source, allocation="per_amount"), orders, summary).table
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_numbers_as_ids_stay_whole_beside_empty_cells():
    log = LOG.assign(customer_id=LOG["customer_id"].map({"a": 1, "b": 2, "c": 3}))
    costs = COSTS.assign(customer_id=COSTS["customer_id"].map({"a": 1.0, "c": 3.0, "z": 9.0}))
    orders = read(log, **COLUMNS)
    summary = summarize(orders, observation_end="2025-03-31")
    found = share_joint_costs(read_events(costs, allocation="per_order"), orders, summary)
    assert found.table["customer_id"].dtype == summary.table["customer_id"].dtype
    np.testing.assert_array_equal(sum_events(found, summary), shared("per_order")[1])
    with pytest.raises(DataError, match="ids are whole numbers too long to stand beside empty cells"):
        read_events(costs.assign(customer_id=[None] * 5 + [2.0**60] * 4), allocation="per_order")


def test_without_a_rule_a_cost_of_nobody_is_a_mistake_with_a_way_out():
    with pytest.raises(DataError) as caught:
        read_events(COSTS)
    assert str(caught.value).splitlines()[1:] == [
        "  - 5 rows: the customer is missing. Name the customer, or say by what costs of no customer are shared: "
        "allocation = 'per_order', 'per_event' or 'per_amount'."
    ]
    with pytest.raises(UsageError, match=r"allocation 'per_ordr' is not known\. Did you mean 'per_order'\?"):
        read_events(COSTS, allocation="per_ordr")


def test_a_cost_of_nobody_keeps_the_rest_of_the_contract():
    bad = COSTS.assign(date=["soon", *COSTS["date"][1:]], amount=[90.0, -1.0, *COSTS["amount"][2:]])
    with pytest.raises(DataError) as caught:
        read_events(bad.assign(kind=["tv", "tv", None, *COSTS["kind"][3:]]), allocation="per_order")
    assert {violation.rule: violation.count for violation in caught.value.violations} == {
        "the kind is missing": 1,
        "the amount is negative": 1,
        "the time cannot be read without guessing": 1,
    }


def test_names_of_shared_costs_are_taken():
    with pytest.raises(DataError, match=r"2 rows: the kind is 'joint_mail' \(first: a, c\)\. Kinds that begin with"):
        read_events(COSTS[5:8:2].assign(kind=" joint_mail"))


def test_a_cost_that_nobody_can_share_is_refused_with_its_day():
    early = pd.DataFrame({"customer_id": None, "date": ["2025-01-01", "2025-02-28"], "kind": "tv", "amount": 50.0})
    with pytest.raises(DataError) as caught:
        shared("per_order", early)
    assert str(caught.value).splitlines()[1] == (
        "  - 1 joint cost: it is shared per order, and nobody had an order since the one of its kind before it, or in "
        "the year before it (first: tv of 2025-01-01). Date it on the last day of what it was for, join it to the next "
        "one, or name the customer."
    )
    with pytest.raises(DataError, match=r"2 joint costs: it is shared per event, and nobody had a cost event of their"):
        shared("per_event", early)
    free = shared("per_order", early.assign(amount=[0.0, 50.0]))[1]
    assert free["joint_tv"].tolist() == pytest.approx([20.0, 20.0, 10.0])  # a cost of nothing is shared by nobody


def test_all_costs_cut_and_no_joint_costs():
    late, sums = shared("per_order", COSTS.assign(date="2026-01-01"))
    assert late.counts == {"events_read": 9, "events_cut": 9, "events_of_strangers": 0, "joint_costs": 0}
    assert sums.to_dict("list") == dict.fromkeys(
        ("joint_advertising", "joint_call centre", "ticket", "visit"), [0.0] * 3
    )
    assert list(joint_costs_note(late)) == []
    orders, summary = shop()
    own = read_events(COSTS[5:], allocation="per_order")
    pd.testing.assert_frame_equal(share_joint_costs(own, orders, summary).table, events_of(own, summary).table)
    alone, sums = shared("per_order", COSTS[:2])
    assert alone.kinds == ("joint_advertising",)
    assert sums["joint_advertising"].tolist() == pytest.approx([60.0, 80.0, 50.0])


def test_costs_that_are_not_shared_yet_are_neither_summed_nor_booked():
    orders, summary = shop()
    events = read_events(COSTS, allocation="per_order")
    assert repr(events) == "CostEvents: 4 events, kinds ticket, visit, 5 joint costs to be shared"
    for use in (lambda: sum_events(events, summary), lambda: ledger(orders, summary, events)):
        with pytest.raises(UsageError, match=r"5 costs of cost events are of no customer\. Share them first"):
            use()
