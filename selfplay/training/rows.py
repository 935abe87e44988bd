"""Training rows: the tokens of each example, and the order in which a training meets them.

A step is `batch_size` rows, whatever computes it: one process or several workers, at once or in micro batches whose gradients
add up. So the order is made here and not by the trainer. The rows of a step that is computed in parts stand by length, since
their order does not change the sum of their gradients: a micro batch pads little, and workers that compute at the same time get
the same work.
"""

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, NamedTuple

from selfplay.recipe.sections import Fitting
from selfplay.samplers.turns import TurnFormat
from tasks import UserError
from tasks.task import Message

UNLEARNT = -100  # the label of a token that is not learnt, as torch's cross-entropy has it


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """One prompt with the completion to learn."""

    prompt: Sequence[Message]
    completion: str
    token_ids: Sequence[int] = ()  # of the completion as it was sampled; empty: encode the text
    ended: bool = True  # whether the completion ends, so that the end token is learnt too


@dataclass(frozen=True, slots=True)
class PreferenceExample:
    """Two completions of one prompt, of which the first is better (DPO)."""

    chosen: TrainingExample
    rejected: TrainingExample


@dataclass(frozen=True, slots=True)
class LabelledExample:
    """A completion and whether it is good (KTO)."""

    example: TrainingExample
    is_good: bool


Example = TrainingExample | PreferenceExample | LabelledExample


class Row(NamedTuple):
    """The tokens of one example."""

    prompt: array  # token ids
    completion: array  # token ids; only these are learnt

    @property
    def num_tokens(self) -> int:
        return len(self.prompt) + len(self.completion)

    def as_columns(self) -> dict[str, list[int]]:
        """The columns that the trainer reads."""
        unlearnt = [UNLEARNT] * len(self.prompt)
        return {"input_ids": [*self.prompt, *self.completion], "labels": [*unlearnt, *self.completion]}


class Pair(NamedTuple):
    """The tokens of two completions of a prompt."""

    prompt: array
    chosen: array
    rejected: array

    @property
    def num_tokens(self) -> int:
        return 2 * len(self.prompt) + len(self.chosen) + len(self.rejected)

    def as_columns(self) -> dict[str, list[int]]:
        return {f"{name}_ids": [*tokens] for name, tokens in self._asdict().items()}


class Labelled(NamedTuple):
    """The tokens of a completion with its label."""

    prompt: array
    completion: array
    label: array  # 1 or 0

    @property
    def num_tokens(self) -> int:
        return len(self.prompt) + len(self.completion)

    def as_columns(self) -> dict[str, Any]:
        return {"prompt_ids": [*self.prompt], "completion_ids": [*self.completion], "label": bool(self.label[0])}


AnyRow = Row | Pair | Labelled


@dataclass(frozen=True, slots=True)
class Shape:
    """How a step is computed."""

    micro: int  # rows that one worker computes at once
    accumulation: int  # micro batches of each worker in a step
    num_workers: int

    @classmethod
    def of(cls, settings: Fitting, num_workers: int) -> "Shape":
        """Enough room for batch_size rows; a little more if it is no multiple."""
        micro = settings.micro_batch_size or math.ceil(settings.batch_size / num_workers)
        return cls(micro, math.ceil(settings.batch_size / (micro * num_workers)), num_workers)

    @property
    def places(self) -> int:
        """Rows that a step has room for."""
        return self.micro * self.accumulation * self.num_workers


def training_row(turns: TurnFormat, example: TrainingExample) -> Row:
    """The tokens of an example."""
    prompt, completion = turns.turn(example.prompt, example.completion, example.token_ids, example.ended)
    return Row(array("i", prompt.token_ids), array("i", completion))


def _row_of(turns: TurnFormat, example: Example) -> AnyRow:
    if isinstance(example, PreferenceExample):
        chosen, rejected = training_row(turns, example.chosen), training_row(turns, example.rejected)
        return Pair(chosen.prompt, chosen.completion, rejected.completion)
    if isinstance(example, LabelledExample):
        return Labelled(*training_row(turns, example.example), array("i", [example.is_good]))
    return training_row(turns, example)


def _fits(row: AnyRow, max_length: int) -> bool:
    """Whether the prompt with its longest completion has at most so many tokens."""
    longest = max(len(row.chosen), len(row.rejected)) if isinstance(row, Pair) else len(row.completion)
    return len(row.prompt) + longest <= max_length


def encoded(turns: TurnFormat, examples: Iterable[Example], max_length: int) -> tuple[list[AnyRow], int]:
    """The rows to train on, and how many were too long; UserError if none is left."""
    rows = [_row_of(turns, example) for example in examples]
    if not rows:
        raise UserError(
            "nothing to train on: no trace was accepted, or none has what the method needs beside it. Sample more or easier "
            "tasks, or start from a better model"
        )
    kept = [row for row in rows if _fits(row, max_length)]
    if not kept:
        raise UserError(
            f"nothing to train on: {len(rows)} traces, none of at most max_length = {max_length} tokens; raise max_length in [training]"
        )
    return kept, len(rows) - len(kept)


def num_steps(settings: Fitting, num_rows: int) -> int:
    """Optimizer steps of a training on so many rows."""
    return settings.steps or math.ceil(settings.epochs * math.ceil(num_rows / settings.batch_size))


def batches(settings: Fitting, num_rows: int, seed: int) -> Iterator[list[int]]:
    """The rows of each step, by their number. An epoch is a permutation of all rows, the one that accelerate's seeded sampler
    draws; its last step has the rows that are left."""
    import torch

    size, left, epoch = settings.batch_size, num_steps(settings, num_rows), 0
    while left:
        order = torch.randperm(num_rows, generator=torch.Generator().manual_seed(seed + epoch)).tolist()
        for start in range(0, min(num_rows, left * size), size):
            yield order[start : start + size]
            left -= 1
        epoch += 1


def order_of(steps: Iterable[list[int]], lengths: Sequence[int], shape: Shape, empty: int | None) -> list[int]:
    """All places of all steps in the order in which the trainer reads them; `empty` is the row that fills a step up. None: its
    own rows do, a second time, for a loss that is a mean over rows.

    If a step has several micro batches, its longest rows come first. Micro batch j goes to worker j modulo num_workers, so that
    neighbours in length are computed at the same time.
    """
    order: list[int] = []
    for step in steps:
        rows = step if shape.places == shape.micro else sorted(step, key=lambda row: -lengths[row])
        order += [*rows, *islice(cycle(rows if empty is None else [empty]), shape.places - len(rows))]
    return order
