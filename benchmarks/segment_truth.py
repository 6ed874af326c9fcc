"""Labels against known truth: are stated probabilities right, and is what is decided right more often.

Uses `segment_worlds`: customers simulated order by order, in worlds whose parameters differ.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from harness.tables import markdown
from segment_worlds import THETA, Known, study

from kundenwert.decisions.losses import Losses
from kundenwert.names import STATES

RELIABILITY = np.array([0.0, 0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98, 1.0])
COVERAGE = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
NAMES = [state.value for state in STATES]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Stated probabilities of all customers and states, by size; each (range,).

    Parameters
    ----------
    pairs : customers times states.
    stated, came : mean probability, and share for whom it was true.
    error : standard error of the difference, from what differs between worlds, at least that of independent pairs.
    """

    pairs: np.ndarray
    stated: np.ndarray
    came: np.ndarray
    error: np.ndarray


def reliability(found: tuple[Known, ...]) -> Reliability:
    """By ranges of `RELIABILITY`."""
    ranges = len(RELIABILITY) - 1
    sums = np.zeros((len(found), 4, ranges))  # pairs, stated, came, variance
    for number, one in enumerate(found):
        chance, true = one.stated.ravel(), (one.truth[:, None] == np.arange(len(STATES))).ravel()
        inside = np.clip(np.digitize(chance, RELIABILITY) - 1, 0, ranges - 1)
        for k, values in enumerate((np.ones_like(chance), chance, true, chance * (1 - chance))):
            sums[number, k] = np.bincount(inside, weights=values, minlength=ranges)
    pairs, stated, came, variance = sums.sum(axis=0)
    surprise = sums[:, 2] - sums[:, 1]
    between = surprise.std(axis=0, ddof=1) * len(found) ** 0.5
    return Reliability(pairs, stated / pairs, came / pairs, np.maximum(between, variance**0.5) / pairs)


def brier(found: tuple[Known, ...]) -> np.ndarray:
    """(state, 2) mean squared error of stated probabilities, and of each world's share of customers in the state."""
    errors = []
    for one in found:
        true = one.truth[:, None] == np.arange(len(STATES))
        errors.append([((one.stated - true) ** 2).mean(axis=0), true.mean(axis=0) * (1 - true.mean(axis=0))])
    return np.asarray(errors).mean(axis=0).T


def calibration() -> str:
    """Reliability by stated probability, and Brier scores by state."""
    both = {family: study(family) for family in THETA}
    curves = {family: reliability(found) for family, found in both.items()}
    lines = []
    for k, (low, high) in enumerate(pairwise(RELIABILITY)):
        cells = [f"{low:.0%} to {high:.0%}"]
        for one in curves.values():
            cells += [f"{one.pairs[k]:,.0f}", f"{one.stated[k]:.4f}", f"{one.came[k]:.4f} ({one.error[k]:.4f})"]
        lines.append(cells)
    columns = [f"{family}: {name}" for family in both for name in ("pairs", "stated", "true (standard error)")]
    scores = {family: brier(found) for family, found in both.items()}
    by_state = [
        [name, *(f"{score[k, j]:.4f}" for score in scores.values() for j in (0, 1))] for k, name in enumerate(NAMES)
    ]
    header = [f"{family}: {name}" for family in both for name in ("Brier score", "of the share alone")]
    return f"{markdown(['stated', *columns], lines)}\n\n{markdown(['state', *header], by_state)}"


def losses_of(found: tuple[Known, ...], which: str) -> tuple[np.ndarray, np.ndarray]:
    """(customer,) whether a label is right, and what it costs, over all worlds."""
    label, truth = (np.concatenate([getattr(one, name) for one in found]) for name in (which, "truth"))
    return label == truth, Losses().array[label, truth]


def abstention() -> str:
    """What is decided against what is not, what less coverage brings, and other rules."""
    lines, curve, rules = [], [], []
    for family in THETA:
        found = study(family)
        right, loss = losses_of(found, "label")
        status = np.concatenate([one.status for one in found])
        for name in ("decided", "borderline", "undecided"):
            here = status == name
            lines.append([f"{family}, {name}", f"{here.mean():.1%}", *_rates(right[here], loss[here])])
        order = np.argsort(np.concatenate([one.risk for one in found]), kind="stable")
        kept = [order[: round(share * len(order))] for share in COVERAGE]
        curve.append([f"{family}, right", *(f"{right[rows].mean():.1%}" for rows in kept)])
        curve.append([f"{family}, loss", *(f"{loss[rows].mean():.3f}" for rows in kept)])
        for text, which in (
            ("least expected loss", "label"),
            ("most probable state", "likeliest"),
            ("state of expected values", "plugged"),
        ):
            rules.append([f"{family}, {text}", *_rates(*losses_of(found, which))])
    rates = ["right (standard error)", "loss (standard error)"]
    return "\n\n".join(
        [
            markdown(["", "customers", *rates], lines),
            markdown(["labels kept, those of least expected loss", *(f"{share:.0%}" for share in COVERAGE)], curve),
            markdown(["everybody labelled by", *rates], rules),
        ]
    )


def _rates(right: np.ndarray, loss: np.ndarray) -> list[str]:
    error = len(loss) ** -0.5
    return [
        f"{right.mean():.1%} ({100 * right.std() * error:.1f})",
        f"{loss.mean():.3f} ({loss.std() * error:.3f})",
    ]
