"""Holds labels against what came and against known truth; writes tables of docs/validation.md.

Run with `uv run benchmarks/segment_validation.py --write`; it takes some minutes.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
import segment_stability
import segment_truth
from harness.output import REPOSITORY, put_between_markers, tell
from harness.tables import markdown
from segment_rivals import active, hiatus_cutoff, interval, means_of, order_by, rivals

import kundenwert as kw
from kundenwert.decisions.one_pass import assess
from kundenwert.decisions.segments import Segments
from kundenwert.names import SEGMENTS

PAGE = REPOSITORY / "docs" / "validation.md"
CUT = "1997-09-30"
HORIZON = "39 weeks"
DATA = ("cdnow", "cdnow_sample")
FAMILIES = ("mbgnbd", "bgnbd")
VALUABLE = ("most_valuable", "super_growth")
TOP = 0.2
SILENT_FROM = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9)  # marks of stated probabilities of silence


@dataclass(frozen=True, eq=False)
class Base:
    """Customers of CDNOW up to the cut, what they spent after it, and labels by both purchase models.

    Parameters
    ----------
    came : (customer,) spend of the holdout.
    bought : (customer,) whether there was any purchase in it.
    found : family -> labels, in revenue of the holdout's length.
    """

    name: str
    summary: kw.CustomerSummary
    came: np.ndarray
    bought: np.ndarray
    found: dict[str, Segments]
    cutoff: int

    @classmethod
    def of(cls, name: str) -> "Base":
        """Fitted to the calibration alone; one group of customers, thresholds derived from it."""
        log = getattr(kw.examples, name)()
        summary, holdout = kw.split(log, CUT, customer="customer_id", time="date", amount="spend", cohort="all")
        found = {}
        for family in FAMILIES:
            tell(f"{name}, {family}")
            posterior = kw.fit(summary, purchase=family, pooling="complete")
            found[family] = assess(posterior, summary, horizon=HORIZON, churn_horizon=HORIZON, discount_rate=0.0)
        came = holdout.table["spend"].to_numpy()
        bought = (holdout.table["purchases"] > 0).to_numpy()
        cutoff = hiatus_cutoff(log, log["date"].min(), pd.Timestamp(CUT))
        return cls(name, summary, came, bought, found, cutoff)

    @cached_property
    def heuristics(self) -> dict[str, np.ndarray]:
        """Name -> (customer,) rank."""
        return rivals(self.summary, self.cutoff)

    def expected(self, family: str) -> np.ndarray:
        """(customer,) actual value: revenue expected in the holdout."""
        return self.found[family].table["actual_value"].to_numpy()


def value_by_segment(bases: list[Base]) -> str:
    """What customers of a label brought in the holdout, on average."""
    lines = []
    for base, family in ((base, family) for base in bases for family in FAMILIES):
        labels = base.found[family].table["segment"].to_numpy()
        held = [label for label in SEGMENTS if (labels == label).any()]
        members = [labels == label for label in held]
        means, again = means_of(base.came, members)
        for label, inside, mean, samples in zip(held, members, means, again.T, strict=True):
            low, high = interval(samples)
            lines.append(
                [
                    f"{base.name}, {family}: {label}",
                    f"{inside.sum():,}",
                    f"{base.expected(family)[inside].mean():.2f}",
                    f"{mean:.2f}",
                    f"{low:.2f} to {high:.2f}",
                    f"{base.bought[inside].mean():.1%}",
                ]
            )
    return markdown(["data, model: label", "customers", "expected", "came", "95 %", "bought"], lines)


def lift(bases: list[Base]) -> str:
    """The most valuable, and as many by expected value, against as many by each heuristic."""
    lines, header = [], ["data, model: who", "customers", "brought", "times the average"]
    for base, family in ((base, family) for base in bases for family in FAMILIES):
        labels = base.found[family].table["segment"].to_numpy()
        for chosen in (VALUABLE, VALUABLE[:1]):
            inside = np.isin(labels, chosen)
            size, own = inside.sum(), order_by(base.expected(family))
            who = {" and ".join(chosen): inside, "as many by expected value": own < size}
            members = [*who.values(), *(rank < size for rank in base.heuristics.values())]
            means, again = means_of(base.came, members)
            for k, name in enumerate(who):
                cells = [f"{size:,}", f"{means[k]:.2f}", f"{means[k] / base.came.mean():.2f}"]
                cells += [against(means[k] - means[j], again[:, k] - again[:, j]) for j in range(2, len(members))]
                lines.append([f"{base.name}, {family}: {name}", *cells])
    return markdown([*header, *(f"more than by {name}" for name in bases[0].heuristics)], lines)


def against(difference: float, samples: np.ndarray) -> str:
    """A difference with its interval; bold where the other one wins beyond chance."""
    low, high = interval(samples)
    text = f"{difference:+.2f} ({low:+.2f} to {high:+.2f})"
    return f"**{text}**" if high < 0 else text


def future_best(bases: list[Base]) -> str:
    """Who of the fifth that brought most in the holdout was not in the fifth that was expected to."""
    lines = [["the rule of Malthouse and Blattberg", "55%", "15%", "", ""]]
    for base in bases:
        size = round(TOP * len(base.came))
        best = order_by(base.came) < size
        ranks = {f"{family}, expected value": order_by(base.expected(family)) for family in FAMILIES}
        ranks |= base.heuristics
        wrong = {name: ((rank < size) != best).astype(float) for name, rank in ranks.items()}
        found = {name: means_of(one, [best, ~best]) for name, one in wrong.items()}
        plain, plain_again = found["money spent"]
        for name, (missed, again) in found.items():
            lines.append(
                [
                    f"{base.name}: {name}",
                    *(f"{missed[k]:.1%} ({in_percent(again[:, k])})" for k in range(2)),
                    "" if name == "money spent" else in_points(missed[0] - plain[0], again[:, 0] - plain_again[:, 0]),
                    f"{base.came[ranks[name] < size].sum() / base.came.sum():.1%}",
                ]
            )
    header = ["taken for the best fifth by", "of the best fifth missed (95 %)", "of the others taken (95 %)"]
    return markdown([*header, "missed, points more than by money spent", "revenue of those taken"], lines)


def activity(bases: list[Base]) -> str:
    """Who buys in the holdout: the models' probability of none, and the hiatus heuristic."""
    lines = []
    for base in bases:
        hiatus = f"bought within {base.cutoff} weeks"
        best = max(range(1, 40), key=lambda weeks: (active(base.summary, weeks) == base.bought).mean())
        said = {
            f"{family}: silence less likely than not": base.found[family].table["churn_probability"].to_numpy() < 0.5
            for family in FAMILIES
        }
        said |= {hiatus: active(base.summary, base.cutoff)}
        said |= {f"bought within {best} weeks, the best in hindsight": active(base.summary, best)}
        said |= {"nobody buys": np.zeros(len(base.came), dtype=bool)}
        right = {name: (one == base.bought).astype(float) for name, one in said.items()}
        everybody = [np.ones(len(base.came), dtype=bool)]
        for name, one in said.items():
            mean, again = means_of(right[name], everybody)
            more, apart = means_of(right[name] - right[hiatus], everybody)
            lines.append(
                [
                    f"{base.name}: {name}",
                    f"{mean[0]:.1%} ({in_percent(again[:, 0])})",
                    "" if name == hiatus else in_points(more[0], apart[:, 0]),
                    f"{one[base.bought].mean():.1%}",
                    f"{(~one)[~base.bought].mean():.1%}",
                ]
            )
    header = ["who is said to buy", "right (95 %)", "points more than by hiatus", "of buyers", "of the others"]
    return markdown(header, lines)


def in_percent(samples: np.ndarray) -> str:
    """An interval of a share."""
    low, high = interval(samples)
    return f"{low:.1%} to {high:.1%}"


def in_points(difference: float, samples: np.ndarray) -> str:
    """A difference of two shares with its interval."""
    low, high = interval(samples)
    return f"{100 * difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def churn(bases: list[Base]) -> str:
    """Stated probabilities of silence against what came, for one-time and repeat buyers apart."""
    return markdown(
        ["data, model, customers", "stated", "customers", "silence stated", "silence came (standard error)"],
        [line for base in bases[:1] for family in FAMILIES for line in churn_lines(base, family)],
    )


def churn_lines(base: Base, family: str) -> Iterator[list[str]]:
    """One line a range of stated probability, and one for all."""
    stated = base.found[family].table["churn_probability"].to_numpy()
    repeat = base.summary.table["frequency"].to_numpy() > 0
    marks = [*SILENT_FROM, 1.0]
    for group, inside in (("bought once", ~repeat), ("bought again", repeat)):
        ranges = [(f"{low:.0%} to {high:.0%}", (stated >= low) & ((stated < high) | (high == 1.0)))
                  for low, high in pairwise(marks)]  # fmt: skip
        for text, between in [*ranges, ("all", np.ones(len(stated), dtype=bool))]:
            here = inside & between
            if not here.any():
                continue
            expected, silent = stated[here], ~base.bought[here]
            error = float(np.sqrt((expected * (1 - expected)).sum())) / here.sum()
            yield [
                f"{base.name}, {family}, {group}",
                text,
                f"{here.sum():,}",
                f"{expected.mean():.3f}",
                f"{silent.mean():.3f} ({error:.3f})",
            ]


HOLDOUT: dict[str, Callable[[list[Base]], str]] = {
    "segment-value": value_by_segment,
    "segment-lift": lift,
    "segment-best": future_best,
    "segment-activity": activity,
    "segment-churn": churn,
}
OTHERS: dict[str, Callable[[], str]] = {
    "segment-calibration": segment_truth.calibration,
    "segment-abstention": segment_truth.abstention,
    "segment-seeds": segment_stability.seeds,
    "segment-flicker": segment_stability.flicker,
}


def main(arguments: list[str] | None = None) -> int:
    """Print the tables, and put them into docs/validation.md where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/validation.md")
    parser.add_argument("--only", action="append", choices=[*HOLDOUT, *OTHERS], help="default: all of them")
    asked = parser.parse_args(arguments)
    wanted = asked.only or [*HOLDOUT, *OTHERS]
    bases = [Base.of(name) for name in DATA] if set(wanted) & set(HOLDOUT) else []
    for place in wanted:
        tell(place)
        text = HOLDOUT[place](bases) if place in HOLDOUT else OTHERS[place]()
        sys.stdout.write(f"{text}\n\n")
        if asked.write:
            put_between_markers(PAGE, place, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
