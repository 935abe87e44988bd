"""How often the verifiers err, as measured on labelled cases: the figures that leave with the data (verifiers/README.md has more).

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
    command: str  # that measures it; empty if the cases are not part of this repository


MEASURED = {
    rates.verifier: rates
    for rates in (
        ErrorRates(
            "math@1",
            accepted=0,
            wrong=2527,
            rejected=109,
            right=4842,
            cases="responses of four frontier models to the rule-checked part of Omni-MATH, which it was not developed against",
            command="",
        ),
        ErrorRates(
            "math@2",
            accepted=0,
            wrong=693,
            rejected=21,
            right=872,
            cases="pairs of reference and answer from public responses, test suites and issue threads, labelled by hand, which it was developed against",
            command="python -m tests.benchmarks.math_cases",
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
        ErrorRates(
            "proof@1",
            accepted=0,
            wrong=107,
            rejected=1,
            right=13,
            cases="Rocq scripts that try to be accepted without a proof, and honest ones, by an author who had not read the checker; the rejected one had Windows line ends, which are read since",
            command="python -m tests.benchmarks.domains proofs",
        ),
        ErrorRates(
            "countdown@1",
            accepted=0,
            wrong=81,
            rejected=0,
            right=27,
            cases="expressions that try to be accepted, and solutions in many notations, written with the checker",
            command="python -m pytest tests/verifiers/test_countdown.py",
        ),
        ErrorRates(
            "programs@2",
            accepted=0,
            wrong=205,
            rejected=0,
            right=116,
            cases="wrong programs that try to be accepted, and honest ones, which it was developed against",
            command="python -m tests.benchmarks.programs_attacks",
        ),
    )
}


def rates_of(verifier: str) -> ErrorRates | None:
    """The figures of a verifier as a verdict names it (name@version, perhaps with +tier); None if none were taken."""
    return MEASURED.get(verifier.partition("+")[0])
