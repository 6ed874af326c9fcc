"""Customers, events, returns, wallets, levers, packages and budget in a spec: checked, used, and shown."""

from pathlib import Path
from typing import Any

import pytest

from kundenwert.errors import SpecError
from kundenwert.names import Allocation, Journey
from kundenwert.spec import NOT_USED_YET, ModelSpec, load_spec
from kundenwert.spec_money import ValueSpec
from kundenwert.spec_settings import SHOWN, settings_shown
from kundenwert.spec_wording import given_keys, known_keys
from kundenwert.units import Horizon
from spec_world import EVERYTHING, ZERO_ONE, lever, mistakes_of, spec_with


def leaves(model: type[ModelSpec]) -> set[str]:
    """Known keys that are no tables of further keys."""
    keys = known_keys(model)
    return {key for key in keys if not any(other.startswith(f"{key}.") for other in keys)}


def test_the_fullest_spec_states_every_key() -> None:
    """Else a key that comes later would go untested below."""
    in_lists = ("levers.", "potential.experiments.")
    stated = {key.removesuffix(".mail") for key in given_keys(EVERYTHING)} - {"levers", "potential.experiments"}
    assert {key for key in leaves(ModelSpec) if not key.startswith(in_lists)} - stated == {"potential.share"}
    of_levers = {f"levers.{key}" for table in EVERYTHING["levers"] for key in given_keys(table)}
    trials = {
        f"levers.experiments.{key}" for lever in EVERYTHING["levers"] for t in lever.get("experiments", ()) for key in t
    }
    assert {key for key in leaves(ModelSpec) if key.startswith("levers.")} == (of_levers | trials) - {
        "levers.experiments"
    }


def test_every_mistake_about_money_and_actions_comes_in_the_same_message(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(
        """
name = "shop"
[data]
source = "orders.csv"
[customers]
objektion = "objected"
[events]
sourc = "events.csv"
ahead = "per_ordr"
[value]
cost_per_order = -1
return_cost = 2.5
[potential]
attainable = [2.0]
growth_kap = 0.1
wallet = "column:wallet"
share = "column:share"
[[levers]]
name = "mail"
effect = {on = "retention", mean = 0.5, sd = 0.6}
side_effect = 0.1
[[levers]]
name = "mail"
effect = {on = "frequency", mean = 0.03}
journey = ["retension"]
[segments.packages]
dormnt = []
most_valuable = ["mial"]
[budget]
holdout = 1.0
capacities = {call = 200}
""",
        encoding="utf-8",
    )
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    expected = (
        "customers.source: this key is missing. Add source = ... to [customers].",
        "customers.objektion: this key is not known. Did you mean 'objection'?",
        "events.source: this key is missing. Add source = ... to [events].",
        "events.sourc: this key is not known. Did you mean 'source'?",
        "events.ahead: 'per_ordr' is not known. Did you mean 'per_order'?",
        "value.cost_per_order: a cost must not be negative, not -1.",
        "potential.attainable: [2.0] is not the two shapes of a Beta distribution.",
        "potential.growth_kap: this key is not known. Did you mean 'growth_cap'?",
        "levers[1].effect.sd: sd = 0.6 is too wide for a share with mean = 0.5: it must be below 0.5.",
        "levers[2].effect.sd: mean and sd belong together.",
        "levers[2].journey: 'retension' is not known. Did you mean 'retention'?",
        "segments.packages.dormnt: this key is not known. Did you mean 'dormant'?",
        "budget.holdout: 1.0 is not possible: it must be below 1.",
        "value.return_cost: a cost is taken from contribution, and without a margin there is only revenue.",
        "events: costs of events are taken from contribution",
        "potential.share: a share and a wallet say the same thing of a customer.",
        "levers: 2 of them are called 'mail'.",
        "segments.packages.most_valuable: no lever is called 'mial'. Did you mean 'mail'?",
        "budget.capacities.call: no lever has this channel. Add it to [[levers]].",
    )
    found = caught.value.mistakes
    assert [part for part in expected if not any(mistake.startswith(part) for mistake in found)] == []
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"events": 3}, "events: 3 is not a table. Write [events] and its keys below."),
        ({"customers": {"source": "c.csv", "removed": ""}}, "customers.removed: empty text says nothing."),
        ({"value": {"returns": "net"}}, "value.returns: 'net' is not known. Did you mean 'netted'?"),
        ({"value": {"discounting": "daily"}}, "value.discounting: 'daily' is not known."),
        ({"value": {"deactivate_after": 18}}, "value.deactivate_after: 18 is not text."),
        (
            {"value": {"margin": 0.3, "return_cost": "2"}},
            "value.return_cost: '2' is neither a number nor 'column:NAME'.",
        ),
        ({"value": {"cost_per_order": "column:k"}}, "value.cost_per_order: a cost is taken from contribution"),
        (
            {"potential": {"wallet": "wallet"}},
            "potential.wallet: 'wallet' is not 'column:NAME'. Write 'column:wallet'.",
        ),
        ({"potential": {"share": 0.4}}, "potential.share: 0.4 is not 'column:NAME'."),
        (
            {"potential": {"attainable": [2.0, 0.0]}},
            "potential.attainable[2]: 0.0 is not possible: it must be above 0.",
        ),
        ({"potential": {"growth_cap": -0.1}}, "potential.growth_cap: -0.1 is not possible: it must be at least 0."),
        ({"potential": {"wallet_error": 0.2}}, "potential.wallet_error: there is no potential.wallet"),
        (
            {"potential": {"wallet": "column:w", "wallet_error": -0.2}},
            "potential.wallet_error: a standard error must not be negative, not -0.2.",
        ),
        ({"potential": {"wallet_covariates": ["region"]}}, "potential.wallet_covariates: they carry wallets over"),
        (
            {"potential": {"frequency_lever": "fixed_hazrd"}},
            "potential.frequency_lever: 'fixed_hazrd' is not known. Did you mean 'fixed_hazard'?",
        ),
        (
            {"potential": {"experiments": [{"n": 10, "successes": 3}]}},
            "potential.experiments: a count says nothing of the share of a gap that was closed.",
        ),
        ({"levers": {"name": "mail"}}, "levers: a table is not a list."),
        (lever(effect={"on": "retention", "mean": 1.2, "sd": 0.1}), "levers[1].effect.sd: mean = 1.2 is not a share."),
        (lever(effect={"on": "spend", "sd": 0.1}), "levers[1].effect.sd: mean and sd belong together."),
        (lever(take_up={"mean": 0.05, "sd": 0.3}), "levers[1].take_up.sd: sd = 0.3 is too wide for a share"),
        (lever(take_up=0.05), "levers[1].take_up: 0.05 is not a table."),
        (lever(side_effect=0.1), "levers[1].side_effect: only effect.on = 'cost_to_serve' has one"),
        (
            {**lever(fee_per_order=2), "value": {"margin": 0.3}},
            "levers[1].fee_per_order: only effect.on = 'cost_to_serve' has one",
        ),
        (
            lever(effect={"on": "cost_to_serve"}, side_effect=0),
            "levers[1].side_effect: 0 is not possible: it must be above 0.",
        ),
        (
            lever(experiments=[{"n": 9, "successes": 10}]),
            "levers[1].experiments[1].successes: 10 of 9 is more than all",
        ),
        (lever(experiments=[{"n": 9}]), "levers[1].experiments[1].se: a trial found either successes, or a mean"),
        (lever(experiments=[{"n": 9, "mean": 0.1}]), "levers[1].experiments[1].se: a trial found either successes"),
        (lever(experiments=[{"n": 9, "se": 0.1}]), "levers[1].experiments[1].se: a trial found either successes"),
        (
            lever(experiments=[{"n": 9, "successes": 1, "mean": 0.1, "se": 0.1}]),
            "levers[1].experiments[1].se: a trial found either successes",
        ),
        (
            lever(effect={"on": "retention"}, experiments=[{"n": 9, "successes": 1}]),
            "levers[1].experiments: only those who come back can be counted: effect.on = 'retention' needs mean and se",
        ),
        (lever(journey="retention"), "levers[1].journey: 'retention' is not a list."),
        (lever(journey=[]), "levers[1].journey: an empty list says nothing."),
        (lever(customize="transparnt"), "levers[1].customize: 'transparnt' is not known. Did you mean 'transparent'?"),
        (lever(customise="adaptive"), "levers[1].customise: this key is not known. Did you mean 'customize'?"),
        ({"segments": {"losses": "lever"}}, "segments.losses: 'lever' is not known. Did you mean 'levers'?"),
        ({"segments": {"losses": "levers"}}, "segments.losses: 'levers' derives losses from what levers gain"),
        (
            {**lever(), "segments": {"packages": {"dormant": ["mail"] * 3}}},
            "segments.packages.dormant: 3 entries are too many: 2 at most.",
        ),
        (
            {**lever(), "segments": {"packages": {"dormant": ["phone"]}}},
            "segments.packages.dormant: no lever is called 'phone'. Known: mail.",
        ),
        ({"segments": {"packages": []}}, "segments.packages: [] is not a table."),
        ({"segments": {"resolvable": -1}}, "segments.resolvable: -1 is not possible: it must be at least 0."),
        ({"budget": {"capacities": 3}}, "budget.capacities: 3 is not a table. Write [budget.capacities]"),
        (
            {**lever(channel="call"), "budget": {"capacities": {"call": 1.5}}},
            "budget.capacities.call: 1.5 is not a whole number.",
        ),
        (
            {**lever(channel="call"), "budget": {"capacities": {"cal": 10}}},
            "budget.capacities.cal: no lever has this channel. Did you mean 'call'?",
        ),
    ],
)
def test_impossible_values_about_money_and_actions_are_named(tables: dict[str, Any], message: str) -> None:
    mistakes = mistakes_of(**tables)
    assert len(mistakes) == 1
    assert mistakes[0].startswith(message)


def test_keys_of_later_versions_are_accepted_checked_and_listed() -> None:
    spec = ModelSpec.from_mapping(EVERYTHING)
    assert NOT_USED_YET == spec.not_used == ("gate.holdout",)
    assert spec_with(potential={"share": "column:share"}).not_used == ()


def test_what_a_spec_states_is_what_it_holds() -> None:
    spec = ModelSpec.from_mapping(EVERYTHING)
    assert spec.events is not None
    assert spec.events.allocation is Allocation.PER_EVENT
    assert spec.value.cost_per_order == "column:handling"
    assert spec.levers[0].duration == Horizon(26, "week")
    assert spec.levers[0].journey == (Journey.RETENTION, Journey.REACTIVATION)
    assert spec.levers[1].effect.mean is None
    assert spec.segments.packages.dormant == ("win-back mail",)
    assert spec.segments.loss_matrix is None  # it is derived from the levers
    assert spec_with(segments={"losses": ZERO_ONE}).segments.loss_matrix == tuple(map(tuple, ZERO_ONE))
    assert spec.budget.capacities == {"mail": 4000}


def test_all_settings_that_something_rests_on_are_shown() -> None:
    shown = settings_shown(ModelSpec.from_mapping(EVERYTHING))
    assert set(SHOWN) <= set(known_keys(ModelSpec))
    assert not set(SHOWN) & set(NOT_USED_YET)
    assert tuple(shown) == SHOWN
    assert shown["value.horizon"] == {"value": "2 years", "origin": "given"}
    assert shown["value.cost_per_order"] == {"value": "column:handling", "origin": "given"}
    assert shown["events.allocation"] == {"value": "per_event", "origin": "given"}
    assert shown["potential.peers"] == {"value": "cohort, channel", "origin": "given"}
    assert shown["segments.losses"] == {"value": "levers", "origin": "given"}
    plain = settings_shown(spec_with())
    assert shown.keys() - plain.keys() == {"events.ahead", "events.allocation"}  # of a table that is not there
    assert {f"value.{key}" for key in ValueSpec.model_fields} <= shown.keys()
    assert plain["data.currency"] == {"value": None, "origin": "default"}
    assert plain["potential.frontier"] == {"value": "0.8", "origin": "judgement"}
    assert plain["value.deactivate_after"] == {"value": None, "origin": "default"}
