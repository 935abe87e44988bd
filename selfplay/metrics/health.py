"""Health of a pass: signs that its samples are fewer, or worth less, than their number says.

Samples that were cut or are empty, equal texts among the samples of a task, checks that failed, answers that only repeat a
number of the prompt, how often one fixed answer would be right, and tasks that repeat or contradict each other.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from selfplay.journal.samples import NO_VOTE, Column, SampleTable, hash_of
from selfplay.recipe.sections import Sampling
from selfplay.records import WRONG
from tasks import Task
from verifiers import Reason, verifier_of

COLUMNS: tuple[Column, ...] = ("text", "answer", "reason", "finish_reason")
LEAST_TASKS = 20  # with an answer to tell how often one answer would be right
LEAST_CHANCE = 0.05  # of one fixed answer, to be worth a word
MOST_ALIKE = 0.9  # share of tasks whose samples are all one text, from which on seeds are in doubt

_NUMBER = re.compile(r"\d+(?:[.,/]\d+)*")


@dataclass(frozen=True, slots=True)
class Health:
    """Counts of samples, unless they say otherwise."""

    num_samples: int
    num_cut: int  # at max_tokens
    num_empty: int
    num_without_answer: int
    num_repeated: int  # whose text an earlier sample of the same task has
    num_tasks_with_siblings: int  # tasks with two samples or more
    num_tasks_of_one_text: int  # those of them whose samples are all the same
    undecided: dict[str, int]  # by reason
    num_wrong_answers: int
    num_wrong_from_prompt: int  # those of them that are a number of the prompt
    chance: float  # share of tasks for which their most frequent right answer is right; nan: too few tasks with answers
    chance_answer: str  # that answer
    num_repeated_tasks: int = 0  # that an earlier row of the tasks is already; they are sampled once
    num_contradicting_tasks: int = 0  # with the prompt of an earlier task and another reference

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"chance": None if np.isnan(self.chance) else self.chance}


def health_of(samples: SampleTable, tasks: Iterable[Task]) -> Health:
    """The health of a pass; `samples` has COLUMNS."""
    empty = samples.text == np.uint64(hash_of(""))
    finish, reasons = samples.finish_reason, samples.reason
    repeated, alike, siblings = _equal_texts(samples, ~empty)
    answers = _answers(samples, tasks)
    return Health(
        num_samples=len(samples),
        num_cut=finish.counts().get("length", 0),
        num_empty=int(empty.sum()) - finish.counts(empty).get("failed", 0),
        num_without_answer=reasons.counts().get(str(Reason.NO_ANSWER), 0),
        num_repeated=repeated,
        num_tasks_with_siblings=siblings,
        num_tasks_of_one_text=alike,
        undecided=reasons.counts(~samples.decided),
        **answers,
    )


def summary(health: dict[str, Any], sampling: Sampling) -> str:
    """One line of progress, from a health as metrics.json holds it."""
    num = max(health["num_samples"], 1)
    parts = [
        f"{health['num_cut'] / num:.0%} cut at max_tokens = {sampling.max_tokens}",
        f"{health['num_empty'] / num:.0%} empty",
        f"{health['num_without_answer'] / num:.0%} without an answer",
        f"{health['num_repeated'] / num:.0%} repeat a text of their task{_doubt(health, sampling)}",
    ]
    if health["undecided"]:
        reasons = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in health["undecided"].items())
        parts.append(f"undecided: {reasons}")
    if health["num_wrong_from_prompt"]:
        share = health["num_wrong_from_prompt"] / health["num_wrong_answers"]
        parts.append(f"{share:.0%} of the wrong answers are a number of the prompt")
    if (health["chance"] or 0.0) >= LEAST_CHANCE:
        parts.append(f"always answering {health['chance_answer'][:40]!r} would be right for {health['chance']:.0%}")
    if repeated := health.get("num_repeated_tasks"):
        parts.append(f"{repeated:,} tasks repeat an earlier one and are sampled once")
    if contradicting := health.get("num_contradicting_tasks"):
        parts.append(f"{contradicting:,} tasks have the prompt of an earlier one and another answer")
    return ", ".join(parts)


def _doubt(health: dict[str, Any], sampling: Sampling) -> str:
    """A word on samples of a task that are all one text."""
    siblings = health["num_tasks_with_siblings"]
    if not siblings or health["num_tasks_of_one_text"] / siblings < MOST_ALIKE:
        return ""
    why = "as temperature = 0 lets expect" if sampling.temperature == 0 else "does the engine heed seeds?"
    return f" (all samples of {health['num_tasks_of_one_text']:,} of {siblings:,} tasks are one text: {why})"


def _equal_texts(samples: SampleTable, chosen: np.ndarray) -> tuple[int, int, int]:
    """Samples that repeat a text of their task, tasks whose samples are all one text, tasks with two samples or more."""
    pairs = np.stack([samples.task[chosen].astype(np.uint64), samples.text[chosen]])
    texts_of_task = np.bincount(np.unique(pairs, axis=1)[0].astype(np.int64), minlength=samples.num_tasks)
    num = samples.count(chosen)
    siblings = num > 1
    return int((num - texts_of_task).sum()), int((siblings & (texts_of_task == 1)).sum()), int(siblings.sum())


def _answers(samples: SampleTable, tasks: Iterable[Task]) -> dict[str, Any]:
    """What tasks and answers show together: the fields of Health from num_wrong_answers on."""
    chosen = (samples.outcome == WRONG) & (samples.answer != NO_VOTE) & (samples.answer != 0)
    wrong = samples.by_task(samples.answer, chosen)
    right: Counter[str] = Counter()
    num_from_prompt = num_repeated = num_contradicting = 0
    seen = np.zeros(samples.num_tasks, bool)
    prompts: set[int] = set()
    for task in tasks:
        place = samples.places.get(task.id)
        if place is None:
            continue
        if seen[place]:
            num_repeated += 1
            continue
        seen[place] = True
        key = hash(tuple((message["role"], message["content"]) for message in task.prompt))
        num_contradicting += key in prompts
        prompts.add(key)
        verifier = verifier_of(task.reference)
        if verifier.has_answers:
            right[verifier.ground_truth(task.reference)] += 1
        if len(wrong[place]):
            prompt = " ".join(str(message["content"]) for message in task.prompt if message["role"] != "system")
            numbers = [hash(number) for number in set(_NUMBER.findall(prompt))]
            num_from_prompt += int(np.isin(wrong[place], np.array(numbers, np.int64)).sum())
    is_told = right.total() >= LEAST_TASKS
    answer, count = right.most_common(1)[0] if is_told else ("", 0)
    return {
        "num_wrong_answers": int(chosen.sum()),
        "num_wrong_from_prompt": num_from_prompt,
        "chance": count / right.total() if is_told else float("nan"),
        "chance_answer": answer,
        "num_repeated_tasks": num_repeated,
        "num_contradicting_tasks": num_contradicting,
    }
