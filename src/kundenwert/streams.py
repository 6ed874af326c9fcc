"""Random streams that are named, not numbered: what draws a customer or a cohort gets depends on nobody else."""

from hashlib import blake2b

import numpy as np

DEFAULT_SEED = 20260101


def text_key(name: object) -> int:
    """A 64-bit key of a name as text: 7 and "7" are the same customer.

    >>> text_key(7) == text_key("7")
    True
    """
    return int.from_bytes(blake2b(str(name).encode(), digest_size=8).digest(), "little")


def stream_seed(seed: int, *names: str) -> int:
    """A 63-bit seed for the stream of these names.

    >>> stream_seed(1, "purchase", "1997-01") == stream_seed(1, "purchase", "1997-02")
    False
    """
    words = [seed & (2**64 - 1), *(text_key(name) for name in names)]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
