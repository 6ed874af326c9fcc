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
    OBJECTED = "objected"  # objected to profiling: counted in every total, named in no list, no action
    COMPLAINT_OPEN = "complaint_open"  # a complaint is open: nothing is sold to the customer, below zero is not said
    PAID_BACK = "paid_back"  # has brought in what acquiring the customer cost
    HELD = "held"  # another label costs less, but by too little, or the present one is too young
    BEYOND_WALLET = "beyond_wallet"  # the levers promise more than the wallet leaves room for
    WALLET_IMPUTED = "wallet_imputed"  # no wallet is known: it was drawn from those of like customers
    REMOVED = "removed"  # has died, is insolvent or is to be deleted: worth nothing any more
    STOP_MARKETING = "stop_marketing"  # below zero: stop active investment, the most that is said without a person


class PotentialBasis(StrEnum):
    """What potential value rests on."""

    PEERS = "peers"
    WALLET = "wallet"
    LEVERS = "levers"


class EventAhead(StrEnum):
    """Whether cost events of the past are expected to go on."""

    PER_ORDER = "per_order"  # each order to come costs what the customer's orders cost so far, shrunk to the cohort's
    IGNORED = "ignored"


class Allocation(StrEnum):
    """By what a cost event of nobody in particular is shared among customers."""

    PER_ORDER = "per_order"
    PER_EVENT = "per_event"
    PER_AMOUNT = "per_amount"


class Returns(StrEnum):
    """Where refunds are counted; in one place, never in both."""

    NETTED = "netted"  # taken off the amounts before the spend model sees them
    MODELLED = "modelled"  # the spend model sees what was paid first, and a return share comes off its forecast


class Discounting(StrEnum):
    """When a payment to come is discounted."""

    CONTINUOUS = "continuous"  # at its own moment
    DISCRETE = "discrete"  # at the end of the period it falls into


class LeverOn(StrEnum):
    """What about a customer a lever changes."""

    REACTIVATION = "reactivation"
    RETENTION = "retention"
    FREQUENCY = "frequency"
    SPEND = "spend"
    COST_TO_SERVE = "cost_to_serve"
    VIP = "vip"


class FrequencyLever(StrEnum):
    """What stays as it is while a lever raises the rate of orders (docs/statistics.md, Potential value)."""

    FIXED_HAZARD = "fixed_hazard"  # the lifetime: more orders in the same time
    FIXED_P = "fixed_p"  # the dropout probability of an order: the same number of orders in less time


class Customize(StrEnum):
    """How an action treats customers differently (Gilmore and Pine 1997)."""

    COLLABORATIVE = "collaborative"
    TRANSPARENT = "transparent"
    ADAPTIVE = "adaptive"
    COSMETIC = "cosmetic"


class Journey(StrEnum):
    """The phase of a customer's journey that a lever is meant for."""

    AWARENESS = "awareness"
    CONSIDERATION = "consideration"
    PURCHASE = "purchase"
    RETENTION = "retention"
    ADVOCACY = "advocacy"
    REACTIVATION = "reactivation"


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

# After the contract's columns, in this order, each only where what it rests on is known.
EXTRA_COLUMNS: tuple[str, ...] = (
    "payback_probability",
    "payback_time",
    "label_since",
    "held_out",
    "propensity",
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
