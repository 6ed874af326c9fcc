"""Makes the data of models/shop.toml: customers of an invented shop for outdoor gear, whose truth is written down here.

    uv run models/shop/make.py

Nobody needs to run it: the files lie beside it, and the same ones come out each time. README.md says what is planted.
"""

import csv
import datetime as dt
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
SEED, CUSTOMERS = 20260101, 3_000
START, END = dt.date(2023, 7, 1), dt.date(2025, 12, 31)
WEEKS_PER_YEAR = 365.25 / 7
REGIONS = {"north": 0.30, "west": 0.45, "south": 0.25}

# Orders and lifetimes are MBG/NBD, amounts Gamma-Gamma; rates a week, money in euros.
TRUTH = {
    "web": {"r": 1.1, "alpha": 14.0, "a": 0.7, "b": 3.3, "p": 3.0, "q": 4.0, "v": 48.0},
    "shop": {"r": 1.4, "alpha": 22.0, "a": 0.6, "b": 4.9, "p": 4.0, "q": 5.0, "v": 58.0},
    "sale": {"r": 1.1, "alpha": 14.0, "a": 1.8, "b": 1.7, "p": 3.0, "q": 4.0, "v": 48.0},
}
SALE = (dt.date(2024, 10, 1), dt.date(2024, 12, 31))  # who came by web in this quarter came for a sale, and stays less
# Share of orders that come back (Beta), and service tickets per order.
RETURNS = {"web": (1.2, 13.8), "shop": (0.8, 19.2), "returner": (12.0, 8.0)}
TICKETS = {"plain": 0.05, "returner": 0.5, "needy": 1.6}
WHOLLY = 0.75  # of the orders that come back, the others do in part
RETURNERS, NEEDY, CONTRACTS = 0.08, 0.04, 0.03
MARGIN = {"web": 0.36, "shop": 0.42, "contract": 0.20}
# log wallet a year = mean of the channel + that of the region + noise, and it holds what is spent here.
WALLET = {"web": 6.0, "shop": 6.3, "north": 0.0, "west": 0.2, "south": -0.2}
WALLET_SD, WALLET_ERROR, SURVEYED = 0.5, 0.2, 0.15

Row = tuple[Any, ...]


def truth_of(channel: str, first: dt.date) -> str:
    """The key of `TRUTH` that a customer's orders follow."""
    return "sale" if channel == "web" and SALE[0] <= first <= SALE[1] else channel


def make_people(rng: np.random.RandomState) -> list[dict[str, Any]]:
    """One record a customer, in the order of first orders: what they are, which no file tells in full."""
    days = (END - START).days + 1
    born = np.sort(days * rng.random_sample(CUSTOMERS) ** 0.9)  # a little more of them each year
    people = []
    for number, day in enumerate(born, start=1):
        channel = "web" if rng.random_sample() < 0.6 else "shop"
        region = list(REGIONS)[int(np.searchsorted(np.cumsum(list(REGIONS.values())), rng.random_sample()))]
        first = START + dt.timedelta(days=int(day))
        theta = TRUTH[truth_of(channel, first)]
        kind, contract = rng.random_sample(), rng.random_sample() < CONTRACTS
        kind = "returner" if channel == "web" and kind < RETURNERS else "needy" if kind > 1 - NEEDY else "plain"
        rate = rng.gamma(theta["r"]) / theta["alpha"]
        spend = theta["v"] * theta["p"] / rng.gamma(theta["q"])
        people.append(
            {
                "id": f"K{number:05d}",
                "born": day,
                "channel": channel,
                "region": region,
                "kind": kind,
                "rate": rate,
                "dropout": rng.beta(theta["a"], theta["b"]),
                "spend": spend,
                "shape": theta["p"],
                "returns": rng.beta(*RETURNS["returner" if kind == "returner" else channel]),
                "margin": MARGIN["contract" if contract else channel],
                "wallet": wallet(rng, WALLET[channel] + WALLET[region], rate * spend * WEEKS_PER_YEAR),
            }
        )
    return people


def wallet(rng: np.random.RandomState, mean: float, spent: float) -> float:
    """What somebody spends a year in the whole category: log-normal, of those who could spend here what they do."""
    for _ in range(200):
        found = float(np.exp(rng.normal(mean, WALLET_SD)))
        if found >= spent:
            return found
    return 1.02 * spent


def order_days(rng: np.random.RandomState, person: dict[str, Any]) -> list[float]:
    """Days of orders: after each of them, the first one too, the customer may have bought for the last time."""
    end, days = (END - START).days + 1, [person["born"]]
    while rng.random_sample() >= person["dropout"]:
        days.append(days[-1] + 7 * rng.exponential(1 / person["rate"]))
        if days[-1] >= end:
            return days[:-1]
    return days


def make_log(rng: np.random.RandomState, people: Iterable[dict[str, Any]]) -> tuple[list[Row], list[Row]]:
    """Rows of orders and refunds, and those of cost events."""
    orders: list[Row] = []
    events: list[Row] = []
    for person in people:
        for day in order_days(rng, person):
            amount = max(round(person["spend"] * rng.gamma(person["shape"]) / person["shape"], 2), 1.0)
            orders.append((person["id"], day, amount))
            if rng.random_sample() < person["returns"]:
                part = 1.0 if rng.random_sample() < WHOLLY else rng.uniform(0.2, 0.7)
                orders.append((person["id"], day + rng.uniform(3, 21), -round(part * amount, 2)))
            events += [(person["id"], day + after, kind, cost) for after, kind, cost in trouble(rng, person)]
    end = (END - START).days + 1
    return [row for row in orders if row[1] < end], [row for row in events if row[1] < end]


def trouble(rng: np.random.RandomState, person: dict[str, Any]) -> list[tuple[float, str, float]]:
    """What one order costs besides: days after it, the kind, and money."""
    found = [
        (rng.uniform(0, 20), "ticket", round(float(np.exp(rng.normal(2.0, 0.35))), 2))
        for _ in range(rng.poisson(TICKETS[person["kind"]]))
    ]
    if person["channel"] == "web" and rng.random_sample() < 0.03:
        found.append((rng.uniform(30, 60), "dunning", 4.5))
    if person["channel"] == "shop" and rng.random_sample() < 0.015:
        found.append((rng.uniform(0, 5), "visit", 38.0))
    return found


def make_customers(rng: np.random.RandomState, people: Sequence[dict[str, Any]]) -> list[Row]:
    """What the shop knows of its customers besides what they buy."""
    found = []
    for person in people:
        paid = np.exp(rng.normal(2.5, 0.4)) if person["channel"] == "web" else 3.0
        answer = person["wallet"] * np.exp(rng.normal(0, WALLET_ERROR)) if rng.random_sample() < SURVEYED else None
        facts = rng.random_sample(3) < (0.004, 0.01, 0.002)
        found.append(
            (
                person["id"],
                person["channel"],
                person["region"],
                f"{person['margin']:.2f}",
                f"{paid:.2f}",
                "" if answer is None else f"{answer:.0f}",
                *("true" if fact else "false" for fact in facts),
            )
        )
    return found


def dated(rows: Iterable[Row]) -> list[Row]:
    """Rows sorted by day and customer, their days as dates."""
    ordered = sorted(((int(row[1]), row[0], *row[2:]) for row in rows), key=lambda row: row[:2])
    return [(row[1], (START + dt.timedelta(days=row[0])).isoformat(), *row[2:]) for row in ordered]


def write(folder: Path) -> None:
    """Writes orders.csv, events.csv and customers.csv."""
    rng = np.random.RandomState(SEED)  # the one stream that NumPy promises never to change
    people = make_people(rng)
    orders, events = make_log(rng, people)
    facts = ("channel", "region", "margin", "acquisition_cost", "wallet", "objection", "complaint", "removed")
    tables = {
        "orders": (("customer_id", "date", "amount"), [(*r[:2], f"{r[2]:.2f}") for r in dated(orders)]),
        "events": (("customer_id", "date", "kind", "amount"), [(*r[:3], f"{r[3]:.2f}") for r in dated(events)]),
        "customers": (("customer_id", *facts), make_customers(rng, people)),
    }
    for name, (header, rows) in tables.items():
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])


if __name__ == "__main__":
    write(FOLDER)
