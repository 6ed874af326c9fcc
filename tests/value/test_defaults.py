"""One default for one setting, wherever it is asked for."""

import inspect

from kundenwert.spec import ModelSpec
from kundenwert.stages import asked_of
from kundenwert.value.estimate import estimate_value
from kundenwert.value.pricing import Asked, price_customers


def _defaults(function):
    return {name: one.default for name, one in inspect.signature(function).parameters.items()}


def test_one_pass_and_estimates_price_customers_by_the_same_defaults():
    prices, estimate = _defaults(price_customers), _defaults(estimate_value)
    shared = prices.keys() & estimate.keys()
    assert Asked.__annotations__.keys() <= prices.keys()
    assert len(shared) > 20
    assert {name: prices[name] for name in shared} == {name: estimate[name] for name in shared}


def test_a_spec_that_says_nothing_asks_for_what_keywords_default_to():
    spec = ModelSpec.from_mapping({"name": "shop", "data": {"source": "orders.csv"}})
    asked, defaults = asked_of(spec, None, None), _defaults(price_customers)
    told = {
        name: value
        for name, value in asked.items()
        if name not in ("cost_events", "priors", "events_ahead", "experiments")
    }
    differing = {name for name, value in told.items() if str(value) != str(defaults[name])}
    assert differing == set()
