"""Figures of a pass, counted from its table of samples."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfplay.estimators.passk import mean_pass_at_k
from selfplay.journal.samples import Column, SampleTable
from tasks import Task

SAMPLING_COLUMNS: tuple[Column, ...] = ("prompt_tokens", "cached_tokens", "seconds", "reason", "verifier", "model")

Groups = Mapping[str, NDArray[np.intp]]  # name of a group of tasks -> their places in SampleTable.task_ids


def by_difficulty(samples: SampleTable, tasks: Iterable[Task]) -> Groups:
    """The sampled tasks grouped by difficulty, easiest first; the group "" holds those whose source gives none."""
    places: dict[str, list[int]] = {}
    levels: dict[str, Any] = {}
    seen = np.zeros(samples.num_tasks, bool)
    for task in tasks:
        place = samples.places.get(task.id)
        if place is None or seen[place]:
            continue
        seen[place] = True
        level = task.metadata.get("difficulty")
        name = "" if level is None else str(level)
        levels.setdefault(name, level)
        places.setdefault(name, []).append(place)
    return {name: np.array(places[name]) for name in sorted(places, key=lambda name: _rank(levels[name]))}


def _rank(level: Any) -> tuple[int, float, str]:
    """Numbers by size, then texts by alphabet, then tasks without a difficulty."""
    if isinstance(level, int | float):
        return 0, float(level), ""
    return (2, 0.0, "") if level is None else (1, 0.0, str(level))


def pass_curve(samples: SampleTable, ks: Iterable[int], places: NDArray[np.intp] | None = None) -> dict[str, float]:
    """Mean pass@k over the tasks (or those at `places`), by k, for each k that some task defines."""
    num_decided, num_correct = samples.num_decided, samples.num_correct
    if places is not None:
        num_decided, num_correct = num_decided[places], num_correct[places]
    means = {k: mean_pass_at_k(num_decided, num_correct, k) for k in ks}
    return {str(k): mean.value for k, mean in means.items() if mean.num_tasks}


def sampling_metrics(samples: SampleTable, groups: Groups) -> dict[str, Any]:
    """Figures of all samples of a pass, by whichever process; `samples` has SAMPLING_COLUMNS."""
    num_correct, num_undecided = int(samples.correct.sum()), int(samples.num_undecided.sum())
    tokens = np.bincount(samples.task, samples.completion_tokens, samples.num_tasks).astype(np.int64)
    by_model = {}
    for place, name in enumerate(samples.model.names):
        chosen = samples.model.codes == place
        by_model[name] = {
            "num_samples": int((chosen & samples.decided).sum()),
            "num_correct": int((chosen & samples.correct).sum()),
            "completion_tokens": int(samples.completion_tokens[chosen].sum()),
        }
    return {
        "num_tasks": samples.num_tasks,
        "num_solved": int((samples.num_correct > 0).sum()),
        "num_samples": len(samples),
        "num_correct": num_correct,
        "num_wrong": len(samples) - num_correct - num_undecided,
        "num_undecided": num_undecided,
        "reasons": samples.reason.counts(),
        "verifiers": samples.verifier.counts(),
        "verifier_seconds": float(samples.seconds.sum(dtype=np.float64)),
        "prompt_tokens": int(samples.prompt_tokens.sum()),
        "cached_tokens": int(samples.cached_tokens.sum()),
        "completion_tokens": int(samples.completion_tokens.sum()),
        "by_difficulty": {
            name: {
                "num_tasks": len(places),
                "num_samples": int(samples.num_decided[places].sum()),
                "num_correct": int(samples.num_correct[places].sum()),
                "completion_tokens": int(tokens[places].sum()),
            }
            for name, places in groups.items()
        },
        "by_model": by_model,
    }


def chance_level(tasks: Sequence[Task]) -> float:
    """pass@1 of a blind guess: the mean over tasks of 1 / (number of answers they can have), 0 for tasks with many.

    Sources give it as metadata `chance`.
    """
    return sum(float(task.metadata.get("chance") or 0.0) for task in tasks) / len(tasks) if tasks else 0.0


def evaluation_metrics(samples: SampleTable, tasks: Iterable[Task], ks: Iterable[int]) -> dict[str, Any]:
    """pass@k on the held-out tasks, in all and by difficulty."""
    ks, tasks = list(ks), list(tasks)
    tokens = int(samples.completion_tokens.sum())
    return {
        "num_tasks": samples.num_tasks,
        "num_samples": len(samples),
        "num_undecided": int(samples.num_undecided.sum()),
        "completion_tokens": tokens,
        "tokens_per_sample": tokens / len(samples) if len(samples) else 0.0,
        "pass_at_k": pass_curve(samples, ks),
        "chance_level": chance_level(tasks),
        "curve": pass_curve(samples, range(1, int(samples.num_decided.max(initial=0)) + 1)),
        "by_difficulty": {
            name: {"num_tasks": len(places), "pass_at_k": pass_curve(samples, ks, places)}
            for name, places in by_difficulty(samples, tasks).items()
        },
    }
