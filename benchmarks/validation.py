"""Holds forecasts against what came, and stated ranges against known truth; writes the tables of docs/validation.md.

Run with `uv run benchmarks/validation.py --write`; it fits CDNOW four times and takes some minutes.
"""

import argparse
import sys
from collections.abc import Iterator

import numpy as np
import pandas as pd
from harness.output import REPOSITORY, put_between_markers, tell
from scipy.stats import rankdata

import kundenwert as kw
from kundenwert.customers import as_summary
from kundenwert.families import GAMMA_GAMMA, get_family
from kundenwert.names import Pooling
from kundenwert.simulate import CDNOW_LIKE
from kundenwert.units import TimeUnit

PAGE = REPOSITORY / "docs" / "validation.md"
CUT = "1997-09-30"
WEEKS = 39
DRAWS = 100  # parameter draws behind a posterior mean
MBG_LIKE = {**CDNOW_LIKE, "r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}
SIMULATED, SIMULATED_DRAWS = 20_000, 400
YEAR = 365.25 / 7


def forecasts(summary: kw.CustomerSummary, name: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Expected purchases in the holdout and the chance of none, at the MLE and at the posterior mean."""
    family = get_family(name)
    columns = [summary.table[c].to_numpy(dtype=float)[:, None] for c in ("frequency", "recency", "T")]
    estimate = kw.maximum_likelihood(summary, name)
    posterior = kw.fit(summary, purchase=name, pooling="complete")
    drawn = {k: v[:, 0] for k, v in posterior.thinned(DRAWS).items()}
    for label, theta in (("at the MLE", estimate.estimates), ("posterior mean", drawn)):
        expected = family.expected_purchases(theta, *columns, WEEKS).mean(axis=1)
        yield label, expected, family.p_no_purchase(theta, *columns, WEEKS).mean(axis=1)


def holdout_table() -> list[str]:
    """Point forecasts of each customer's purchases in 39 weeks against what came."""
    lines = [
        "| data | model | forecast | expected / came | MAE | RMSE | correlation | AUC of silence |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for data in ("cdnow_sample", "cdnow"):
        log = getattr(kw.examples, data)()
        summary, holdout = kw.split(log, CUT, customer="customer_id", time="date", amount="spend", cohort="all")
        came = holdout.table["purchases"].to_numpy()
        for name in ("bgnbd", "mbgnbd"):
            tell(f"holdout of {data}, {name}")
            for label, expected, silent in forecasts(summary, name):
                error = expected - came
                lines.append(
                    f"| {data} | {name} | {label} | {expected.sum():,.1f} / {came.sum():,} "
                    f"| {np.abs(error).mean():.4f} | {np.sqrt((error**2).mean()):.4f} "
                    f"| {np.corrcoef(expected, came)[0, 1]:.4f} "
                    f"| {auc(silent, came == 0):.3f} |"
                )
    return lines


def auc(score: np.ndarray, happened: np.ndarray) -> float:
    """Area under the ROC curve, by ranks."""
    ranks, positives = rankdata(score), happened.sum()
    return float((ranks[happened].sum() - positives * (positives + 1) / 2) / (positives * (~happened).sum()))


def coverage_table() -> list[str]:
    """Share of simulated customers whose realized value lies in the stated range, true parameters as the posterior."""
    levels = (0.5, 0.8, 0.9, 0.95)
    lines = [
        f"| model | {' | '.join(f'stated {level:.0%}' for level in levels)} | expected / realized value |",
        f"|---|{'---:|' * (len(levels) + 1)}",
    ]
    for name, theta in (("bgnbd", CDNOW_LIKE), ("mbgnbd", MBG_LIKE)):
        tell(f"coverage, {name}")
        summary, realized = simulated(name, theta)
        posterior = known(name, theta)
        shares = []
        for level in levels:
            value = kw.estimate_value(
                posterior, summary, horizon="1 year", discount_rate=0.0, margin=0.3, interval=level, draws=400
            ).table
            inside = (value["actual_value_low"] - 1e-9 <= realized) & (realized <= value["actual_value_high"] + 1e-9)
            shares.append(f"{inside.mean():.3f}")
        lines.append(f"| {name} | {' | '.join(shares)} | {value['actual_value'].mean():.3f} / {realized.mean():.3f} |")
    return lines


def simulated(name: str, theta: dict[str, float]) -> tuple[kw.CustomerSummary, np.ndarray]:
    """Customers of 27 to 39 weeks in continuous time, and 30 % of what they spend in the year after."""
    rng = np.random.default_rng(20260101)
    age = rng.uniform(27.0, 39.0, SIMULATED)
    who, when = get_family(name).simulate_times(theta, age + YEAR, rng)
    nu = rng.gamma(theta["q"], 1.0, SIMULATED) / theta["v"]
    amount = rng.standard_gamma(theta["p"], who.size) / nu[who]
    past = when <= age[who]
    x = np.bincount(who[past], minlength=SIMULATED)
    t_x = np.zeros(SIMULATED)
    np.maximum.at(t_x, who[past], when[past])
    spend = np.bincount(who[past], weights=amount[past], minlength=SIMULATED)
    frame = {"customer_id": np.arange(SIMULATED), "frequency": x, "recency": t_x, "T": age}
    frame["monetary_value"] = np.divide(spend, x, out=np.zeros(SIMULATED), where=x > 0)
    summary = as_summary(pd.DataFrame(frame), time_unit="week")
    order = pd.Index(frame["customer_id"]).get_indexer(summary.table["customer_id"])
    return summary, 0.3 * np.bincount(who[~past], weights=amount[~past], minlength=SIMULATED)[order]


def known(name: str, theta: dict[str, float]) -> kw.Posterior:
    """A posterior that knows the truth."""
    return kw.Posterior(
        draws={k: np.full((1, SIMULATED_DRAWS, 1), theta[k]) for k in theta},
        cohorts=("all",),
        time_unit=TimeUnit.WEEK,
        currency=None,
        purchase_family=name,
        spend_family=str(GAMMA_GAMMA.name),
        engine="known",
        pooling=Pooling.COMPLETE,
        seed=1,
    )


def main(arguments: list[str] | None = None) -> int:
    """Print both tables, and put them into docs/validation.md where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/validation.md")
    options = parser.parse_args(arguments)
    for place, table in (("holdout", holdout_table()), ("coverage", coverage_table())):
        text = "\n".join(table)
        sys.stdout.write(f"{text}\n\n")
        if options.write:
            put_between_markers(PAGE, place, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
