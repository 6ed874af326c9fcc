"""Time by part: what a part calls is not counted twice, and nothing stays wrapped."""

import types
from functools import cached_property

import pytest
from harness.parts import Parts


class Clock:
    """A clock that goes on when it is told to."""

    now = 0.0

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


def test_a_part_does_not_count_what_it_calls(clock):
    parts = Parts(clock)
    module = types.SimpleNamespace(inner=lambda: clock.wait(5.0))

    def outer():
        clock.wait(1.0)
        module.inner()
        clock.wait(2.0)

    module.outer = outer
    with parts.watching([("outside", module, ["outer"]), ("within", module, ["inner"])]):
        clock.wait(100.0)
        module.outer()
        clock.wait(100.0)
        module.inner()
    assert parts.seconds == {"outside": 3.0, "within": 10.0}
    assert parts.calls == {"outside": 1, "within": 2}


def test_a_cached_property_is_counted_once_and_still_kept(clock):
    class Customer:
        @cached_property
        def draws(self):
            clock.wait(4.0)
            return object()

    before, parts = vars(Customer)["draws"], Parts(clock)
    with parts.watching([("draws", Customer, ["draws"])]):
        one = Customer()
        assert one.draws is one.draws
    assert parts.seconds == {"draws": 4.0}
    assert vars(Customer)["draws"] is before


def test_what_raises_is_counted_and_let_go_of(clock):
    module, parts = types.SimpleNamespace(), Parts(clock)

    def fails():
        clock.wait(1.0)
        raise ValueError("no")

    module.fails = fails
    with pytest.raises(ValueError, match="no"), parts.watching([("failing", module, ["fails"])]):
        module.fails()
    assert parts.seconds == {"failing": 1.0}
    assert module.fails is fails


def test_a_part_that_is_no_longer_there_is_an_error(clock):
    with pytest.raises(KeyError), Parts(clock).watching([("gone", types.SimpleNamespace(), ["away"])]):
        pass
