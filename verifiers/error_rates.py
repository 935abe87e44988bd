"""How often the verifiers err, as measured on labelled cases: the figures that leave with the data.

One row a verifier and version; a new version starts without figures until its command has been run again.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Verdicts of one verifier on cases whose answer is known."""

    verifier: str  # name@version
    accepted: int  # wrong cases that were called correct,
    wrong: int  # of so many
    rejected: int  # right cases that were called wrong or undecided,
    right: int  # of so many
    cases: str  # what they are
    command: str  # that measures it


MEASURED = {
    rates.verifier: rates
    for rates in (
        ErrorRates(
            "math@1",
            accepted=0,
            wrong=373,
            rejected=0,
            right=456,
            cases="pairs of reference and answer from public test suites and issue threads, labelled by hand, which it was developed against",
            command="python -m tests.benchmarks.math_rivals",
        ),
        ErrorRates(
            "programs@1",
            accepted=0,
            wrong=107,
            rejected=0,
            right=79,
            cases="wrong programs that try to be accepted, and honest ones",
            command="python -m tests.benchmarks.programs_attacks",
        ),
    )
}


def rates_of(verifier: str) -> ErrorRates | None:
    """The figures of a verifier as a verdict names it (name@version, perhaps with +tier); None where none were taken."""
    return MEASURED.get(verifier.partition("+")[0])
