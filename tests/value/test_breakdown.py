"""Realized value by its parts: hand ledgers, a second reckoning order by order, and what is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kundenwert.customers.events import read_events, sum_events
from kundenwert.customers.summary import CustomerSummary, summarize
from kundenwert.errors import UsageError
from kundenwert.value.breakdown import realized_breakdown
from kundenwert.value.economics import Economics, resolve_economics
from value_world import few_customers, summary_of

HAND = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c"],
        "frequency": [2, 0, 4],
        "recency": [9.0, 0.0, 12.0],
        "T": 20.0,
        "monetary_value": [30.0, 0.0, 25.0],
        "gross": [100.0, 40.0, 130.0],
        "refunds": [20.0, 40.0, 0.0],
        "orders": [3, 1, 5],
        "returned_orders": [1, 1, 0],
        "share": [0.5, 0.25, -0.1],
        "packing": [4.0, 2.0, 1.0],
        "won_for": [10.0, 0.0, 7.5],
    }
)
EVENTS = pd.DataFrame({"ticket": [3.5, 0.0, 2.5], "visit": [0.0, 0.0, 50.0]})


def economics(summary: CustomerSummary, **given: object) -> Economics:
    return resolve_economics(summary.table, time_unit=summary.time_unit, **given)


def test_a_hand_ledger_with_every_kind():
    summary = summary_of(HAND)
    given = {"margin": "share", "cost_per_order": "packing", "return_cost": 3.0, "acquisition_cost": "won_for"}
    found = realized_breakdown(summary, economics(summary, **given), EVENTS)
    expected = {
        "customer_id": ["a", "b", "c"],
        "gross_margin": [50.0, 10.0, -13.0],
        "refunds": [-10.0, -10.0, 0.0],
        "order_costs": [-12.0, -2.0, -5.0],
        "return_costs": [-3.0, -3.0, 0.0],
        "event_ticket": [-3.5, 0.0, -2.5],
        "event_visit": [0.0, 0.0, -50.0],
        "acquisition_cost": [-10.0, 0.0, -7.5],
        "realized_value": [11.5, -5.0, -78.0],
    }
    pd.testing.assert_frame_equal(found.table, pd.DataFrame(expected), check_dtype=False, rtol=1e-14)
    assert found.parts == tuple(expected)[1:-1]
    assert found.not_counted == ()
    zeros = found.table[list(found.parts)].to_numpy()
    assert not np.signbit(zeros[zeros == 0]).any()


@pytest.mark.parametrize("margin", [None, 0.3, "share"])
def test_parts_sum_to_realized_value_where_only_its_inputs_are_given(margin):
    rng = np.random.default_rng(2)
    count = 2_000
    x = rng.poisson(2, count)
    frame = pd.DataFrame(
        {
            "customer_id": np.arange(count),
            "frequency": x,
            "recency": np.where(x > 0, 4.0, 0.0),
            "T": 30.0,
            "monetary_value": np.where(x > 0, 20.0, 0.0),
            "gross": rng.lognormal(4, 2, count).round(2),
            "orders": x + 1,
            "share": rng.uniform(-1, 1, count),
        }
    )
    summary = summary_of(frame.assign(refunds=(frame["gross"] * rng.uniform(0, 1, count)).round(2)))
    costs = {} if margin is None else {"cost_per_order": 4.3, "acquisition_cost": rng.uniform(0, 9, count)}
    found = economics(summary, margin=margin, **costs)
    table = realized_breakdown(summary, found).table
    kept = summary.table["gross"].to_numpy() - summary.table["refunds"].to_numpy()
    share = {None: 1.0, "share": frame["share"].to_numpy()}.get(margin, margin)
    today = share * kept - costs.get("cost_per_order", 0.0) * (x + 1) - costs.get("acquisition_cost", 0.0)
    scale = frame["gross"].to_numpy() + 30.0
    np.testing.assert_allclose(table.iloc[:, 1:-1].sum(axis=1) / scale, today / scale, rtol=0, atol=1e-12)
    np.testing.assert_allclose(table["realized_value"] / scale, today / scale, rtol=0, atol=1e-12)


def test_parts_of_a_log_are_those_of_a_reckoning_order_by_order():
    """Every order and every return is booked by itself; a return takes back the whole order a week later."""
    rng = np.random.default_rng(11)
    k, back_cost, share, start = 1.7, 2.9, 0.35, pd.Timestamp("2024-01-01")
    rows, truth = [], {}
    for customer in range(60):
        days = np.sort(rng.choice(20, rng.integers(1, 6), replace=False)) * 14
        booked = dict.fromkeys(("gross_margin", "refunds", "order_costs", "return_costs", "returned_orders"), 0.0)
        for day in days:
            paid = float(np.round(rng.lognormal(3, 0.6), 2))
            rows.append((customer, start + pd.Timedelta(days=int(day)), paid))
            booked["gross_margin"] += share * paid
            booked["order_costs"] -= k
            if rng.random() < 0.25:
                rows.append((customer, start + pd.Timedelta(days=int(day) + 7), -paid))
                booked["refunds"] -= share * paid
                booked["return_costs"] -= back_cost
                booked["returned_orders"] += 1
        truth[customer] = booked
    log = pd.DataFrame(rows, columns=["customer", "day", "paid"])
    summary = summarize(log, customer="customer", time="day", amount="paid", cohort="all")
    expected = pd.DataFrame(truth).T
    counted = replace(summary, table=summary.table.assign(returned_orders=expected["returned_orders"].to_numpy()))
    found = realized_breakdown(counted, economics(counted, margin=share, cost_per_order=k, return_cost=back_cost))
    for name in found.parts:
        np.testing.assert_allclose(found.table[name], expected[name], rtol=1e-11, atol=1e-11, err_msg=name)
    assert (expected["returned_orders"] > 0).any()


def test_without_a_margin_the_parts_are_called_revenue():
    found = realized_breakdown(summary_of(HAND), economics(summary_of(HAND)))
    assert found.parts == ("revenue", "refunds", "order_costs", "return_costs")
    assert found.value_basis == "revenue"
    assert found.table["realized_value"].tolist() == [80.0, 0.0, 130.0]
    with pytest.raises(UsageError, match="costs need a margin"):
        realized_breakdown(summary_of(HAND), economics(summary_of(HAND)), EVENTS)


def test_costs_of_time_are_named_and_not_counted():
    summary = summary_of(HAND)
    bare = realized_breakdown(summary, economics(summary, margin=0.3))
    costs = economics(summary, margin=0.3, cost_per_year_active=[0.0, 5.0, 0.0], cost_per_year_on_file=1.0)
    found = realized_breakdown(summary, costs)
    pd.testing.assert_frame_equal(found.table, bare.table)
    assert [(one.key, one.origin) for one in found.not_counted] == [
        ("value.cost_per_year_active", "given"),
        ("value.cost_per_year_on_file", "given"),
    ]
    assert found.not_counted[0].words.startswith("The yearly cost of an active customer is charged to the time ahead")
    assert "The yearly cost of a customer on file" in found._repr_html_()


def test_events_of_a_log_are_added_up_by_kind():
    """From orders and events as they are written down to the parts, by hand."""
    orders = pd.DataFrame({"customer_id": ["a", "a", "b"], "date": "2025-01-01", "spend": [20.0, 10.0, 5.0]})
    orders.loc[1, "date"] = "2025-02-01"
    events = pd.DataFrame(
        {
            "customer_id": ["b", "a", "a"],
            "date": "2025-02-03",
            "kind": ["visit", "ticket", "ticket"],
            "amount": [7, 1, 2],
        }
    )
    summary = summarize(orders, customer="customer_id", time="date", amount="spend", observation_end="2025-04-30")
    sums = sum_events(read_events(events), summary)
    found = realized_breakdown(summary, economics(summary, margin=0.5), sums).table.set_index("customer_id")
    assert found["event_ticket"].to_dict() == {"a": -3.0, "b": 0.0}
    assert found["event_visit"].to_dict() == {"a": 0.0, "b": -7.0}
    assert found["realized_value"].to_dict() == {"a": 12.0, "b": -4.5}


def test_realized_value_is_said_before_and_after_joint_costs_are_shared():
    summary = summary_of(HAND)
    shares = pd.DataFrame({"joint_tv": [6.0, 1.5, 0.0], "joint_web": [0.25, 0.25, 0.5]})
    given = {"margin": "share", "cost_per_order": "packing", "acquisition_cost": "won_for"}
    own = realized_breakdown(summary, economics(summary, **given), EVENTS)
    found = realized_breakdown(summary, economics(summary, **given), pd.concat([shares, EVENTS], axis=1))
    assert found.parts[4:] == ("event_ticket", "event_visit", "joint_tv", "joint_web", "acquisition_cost")
    assert found.joint_parts == ("joint_tv", "joint_web")
    np.testing.assert_array_equal(found.realized_before_allocation, own.table["realized_value"])
    np.testing.assert_allclose(found.table["realized_value"], own.table["realized_value"] - shares.sum(axis=1))
    np.testing.assert_allclose(found.table[[*found.parts]].sum(axis=1), found.table["realized_value"], rtol=1e-14)
    assert own.joint_parts == ()
    np.testing.assert_array_equal(own.realized_before_allocation, own.table["realized_value"])
    assert repr(found).endswith("realized_value -74 (-66 before joint costs)>")
    assert "before" not in repr(own)


def test_events_of_others_are_refused():
    summary = summary_of(HAND)
    with pytest.raises(UsageError, match=r"of 2 customers are not those of the summary's 3.*sum_events"):
        realized_breakdown(summary, economics(summary, margin=0.3), EVENTS.iloc[:2])
    with pytest.raises(UsageError, match="not numbers: visit"):
        realized_breakdown(summary, economics(summary, margin=0.3), EVENTS.assign(visit=[1.0, np.nan, 0.0]))


def test_economics_of_others_are_refused():
    with pytest.raises(UsageError, match="economics of 3 customers cannot be those of 8"):
        realized_breakdown(few_customers(), economics(summary_of(HAND), margin=0.3))


def test_what_a_summary_does_not_hold_is_not_a_number():
    summary = summary_of(HAND[["customer_id", "frequency", "recency", "T", "monetary_value"]])
    found = realized_breakdown(summary, economics(summary, margin=0.3, acquisition_cost=2.0)).table
    assert found[["gross_margin", "refunds", "realized_value"]].isna().all(axis=None)
    assert found["acquisition_cost"].tolist() == [-2.0] * 3


def test_no_cost_of_returns_needs_no_count_of_them():
    summary = summary_of(HAND.assign(returned_orders=[1.0, np.nan, np.nan]))
    found = realized_breakdown(summary, economics(summary, margin=0.5, return_cost=[3.0, 0.0, 0.0])).table
    assert found["return_costs"].tolist() == [-3.0, 0.0, 0.0]
