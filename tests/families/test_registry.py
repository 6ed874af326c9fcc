"""Families by name, from here and from other packages, and priors as data."""

import pytest

from kundenwert.errors import UsageError
from kundenwert.families import BGNBD, GAMMA_GAMMA, MBGNBD, NormalPrior, PurchaseFamily, SpendFamily, get_family


def test_built_in_families():
    assert [get_family(n) for n in ("bgnbd", "mbgnbd", "gamma_gamma")] == [BGNBD, MBGNBD, GAMMA_GAMMA]
    assert isinstance(BGNBD, PurchaseFamily)
    assert not isinstance(BGNBD, SpendFamily)
    assert isinstance(GAMMA_GAMMA, SpendFamily)
    assert not isinstance(GAMMA_GAMMA, PurchaseFamily)


def test_an_unknown_family_names_the_nearest():
    with pytest.raises(UsageError, match=r"Did you mean 'mbgnbd'\?"):
        get_family("mbg_nbd")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a distribution with one entry point, as far as importlib.metadata can tell."""

    def install(value):
        folder = tmp_path / "another_family-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: another-family\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[kundenwert.families]\nother = {value}\n")
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


def test_a_family_of_another_package(installed):
    installed("kundenwert.families.mbgnbd:MBGNBD")
    assert get_family("other") is MBGNBD


def test_an_entry_point_that_is_no_family(installed):
    installed("math:pi")
    with pytest.raises(UsageError, match="is not a family"):
        get_family("other")


def test_priors_as_data():
    prior = NormalPrior(0.5, 1.5)
    assert NormalPrior.from_dict(prior.to_dict()) == prior


@pytest.mark.parametrize(
    "data",
    [
        {"dist": "gamma", "mean": 0, "sd": 1},
        {"dist": "normal", "mean": 0},
        {"dist": "normal", "mean": 0, "sd": 0},
        {"dist": "normal", "mean": "a", "sd": 1},
        {"dist": "normal", "mean": 0, "sd": 1, "scale": 2},
    ],
)
def test_priors_that_cannot_be_read(data):
    with pytest.raises(UsageError):
        NormalPrior.from_dict(data)
