"""Cohorts: customers acquired in the same period or by the same channel, and how small ones join others."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pandas as pd

from kundenwert.errors import UsageError, did_you_mean

CALENDAR = ("day", "week", "month", "quarter", "year")
ALL = "all"
OTHER = "other"
COLUMN = "column:"
SPAN = ".."
PEERS = " x "
"""Between a cohort and the peer group within it: `1997-01 x web`. No cohort that peers are added to holds it itself."""


@dataclass(frozen=True)
class CohortRule:
    """How customers are put into cohorts.

    Parameters
    ----------
    by : `day | week | month | quarter | year` of the first purchase, `column:NAME`, or `all`.
    min_customers : smaller cohorts join others; 0 keeps all as they are.
    """

    by: str
    min_customers: int = 0

    def __post_init__(self) -> None:
        known = [*CALENDAR, ALL]
        if self.by not in known and not (self.by.startswith(COLUMN) and len(self.by) > len(COLUMN)):
            hint = did_you_mean(self.by, known)
            raise UsageError(f"cohort {self.by!r} is not known.{hint} Use one of {', '.join(known)}, or 'column:NAME'.")
        if self.min_customers < 0:
            raise UsageError(f"min_customers must not be negative, not {self.min_customers}.")

    @property
    def column(self) -> str | None:
        """The input's column that holds the cohort, if one does."""
        return self.by.removeprefix(COLUMN) if self.by.startswith(COLUMN) else None


def calendar_labels(first_day: "pd.Series[pd.Timestamp]", by: str) -> "pd.Series[str]":
    """Labels that sort as time does.

    Parameters
    ----------
    first_day : (customer,) day of the first purchase.
    by : `day | week | month | quarter | year | all`.

    Returns
    -------
    (customer,) labels: `1997-01-31`, `1997-W05` (ISO year and week), `1997-01`, `1997Q1`, `1997`, `all`.

    Examples
    --------
    >>> first = pd.Series(pd.to_datetime(["1996-12-30", "1997-01-31"]))
    >>> [calendar_labels(first, by).tolist() for by in ("week", "quarter")]
    [['1997-W01', '1997-W05'], ['1996Q4', '1997Q1']]
    """
    day = first_day.dt
    year = day.year.astype(str)
    if by == "all":
        return pd.Series(ALL, index=first_day.index, dtype="str")
    if by == "week":
        # 30 December 1996 belongs to the first ISO week of 1997: the ISO year goes with the ISO week.
        iso = day.isocalendar()
        return iso["year"].astype(str) + "-W" + iso["week"].astype(str).str.zfill(2)
    if by == "quarter":
        return year + "Q" + day.quarter.astype(str)
    return day.strftime({"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[by])


def merge_small(labels: "pd.Series[str]", rule: CohortRule) -> tuple["pd.Series[str]", tuple[str, ...]]:
    """Let small cohorts join others.

    A small calendar cohort joins the next earlier one, the first one the next later, repeated in the order of time
    until none is small; a merged cohort is labelled `1997-01..1997-02`. Small column cohorts join `other`.

    Parameters
    ----------
    labels : (customer,) cohort labels.
    rule : by what, and how many customers a cohort needs.

    Returns
    -------
    (customer,) labels, and one sentence for each merge, for the manifest.

    Examples
    --------
    >>> labels = pd.Series(["1997-01"] * 5 + ["1997-02"] * 2)
    >>> merge_small(labels, CohortRule("month", 3))[0].unique().tolist()
    ['1997-01..1997-02']
    """
    sizes = labels.value_counts().sort_index()
    small = sizes.index[sizes < rule.min_customers]
    if rule.by == ALL or small.empty:
        return labels, ()
    if rule.column is not None:
        target = dict.fromkeys(small, OTHER)
    else:
        target = _neighbors(list(sizes.index), list(sizes), rule.min_customers)
    merged = labels.replace(target)
    left = merged.value_counts()
    notes = [
        f"cohort {label} joined {target[label]}: {sizes[label]:,} customers, fewer than {rule.min_customers:,}"
        for label in small
        if target.get(label, label) != label
    ]
    notes += [
        f"cohort {label} stays small: {left[label]:,} customers, fewer than {rule.min_customers:,}"
        for label in left.index[left < rule.min_customers]
    ]
    return merged, tuple(notes)


def _neighbors(labels: Sequence[str], sizes: Sequence[int], least: int) -> dict[str, str]:
    """Label -> label of the merged cohort, for calendar cohorts in order of time."""
    groups = [([label], size) for label, size in zip(labels, sizes, strict=True)]
    while len(groups) > 1:
        at = next((i for i, (_, size) in enumerate(groups) if size < least), None)
        if at is None:
            break
        # Every group before the first small one is kept already, so its neighbor is the next earlier kept cohort.
        start = max(at - 1, 0)
        (earlier, n), (later, k) = groups[start : start + 2]
        groups[start : start + 2] = [([*earlier, *later], n + k)]
    return {label: _span(members[0], members[-1]) for members, _ in groups if len(members) > 1 for label in members}


def _span(first: str, last: str) -> str:
    """The label of a merged cohort; what it joins may be merged already."""
    return first.partition(SPAN)[0] + SPAN + last.rpartition(SPAN)[2]


def merge_small_groups(
    cohorts: "pd.Series[str]", peers: "pd.Series[str]", rule: CohortRule
) -> tuple["pd.Series[str]", tuple[str, ...]]:
    """Labels of peer groups within cohorts, small ones merged.

    A peer group that is small over all cohorts joins `other`. Within a peer group small cohorts then join as they do
    without peers, so that nobody is put among peers of another kind while there are enough of his own.

    Parameters
    ----------
    cohorts, peers : (customer,) labels.
    rule : what the cohorts are of, and how many customers a group needs.

    Returns
    -------
    (customer,) labels, and one sentence for each merge, for the manifest.

    Examples
    --------
    >>> month = pd.Series(["1997-01"] * 5 + ["1997-02"] * 2 + ["1997-02"])
    >>> channel = pd.Series(["web"] * 7 + ["shop"])
    >>> merge_small_groups(month, channel, CohortRule("month", 3))[0].unique().tolist()
    ['1997-01..1997-02 x web', '1997-02 x other']
    """
    sizes = peers.value_counts().sort_index()
    rare = sizes.index[sizes < rule.min_customers]
    notes = [
        f"peers {peer} joined {OTHER}: {sizes[peer]:,} customers, fewer than {rule.min_customers:,}"
        for peer in rare
        if peer != OTHER
    ]
    peers, merged = peers.mask(peers.isin(rare), OTHER), cohorts.copy()
    for peer, group in cohorts.groupby(peers):
        merged[group.index], joined = merge_small(group, rule)
        notes += [f"among {peer}: {note}" for note in joined]
    return merged + PEERS + peers, tuple(notes)


def map_to_known(labels: "pd.Series[str]", known: Sequence[str], *, peers: bool = False) -> "pd.Series[str]":
    """Labels as an earlier merge calls them: inside a span `1997-01..1997-03`, or `other` for columns and peers.

    Parameters
    ----------
    labels : (customer,) labels before any merge.
    known : labels of the earlier fit; what none of them holds stays as it is.
    peers : whether both hold a peer group besides the cohort.

    Examples
    --------
    >>> map_to_known(pd.Series(["1997-02", "1997-04"]), ["1997-01..1997-03"]).tolist()
    ['1997-01..1997-03', '1997-04']
    >>> map_to_known(pd.Series(["1997-02 x fax"]), ["1997-01..1997-03 x other"], peers=True).tolist()
    ['1997-01..1997-03 x other']
    """
    groups: dict[str, list[str]] = {}
    for label in known:
        cohort, peer = _parted(label, peers)
        groups.setdefault(peer, []).append(cohort)
    texts, names = labels.astype(str), {}
    for label in texts.unique():
        cohort, peer = _parted(label, peers)
        if peer not in groups and OTHER in groups:
            peer = OTHER
        name = _known_cohort(cohort, groups.get(peer, ()))
        names[label] = name + PEERS + peer if peers else name
    return texts.map(names)


def _parted(label: str, peers: bool) -> tuple[str, str]:
    """The cohort, and the peer group within it; all of a label is cohort where it holds no peers."""
    cohort, _, peer = label.partition(PEERS) if peers else (label, "", "")
    return cohort, peer


def _known_cohort(label: str, known: Collection[str]) -> str:
    spans = [(span, *span.split(SPAN)) for span in known if span.count(SPAN) == 1]
    inside = [span for span, first, last in spans if first <= label <= last]
    return label if label in known else inside[0] if inside else OTHER if OTHER in known else label
