"""What all contestants share: the same input, the same questions, the same way to report an answer."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

WEEKS = 39  # the holdout of CDNOW
MONTHS = 9  # the nearest whole number of months: two contestants only count in months
ANNUAL_DISCOUNT = 0.10
MONTHLY_DISCOUNT = (1 + ANNUAL_DISCOUNT) ** (1 / 12) - 1
SCORING_DRAWS = 200  # parameter draws that whoever has a posterior scores with
SEED = 20260101
OBSERVATION_END = "1997-09-30"
BLOCK_SECONDS = 0.5  # of calls that take microseconds

type Prepared = tuple[Callable[[], Any], Callable[[Any], dict[str, Any]]]


def read_log(options: Mapping[str, str]) -> pd.DataFrame:
    """The transaction log, (order,): `customer_id` text, `date`, `spend` USD."""
    log = pd.read_csv(options["transactions"], dtype={"customer_id": str})
    log["date"] = pd.to_datetime(log["date"])
    return log


def read_summary(options: Mapping[str, str]) -> pd.DataFrame:
    """The customer summary, (customer,): `customer_id`, `frequency`, `recency` and `T` in weeks, `monetary_value`."""
    return pd.read_csv(options["summary"], dtype={"customer_id": str})


def with_spend(summary: pd.DataFrame) -> pd.DataFrame:
    """The customers whom Gamma-Gamma is about."""
    return summary[(summary["frequency"] > 0) & (summary["monetary_value"] > 0)]


def describe_summary(table: pd.DataFrame) -> dict[str, Any]:
    """Column sums, by which summaries are compared."""
    columns = ("frequency", "recency", "T", "monetary_value")
    return {"customers": len(table), **{name: float(table[name].sum()) for name in columns}}


def timed_steps(steps: Mapping[str, Callable[[], Any]]) -> dict[str, tuple[float, Any]]:
    """Name -> (seconds, result) of each step, in order."""
    done = {}
    for name, step in steps.items():
        begin = time.perf_counter()
        result = step()
        done[name] = (time.perf_counter() - begin, result)
    return done


def describe_scores(steps: Mapping[str, tuple[float, Any]]) -> dict[str, Any]:
    """Sums over customers of each scored quantity, and the seconds each took; results are (customer,) arrays."""
    return {
        "totals": {name: float(result.sum()) for name, (_, result) in steps.items()},
        "seconds": {name: round(seconds, 6) for name, (seconds, _) in steps.items()},
    }


def block_of_calls(function: Callable[[], Any]) -> tuple[int, float]:
    """Calls a function for half a second or more; how many calls that were, and seconds a call."""
    calls = 1
    while True:
        begin = time.perf_counter()
        for _ in range(calls):
            function()
        took = time.perf_counter() - begin
        if took >= BLOCK_SECONDS:
            return calls, took / calls
        calls = max(2 * calls, round(1.2 * calls * BLOCK_SECONDS / took)) if took > 0.01 else 2 * calls


def describe_calls(block: tuple[int, float]) -> dict[str, Any]:
    """As rows hold a block of calls."""
    return {"calls": block[0], "seconds_a_call": block[1]}


def describe_draws(draws: Mapping[str, Any]) -> dict[str, Any]:
    """Posterior means, standard deviations and the health of the chains, if any; draws are (chain, draw) arrays."""
    from arviz_stats.base import array_stats

    axes = {"chain_axis": 0, "draw_axis": 1}
    chains, length = next(iter(draws.values())).shape
    found = {
        "estimates": {name: float(values.mean()) for name, values in draws.items()},
        "sd": {name: float(values.std(ddof=1)) for name, values in draws.items()},
        "chains": chains,
        "draws": chains * length,
    }
    if chains == 1:
        return found
    return found | {
        "smallest_ess": min(float(array_stats.ess(values, **axes)) for values in draws.values()),
        "largest_rhat": max(float(array_stats.rhat(values, **axes)) for values in draws.values()),
    }


def saved(options: Mapping[str, str], case: str) -> Path:
    """Where a fit of this contestant and data set is kept for the case `score`."""
    return Path(options["saved"]) / f"{case}.nc"
