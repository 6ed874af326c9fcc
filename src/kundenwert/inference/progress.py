"""How a long computation says how far it is."""

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of it that is finished, from 0 to 1."""
