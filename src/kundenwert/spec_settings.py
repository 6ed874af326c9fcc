"""Which settings a report shows, and whether each was given, is a default, or is a judgement."""

from typing import Any

from kundenwert.spec import ModelSpec

JUDGEMENTS = frozenset(
    {
        "potential.frontier",
        "potential.attainable",
        "potential.growth_cap",
        "segments.losses",
        "segments.switching_cost",
        "segments.resolvable",
    }
)
SHOWN = (
    "data.currency",
    "value.horizon",
    "value.discount_rate",
    "value.discounting",
    "value.margin",
    "value.cost_per_order",
    "value.cost_per_year_active",
    "value.cost_per_year_on_file",
    "value.deactivate_after",
    "value.acquisition_cost",
    "value.returns",
    "value.return_cost",
    "events.ahead",
    "events.allocation",
    "value.interval",
    "value.draws",
    "churn.horizon",
    "cohorts.by",
    "cohorts.pooling",
    "purchase.family",
    "spend.family",
    "inference.engine",
    "potential.basis",
    "potential.peers",
    "potential.frontier",
    "potential.attainable",
    "potential.growth_cap",
    "potential.wallet",
    "potential.share",
    "potential.frequency_lever",
    "segments.losses",
    "segments.switching_cost",
    "segments.dwell",
    "segments.look_ahead",
    "segments.resolvable",
    "budget.amount",
    "budget.holdout",
)


def settings_shown(spec: ModelSpec) -> dict[str, dict[str, Any]]:
    """Dotted key -> {"value", "origin"}; what the spec does not state is a default, or a judgement of ours.

    Keys of a table that the spec does not have are left out: nothing on the page rests on them.
    """
    shown = {}
    for key in SHOWN:
        table, name = key.split(".")
        keys = getattr(spec, table)
        if keys is None:
            continue
        value = getattr(keys, name)
        given = key in spec.given_keys
        origin = "given" if given else "judgement" if key in JUDGEMENTS else "default"
        shown[key] = {"value": None if value is None else _text(value), "origin": origin}
    return shown


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) and all(isinstance(v, str) for v in value) else str(value)
