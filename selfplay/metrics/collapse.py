"""The collapse alarm: detects on the held-out tasks that self-training narrows a model.

A round's model is compared with every earlier one on the same tasks, by three figures:

- coverage: pass@k at the largest k asked for
- distinct: different texts among as many correct samples of a task from either model
- repeats: the chance that two samples of a task are the same wrong text

A model that gets better has fewer wrong texts and more copies of the right one, which is no collapse. Different texts are
therefore counted among equal numbers of correct samples, and copies only among wrong ones. A model with less noise makes
the same mistake more often among its wrong samples, so the share of copies is of all samples, not of the wrong ones.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from selfplay.estimators.intervals import paired_difference
from selfplay.estimators.passk import pass_at_k
from selfplay.journal.samples import SampleTable

Floats = NDArray[np.float64]

FALSE_ALARMS = 0.05  # of a figure in a round where nothing changed, over all earlier models together, both directions
LEAST_CHANGE = {
    "coverage": 0.0,
    "distinct": 0.2,
    "repeats": 0.1,
}  # distinct: of what it was; a smaller change is ignored
NUM_FLIPS = 20_000


@dataclass(frozen=True, slots=True)
class Watched:
    """A figure before and after, averaged over the tasks that define both."""

    figure: str  # "pass@16" and the like
    against: str  # the earlier model: "start" or "round 2"
    before: float
    after: float
    low: float  # interval of the difference after - before
    high: float
    confidence: float
    num_tasks: int
    raised: bool

    def __str__(self) -> str:
        moved = "fell" if self.after < self.before else "rose"
        return (
            f"{self.figure} {moved} from {self.before:.3f} to {self.after:.3f} since {self.against} (difference {self.low:+.3f} to "
            f"{self.high:+.3f} at {self.confidence:.1%}, {self.num_tasks} tasks)"
        )


def watch(earlier: Sequence[tuple[str, SampleTable]], present: SampleTable, k: int) -> list[Watched]:
    """Each figure against the earlier model from which it moved farthest the wrong way; earlier models with their names.

    It is raised where the interval of the paired difference leaves zero out, where so one-sided a change is also rare
    among random signs of the tasks' differences (a bootstrap of few tasks that changed is too sure of itself), and
    where it is large enough to heed. The more earlier models, the wider the interval.
    """
    confidence = 1.0 - FALSE_ALARMS / max(len(earlier), 1)
    worst = []
    for figure, name, sign in (
        ("coverage", f"pass@{k}", -1),
        ("distinct", "distinct texts of correct samples", -1),
        ("repeats", "pairs of samples with the same wrong text", 1),
    ):
        compared = (
            _compare(figure, name, sign, title, _figures(figure, past, present, k), confidence)
            for title, past in earlier
        )
        found = [watched for watched in compared if watched is not None]
        if found:
            worst.append(max(found, key=lambda watched: (watched.raised, sign * (watched.after - watched.before))))
    return worst


def alarm_metrics(watched: Sequence[Watched]) -> dict[str, object]:
    """ "alarm": every figure that was watched, with its interval; "alarms": a sentence for each that is raised."""
    return {
        "alarm": {
            each.figure: {key: value for key, value in asdict(each).items() if key != "figure"} for each in watched
        },
        "alarms": [f"{each}" for each in watched if each.raised],
    }


def _compare(
    figure: str, name: str, sign: int, against: str, values: tuple[Floats, Floats], confidence: float
) -> Watched | None:
    before, after = values
    defined = ~(np.isnan(before) | np.isnan(after))
    before, after = before[defined], after[defined]
    if not before.size:
        return None
    interval = paired_difference(before, after, confidence)
    first, last = float(before.mean()), float(after.mean())
    beyond = interval.low > 0 if sign > 0 else interval.high < 0
    least = LEAST_CHANGE[figure] * (first if figure == "distinct" else 1.0)
    raised = beyond and abs(last - first) >= least and chance_of_signs(sign * (after - before)) < (1 - confidence) / 2
    return Watched(name, against, first, last, interval.low, interval.high, confidence, int(before.size), bool(raised))


def chance_of_signs(differences: Floats) -> float:
    """Chance of a sum at least this large if each difference had either sign with equal chance (Fisher 1935)."""
    moved = differences[differences != 0]
    if not moved.size:
        return 1.0
    if moved.size <= 12:
        signs = 1 - 2 * ((np.arange(2**moved.size)[:, None] >> np.arange(moved.size)) & 1)
        return float(np.mean(signs @ np.abs(moved) >= moved.sum() - 1e-12))
    plus = np.random.default_rng(0).integers(0, 2, (NUM_FLIPS, moved.size), dtype=np.int8)
    sums = plus @ (2 * np.abs(moved)) - np.abs(moved).sum()
    return float((1 + np.sum(sums >= moved.sum() - 1e-12)) / (1 + NUM_FLIPS))


def _figures(figure: str, past: SampleTable, present: SampleTable, k: int) -> tuple[Floats, Floats]:
    """The figure of each task that both have, before and after; nan where it is undefined, shapes [tasks]."""
    shared = sorted(set(past.task_ids) & set(present.task_ids))
    if figure == "coverage":
        return coverage(past, shared, k), coverage(present, shared, k)
    if figure == "repeats":
        return repeated(past, shared), repeated(present, shared)
    before, after = _text_counts(past, shared, past.correct), _text_counts(present, shared, present.correct)
    sizes = [min(int(one.sum()), int(other.sum())) for one, other in zip(before, after, strict=True)]
    return _array(map(_distinct, before, sizes)), _array(map(_distinct, after, sizes))


def coverage(samples: SampleTable, task_ids: Sequence[str], k: int) -> Floats:
    """pass@k of the tasks named, nan where a task has fewer than k decided samples."""
    places = [samples.places[task_id] for task_id in task_ids]
    return pass_at_k(samples.num_decided[places], samples.num_correct[places], k) if places else np.empty(0)


def repeated(samples: SampleTable, task_ids: Sequence[str]) -> Floats:
    """Of the pairs of decided samples of each task, the share that is the same wrong text; nan below two samples."""
    wrong = _text_counts(samples, task_ids, samples.decided & ~samples.correct)
    all_decided = [int(counts.sum()) for counts in _text_counts(samples, task_ids, samples.decided)]
    pairs = (
        (int((counts * (counts - 1)).sum()), num * (num - 1)) for counts, num in zip(wrong, all_decided, strict=True)
    )
    return _array(same / total if total else float("nan") for same, total in pairs)


def _text_counts(samples: SampleTable, task_ids: Sequence[str], chosen: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Of each task how often each of its texts was sampled, among the chosen samples."""
    task, text = samples.task[chosen], samples.text[chosen]
    order = np.lexsort((text, task))
    task, text = task[order], text[order]
    new = np.flatnonzero(np.append(True, (task[1:] != task[:-1]) | (text[1:] != text[:-1]))[: len(task)])
    counts = np.diff(np.append(new, len(task)))
    starts = np.searchsorted(task[new], np.arange(samples.num_tasks + 1))
    places = [samples.places[task_id] for task_id in task_ids]
    return [counts[starts[place] : starts[place + 1]] for place in places]


def _distinct(counts: NDArray[np.int64], size: int) -> float:
    """Expected number of different texts among `size` of the samples (Hurlbert 1971); nan for fewer than two."""
    return float(pass_at_k(np.full(len(counts), counts.sum()), counts, size).sum()) if size > 1 else float("nan")


def _array(values) -> Floats:
    return np.fromiter(values, dtype=float)
