"""The replay engine: completions read from a file, so that data made elsewhere goes through the same path.

A JSONL or Parquet file, one row a task; the row belongs to the task with that `task_id`, or whose prompt reads so:

    {"question": "Janet's ducks ...", "6b_finetuning": {"solution": "..."}, "175b_finetuning": {"solution": "..."}}

with `prompt = "question"` and `completions = ["6b_finetuning.solution", "175b_finetuning.solution"]`; a named column may
also hold a list of completions. Several rows of one task follow each other. A value that is no text, such as null, costs its
sample and no other.
"""

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any, NamedTuple

from selfplay.recipe.sections import Replay, Sampling
from selfplay.records import Request, Sample, SampleFailure
from tasks import UserError
from tasks.sources.datasets import rows_of

NUM_TRIED = 1000  # rows read before a run begins


class Stored(NamedTuple):
    """One completion of the file."""

    column: str
    text: str
    error: str  # in words, of a value that is no text; empty otherwise


class ReplaySampler:
    """Hands out stored completions; `model` names nothing here."""

    distributions = ("selfplay",)
    is_local = False

    def __init__(self, settings: Sampling, model: str = ""):
        self._completions: dict[str, list[Stored]] = {}  # task id or prompt -> completions of each sample
        for key, stored in completions_of(settings.replay):
            self._completions.setdefault(key, []).extend(stored)

    @staticmethod
    def in_flight(settings: Sampling) -> int:
        return settings.max_in_flight or 512

    @staticmethod
    def num_gpus(settings: Sampling) -> int:
        return 1

    @staticmethod
    def can_sleep(settings: Sampling) -> bool:
        return False

    @staticmethod
    def preflight(settings: Sampling, model: str, thorough: bool) -> Iterator[str]:
        """`thorough`: read the whole file, and name what is no text in it."""
        try:
            for _, stored in islice(completions_of(settings.replay), None if thorough else NUM_TRIED):
                if thorough:
                    yield from (one.error for one in stored if one.error)
        except UserError as error:
            yield str(error)

    async def sample(self, request: Request) -> AsyncIterator[Sample | SampleFailure]:
        stored = self._completions.get(request.task_id) or self._completions.get(
            request.prompt[-1]["content"].strip(), []
        )
        for index, seed in zip(request.indices, request.seeds, strict=True):
            if index >= len(stored):
                yield SampleFailure(
                    request.task_id, index, f"{len(stored)} completions are stored for this task", is_final=True
                )
                continue
            one = stored[index]
            if one.error:
                yield SampleFailure(request.task_id, index, one.error, is_final=True)
                continue
            yield Sample(
                task_id=request.task_id,
                index=index,
                text=one.text,
                finish_reason="stop",
                prompt_tokens=0,
                cached_tokens=0,
                completion_tokens=0,
                token_ids=(),
                cumulative_logprob=None,
                seed=seed,
                model=one.column,
            )

    async def load(self, model: str) -> None:
        raise UserError(
            "stored completions come from no model: a recipe with the replay engine plays one round, without training"
        )

    async def close(self) -> None:
        self._completions.clear()


def completions_of(replay: Replay) -> Iterator[tuple[str, list[Stored]]]:
    """Of each row of the file: its task id or prompt, and its completions. UserError for a row that belongs to no task."""
    for number, row in enumerate(rows_of(replay.path), 1):
        where = f"{replay.path}, row {number}"
        key = row.get("task_id") or _value(row, replay.prompt, where)
        if not isinstance(key, str):
            raise UserError(
                f'{where}: column "{replay.prompt}" holds {key!r:.80}, and the text of a task\'s prompt is needed; '
                "correct the row, or name another column with `prompt` in [sampling.replay]"
            )
        stored = []
        for column in replay.completions:
            value = _value(row, column, where)
            for one in value if isinstance(value, list) else [value]:
                is_text = isinstance(one, str)
                error = "" if is_text else f'{where}: column "{column}" holds {one!r:.80}, which is no text'
                stored.append(Stored(column, one if is_text else "", error))
        yield key.strip(), stored


def _value(row: dict[str, Any], path: str, where: str) -> Any:
    value: Any = row
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            raise UserError(f'{where} has no column "{path}"; it has {", ".join(row)}')
        value = value[name]
    return value
