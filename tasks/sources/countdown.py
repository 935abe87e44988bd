"""Countdown: combine given numbers by + - * / to reach a target; with `target = 24` and four numbers, the game of 24.

One real row: prompt `3,5,8,8=24?`, chain of thought `3+5=8>8,8,8;...####(3+5)*(8-...)`, numbers (3, 5, 8, 8), target 24,
difficulty 4 (how many numbers there are), `nodes` (how many steps a search takes that tries everything in a fixed order).

The organic corpus is what such a search writes down, in an order of its own: steps, dead ends (`x`), ways back (`<`) and the
expression that was found. Each result in it is wrong with a given probability, and the rest follows from the mistake.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from tasks.errors import UserError
from tasks.references import CountdownReference
from tasks.sources.datasets import NumTasks
from tasks.task import Task

COUNTS = (3, 4)
_WORDS = (
    "Using the numbers {numbers}, write an expression that equals {target}. Use + - * / and brackets, and each number exactly "
    "once. Reason step by step, then put the expression within <answer> and </answer>."
)
_MOST_MISSES = 20_000


class Term(NamedTuple):
    """A number, or two terms joined by a sign."""

    value: Fraction
    text: str  # the expression
    binds: int  # how tightly its last sign binds: 1 sum, 2 product, 3 number
    parts: tuple["Term", str, "Term"] | None = None  # left, sign, right; None for a number


class Puzzle(NamedTuple):
    """Numbers in order of size, a target, and one way to reach it."""

    numbers: tuple[int, ...]
    target: int
    solution: Term


def countdown(
    num_tasks: Annotated[int, Field(ge=1)] = 1000,
    split: Literal["train", "test"] = "train",
    seed: int = 0,
    counts: tuple[Annotated[int, Field(ge=2, le=6)], ...] = COUNTS,
    smallest: Annotated[int, Field(ge=1)] = 1,
    largest: Annotated[int, Field(ge=1)] = 13,
    target: NumTasks = 0,
    most: Annotated[int, Field(ge=1)] = 100,
    style: Literal["compact", "words"] = "compact",
) -> Iterator[Task]:
    """Distinct puzzles, each solvable. `counts` numbers each, from `smallest` to `largest`; `target` 0 draws one up to `most`.

    Prompts are `3,5,8,8=24?`, or in words. The splits share no puzzle, whatever the seeds: its own hash decides its split.
    """
    if smallest > largest:
        raise UserError(f"countdown draws numbers from smallest = {smallest} to largest = {largest}; exchange them")
    rng = _rng(f"countdown/{seed}/{split}")
    seen: set[tuple[tuple[int, ...], int]] = set()
    misses = 0
    while len(seen) < num_tasks:
        puzzle = draw(rng, rng.choice(counts), smallest, largest, target, most)
        if puzzle is None or (puzzle[:2] in seen) or split_of(puzzle) != split:
            misses += 1
            if misses > _MOST_MISSES:
                raise UserError(
                    f"countdown finds {len(seen)} different puzzles in split {split} with counts = {list(counts)}, numbers "
                    f"{smallest} to {largest}, target {target or f'up to {most}'}; ask for fewer tasks, or widen these"
                )
            continue
        misses = 0
        seen.add(puzzle[:2])
        yield _task(puzzle, split, style, len(seen) - 1)


def _task(puzzle: Puzzle, split: str, style: str, number: int) -> Task:
    numbers = ", ".join(map(str, puzzle.numbers))
    prompt = prompt_of(puzzle) if style == "compact" else _WORDS.format(numbers=numbers, target=puzzle.target)
    return Task.make(
        "countdown",
        prompt,
        CountdownReference(puzzle.numbers, puzzle.target),
        difficulty=len(puzzle.numbers),
        nodes=search(puzzle.numbers, puzzle.target)[1] if len(puzzle.numbers) < 5 else None,
        solution=puzzle.solution.text,
        split=split,
        number=number,
        license="none: generated",
    )


def organic_corpus(num_rows: int, seed: int = 0, corruption: float = 0.1, **options) -> Iterator[tuple[str, str]]:
    """Pairs of prompt and search trace of the train split; `options` as the source has them."""
    rng = _rng(f"organic countdown/{seed}")
    counts = options.get("counts", COUNTS)
    limits = [options.get(*pair) for pair in (("smallest", 1), ("largest", 13), ("target", 0), ("most", 100))]
    rows = 0
    while rows < num_rows:
        puzzle = draw(rng, rng.choice(counts), *limits)
        if puzzle is not None and split_of(puzzle) == "train":
            rows += 1
            yield prompt_of(puzzle), chain_of_thought(puzzle, rng, corruption)


def prompt_of(puzzle: Puzzle) -> str:
    return f"{','.join(map(str, puzzle.numbers))}={puzzle.target}?"


def split_of(puzzle: Puzzle) -> str:
    return ("train", "test")[hashlib.sha256(repr(puzzle[:2]).encode()).digest()[0] % 2]


def draw(rng: random.Random, count: int, smallest: int, largest: int, target: int, most: int) -> Puzzle | None:
    """A puzzle; None where the numbers that were drawn do not reach the target."""
    numbers = tuple(sorted(rng.randint(smallest, largest) for _ in range(count)))
    if target:
        solution = search(numbers, target)[0]
        return Puzzle(numbers, target, solution) if solution else None
    terms = list(map(_number, numbers))
    while len(terms) > 1:
        rng.shuffle(terms)
        steps = [step for step in _joined(terms.pop(), terms.pop()) if _is_whole(step) and 0 < step.value <= most]
        if not steps:
            return None
        terms.append(rng.choice(steps))
    return Puzzle(numbers, int(terms[0].value), terms[0])


def search(numbers: Sequence[int], target: int) -> tuple[Term | None, int]:
    """The first term of all the numbers that reaches the target, if one does; and how many steps were tried."""
    seen: set[tuple[Fraction, ...]] = set()
    tried = 0

    def reach(terms: tuple[Term, ...]) -> Term | None:
        nonlocal tried
        if len(terms) == 1:
            return terms[0] if terms[0].value == target else None
        key = tuple(sorted(term.value for term in terms))
        if key in seen:
            return None
        seen.add(key)
        for one, other in combinations(range(len(terms)), 2):
            rest = tuple(term for place, term in enumerate(terms) if place not in (one, other))
            for step in _joined(terms[one], terms[other]):
                tried += 1
                if found := reach((*rest, step)):
                    return found
        return None

    return reach(tuple(map(_number, sorted(numbers)))), tried


def chain_of_thought(puzzle: Puzzle, rng: random.Random, corruption: float = 0.0, most_detours: int = 2) -> str:
    """A search that writes down each step, `3+5=8>8,8;` with the numbers that are left, then the expression behind `####`.

    Up to `most_detours` times it starts with steps at random, to the dead end `x`, and goes back, `<`; then it takes the
    known way. Each result is wrong with probability `corruption`.
    """
    start = list(map(_number, puzzle.numbers))
    chain = ""
    for _ in range(rng.randint(0, most_detours)):
        terms: list[Term] = list(start)
        values: dict[str, Fraction] = {}
        while len(terms) > 1:
            rng.shuffle(terms)
            steps = [step for step in _joined(terms.pop(), terms.pop()) if _is_whole(step)]
            chain += _write(rng.choice(steps), terms, values, rng, corruption)
        if terms[0].value == puzzle.target:  # found by chance
            return f"{chain}####{terms[0].text}"
        chain += "x<"
    terms, values = list(start), {}
    for step in _in_order(puzzle.solution):
        assert step.parts is not None  # numbers are not steps
        left, _, right = step.parts
        for part in (left, right):
            terms.remove(next(term for term in terms if term.text == part.text))
        chain += _write(step, terms, values, rng, corruption)
    return f"{chain}####{puzzle.solution.text}"


def _write(step: Term, terms: list[Term], values: dict[str, Fraction], rng: random.Random, corruption: float) -> str:
    """One step in writing; puts its term among the others. `values`: results that were written down, right or wrong."""
    assert step.parts is not None
    left, sign, right = step.parts
    a, b = (values.get(part.text, part.value) for part in (left, right))
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else Fraction(0)}[sign]
    if rng.random() < corruption:
        value = Fraction(rng.randint(0, 100))
    values[step.text] = value
    terms.append(step)
    left_over = ",".join(str(values.get(term.text, term.value)) for term in terms)
    return f"{a}{sign}{b}={value}" + (f">{left_over};" if len(terms) > 1 else "")


def _in_order(term: Term) -> Iterator[Term]:
    """The steps of a term, each behind those that it needs."""
    if term.parts:
        left, _, right = term.parts
        yield from _in_order(left)
        yield from _in_order(right)
        yield term


def _number(value: int) -> Term:
    return Term(Fraction(value), str(value), 3)


def _joined(one: Term, other: Term) -> list[Term]:
    """Everything that one sign makes of two terms."""
    found = [_term(one, "+", other), _term(one, "-", other), _term(other, "-", one), _term(one, "*", other)]
    found += [_term(left, "/", right) for left, right in ((one, other), (other, one)) if right.value]
    return found


def _term(left: Term, sign: str, right: Term) -> Term:
    a, b = left.value, right.value
    value = a + b if sign == "+" else a - b if sign == "-" else a * b if sign == "*" else a / b
    binds = 1 if sign in "+-" else 2
    text = _within(left, binds) + sign + _within(right, binds + (sign in "-/"))
    return Term(value, text, binds, (left, sign, right))


def _within(term: Term, needed: int) -> str:
    return term.text if term.binds >= needed else f"({term.text})"


def _is_whole(term: Term) -> bool:
    return term.value.denominator == 1 and term.value >= 0


def _rng(name: str) -> random.Random:
    return random.Random(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]))
