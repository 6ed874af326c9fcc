"""Our own families and engine pass the checks that a plug-in must pass."""

from collections.abc import Mapping

import pytest

from kundenwert.families import BGNBD, GAMMA_GAMMA, MBGNBD, PurchaseFamily
from kundenwert.inference.engines import Nuts
from kundenwert.testing import check_engine, check_family

PURCHASE = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}


@pytest.mark.parametrize("family", [BGNBD, MBGNBD])
@pytest.mark.parametrize(
    "change", [{}, {"a": 1.0}, {"a": 0.3, "b": 0.7}, {"r": 8.0, "alpha": 30.0, "b": 40.0}], ids=str
)
def test_purchase_families(family: PurchaseFamily, change: Mapping[str, float]) -> None:
    check_family(family, {**PURCHASE, **change})


@pytest.mark.parametrize("theta", [{"p": 6.25, "q": 3.74, "v": 15.44}, {"p": 0.8, "q": 1.2, "v": 200.0}], ids=str)
def test_spend_family(theta: Mapping[str, float]) -> None:
    check_family(GAMMA_GAMMA, theta)


def test_a_wrong_family_is_caught() -> None:
    """A family whose prediction contradicts its simulation must not pass."""

    class Wrong(type(BGNBD)):  # type: ignore[misc]
        def expected_purchases_new(self, theta, t):  # type: ignore[no-untyped-def]
            return 1.1 * super().expected_purchases_new(theta, t)

    wrong = Wrong(BGNBD.name, 0)
    with pytest.raises(AssertionError, match="simulated"):
        check_family(wrong, PURCHASE)


@pytest.mark.long
def test_nuts_is_an_engine() -> None:
    check_engine(lambda draws: Nuts(draws=draws))
