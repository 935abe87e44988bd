"""Where every random choice of a run comes from."""

import hashlib


def number_of(*parts: object) -> int:
    """63 random bits that depend on all parts, such as a run's seed, the round, a task's id and a sample's index."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8]) >> 1
