"""What the adapters of both proof assistants share."""

from verifiers.verdict import Reason

CPU_SECONDS = 20.0  # for one proof where the reference sets no limit
MEMORY_MB = 3072
WALL_FACTOR, WALL_EXTRA_SECONDS = 6.0, 20.0  # wall time is a backstop: a busy machine changes no verdict

Finding = tuple[Reason, str]  # why, and a short account


class BrokenProver(Exception):
    """The prover is missing, or does not do what a prover does: never a statement about a script."""


class Refused(Exception):
    """The script holds something that no script may hold."""


class Rejected(Exception):
    """The script is no proof of the statement: it restates another one, or has no end."""
