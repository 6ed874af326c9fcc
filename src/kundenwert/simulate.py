"""Customers with known truth, for tests, notebooks and benchmarks: a log to summarize, and what will really happen."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kundenwert.errors import UsageError
from kundenwert.families import get_family
from kundenwert.families.protocol import PurchaseFamily, SpendFamily
from kundenwert.streams import stream_seed
from kundenwert.units import Horizon, TimeUnit

CDNOW_LIKE: Mapping[str, float] = {
    "r": 0.243,
    "alpha": 4.414,
    "a": 0.793,
    "b": 2.426,
    "p": 6.25,
    "q": 3.74,
    "v": 15.44,
}


@dataclass(frozen=True, repr=False)
class SimulatedBase:
    """A simulated base.

    Parameters
    ----------
    transactions : `customer_id` (text), `date`, `spend`; the whole period, calibration and holdout.
    customers : one row a customer: `customer_id, cohort, first_day, mean_spend` and what comes after the cut:
        `future_purchases`, `future_spend`.
    observation_end : the cut.
    parameters : the truth, by cohort.
    """

    transactions: pd.DataFrame
    customers: pd.DataFrame
    observation_end: dt.date
    parameters: Mapping[str, Mapping[str, float]]
    time_unit: TimeUnit

    def __repr__(self) -> str:
        return f"<SimulatedBase {len(self.customers):,} customers, cut at {self.observation_end}>"


def simulate_customers(
    customers: int = 2000,
    *,
    parameters: Mapping[str, float] | Mapping[str, Mapping[str, float]] = CDNOW_LIKE,
    purchase: str = "bgnbd",
    spend: str = "gamma_gamma",
    observation_end: dt.date = dt.date(2025, 9, 30),
    acquired: Horizon | str = "12 weeks",
    observed: Horizon | str = "39 weeks",
    holdout: Horizon | str = "39 weeks",
    time_unit: TimeUnit | str = TimeUnit.WEEK,
    seed: int = 1,
) -> SimulatedBase:
    """Draws customers from known parameters, with their orders before and after the cut.

    Parameters
    ----------
    customers : per cohort.
    parameters : `r, alpha, a, b, p, q, v` (rates per `time_unit`), or cohort name -> such a mapping.
    acquired : first purchases are spread over this time, the earliest `observed` before the cut.
    observed, holdout : before and after the cut.

    Returns
    -------
    SimulatedBase : times are exact to the day, so two orders of one day merge, as in real logs.

    Raises
    ------
    UsageError : a parameter is missing, or customers are acquired after the cut.

    Examples
    --------
    >>> simulate_customers(100, seed=3)
    <SimulatedBase 100 customers, cut at 2025-09-30>
    """
    unit = TimeUnit.parse(time_unit)
    before, after = Horizon.parse(observed).days, Horizon.parse(holdout).days
    spread = Horizon.parse(acquired).days
    if spread > before:
        raise UsageError(f"customers acquired over {acquired} do not fit before the cut, {observed} after the start.")
    groups = _by_cohort(parameters)
    purchase_family, spend_family = get_family(purchase), get_family(spend)
    if not isinstance(purchase_family, PurchaseFamily) or not isinstance(spend_family, SpendFamily):
        raise UsageError(f"{purchase!r} and {spend!r} are not a purchase and a spend family.")
    logs, people = [], []
    for name, theta in groups.items():
        rng = np.random.Generator(np.random.Philox(stream_seed(seed, "simulate", name)))
        born = np.sort(rng.uniform(-before, spread - before, customers))
        who, when = purchase_family.simulate_times(theta, (after - born) / unit.days, rng)
        who = np.concatenate([np.arange(customers), who])
        day = np.concatenate([born, born[who[customers:]] + when * unit.days])
        nu = rng.gamma(theta["q"], 1.0, customers) / theta["v"]
        amount = np.round(rng.standard_gamma(theta["p"], who.size) / nu[who], 2)
        ids = np.array([f"{name}-{i:07d}" if len(groups) > 1 else f"{i:07d}" for i in range(customers)])
        log = pd.DataFrame({"customer_id": ids[who], "offset": np.floor(day).astype(np.int64), "spend": amount})
        logs.append(log.assign(cohort=name))
        people.append(_truth(log, ids, name, theta["p"] / nu))
    cut = pd.Timestamp(observation_end)
    log = pd.concat(logs, ignore_index=True)
    log["date"] = cut + pd.to_timedelta(log.pop("offset") + 1, unit="D")
    truth = pd.concat(people, ignore_index=True)
    truth["first_day"] = (cut + pd.to_timedelta(truth["first_day"] + 1, unit="D")).dt.date
    ordered = log.sort_values(["customer_id", "date"], ignore_index=True)[["customer_id", "date", "spend", "cohort"]]
    return SimulatedBase(ordered, truth, observation_end, groups, unit)


def _truth(log: pd.DataFrame, ids: np.ndarray, cohort: str, mean_spend: np.ndarray) -> pd.DataFrame:
    """One row a customer; days are counted from the day after the cut, so that 0 is the first day of the holdout."""
    later = log[log["offset"] >= 0]
    by_id = later.groupby("customer_id")
    return pd.DataFrame(
        {
            "customer_id": ids,
            "cohort": cohort,
            "first_day": log.groupby("customer_id")["offset"].min().reindex(ids).to_numpy(),
            "mean_spend": mean_spend,
            "future_purchases": by_id["offset"].nunique().reindex(ids, fill_value=0).to_numpy(),
            "future_spend": by_id["spend"].sum().reindex(ids, fill_value=0.0).to_numpy(),
        }
    )


def _by_cohort(
    parameters: Mapping[str, float] | Mapping[str, Mapping[str, float]],
) -> dict[str, dict[str, float]]:
    nested = {k: v for k, v in parameters.items() if isinstance(v, Mapping)}
    groups = nested or {"all": {str(k): float(v) for k, v in parameters.items() if not isinstance(v, Mapping)}}
    for name, theta in groups.items():
        missing = [key for key in CDNOW_LIKE if key not in theta]
        if missing:
            raise UsageError(f"cohort {name!r} lacks parameters {', '.join(missing)}.")
    return {name: {str(k): float(v) for k, v in theta.items()} for name, theta in groups.items()}
