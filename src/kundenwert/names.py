"""The closed lists of names that other programs read: they change only with the format version."""

from enum import StrEnum

FORMAT_VERSION = 1


class FamilyName(StrEnum):
    """What a model says."""

    BGNBD = "bgnbd"
    MBGNBD = "mbgnbd"
    GAMMA_GAMMA = "gamma_gamma"


class EngineName(StrEnum):
    """How a posterior is computed."""

    AUTO = "auto"
    NUTS = "nuts"
    IMPORTANCE = "importance"
    GIBBS = "gibbs"


class Pooling(StrEnum):
    """How cohorts share strength."""

    NONE = "none"
    PARTIAL = "partial"
    COMPLETE = "complete"


class Verdict(StrEnum):
    """The outcome of a check, or of all checks together."""

    PASS = "PASS"
    REVIEW = "REVIEW"
    FAIL = "FAIL"


class State(StrEnum):
    """The six states of nature that a segment label is a decision about (docs/statistics.md, Segments)."""

    MOST_VALUABLE = "most_valuable"
    SUPER_GROWTH = "super_growth"
    MOST_GROWABLE = "most_growable"
    LOW_MAINTENANCE = "low_maintenance"
    BELOW_ZERO = "below_zero"
    DORMANT = "dormant"


MIGRATOR = "migrator"
STATES: tuple[State, ...] = tuple(State)
SEGMENTS: tuple[str, ...] = (*(s.value for s in STATES), MIGRATOR)


class Status(StrEnum):
    """How firm a label is; `segment` is `migrator` exactly where the status is `undecided`."""

    DECIDED = "decided"
    UNDECIDED = "undecided"
    BORDERLINE = "borderline"


class Flag(StrEnum):
    """What a reader of one customer's row must know."""

    STRUCTURAL_ALIVE = "structural_alive"  # P(alive) is 1 by construction: BG/NBD, no repeat purchase
    UNPROVEN = "unproven"  # no proof of life, so no potential is credited
    NO_REPEAT_SPEND = "no_repeat_spend"  # spend comes from the cohort alone
    NEW_COHORT = "new_cohort"  # scored with a cohort that the run has not seen
    FIXABLE_BZ = "fixable_bz"  # below zero today, above with the potential realized
    BZ_UNCONFIRMED = "bz_unconfirmed"  # below zero is likely, its preconditions do not hold
    NO_MEAN_SPEND = "no_mean_spend"  # the mean of spend does not exist on some draw
    EARLY_REFUND = "early_refund"  # a refund before the first purchase was ignored


class PotentialBasis(StrEnum):
    """What potential value rests on."""

    PEERS = "peers"
    WALLET = "wallet"
    LEVERS = "levers"


CUSTOMER_COLUMNS: tuple[str, ...] = (
    "customer_id",
    "cohort",
    "frequency",
    "recency",
    "T",
    "monetary_value",
    "realized_value",
    "p_alive",
    "churn_probability",
    "expected_purchases",
    "actual_value",
    "actual_value_low",
    "actual_value_high",
    "potential_value",
    "unrealized_value",
    "potential_basis",
    *(f"p_{s.value}" for s in STATES),
    "segment",
    "status",
    "expected_loss",
    "action",
    "expected_gain",
    "flags",
)

SUMMARY_COLUMNS: tuple[str, ...] = (
    "customer_id",
    "cohort",
    "frequency",
    "recency",
    "T",
    "monetary_value",
    "spend_days",
    "orders",
    "first_amount",
    "gross",
    "refunds",
    "first_day",
    "last_day",
)

# The columns of a summary made here: further ones, of the log or of a user's own summary, come after them.
SUMMARY_TABLE: tuple[str, ...] = (*SUMMARY_COLUMNS, "early_refund")
