"""What one run hands down to the next, and when it does."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kundenwert.customers import CustomerSummary
from kundenwert.decisions.hysteresis import Published, recall
from kundenwert.decisions.thresholds import Thresholds
from kundenwert.inference.frontier_draws import FrontierDraws
from kundenwert.inference.posterior import load_posterior
from kundenwert.names import Verdict
from kundenwert.runs import store
from kundenwert.spec import ModelSpec
from kundenwert.value.ahead import AheadPriors
from kundenwert.value.wallet_basis import WalletLevels

WALLETS = "wallets.json"  # in a run's folder, where potential value took wallets in
EXPERIMENTS = "experiments"

# What one unit of actual and of unrealized value means. The churn horizon, the interval and numbers of draws move no
# customer's value, and the acquisition cost is in realized value alone.
MEANING = (
    "value.horizon",
    "value.discount_rate",
    "value.discounting",
    "value.margin",
    "value.cost_per_order",
    "value.cost_per_year_active",
    "value.cost_per_year_on_file",
    "value.deactivate_after",
    "value.returns",
    "value.return_cost",
    "events.ahead",
    "potential",
    "levers",
    "purchase",
    "spend",
    "segments.losses",
    "segments.packages",
    "data.currency",
    "data.time_unit",
)


@dataclass(frozen=True)
class Frozen:
    """What an earlier run hands down, so that nothing moves but the customers.

    Parameters
    ----------
    source : the id of that run.
    thresholds : marks in money, the price, the scale.
    priors : of returns and events, which a run scores with; None where they are learnt anew.
    frontier : the draws that the peers' frontier rests on; None where the run is older than these.
    wallets : what wallets are held against; None where the run had none.
    before, as_of : the customers' table of that run, and its last day: labels that stand.
    """

    source: str
    thresholds: Thresholds
    priors: AheadPriors | None
    frontier: FrontierDraws | None
    wallets: WalletLevels | None
    before: pd.DataFrame
    as_of: np.datetime64

    @classmethod
    def of(cls, manifest: Mapping[str, Any], folder: Path) -> "Frozen":
        """What a finished run hands down.

        Raises
        ------
        RunError : a file is missing or broken.
        """
        return cls(
            manifest["run"],
            Thresholds.from_dict(manifest["thresholds"]),
            AheadPriors.from_dict(manifest.get("ahead_priors", {})),
            load_posterior(folder / "posterior.nc").frontier,
            WalletLevels.from_dict(store.read_json(folder / WALLETS)) if (folder / WALLETS).exists() else None,
            store.read_customers(folder / "customers.parquet")[0],
            np.datetime64(manifest["as_of"], "D"),
        )

    def published(self, summary: CustomerSummary) -> Published:
        """The labels that stand on these customers; on an earlier day, none of them did yet."""
        ids, end = summary.table["customer_id"].to_numpy(dtype=object), summary.observation_end
        later = end is not None and self.as_of > np.datetime64(end, "D")
        return recall(ids, self.before.iloc[:0] if later else self.before, self.as_of)


def hand_down(
    champion: Mapping[str, Any] | None,
    spec: ModelSpec,
    run: str,
    *,
    recalibrate: bool,
    without: str = "first run",
) -> tuple[Frozen | None, str]:
    """What an earlier run hands down where it still means the same, and a sentence that says what was done.

    Thresholds in money are frozen so that labels do not move with them; after a change of what money means they are
    marks on another scale and are derived anew. What customers are expected to return and to cost is learnt anew in
    every run, as the parameters are.

    Parameters
    ----------
    champion : the manifest of the run in use with its folder under `path`, or None.
    spec : of the run that is being made.
    run : its id. Under `--force` it may be the champion's own, or that of the run which derived the thresholds in use.
    recalibrate : whether everything was asked to be derived anew.
    without : why there is no champion, where there is none.

    Returns
    -------
    What is frozen, or None where it is to be derived; and what the manifest says about it.
    """
    if champion is None:
        return None, f"thresholds were derived over the base: {without}"
    if recalibrate:
        return None, f"thresholds were derived anew: recalibrated after {champion['run']}"
    if (champion["thresholds"].get("derived_by") or champion["run"]) == run:
        return None, f"thresholds were derived anew: {run} is made again, whose thresholds they were"
    before, now = champion["spec"], spec.to_dict()
    changed = [key for key in MEANING if _meant(before, key) != _meant(now, key)]
    if changed:
        return None, f"thresholds were derived anew: {', '.join(changed)} changed since {champion['run']}"
    if champion["run"] == run:
        return _as_before(champion)
    told = f"thresholds were taken over from {champion['run']}, and with them what peers reach"
    return _learning(champion), told + _not_followed(champion, now)


def _learning(manifest: Mapping[str, Any]) -> Frozen:
    """What a run hands down to a later one, which learns by itself what returns and events are expected to be."""
    return replace(Frozen.of(manifest, manifest["path"]), priors=None)


def _as_before(made: Mapping[str, Any]) -> tuple[Frozen, str]:
    """What was handed down to a run that is made again, so that its own labels are not what stood before it.

    Where that run is gone, or has other thresholds by now, thresholds are the run's own copy and no label stands.
    """
    run, earlier, home = made["run"], made.get("taken_over_from"), made["path"].parent
    folder = None if earlier in (None, run) else store.finished_run(home.parent, home.name, earlier)
    if folder is not None:
        manifest = store.load_manifest(folder)
        same = manifest["thresholds"]["version"] == made["thresholds"]["version"]
        if same and manifest["verdict"] != Verdict.FAIL:
            told = f"thresholds were taken over from {earlier} once more, and with them what peers reach"
            told += f": --force makes {run} again{_not_followed(made, made['spec'])}"
            return _learning({**manifest, "path": folder}), told
    own = _learning(made)
    told = (
        f"thresholds of {made['thresholds']['derived_by']} were kept, and what peers reach: --force makes {run} again. "
        "The run before it is not to be found with these thresholds, so no earlier label was held"
        f"{_not_followed(made, made['spec'])}"
    )
    return replace(own, before=own.before.iloc[:0]), told


def _entry(tables: Any, key: str) -> Any:
    """What a dotted key holds, None where it is absent."""
    for part in key.split("."):
        tables = tables.get(part) if isinstance(tables, Mapping) else None
    return tables


def _meant(tables: Any, key: str) -> Any:
    """What a dotted key holds but for experiments: they say more about an effect, and do not make it another one."""
    return _untried(_entry(tables, key))


def _untried(entry: Any) -> Any:
    if isinstance(entry, list):
        return [_untried(one) for one in entry]
    if isinstance(entry, Mapping):
        return {key: one for key, one in entry.items() if key != EXPERIMENTS}
    return entry


def _not_followed(champion: Mapping[str, Any], now: Any) -> str:
    """What experiments have said since the thresholds in use were derived, which only a recalibration follows.

    Where the run that derived them is gone, what was said since the run in use.
    """
    home, origin = champion["path"].parent, champion["thresholds"].get("derived_by")
    folder = None if origin in (None, champion["run"]) else store.finished_run(home.parent, home.name, origin)
    before = (champion if folder is None else store.load_manifest(folder))["spec"]
    tried = _tried(before, now)
    return f"; they do not follow what experiments said since of {', '.join(tried)}" if tried else ""


def _tried(before: Any, now: Any) -> list[str]:
    """Whose experiments are others than before, where all else is the same."""
    levers = zip(_entry(before, "levers") or [], _entry(now, "levers") or [], strict=True)
    names = [lever["name"] for old, lever in levers if old.get(EXPERIMENTS) != lever.get(EXPERIMENTS)]
    shares = _entry(before, f"potential.{EXPERIMENTS}") != _entry(now, f"potential.{EXPERIMENTS}")
    return [*names, *(["the attainable share"] if shares else [])]
