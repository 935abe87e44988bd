"""Planted copies of real evaluation tasks found, in tasks and in completions, clean ones flagged, and the time it takes.

    python -m tests.benchmarks.contamination

Reads GSM8K and MATH-500 from the folder of real data. Beside it, on the same texts, what the field uses: a task is
contaminated if it shares thirteen words in a row with an evaluation task (GPT-3, Brown et al. 2020, appendix C).
"""

import random
import re
import time
from collections.abc import Callable

from selfplay.selection.decontamination import Contamination, text_of
from tasks import Task, load
from tests.shared_data import SHARED

FILLERS = ["quickly", "very", "perhaps", "some", "river", "green", "also", "window", "seldom", "paper", "bright"]


class ThirteenWords:
    """Overlap of thirteen words, lower case, without punctuation."""

    def __init__(self, tasks: list[Task]):
        self._known = {gram for task in tasks for gram in self._grams(bare(task))}

    def match(self, text: str) -> bool:
        return not self._known.isdisjoint(self._grams(text))

    @staticmethod
    def _grams(text: str) -> set[tuple[str, ...]]:
        words = re.findall(r"\w+", text.lower())
        return {tuple(words[start : start + 13]) for start in range(len(words) - 12)}


def main() -> None:
    if SHARED is None:
        print("skipped: the folder of real data is absent (SELFPLAY_SHARED)")
        return
    folder = SHARED / "data"
    train = list(load("gsm8k", path=str(folder / "gsm8k_train.jsonl")))
    sets = {
        "gsm8k test": list(load("gsm8k", path=str(folder / "gsm8k_test.jsonl"))),
        "math500": list(load("math500", path=str(folder / "math500.jsonl"))),
    }
    both = [task for tasks in sets.values() for task in tasks]
    started = time.process_time()
    index = Contamination(sets)
    print(f"index of {len(index):,} tasks: {time.process_time() - started:.2f} CPU seconds")
    rival = ThirteenWords(both)
    print(f"\n{'found of planted copies':<34}{'here':>8}{'13 words':>10}")
    for name, tasks in sets.items():
        texts = [bare(task) for task in tasks]
        for kind, change in changes(random.Random(0)).items():
            chosen = [text for text in texts if len(text.split()) < 13 or not kind.startswith("under")]
            if chosen:
                planted = [change(text) for text in chosen]
                ours = sum(bool(index.match(text)) for text in planted) / len(planted)
                theirs = sum(rival.match(text) for text in planted) / len(planted)
                print(f"{name + ', ' + kind + f' ({len(planted)})':<34}{ours:>8.1%}{theirs:>10.1%}")
    _quotations(index, sets, train)
    clean = {"gsm8k train against both": (index, rival, train)}
    clean["math500 against gsm8k train"] = (
        Contamination({"gsm8k train": train}),
        ThirteenWords(train),
        sets["math500"],
    )
    for name, other in (("gsm8k test", "math500"), ("math500", "gsm8k test")):
        clean[f"{other} against {name}"] = (Contamination({name: sets[name]}), ThirteenWords(sets[name]), sets[other])
    print(f"\n{'flagged of tasks that are not copies':<44}{'here':>12}{'13 words':>12}")
    for name, (ours_index, theirs_index, tasks) in clean.items():
        ours = sum(bool(ours_index.match(text_of(task))) for task in tasks)
        theirs = sum(theirs_index.match(bare(task)) for task in tasks)
        print(
            f"{name + f' ({len(tasks):,})':<44}{ours:>5} {ours / len(tasks):>6.2%}{theirs:>5} {theirs / len(tasks):>6.2%}"
        )
    started = time.process_time()
    for task in train:
        index.match(text_of(task))
    ours_seconds = time.process_time() - started
    started = time.process_time()
    for task in train:
        rival.match(bare(task))
    theirs_seconds = time.process_time() - started
    print(
        f"\nCPU seconds for a million tasks: {ours_seconds / len(train) * 1e6:.0f}; thirteen words: {theirs_seconds / len(train) * 1e6:.0f}"
    )


def _quotations(index: Contamination, sets: dict[str, list[Task]], train: list[Task]) -> None:
    """Completions that quote an evaluation task before they solve a training task; people's solutions are clean."""
    rng = random.Random(0)
    print(f"\n{'found of completions that quote a task':<44}{'here':>8}")
    for name, tasks in sets.items():
        for kind in ("verbatim", "renumbered", "first two thirds"):
            change = changes(rng)[kind]
            planted = [
                f"This is like a known one: {change(bare(task))}\n{rng.choice(train).metadata['solution']}"
                for task in tasks
            ]
            print(f"{name + ', ' + kind:<44}{sum(bool(index.quoted(text)) for text in planted) / len(planted):>8.1%}")
    flagged = sum(bool(index.quoted(task.metadata["solution"])) for task in train)
    print(f"{'solutions of gsm8k train that are flagged':<44}{flagged:>8} of {len(train):,}")


def bare(task: Task) -> str:
    """The problem without the instruction that its source adds."""
    return text_of(task).partition("\n\nReason step by step")[0]


def changes(rng: random.Random) -> dict[str, Callable[[str], str]]:
    """What is done to a task to plant it."""

    def renumbered(text: str) -> str:
        return re.sub(r"\d+", lambda digits: str(rng.randrange(10 ** (len(digits[0]) - 1), 10 ** len(digits[0]))), text)

    def reworded(share: float) -> Callable[[str], str]:
        def change(text: str) -> str:
            words = text.split()
            for position in rng.sample(range(len(words)), max(1, round(share * len(words)))):
                words[position] = rng.choice(FILLERS)
            return " ".join(words)

        return change

    def part(start: float, end: float) -> Callable[[str], str]:
        return lambda text: " ".join(
            text.split()[int(start * len(text.split())) : max(1, int(end * len(text.split())))]
        )

    return {
        "verbatim": lambda text: text,
        "in a template": lambda text: f"Question: {text}\nAnswer:",
        "renumbered": renumbered,
        "first two thirds": part(0, 2 / 3),
        "last two thirds": part(1 / 3, 1),
        "5% reworded": reworded(0.05),
        "10% reworded": reworded(0.1),
        "under 13 words": lambda text: text,
        "under 13 words, renumbered": renumbered,
    }


if __name__ == "__main__":
    main()
