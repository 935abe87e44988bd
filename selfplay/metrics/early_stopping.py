"""Early stop: a run ends before its last round where rounds no longer pay, by held-out pass@1 and by the ledger's bits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfplay.estimators.intervals import Interval
from selfplay.journal.samples import read_pass
from selfplay.layout import METRICS, round_folder
from selfplay.metrics.ledger import gain_of
from selfplay.recipe.sections import Recipe, Stop
from selfplay.storage import read_json


@dataclass(frozen=True, slots=True)
class Payment:
    """What the last rounds of a run brought together."""

    num_rounds: int  # looked back on
    gain: Interval | None  # of held-out pass@1, paired by task; None without evaluation
    bits: float | None  # the most of these rounds' new bits a FLOP, as a share of the first round's; None: not known
    stops: bool

    def to_dict(self) -> dict[str, Any]:
        gain = {"pass_at_1_gain": self.gain.value, "low": self.gain.low, "high": self.gain.high} if self.gain else {}
        return {"num_rounds": self.num_rounds, **gain, "bits_per_flop_of_first_round": self.bits, "stops": self.stops}

    def __str__(self) -> str:
        gain, bits = self.gain, self.bits
        parts = [f"held-out pass@1 {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"] if gain else []
        parts += [f"at most {bits:.0%} of the first round's new bits a FLOP"] if bits is not None else []
        rounds = f"the last {self.num_rounds} rounds" if self.num_rounds > 1 else "the last round"
        return f"{rounds} brought {' and '.join(parts)}"


def payment(recipe: Recipe, run: Path, index: int, ledger: dict[str, Any]) -> Payment | None:
    """What the rounds up to `index`, with this ledger, brought; None where there is no [stop], or too few rounds.

    The last `patience` rounds are judged together: slow steady gains, none of them beyond its own interval, are seen in
    their sum.
    """
    settings = recipe.stop
    if settings is None or index + 1 < settings.patience:
        return None
    gain = None
    if recipe.evaluation:
        base = Path(recipe.output) / "base"
        before = round_folder(run, index - settings.patience) if index >= settings.patience else base
        gain = gain_of(read_pass(before / "evaluation"), read_pass(round_folder(run, index) / "evaluation"))
    earlier = [_ledger(run, number) for number in range(index + 1 - settings.patience, index)]
    shares = [_share_of_first(each) for each in (*earlier, ledger)]
    bits = None if None in shares else max(shares)
    return Payment(settings.patience, gain, bits, _stops(settings, gain, bits))


def stops_before(recipe: Recipe, run: Path, index: int) -> Payment | None:
    """What the rounds before `index` brought, where that ends the run."""
    paid = payment(recipe, run, index - 1, _ledger(run, index - 1)) if index else None
    return paid if paid and paid.stops else None


def _stops(settings: Stop, gain: Interval | None, bits: float | None) -> bool:
    """Whether nothing says that the rounds paid; what is not known says nothing either way."""
    verdicts = []
    if gain is not None:
        verdicts.append(gain.low > 0)
    if bits is not None and settings.least_bits:
        verdicts.append(bits >= settings.least_bits)
    return bool(verdicts) and not any(verdicts)


def _share_of_first(ledger: dict[str, Any]) -> float | None:
    """New bits a FLOP, as a share of the first round's."""
    if not ledger["accepted"]["new_check_bits"]:
        return 0.0
    return ledger["paying"]["bits_per_flop_of_first_round"]


def _ledger(run: Path, index: int) -> dict[str, Any]:
    return read_json(round_folder(run, index) / METRICS)["ledger"]
