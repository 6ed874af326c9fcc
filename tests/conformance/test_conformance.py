"""Our own families and engines pass the checks that a plug-in must pass."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest

from kundenwert.families import BGNBD, GAMMA_GAMMA, MBGNBD, PurchaseFamily
from kundenwert.inference.auto import Auto
from kundenwert.inference.engines import Nuts
from kundenwert.inference.importance import Importance
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


WRONG = {
    "expected_purchases_new": lambda right: 1.1 * right,
    "expected_purchases": lambda right: 1.2 * right,
    "p_no_purchase": lambda right: 0.9 * right,
    "purchase_distribution": lambda right: 1.3 * right,
    "purchase_distribution_new": lambda right: 1.1 * right,
    "survival": lambda right: 0.8 * right,
    "log_likelihood": lambda right: right + 1e-3,
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_family_is_caught(name: str) -> None:
    """Every public prediction is held against the simulation: a family that is off in one of them must not pass."""

    def wrong(self, *arguments, **named):  # type: ignore[no-untyped-def]
        return WRONG[name](getattr(super(kind, self), name)(*arguments, **named))

    kind = type("Wrong", (type(BGNBD),), {name: wrong})
    with pytest.raises(AssertionError):
        check_family(kind(BGNBD.name, 0), PURCHASE)


def test_a_wrong_individual_posterior_is_caught() -> None:
    class Wrong(type(BGNBD)):  # type: ignore[misc]
        def individual(self, theta, x, t_x, T):  # type: ignore[no-untyped-def]
            right = super().individual(theta, x, t_x, T)
            return dataclasses.replace(right, rate_shape=1.5 * right.rate_shape)

    with pytest.raises(AssertionError, match="individual"):
        check_family(Wrong(BGNBD.name, 0), PURCHASE)


@pytest.mark.parametrize("name", ["expected_spend", "individual"])
def test_a_wrong_spend_family_is_caught(name: str) -> None:
    def wrong(self, theta, n, spend):  # type: ignore[no-untyped-def]
        right = getattr(super(kind, self), name)(theta, n, spend)
        return 1.05 * right if name == "expected_spend" else (right[0], 1.05 * right[1])

    kind = type("Wrong", (type(GAMMA_GAMMA),), {name: wrong})
    with pytest.raises(AssertionError):
        check_family(kind(), {"p": 6.25, "q": 3.74, "v": 15.44})


@pytest.mark.long
def test_nuts_is_an_engine() -> None:
    check_engine(lambda draws: Nuts(draws=draws))


@pytest.mark.long
@pytest.mark.parametrize("surrogate", [True, False])
def test_importance_sampling_is_an_engine(surrogate: bool) -> None:
    check_engine(lambda draws: Importance(draws, surrogate=surrogate))


@pytest.mark.long
def test_the_default_is_an_engine() -> None:
    check_engine(Auto)


@pytest.mark.long
def test_a_wrong_engine_is_caught() -> None:
    """Draws around the right place, but too wide by three tenths."""

    class TooWide(Importance):
        def sample_part(self, part, seed, progress=None):  # type: ignore[no-untyped-def]
            draws, figures = super().sample_part(part, seed, progress)
            return {
                name: values * np.exp(0.3 * np.log(values / values.mean())) for name, values in draws.items()
            }, figures

    with pytest.raises(AssertionError, match="standard deviation"):
        check_engine(TooWide)
