"""Procedural families of reasoning-gym (Apache-2.0): `pip install selfplay[families]`. Its items, never its scorers.

One real row: family `spell_backward`, prompt "Spell this word backward (example: sun -> nus): turnbout" and how to answer,
reference text `tuobnrut`. An item's seed is a hash of the run's seed, the family and a number, since two neighbouring seeds of
reasoning-gym share eleven of twelve items. Nine of its scorers run Python that they find in an answer, and others accept any
text: here `math`, `text` and `countdown` decide, and a family with several right answers is refused, with the reason.
"""

import hashlib
import importlib.util
import random
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from tasks.errors import UserError, did_you_mean
from tasks.references import CountdownReference, MathReference, Reference, TextReference
from tasks.task import Task

_NONE = "it gives no answer with its items, and there is no checker for it here yet"
_SEVERAL = "it has several right answers, and there is no checker for it here yet"
REFUSED = dict.fromkeys(("boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"), _NONE) | dict.fromkeys(
    (
        "codeio", "cryptarithm", "intermediate_integration", "jugs", "kakurasu", "knight_swap", "letter_jumble", "n_queens",
        "palindrome_generation", "polynomial_equations", "quantum_lock", "shortest_path", "simple_integration", "sokoban",
        "survo", "tower_of_hanoi", "tsumego", "word_ladder",
    ),
    _SEVERAL,
)  # fmt: skip
NUM_ANSWERS = {  # families in which guessing pays: how many answers there are
    "acre": 3, "circuit_logic": 2, "course_schedule": 2, "game_of_life_halting": 2, "isomorphic_strings": 2,
    "mahjong_puzzle": 4, "ransom_note": 2, "syllogism": 2,
}  # fmt: skip
_AS_WRITTEN = {
    "base_conversion",
    "number_format",
}  # digits that are not to be read as a decimal number, or to every digit
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,12})?", re.ASCII)
_HOW = "\n\nReason step by step, and put the final answer alone within <answer> and </answer>."
_LONGEST_ANSWER = 2_000  # characters: no model is asked for more
_MOST_MISSES = 2_000


def reasoning_gym(
    family: str | dict[str, Annotated[float, Field(gt=0)]] | list[str],
    num_tasks: Annotated[int, Field(ge=1)] = 1000,
    split: Literal["train", "test"] = "train",
    seed: int = 0,
    config: dict[str, Any] = {},  # noqa: B006  nobody changes it
) -> Iterator[Task]:
    """Distinct items of one family, of several in turn, or of several with weights; `config` holds the family's own settings.

    The splits share no item, whatever the seeds: a question's own hash decides its split.
    """
    if importlib.util.find_spec("reasoning_gym") is None:
        raise UserError("the source reasoning_gym needs its package: pip install 'selfplay[families]'")
    weights: Mapping[str, float] = family if isinstance(family, dict) else dict.fromkeys(_listed(family), 1.0)
    for name in weights:
        _check(name)
    rng = random.Random(_number(seed, "families", split, 0))
    seen: set[str] = set()
    numbers = dict.fromkeys(weights, 0)
    misses = 0
    while len(seen) < num_tasks:
        name = rng.choices(list(weights), list(weights.values()))[0]
        numbers[name] += 1
        item = _item(name, _number(seed, name, split, numbers[name]), config)
        question = item["question"]
        fits = 0 < len(str(item["answer"]).strip()) <= _LONGEST_ANSWER
        if question in seen or split_of(question) != split or not fits:
            misses += 1
            if misses > _MOST_MISSES:
                raise UserError(
                    f"reasoning_gym finds {len(seen)} different items of {', '.join(weights)}; ask for fewer tasks, or for "
                    "harder ones by `config`"
                )
            continue
        misses = 0
        seen.add(question)
        yield _task(name, item, split, len(seen) - 1)


def _task(name: str, item: dict[str, Any], split: str, number: int) -> Task:
    reference = reference_of(name, item)
    difficulty = item["metadata"].get("difficulty")
    return Task.make(
        "reasoning_gym",
        item["question"] + _HOW,
        reference,
        family=name,
        solution=str(item["answer"])
        if isinstance(reference, CountdownReference)
        else f"<answer>\n{item['answer']}\n</answer>",
        chance=1 / NUM_ANSWERS[name] if name in NUM_ANSWERS else 0.0,
        difficulty=difficulty if isinstance(difficulty, int | float) else None,
        split=split,
        number=number,
        license="Apache-2.0",
    )


def reference_of(name: str, item: Mapping[str, Any]) -> Reference:
    """What decides an item: a number as a number written out, two games by their rules, all else as text."""
    answer = str(item["answer"])
    if name in ("countdown", "puzzle24"):
        numbers = tuple(int(number) for number in item["metadata"]["numbers"])
        return CountdownReference(numbers, int(item["metadata"].get("target", 24)))
    if _NUMBER.fullmatch(answer) and name not in _AS_WRITTEN:
        return MathReference(answer, literal=True)
    return TextReference(answer, case_sensitive=not answer.isalpha())


def split_of(question: str) -> str:
    return ("train", "test")[hashlib.sha256(question.encode()).digest()[0] % 2]


def _listed(family: str | list[str] | dict[str, float]) -> list[str]:
    return [family] if isinstance(family, str) else list(family)


def _check(name: str) -> None:
    from reasoning_gym.factory import DATASETS

    known = sorted(set(DATASETS) - {"composite"})
    if name in REFUSED:
        raise UserError(f'the family "{name}" is refused: {REFUSED[name]}')
    if name not in known:
        raise UserError(f'reasoning-gym has no family "{name}"{did_you_mean(name, known)}')


def _item(name: str, seed: int, config: dict[str, Any]) -> dict[str, Any]:
    import reasoning_gym as package

    try:
        return package.create_dataset(name, size=1, seed=seed, **config)[0]
    except (TypeError, ValueError, AssertionError) as error:
        raise UserError(f"reasoning-gym does not take config = {config!r} for {name}: {error}") from None


def _number(seed: int, name: str, split: str, index: int) -> int:
    """The seed of an item; reasoning-gym takes 32 bits."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}/{split}/{index}".encode()).digest()[:4])
