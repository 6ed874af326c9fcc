"""The spec: defaults, every mistake in one message, and what its README says."""

import datetime
import re
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from kundenwert.errors import SpecError, UsageError
from kundenwert.inference.engines import Nuts
from kundenwert.names import (
    Allocation,
    Customize,
    Discounting,
    EngineName,
    EventAhead,
    FamilyName,
    FrequencyLever,
    Journey,
    LeverOn,
    Pooling,
    Returns,
)
from kundenwert.spec import NOT_USED_YET, ModelSpec, load_spec
from kundenwert.spec_tables import MIN_DRAWS
from kundenwert.spec_wording import known_keys
from kundenwert.units import Horizon, TimeUnit
from spec_world import EVERYTHING, MODELS, mistakes_of, spec_with


def written(folder: Path, text: str) -> Path:
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_of_a_spec_with_only_the_required_keys() -> None:
    spec = spec_with()
    assert (spec.data.customer, spec.data.time, spec.data.amount) == ("customer_id", "date", "spend")
    assert spec.data.currency is None
    assert spec.data.time_unit is TimeUnit.WEEK
    assert (spec.cohorts.by, spec.cohorts.pooling, spec.min_customers) == ("month", Pooling.PARTIAL, 0)
    assert (spec.purchase.family, spec.spend.family) == (FamilyName.BGNBD, FamilyName.GAMMA_GAMMA)
    assert (spec.inference.engine, spec.inference.draws, spec.inference.seed) == (EngineName.AUTO, 4000, 20260101)
    assert (spec.value.horizon, spec.value.discount_rate, spec.value.margin) == (Horizon(3, "year"), 0.10, None)
    assert (spec.value.interval, spec.value.draws) == (0.90, 1000)
    assert spec.churn.horizon == Horizon(26, "week")
    assert (spec.potential.basis, spec.potential.peers, spec.potential.frontier) == ("auto", ("cohort",), 0.80)
    assert (spec.gate.max_rhat, spec.gate.min_ess, spec.gate.max_bias) == (1.01, 400, 0.25)
    assert (spec.title, spec.report.customer_ids) == ("shop", "show")
    assert spec.not_used == ()
    assert spec.given_keys == {"name", "data.source"}


def test_the_specs_that_ship_are_valid_and_use_every_key_they_state() -> None:
    paths = sorted(MODELS.glob("*.toml"))
    assert {"cdnow", "cdnow-sample", "shop"} <= {p.stem for p in paths}
    for path in paths:
        spec = load_spec(path)
        assert spec.name == path.stem
        assert spec.not_used == ()
        assert spec.value_basis == "contribution"
        assert spec.base_dir == MODELS


def readme_code() -> str:
    """What stands in code type in the README of the models."""
    readme = (MODELS / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", readme, flags=re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", readme, flags=re.DOTALL | re.MULTILINE))
    return "\n".join([*blocks, *spans])


def test_every_key_is_explained_in_the_readme_of_the_models() -> None:
    written = set(re.findall(r"\w+", readme_code()))
    leaves = {key.rpartition(".")[2] for key in known_keys(ModelSpec)}
    assert leaves - written == set()


@pytest.mark.parametrize(
    "names", [Allocation, Customize, Discounting, EventAhead, FrequencyLever, Journey, LeverOn, Returns]
)
def test_every_choice_is_explained_in_the_readme_of_the_models(names: type[StrEnum]) -> None:
    assert {name.value for name in names} - set(re.findall(r"\w+", readme_code())) == set()


def test_the_readme_says_what_is_not_used_yet() -> None:
    readme = (MODELS / "README.md").read_text(encoding="utf-8")
    told = readme.partition("is not used yet")[0].rpartition("\n\n")[2]
    assert set(re.findall(r"`([a-z]+\.[a-z_]+)`", told)) == set(NOT_USED_YET)


def test_small_cohorts_have_a_floor_without_pooling_only() -> None:
    assert spec_with(cohorts={"pooling": "none"}).min_customers == 200
    assert spec_with(cohorts={"pooling": "complete"}).min_customers == 0
    assert spec_with(cohorts={"pooling": "none", "min_customers": 50}).min_customers == 50


@pytest.mark.parametrize("day", ["1997-09-30", datetime.date(1997, 9, 30)])
def test_dates_are_text_or_toml_dates(day: object) -> None:
    assert spec_with(data={"source": "a.csv", "observation_end": day}).data.observation_end == datetime.date(
        1997, 9, 30
    )


def test_margin_decides_the_value_basis_and_columns_are_listed_once() -> None:
    assert spec_with().value_basis == "revenue"
    spec = spec_with(value={"margin": "column:m", "acquisition_cost": "column:m"}, cohorts={"by": "column:channel"})
    assert spec.value_basis == "contribution"
    assert spec.carried_columns == ("m",)
    every = ModelSpec.from_mapping(EVERYTHING)
    assert every.carried_columns == ("margin", "handling", "service", "mailing", "cac", "return_cost")


def test_priors_are_read_by_coordinate() -> None:
    spec = spec_with(
        purchase={"priors": {"log_r": {"dist": "normal", "mean": -1, "sd": 0.5}}},
        spend={"priors": {"log_mean_over_z": {"mean": 0.0, "sd": 2.0}}},
    )
    assert spec.purchase.priors.log_r is not None
    assert (spec.purchase.priors.log_r.mean, spec.purchase.priors.log_r.sd) == (-1.0, 0.5)
    assert spec.spend.priors.log_mean_over_z is not None
    assert spec.spend.priors.log_p is None


def test_every_mistake_comes_in_one_message(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
name = "a/b"
[data]
sorce = "orders.csv"
timezone = "Europe/Berlni"
[cohorts]
by = "mnth"
[inference]
draws = 100
[value]
horizn = "3 years"
discount_rate = -0.1
draws = 500
[potential]
frontier = 0.95
""",
    )
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: 9 mistakes\n")
    for part in (
        "name: 'a/b' names a folder",
        "data.source: this key is missing. Add source = ... to [data].",
        "data.sorce: this key is not known. Did you mean 'source'?",
        "data.timezone: time zone 'Europe/Berlni' is not known. Did you mean 'Europe/Berlin'?",
        "cohorts.by: 'mnth' is not known. Did you mean 'month'?",
        "value.horizn: this key is not known. Did you mean 'horizon'?",
        "value.discount_rate: -0.1 is not possible: it must be at least 0.",
        "potential.frontier: a frontier of 0.95",
        "value.draws: 500 parameter draws cannot be taken from inference.draws = 100.",
    ):
        assert part in text
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"horizon": "3 years"}, "horizon: this key is not known. Did you mean 'value.horizon'?"),
        ({"value": {"horizon": "3 decades"}}, "value.horizon: horizon unit 'decade' is not known."),
        ({"value": {"horizon": "0 weeks"}}, "value.horizon: a horizon must be positive"),
        ({"value": {"horizon": 3}}, "value.horizon: 3 is not text. Write '<number> <unit>', for example '26 weeks'."),
        ({"value": {"interval": 1.0}}, "value.interval: 1.0 is not possible: it must be below 1."),
        ({"value": {"margin": 30}}, "value.margin: a margin of 30 is not a share"),
        ({"value": {"margin": True}}, "value.margin: True is neither a number nor 'column:NAME'."),
        ({"value": {"margin": "column:"}}, "value.margin: 'column:' needs the name of a column"),
        ({"value": {"acquisition_cost": -1.0}}, "value.acquisition_cost: a cost must not be negative"),
        ({"value": {"discount_rate": 10}}, "value.discount_rate: a discount rate of 10"),
        ({"value": {"discount_rate": float("nan")}}, "value.discount_rate: nan is not a finite number."),
        ({"value": {"cost_per_order": "1"}}, "value.cost_per_order: '1' is neither a number nor 'column:NAME'."),
        ({"value": 3}, "value: 3 is not a table. Write [value] and its keys below."),
        (
            {"inference": {"draws": 0}},
            "inference.draws: 0 draws over all chains are too few to judge. Write 16 at least",
        ),
        ({"inference": {"seed": 1.5}}, "inference.seed: 1.5 is not a whole number."),
        ({"inference": {"engine": "nut"}}, "inference.engine: 'nut' is not known. Did you mean 'nuts'?"),
        (
            {"inference": {"engine": "importance"}},
            "inference.engine: 'importance' fits cohorts one by one, and cohorts.pooling = 'partial' joins them.",
        ),
        (
            {"inference": {"engine": "gibbs"}, "cohorts": {"pooling": "none"}},
            "inference.engine: 'gibbs' samples what cohorts have in common, and cohorts.pooling = 'none' leaves",
        ),
        ({"data": {"source": "a", "currency": "Euro"}}, "data.currency: currency 'Euro' is not a three-letter"),
        ({"data": {"source": ""}}, "data.source: empty text says nothing."),
        ({"data": {"source": "a", "observation_end": "1997-09-31"}}, "'1997-09-31' is not a day of the calendar."),
        (
            {"data": {"source": "a", "observation_end": datetime.datetime(1997, 9, 30)}},
            "data.observation_end: 1997-09-30T00:00:00 is not a date.",
        ),
        ({"data": {"source": "a", "time_unit": "weeks"}}, "data.time_unit: 'weeks' is not known. Did you mean 'week'?"),
        ({"data": {}}, "data.source: this key is missing."),
        ({"purchase": {"family": "gamma_gamma"}}, "purchase.family: 'gamma_gamma' is not known."),
        (
            {"purchase": {"priors": {"logr": {"mean": 0.0, "sd": 1.0}}}},
            "purchase.priors.logr: this key is not known. Did you mean 'log_r'?",
        ),
        (
            {"purchase": {"priors": {"log_r": {"mean": 0.0, "sd": 0}}}},
            "purchase.priors.log_r.sd: 0 is not possible: it must be above 0.",
        ),
        (
            {"purchase": {"priors": {"log_kappa": {"mean": 1.0, "sd": 20.0}}}},
            "purchase.priors.log_kappa: sd = 20 is too wide: the largest sensible one around mean = 1 is 8.8.",
        ),
        (
            {"levers": [{"name": "mail", "effect": {"on": "retension", "mean": 0.1, "sd": 0.1}}]},
            "levers[1].effect.on: 'retension' is not known. Did you mean 'retention'?",
        ),
        ({"segments": {"losses": [[0, 1], [1, 0]]}}, "segments.losses: the loss matrix needs 6 rows of 6 numbers"),
        ({"segments": {"losses": [[1] * 6] * 6}}, "segments.losses: the diagonal of the loss matrix must be 0"),
        ({"report": {"customer_ids": "hid"}}, "report.customer_ids: 'hid' is not known. Did you mean 'hide'?"),
        ({"gate": {"max_rhat": 1}}, "gate.max_rhat: 1 is not possible: it must be above 1."),
        ({"potential": {"peers": "cohort"}}, "potential.peers: 'cohort' is not a list."),
        (
            {"potential": {"peers": ["channel", "region"]}},
            "potential.peers: peers ['channel', 'region'] lack \"cohort\": peers have parameters of their own, and "
            'cohorts have them. Write ["cohort", "channel", "region"]; where cohorts are not to matter, let all '
            'customers be one: cohorts.by = "all".',
        ),
        ({"potential": {"peers": []}}, 'potential.peers: peers [] lack "cohort"'),
        (
            {"potential": {"basis": "levers"}},
            "potential.basis: 'levers' has nothing to rest on. Add [[levers]], or leave the basis to 'auto'.",
        ),
        (
            {"potential": {"basis": "wallet"}},
            "potential.basis: 'wallet' has nothing to rest on. Add potential.wallet or potential.share",
        ),
    ],
)
def test_impossible_values_are_named(tables: dict[str, Any], message: str) -> None:
    mistakes = mistakes_of(**tables)
    assert len(mistakes) == 1
    assert message in mistakes[0]


def test_the_fewest_draws_are_those_that_the_sampler_takes() -> None:
    assert Nuts(draws=MIN_DRAWS).draws == spec_with(inference={"draws": MIN_DRAWS}).inference.draws
    with pytest.raises(UsageError, match="too few to judge"):
        Nuts(draws=MIN_DRAWS - 1)
    assert len(mistakes_of(inference={"draws": MIN_DRAWS - 1})) == 1


def test_a_missing_data_table_says_what_to_add() -> None:
    with pytest.raises(SpecError, match=r"data\.source: this key is missing\. Add \[data\] with source"):
        ModelSpec.from_mapping({"name": "shop"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "shop', "Unterminated string in line 1: name = "),
        ('name = "shop"\n[data]\nsource == 3', "Invalid value in line 3: source == 3"),
        ('name = "shop"\nname = "x"\n', "Cannot overwrite a value in line 2: name ="),
    ],
)
def test_broken_toml_is_shown_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match="this is not TOML") as caught:
        load_spec(written(tmp_path, text))
    assert message in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    written(tmp_path, 'name = "shop"')
    with pytest.raises(SpecError, match=r"there is no such file\. Did you mean 'shop\.toml'\?"):
        load_spec(tmp_path / "shpo.toml")
    with pytest.raises(SpecError, match="this is a folder"):
        load_spec(tmp_path)
    (tmp_path / "latin.toml").write_bytes("name = 'größe'".encode("latin-1"))
    with pytest.raises(SpecError, match="byte 11 is not UTF-8"):
        load_spec(tmp_path / "latin.toml")


def test_a_byte_order_mark_is_harmless(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_bytes(b"\xef\xbb\xbf" + b'name = "shop"\n[data]\nsource = "orders.csv"\n')
    assert load_spec(path).name == "shop"


def test_a_spec_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        spec_with().value.discount_rate = 0.2  # type: ignore[misc]


def test_costs_need_a_margin(tmp_path: Path) -> None:
    """Revenue less costs is neither revenue nor contribution; every such key is named in the one message."""
    path = tmp_path / "shop.toml"
    path.write_text(
        'name = "shop"\n[data]\nsource = "orders.csv"\n[value]\ncost_per_order = 4.0\nacquisition_cost = 20.0\n'
    )
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert "value.cost_per_order" in str(caught.value)
    assert "value.acquisition_cost" in str(caught.value)
    assert "margin = 1.0" in str(caught.value)
    path.write_text(path.read_text() + "margin = 0.3\n")
    assert load_spec(path).value.cost_per_order == 4.0
