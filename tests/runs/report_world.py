"""A made-up base of customers in the shapes that the stages hand to the report: known truth, no fit, so it is fast.

The numbers are drawn from BG/NBD and Gamma-Gamma at plausible parameters; only their shapes and sizes matter here.
"""

import datetime as dt
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from kundenwert.customers.summary import CustomerSummary
from kundenwert.inference.predictive import RECENCY_EDGES_WEEKS, Tracking
from kundenwert.units import Currency, Horizon, TimeUnit

STATES = ("most_valuable", "super_growth", "most_growable", "low_maintenance", "below_zero", "dormant")
WEEK = 7


def _purchases(rng: np.random.Generator, rate: float, drop: float, weeks: float) -> list[float]:
    times: list[float] = []
    t = 0.0
    while True:
        t += rng.exponential(1 / rate)
        if t > weeks:
            return times
        times.append(t)
        if rng.uniform() < drop:
            return times


def world(
    n: int = 1500,
    *,
    seed: int = 7,
    cohorts: int = 3,
    costs: bool = False,
    holdout_weeks: int = 39,
    draws: int = 400,
    replicates: int = 60,
    scale: float = 1.0,
    verdict: str = "PASS",
    currency: str | None = "USD",
    all_zero_room: bool = False,
    infinite_thresholds: bool = False,
    ids: list[Any] | None = None,
) -> dict[str, Any]:
    """Keyword arguments of `build_report`."""
    rng = np.random.default_rng(seed)
    end = dt.date(1997, 9, 30)
    weeks_before = 39
    start = np.sort(rng.uniform(0, 12, n))
    labels = [f"1997-{m + 1:02d}" for m in range(cohorts)] if cohorts <= 12 else None
    labels = labels or [f"{1988 + i // 12}-{i % 12 + 1:02d}" for i in range(cohorts)]
    code = np.minimum((start / 12 * cohorts).astype(int), cohorts - 1)
    alpha, r, a, b = 4.4, 0.24, 0.79, 2.4
    rate, drop = rng.gamma(r, 1 / alpha, n) + 1e-9, rng.beta(a, b, n)
    events = [_purchases(rng, rate[i], drop[i], weeks_before + holdout_weeks - start[i]) for i in range(n)]
    T = weeks_before - start
    x = np.array([sum(t <= T[i] for t in events[i]) for i in range(n)])
    t_x = np.array([max([t for t in events[i] if t <= T[i]], default=0.0) for i in range(n)])
    after = np.array([sum(t > T[i] for t in events[i]) for i in range(n)])
    order = np.round(rng.gamma(6, 1, n) * 15 / rng.gamma(3.7, 1, n) * 2 * scale, 2)
    ids_ = ids if ids is not None else [f"{i:05d}" for i in range(1, n + 1)]
    ids_ = list(ids_) + [f"{i:05d}" for i in range(len(ids_) + 1, n + 1)]
    table = pd.DataFrame(
        {
            "customer_id": ids_,
            "cohort": pd.Series([labels[k] for k in code], dtype=object),
            "frequency": x,
            "recency": t_x,
            "T": T,
            "monetary_value": np.where(x > 0, order, 0.0),
            "spend_days": x,
            "orders": x + 1,
            "first_amount": order,
            "gross": order * (x + 1),
            "refunds": 0.0,
            "first_day": [end - dt.timedelta(days=round(v * WEEK)) for v in T],
            "last_day": [end - dt.timedelta(days=round((T[i] - t_x[i]) * WEEK)) for i in range(n)],
        }
    )
    counts = {"rows_read": 3 * n, "same_day_merged": n // 20, "exact_duplicates": 3, "refunds": 0}
    summary = CustomerSummary(table, TimeUnit.WEEK, end, None if currency is None else Currency(currency), counts)
    log_odds = np.where(
        x > 0, np.log(a / (b + np.maximum(x, 1) - 1)) + (r + x) * np.log((alpha + T) / (alpha + t_x)), -np.inf
    )
    alive = 1 / (1 + np.exp(log_odds))
    lam = (r + x) / (alpha + T)
    mu = lam * (a / (a + b + x))
    af = 130 * -np.expm1(-(mu + 0.0018) * 130) / ((mu + 0.0018) * 130)
    margin = 0.3
    contribution = margin * order - (4.0 * scale if costs else 0.0)
    actual = alive * af * lam * contribution - (0.5 * scale if costs else 0.0)
    frontier = np.quantile(af * lam * contribution, 0.8)
    room = np.where(x > 0, 0.25 * alive * np.maximum(frontier * 4 - actual, 0), 0.0)
    if all_zero_room:
        room = np.zeros(n)
    positive = np.sort(np.maximum(actual, 0))[::-1]
    cut = int(np.searchsorted(np.cumsum(positive), 0.8 * positive.sum()))
    a_h = np.inf if infinite_thresholds else float(positive[cut])
    u_h = float(np.quantile(room[room > 0], 0.6)) if (room > 0).any() and not infinite_thresholds else np.inf
    thresholds = SimpleNamespace(
        valuable=a_h,
        growable=u_h,
        below_zero=0.02 * (a_h if np.isfinite(a_h) else 1.0),
        rejection_price=0.35,
        attainable_scale=1.0,
        version="1",
    )
    segments_table = _segment(rng, table, alive, actual, room, thresholds, lam, af, scale)
    settings = SimpleNamespace(
        horizon=Horizon.parse("3 years"),
        discount_rate=0.1,
        margin=margin,
        value_basis="contribution",
        acquisition_cost=None,
        attainable=(2.0, 6.0),
        currency=currency,
        time_unit=TimeUnit.WEEK,
        interval=0.9,
        churn_horizon=Horizon.parse("26 weeks"),
        frontier=0.8,
    )
    noise = 1 + rng.normal(0, 0.02, draws)
    by_segment = {
        s: float(segments_table.loc[segments_table["segment"] == s, "actual_value"].sum()) * noise
        for s in (*STATES, "migrator")
    }
    base = sum(by_segment.values())
    value = SimpleNamespace(
        table=segments_table,
        settings=settings,
        totals=SimpleNamespace(
            base=base,
            by_cohort=np.outer(noise, np.bincount(code, actual, cohorts)),
            expected_purchases=np.full(draws, 3.0),
            churned=n * 0.7 * (1 + rng.normal(0, 0.01, draws)),
        ),
        frontier=SimpleNamespace(
            potential_identified=0.03,
            attainable_scale=1.0,
            quantile=0.8,
            limit=np.inf,
            warning="Potential mostly mirrors actual value.",
            sensitivity={0.7: 0.8 * room.sum(), 0.8: room.sum(), 0.9: 1.3 * room.sum()},
        ),
    )
    segments = SimpleNamespace(
        table=segments_table,
        thresholds=thresholds,
        losses=None,
        value=value,
        totals_by_segment=by_segment,
        below_zero_possible=costs,
        notes=(),
    )
    holdout = _holdout(summary, events, T, after, end, holdout_weeks, weeks_before, start)
    tracking = _track(rng, x, T, t_x, after, alive, lam, weeks_before, holdout_weeks, events, start, replicates, end)
    posterior = _posterior(rng, labels, currency)
    checks = _checks(verdict, tracking)
    return {
        "title": "CDNOW",
        "name": "cdnow",
        "as_of": end,
        "run_id": "1997-09-30-3fa9c1d2",
        "settings": {
            "value.horizon": {"value": "3 years", "origin": "given"},
            "value.margin": {"value": 0.3, "origin": "given"},
            "value.discount_rate": {"value": 0.1, "origin": "default"},
            "potential.frontier": {"value": 0.8, "origin": "judgement"},
        },
        "customer_ids": "show",
        "summary": summary,
        "holdout": holdout,
        "checks": checks,
        "tracking": tracking,
        "segments": segments,
        "posterior": posterior,
        "timings": {"read": 0.4, "fit": 7.1, "value": 1.2},
        "versions": {"kundenwert": "0.1.0", "numpy": np.__version__},
        "choices": ("engine auto chose nuts: 3 cohorts are partially pooled",),
        "previous": None,
        "cohort_values": rng.normal(40, 4, (draws, cohorts)) * scale,
        "quantiles_for": lambda wanted: np.sort(rng.gamma(1, 40 * scale, (len(wanted), 20)), axis=1),
        "seed": 20260101,
        "spec_hash": "3fa9c1d2" + "0" * 56,
    }


def _segment(
    rng: np.random.Generator,
    table: pd.DataFrame,
    alive: np.ndarray,
    actual: np.ndarray,
    room: np.ndarray,
    thresholds: Any,
    lam: np.ndarray,
    af: np.ndarray,
    scale: float,
) -> pd.DataFrame:
    n = len(table)
    a_s = actual[:, None] * rng.gamma(4, 1 / 4, (n, 60)) + rng.normal(0, 0.3 * scale, (n, 60))
    u_s = room[:, None] * rng.gamma(3, 1 / 3, (n, 60))
    rich, growing = a_s >= thresholds.valuable, u_s >= thresholds.growable
    below = (a_s < -thresholds.below_zero) & (a_s + u_s <= 0) & (actual < 0)[:, None]
    p = np.column_stack(
        [
            (rich & ~growing).mean(1),
            (rich & growing).mean(1),
            (~rich & growing & ~below).mean(1),
            (~rich & ~growing & ~below).mean(1),
            below.mean(1),
            np.zeros(n),
        ]
    )
    p = p * alive[:, None]
    p[:, 5] = 1 - alive
    best = p.argmax(1)
    undecided = p.max(1) < 0.55
    columns = {
        "customer_id": table["customer_id"],
        "cohort": table["cohort"],
        "frequency": table["frequency"],
        "recency": table["recency"],
        "T": table["T"],
        "monetary_value": table["monetary_value"],
        "realized_value": table["gross"] * 0.3,
        "p_alive": alive,
        "churn_probability": 1 - alive + alive * (1 + 26 / (4.4 + table["T"])) ** -(0.24 + table["frequency"]),
        "expected_purchases": alive * lam * af,
        "actual_value": actual,
        "actual_value_low": np.minimum(actual * 0.1, actual),
        "actual_value_high": np.maximum(actual * 2.5, actual),
        "potential_value": actual + room,
        "unrealized_value": room,
        "potential_basis": "peers",
        **{f"p_{s}": p[:, k] for k, s in enumerate(STATES)},
        "segment": np.where(undecided, "migrator", np.array(STATES)[best]),
        "status": np.where(undecided, "undecided", "decided"),
        "expected_loss": 1 - p.max(1),
        "action": None,
        "expected_gain": np.nan,
        "flags": [["structural_alive", "unproven"] if f == 0 else [] for f in table["frequency"]],
    }
    return pd.DataFrame(columns)


def _holdout(summary: Any, events: Any, T: Any, after: Any, end: dt.date, weeks: int, before: int, start: Any) -> Any:
    first = end - dt.timedelta(weeks=before)
    days = np.array([int((start[i] + t) * WEEK) for i in range(len(T)) for t in events[i]])
    per_day = np.bincount(days, minlength=(before + weeks) * WEEK + 1)
    return SimpleNamespace(
        start=end + dt.timedelta(days=1),
        end=end + dt.timedelta(weeks=weeks),
        days=weeks * WEEK,
        table=pd.DataFrame({"customer_id": summary.table["customer_id"], "purchases": after, "spend": after * 30.0}),
        daily=pd.DataFrame({"day": [first + dt.timedelta(days=i) for i in range(len(per_day))], "purchases": per_day}),
    )


def _track(rng, x, T, t_x, after, alive, lam, before, weeks, events, start, replicates, end):  # type: ignore[no-untyped-def]
    total = before + weeks
    when = np.array([start[i] + t for i in range(len(T)) for t in events[i]])
    observed = np.histogram(when, bins=np.arange(total + 1))[0]
    smooth = np.convolve(observed, np.ones(7) / 7, mode="same")
    smooth[before:] = np.linspace(smooth[before - 1] if before else 1, smooth[-8:].mean(), weeks) * 0.9 if weeks else 0
    replicated = rng.poisson(np.maximum(smooth, 0.2), (replicates, total))
    group = np.minimum(x, 7)
    expected = alive * lam * weeks * 0.8
    edges = np.array(RECENCY_EDGES_WEEKS)
    recency = np.digitize(T - t_x, edges[1:-1])
    holdout_counts = rng.poisson(expected, (replicates, len(x)))
    return Tracking(
        week_end=np.datetime64(end - dt.timedelta(weeks=before)) + 7 * np.arange(1, total + 1).astype("timedelta64[D]"),
        calibration_weeks=before,
        observed=observed,
        replicated=replicated.astype(float),
        frequency_observed=np.bincount(group, minlength=8),
        frequency_replicated=rng.poisson(np.bincount(group, minlength=8), (replicates, 8)).astype(float),
        holdout_days=weeks * WEEK,
        holdout_expected=expected if weeks else np.zeros(len(x)),
        holdout_p_silent=1 - alive + alive * (1 + weeks / (4.4 + T)) ** -(0.24 + x),
        holdout_total=holdout_counts.sum(1).astype(float),
        group_replicated=_means(holdout_counts, group, 8),
        recency_replicated=_means(holdout_counts, recency, len(edges) - 1),
        holdout_observed=after if weeks else np.zeros_like(after),
    )


def _means(counts: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    size = np.maximum(np.bincount(group, minlength=groups), 1)
    return np.array([np.bincount(group, row, groups) / size for row in counts])


def _posterior(rng: np.random.Generator, labels: list[str], currency: str | None) -> Any:
    shape = (4, 100, len(labels))
    truth = {"r": 0.24, "alpha": 4.4, "a": 0.79, "b": 2.4, "p": 6.2, "q": 3.7, "v": 15.4}
    draws = {name: at * np.exp(rng.normal(0, 0.05, shape)) for name, at in truth.items()}
    return SimpleNamespace(
        draws=draws,
        cohorts=tuple(labels),
        time_unit=TimeUnit.WEEK,
        currency=currency,
        purchase_family="bgnbd",
        spend_family="gamma_gamma",
        engine="nuts",
        pooling="partial",
        hyper={"sd_log_r": np.abs(rng.normal(0, 0.1, (4, 100)))},
        sample_stats={"diverging": np.zeros((4, 100), dtype=bool)},
        prior={"sd_log_r": np.abs(rng.normal(0, 0.5, 400))},
        scales={},
        n_draws=400,
        cohort_codes=lambda wanted: np.array([labels.index(c) for c in wanted]),
    )


def _checks(verdict: str, tracking: Any) -> Any:
    bias = tracking.replicated[:, tracking.calibration_weeks :].sum(1).mean()
    came = tracking.observed[tracking.calibration_weeks :].sum()
    worst = {"PASS": "PASS", "REVIEW": "REVIEW", "FAIL": "FAIL"}[verdict]
    findings = [
        SimpleNamespace(
            name="repeat orders after the cut",
            verdict=worst,
            measured=f"the model expected {bias:,.0f} repeat orders, {came:,} came",
            limit="25 % off",
            cause="Orders per week rose in all cohorts.",
            next_step="Ask whether there was a campaign or a data change.",
            value=-0.1,
            affects="values are more likely too low than too high" if verdict != "PASS" else "",
        ),
        SimpleNamespace(
            name="convergence",
            verdict="PASS",
            measured="R-hat 1.00, ESS 1,600, no divergence",
            limit="R-hat 1.01, ESS 400",
            cause="",
            next_step="",
            value=1.0,
            affects="",
        ),
    ]
    return SimpleNamespace(verdict=verdict, findings=tuple(findings))
