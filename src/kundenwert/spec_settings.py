"""Which settings a report shows, and whether each was given, is a default, or is a judgement."""

from typing import Any

from kundenwert.spec import ModelSpec

JUDGEMENTS = frozenset({"potential.frontier", "segments.losses"})
SHOWN = (
    "value.horizon",
    "value.discount_rate",
    "value.margin",
    "value.cost_per_order",
    "value.cost_per_year_active",
    "value.cost_per_year_on_file",
    "value.acquisition_cost",
    "value.interval",
    "churn.horizon",
    "cohorts.by",
    "cohorts.pooling",
    "purchase.family",
    "spend.family",
    "inference.engine",
    "potential.frontier",
    "segments.losses",
)


def settings_shown(spec: ModelSpec) -> dict[str, dict[str, Any]]:
    """Dotted key -> {"value", "origin"}; what the spec does not state is a default, or a judgement of ours."""
    shown = {}
    for key in SHOWN:
        table, name = key.split(".")
        value = getattr(getattr(spec, table), name)
        given = key in spec.given_keys
        origin = "given" if given else "judgement" if key in JUDGEMENTS else "default"
        shown[key] = {"value": None if value is None else str(value), "origin": origin}
    return shown
