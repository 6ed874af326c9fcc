"""Shared settings of the test suite."""

from hypothesis import HealthCheck, settings

settings.register_profile("kundenwert", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kundenwert")
