"""Early stopping: a run ends before its last round once rounds no longer improve the model, nor add new bits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.estimators.intervals import Interval
from selfplay.journal.samples import read_samples
from selfplay.layout import METRICS, base_folder, round_folder
from selfplay.metrics.ledger import gain_of
from selfplay.recipe.sections import Recipe, Stop
from selfplay.storage import read_json


@dataclass(frozen=True, slots=True)
class Improvement:
    """How much the last rounds of a run together improved the model."""

    num_rounds: int  # looked back on
    gain: Interval | None  # of held-out pass@1, paired by task; None without evaluation
    bits: float | None  # the most of these rounds' new bits a FLOP, as a share of the first round's; None: not known
    should_stop: bool

    def to_dict(self) -> dict[str, Any]:
        gain = {"pass_at_1_gain": self.gain.value, "low": self.gain.low, "high": self.gain.high} if self.gain else {}
        bits = {"bits_per_flop_of_first_round": self.bits}
        return {"num_rounds": self.num_rounds, **gain, **bits, "stops": self.should_stop}

    def __str__(self) -> str:
        gain, bits = self.gain, self.bits
        parts = [f"held-out pass@1 {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"] if gain else []
        parts += [f"at most {bits:.0%} of the first round's new bits a FLOP"] if bits is not None else []
        rounds = f"the last {self.num_rounds} rounds" if self.num_rounds > 1 else "the last round"
        return f"{rounds} brought {' and '.join(parts)}"


def improvement_of(recipe: Recipe, run: Path, index: int, ledger: dict[str, Any]) -> Improvement | None:
    """How much the last `patience` rounds improved the model; None without [stop], or before `patience` rounds.

    index: of the last of these rounds; ledger: of that round. The rounds are judged together, so that slow steady gains
    are seen in their sum, though none of them is beyond its own interval.
    """
    settings = recipe.stop
    if settings is None or index + 1 < settings.patience:
        return None
    gain = None
    if recipe.evaluation:
        before = round_folder(run, index - settings.patience) if index >= settings.patience else base_folder(run)
        gain = gain_of(read_samples(before / "evaluation"), read_samples(round_folder(run, index) / "evaluation"))
    earlier = [_ledger(run, number) for number in range(index + 1 - settings.patience, index)]
    shares = [_share_of_first(each) for each in (*earlier, ledger)]
    known = [share for share in shares if share is not None]
    bits = max(known) if len(known) == len(shares) else None
    return Improvement(settings.patience, gain, bits, not is_significant(settings, gain, bits))


def stop_before(recipe: Recipe, run: Path, index: int) -> Improvement | None:
    """The improvement by the rounds before `index`, if it is so small that round `index` should not be played."""
    improvement = improvement_of(recipe, run, index - 1, _ledger(run, index - 1)) if index else None
    return improvement if improvement and improvement.should_stop else None


def is_significant(settings: Stop, gain: Interval | None, bits: float | None) -> bool:
    """Whether pass@1 rose beyond its interval, or there are as many new bits as [stop] asks for; also if nothing is known."""
    reasons = []
    if gain is not None:
        reasons.append(gain.low > 0)
    if bits is not None and settings.least_bits:
        reasons.append(bits >= settings.least_bits)
    return any(reasons) or not reasons


def _share_of_first(ledger: dict[str, Any]) -> float | None:
    """New bits a FLOP, as a share of the first round's; None where a model's operations are not known."""
    if not ledger["accepted"]["new_check_bits"]:
        return 0.0
    share: float | None = ledger["paying"]["bits_per_flop_of_first_round"]
    return share


def _ledger(run: Path, index: int) -> dict[str, Any]:
    ledger: dict[str, Any] = read_json(round_folder(run, index) / METRICS)["ledger"]
    return ledger
