"""Small simulated shops with three monthly cohorts, and the files that a retraining starts from."""

import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from kundenwert.runs import store

CUSTOMERS = 300
OBSERVATION_END = datetime.date(2024, 12, 31)
# Few draws, so that a fit takes seconds; the limits on them are wide, those on the holdout are not.
SPEC = f"""
name = "shop"
[data]
source = "orders.csv"
currency = "EUR"
observation_end = {OBSERVATION_END}
[cohorts]
by = "month"
pooling = "partial"
[inference]
draws = 400
[value]
margin = 0.3
draws = 100
[gate]
max_rhat = 2.0
min_ess = 1
"""
# The same shop with what else a spec can state: facts and wallets of customers, costs of many kinds, levers, a budget.
EVERYTHING = (
    SPEC.replace("[value]\nmargin = 0.3\n", "[value]\nmargin = 0.4\ncost_per_order = 2.5\nacquisition_cost = 20.0\n")
    + """
[customers]
source = "customers.csv"
objection = "objected"
complaint = "complains"
removed = "gone"
[events]
source = "events.csv"
allocation = "per_order"
[potential]
wallet = "column:wallet"
wallet_error = 0.2
[[levers]]
name = "call"
effect = {on = "retention"}
cost_per_contact = 1.5
channel = "phone"
[[levers]]
name = "win-back mail"
effect = {on = "reactivation"}
cost_per_contact = 0.2
[[levers]]
name = "self-service"
effect = {on = "cost_to_serve"}
[budget]
amount = 150.0
capacities = {phone = 60}
"""
)
TICKET, ADVERTISING = 6.0, 400.0


def orders_of(
    customers: range, first: datetime.date, days: int, rate_after: float = 1.0, seed: int = 11
) -> pd.DataFrame:
    """Orders up to half a year after the observation's end of customers who came within `days` days of the first.

    `rate_after` multiplies how often they buy after the observation's end.
    """
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, datetime.date, float]] = []
    for i in customers:
        came = first + datetime.timedelta(days=int(rng.integers(0, days)))
        rate, dropout, scale = rng.gamma(1.2, 1 / 60), rng.beta(1.0, 5.0), 60 / rng.gamma(4, 1)
        day, elapsed = came, 0.0
        while day < OBSERVATION_END + datetime.timedelta(days=182):
            rows.append((f"{i:04d}", day, round(rng.gamma(6, scale / 6) + 0.01, 2)))
            if rng.random() < dropout:
                break
            elapsed += rng.exponential(1 / (rate * (rate_after if day > OBSERVATION_END else 1.0)))
            day = came + datetime.timedelta(days=int(elapsed))
    return pd.DataFrame(rows, columns=["customer_id", "date", "spend"])


def write_shop(folder: Path, rate_after: float = 1.0) -> None:
    """The spec and the log of customers who came from January to March 2024."""
    orders = orders_of(range(CUSTOMERS), datetime.date(2024, 1, 1), 90, rate_after)
    orders.to_csv(folder / "orders.csv", index=False)
    (folder / "shop.toml").write_text(SPEC, encoding="utf-8")


def write_full_shop(folder: Path) -> None:
    """The same customers, and tables of what else is known of them: every tenth objected, every third told the wallet.

    Every fifth order was followed by a ticket, and each month of 2024 cost something for nobody in particular.
    """
    write_shop(folder)
    orders = pd.read_csv(folder / "orders.csv", dtype={"customer_id": str}, parse_dates=["date"])
    ids = [f"{i:04d}" for i in range(CUSTOMERS)]
    spent = orders.groupby("customer_id")["spend"].sum().reindex(ids).to_numpy()
    known = np.arange(CUSTOMERS)
    people = pd.DataFrame({"customer_id": ids, "objected": known % 10 == 3, "complains": known % 25 == 4})
    people["gone"] = known % 50 == 5
    people["wallet"] = np.where(known % 3 == 0, 2.0 * spent, np.nan)
    people.to_csv(folder / "customers.csv", index=False)
    tickets = orders.iloc[::5][["customer_id", "date"]].assign(kind="ticket", amount=TICKET)
    months = pd.date_range("2024-01-31", "2024-12-31", freq="ME")
    joint = pd.DataFrame({"customer_id": None, "date": months, "kind": "advertising", "amount": ADVERTISING})
    pd.concat([tickets, joint]).to_csv(folder / "events.csv", index=False)
    (folder / "shop.toml").write_text(EVERYTHING, encoding="utf-8")


def champion(folder: Path) -> Path:
    """The folder of the run in use."""
    return store.resolve("shop@champion", folder / "runs")
