"""The engines' time in a round: which share of it went into what.

The engines of a run times the wall time of a round is all there is. A phase of the round uses a share of it; the rest of the
phase is loading (engines that start or change weights), checking (samples wait for their verdict, so that engines may not go
on) or idle. Figures are those of the process that finished the round.
"""

from dataclasses import dataclass
from typing import Any

from selfplay.driver.stats import PassStats
from selfplay.driver.training_place import gpus_of_run
from selfplay.recipe.sections import Recipe

LOST = ("checking", "loading", "idle")


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a round."""

    name: str
    seconds: float  # wall time
    used: float  # engine seconds, as all below
    checking: float = 0.0
    loading: float = 0.0

    def idle(self, num_engines: int) -> float:
        """Engine seconds for nothing."""
        return max(0.0, num_engines * self.seconds - self.used - self.checking - self.loading)


def phase_of_pass(name: str, stats: PassStats, num_engines: int) -> Phase:
    """A pass: all that is neither idle nor loading is sampling, of the round's tasks or of held-out ones."""
    lost = stats.engine_idle_seconds + stats.engine_loading_seconds
    used = max(0.0, num_engines * stats.pass_seconds - lost)
    return Phase(name, stats.pass_seconds, used, stats.engine_checking_seconds, stats.engine_loading_seconds)


def phase_of_training(recipe: Recipe, seconds: float, num_workers: int) -> Phase:
    """A training on GPUs uses those of its workers, a command all; on CPUs each worker counts as one engine."""
    num_engines, training = recipe.ray.num_samplers, recipe.training
    gpus = gpus_of_run(recipe.ray, recipe.sampling)
    if training is None or training.command:
        share = 1.0
    elif gpus and training.gpus_per_worker:
        share = num_workers * training.gpus_per_worker / gpus
    else:
        share = num_workers / num_engines
    return Phase("training", seconds, min(1.0, share) * num_engines * seconds)


def engine_shares(phases: list[Phase], seconds: float, num_engines: int) -> dict[str, Any]:
    """Shares of the engines' time in a round of `seconds`, which sum to 1; and each phase by itself.

    What lies between the phases (selection, shards, metrics) is idle time, by the name "between".
    """
    between = max(0.0, seconds - sum(phase.seconds for phase in phases))
    phases = [*phases, Phase("between", between, 0.0)]
    whole = num_engines * sum(phase.seconds for phase in phases)
    shares: dict[str, float] = {}
    by_phase: dict[str, dict[str, float]] = {}
    for phase in phases:
        parts = {"checking": phase.checking, "loading": phase.loading, "idle": phase.idle(num_engines)}
        for name, spent in ((phase.name, phase.used), *parts.items()):
            shares[name] = shares.get(name, 0.0) + (spent / whole if whole else 0.0)
        before = by_phase.setdefault(phase.name, dict.fromkeys(("seconds", "used", *LOST), 0.0))
        for name, spent in {"seconds": phase.seconds, "used": phase.used, **parts}.items():
            before[name] += spent
    shares.pop("between")
    return {"num_engines": num_engines, "seconds": seconds, "shares": shares, "phases": by_phase}


def summary(metrics: dict[str, Any]) -> str:
    """One line of progress."""
    shares = {name: share for name, share in metrics["shares"].items() if share >= 0.0005}
    return ", ".join(f"{name} {share:.1%}" for name, share in sorted(shares.items(), key=lambda item: item[0] in LOST))
