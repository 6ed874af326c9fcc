"""Out-of-sample panels: what the model expected after the cut, beside what came.

Every band is predictive (parameters and chance together): a band of the mean alone is absurdly narrow beside the dots.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from kundenwert.customers.summary import need_summary
from kundenwert.inference.predictive import RECENCY_EDGES_WEEKS
from kundenwert.runs import wording as w
from kundenwert.runs.plots.style import Record, json_number, numbers, rounded
from kundenwert.streams import DEFAULT_SEED

if TYPE_CHECKING:
    from kundenwert.customers.holdout import Holdout
    from kundenwert.customers.summary import CustomerSummary
    from kundenwert.inference.predictive import Tracking

BAND = 0.90
RESAMPLES = 400
GROUPS = ("0", "1", "2", "3", "4", "5", "6", "7+")


def band(replicated: Any) -> tuple[Any, Any, Any]:
    """Low, middle and high of replicates along their first axis, 90 % predictive."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a group without customers has no mean on any replicate
        low, high = np.nanquantile(replicated, [(1 - BAND) / 2, (1 + BAND) / 2], axis=0)
        return low, np.nanmean(replicated, axis=0), high


def tracking_data(tracking: "Tracking") -> Record:
    """Weekly repeat orders, expected and come, with the totals after the cut.

    Parameters
    ----------
    tracking : replicated purchases; weeks after the cut are judged, weeks before it are what the model saw.
    """
    cut = int(tracking.calibration_weeks)
    observed, replicated = np.asarray(tracking.observed, dtype=float), np.asarray(tracking.replicated, dtype=float)
    low, middle, high = band(replicated)
    weeks = [str(d) for d in np.asarray(tracking.week_end).astype("datetime64[D]")]
    total = _total(tracking)
    within = (observed >= low) & (observed <= high)
    after = len(observed) - cut
    if total:
        answer = _held_out(total)
        hits = f"{int(within[cut:].sum())} of {after} held-out weeks lie inside the band of 9 in 10."
    else:
        answer = "No week was held out, so nothing shows yet whether its promises come true."
        hits = f"{int(within.sum())} of {len(observed)} weeks that the model saw lie inside the band of 9 in 10."
    rows = [
        [
            w.date(weeks[k]),
            w.count(observed[k]),
            w.rough(middle[k]),
            w.between(low[k], high[k]),
            "held out" if k >= cut else "seen",
        ]
        for k in range(len(observed))
    ]
    return {
        "question": "Did the orders come that it promised?",
        "help": "Right of the line the model knew nothing: dots inside the band are what it promised."
        if total
        else "Dots inside the band are weeks that the model can explain; all of them it has seen.",
        "answer": answer,
        "label": f"{answer} {hits}",
        "aside": hits,
        "weeks": weeks,
        "cut": cut,
        "observed": rounded(observed),
        "expected": rounded(middle, 4),
        "low": rounded(low, 4),
        "high": rounded(high, 4),
        "total": total,
        "numbers": numbers(
            "Repeat orders by week", ["Week to", "Came (counted)", "Expected", "9 in 10 weeks", "Part"], rows
        ),
    }


def _total(tracking: "Tracking") -> Record | None:
    """Repeat orders of all customers after the cut, every day of it counted; nothing where no day was held out."""
    if tracking.observed_total is None:
        return None
    low, high = np.quantile(tracking.holdout_total, [(1 - BAND) / 2, (1 + BAND) / 2])
    return {
        "expected": json_number(float(tracking.holdout_expected.sum())),
        "came": int(tracking.observed_total),
        "low": json_number(float(low)),
        "high": json_number(float(high)),
        "inside": bool(low <= tracking.observed_total <= high),
        "weeks": round(tracking.holdout_days / 7),
    }


def _held_out(total: Record) -> str:
    inside = "inside" if total["inside"] else "outside"
    return (
        f"Expected {w.count(total['expected'])} repeat orders in {w.plural(total['weeks'], 'held-out week')}, "
        f"{w.count(total['came'])} came: {w.too_few(total['expected'], total['came'])}, {inside} what chance allows "
        f"({w.rough(total['low'], 4)} to {w.rough(total['high'], 4)})."
    )


def frequency_data(tracking: "Tracking") -> Record:
    """How many customers bought again 0, 1, ... 7 and more times, and how many the model would draw."""
    observed = np.asarray(tracking.frequency_observed, dtype=float)
    low, middle, high = band(np.asarray(tracking.frequency_replicated, dtype=float))
    inside = (observed >= low) & (observed <= high)
    answer = f"{int(inside.sum())} of {len(observed)} bars lie inside the band"
    if not inside.all():
        worst = int(np.where(inside, -1.0, np.abs(np.sqrt(observed) - np.sqrt(middle))).argmax())
        answer += (
            f"; farthest off: {w.count(observed[worst])} customers with {GROUPS[worst]} "
            f"repeat order{'' if worst == 1 else 's'}, "
            f"{w.rough(middle[worst])} expected"
        )
    rows = [
        [GROUPS[k], w.count(observed[k]), w.rough(middle[k]), w.between(low[k], high[k]), "yes" if inside[k] else "no"]
        for k in range(len(observed))
    ]
    return {
        "question": "Does it get right how often customers come back?",
        "help": "Bars that end above or below the zero line are customer counts the model gets wrong; below, enlarged.",
        "answer": f"{answer}.",
        "label": f"{answer}. Hanging bars for 0 to 7 and more repeat orders.",
        "groups": list(GROUPS),
        "observed": rounded(observed),
        "expected": rounded(middle),
        "low": rounded(low),
        "high": rounded(high),
        "numbers": numbers(
            "Customers by number of repeat orders",
            ["Repeat orders", "Counted", "Expected", "9 in 10 draws", "Inside"],
            rows,
        ),
    }


def conditional_expectation_data(
    tracking: "Tracking", summary: "CustomerSummary", holdout: "Holdout", *, seed: int = DEFAULT_SEED
) -> Record:
    """Mean orders after the cut of customers with the same past: orders before it, weeks since the last one."""
    need_summary(summary)
    table = summary.table
    bought = holdout.table["purchases"].to_numpy(float)
    unit_days = summary.time_unit.days
    seen = table["T"].to_numpy(float)
    naive = table["frequency"].to_numpy(float) / np.maximum(seen, 1.0) * holdout.days / unit_days
    by_past = np.minimum(table["frequency"].to_numpy(int), len(GROUPS) - 1)
    edges = np.asarray(RECENCY_EDGES_WEEKS)
    silent = (seen - table["recency"].to_numpy(float)) * unit_days / 7
    by_silence = np.clip(np.digitize(silent, edges[1:-1]), 0, len(edges) - 2)
    names = [_weeks(edges[k], edges[k + 1], last=k == len(edges) - 2) for k in range(len(edges) - 1)]
    rng = np.random.default_rng(seed)
    panels = [
        _panel("Repeat orders before the cut", list(GROUPS), by_past, bought, tracking.group_replicated, rng, naive),
        _panel(
            "Weeks since the last order, at the cut", names, by_silence, bought, tracking.recency_replicated, rng, None
        ),
    ]
    worst = _worst(panels[0])
    group, came = panels[0]["groups"][worst], w.number(panels[0]["observed"][worst])
    answer = (
        f"Farthest off: customers with {group} repeat order{'' if worst == 1 else 's'} before the cut; "
        f"{w.number(panels[0]['expected'][worst])} orders each expected on average, {came} came."
    )
    rows = [
        [f"{p['groups'][k]} ({p['title'].lower()})", w.count(p["size"][k]), *_cells(p, k)]
        for p in panels
        for k in range(len(p["groups"]))
        if p["size"][k]
    ]
    columns = ["Group", "Customers", "Came, on average", "9 in 10 resamples", "Expected, on average", "9 in 10 draws"]
    return {
        "question": "Does it tell those who come back from those who do not?",
        "help": "Each dot is a group of customers with the same past; the model should pass through the dots. "
        "Thin dashes: what 'same rate as before' would promise.",
        "answer": answer,
        "label": f"{answer} Dots are observed means of {w.plural(len(rows), 'group')}, line and band are the model.",
        "weeks": round(holdout.days / 7),
        "panels": panels,
        "numbers": numbers(f"Orders per customer in the {round(holdout.days / 7)} held-out weeks", columns, rows),
    }


def _panel(title: str, names: list[str], group: Any, bought: Any, replicated: Any, rng: Any, naive: Any) -> Record:
    n = len(names)
    size = np.bincount(group, minlength=n)
    total = np.bincount(group, bought, n)
    mean = np.divide(total, size, out=np.full(n, np.nan), where=size > 0)
    low, middle, high = band(np.asarray(replicated, dtype=float)[:, :n])
    ends = np.array([_bootstrap(bought[group == k], rng) if size[k] else (np.nan, np.nan) for k in range(n)])
    same = None
    if naive is not None:
        same = np.divide(np.bincount(group, naive, n), size, out=np.full(n, np.nan), where=size > 0)
    empty = size == 0
    return {
        "title": title,
        "groups": names,
        "size": size.tolist(),
        "observed": rounded(mean, 4),
        "observed_low": rounded(ends[:, 0], 4),
        "observed_high": rounded(ends[:, 1], 4),
        "expected": rounded(np.where(empty, np.nan, middle), 4),
        "low": rounded(np.where(empty, np.nan, low), 4),
        "high": rounded(np.where(empty, np.nan, high), 4),
        "naive": rounded(same, 4) if same is not None else None,
    }


def _bootstrap(values: Any, rng: Any) -> tuple[float, float]:
    """90 % bootstrap interval of a mean, resampling the counts of each distinct value instead of the customers."""
    distinct, counts = np.unique(values, return_counts=True)
    drawn = rng.multinomial(len(values), counts / len(values), size=RESAMPLES) @ distinct / len(values)
    low, high = np.quantile(drawn, [(1 - BAND) / 2, (1 + BAND) / 2])
    return float(low), float(high)


def _worst(panel: Record) -> int:
    """The group whose gap weighs most: its size times its gap in orders."""
    gaps = [
        abs(e - o) * n if n and e is not None and o is not None else -1.0
        for e, o, n in zip(panel["expected"], panel["observed"], panel["size"], strict=True)
    ]
    return int(np.argmax(gaps))


def _cells(panel: Record, k: int) -> list[str]:
    return [
        w.number(panel["observed"][k]),
        w.between(panel["observed_low"][k], panel["observed_high"][k]),
        w.number(panel["expected"][k]),
        w.between(panel["low"][k], panel["high"][k]),
    ]


def _weeks(low: float, high: float, *, last: bool) -> str:
    return f"{low:.0f}+" if last or not np.isfinite(high) else f"{low:.0f}–{high:.0f}"
