"""The replay engine: completions read from a file, so that data made elsewhere goes through the same path.

A JSONL or Parquet file, one row a task; the row belongs to the task with that `task_id`, or whose prompt reads so:

    {"question": "Janet's ducks ...", "6b_finetuning": {"solution": "..."}, "175b_finetuning": {"solution": "..."}}

with `prompt = "question"` and `completions = ["6b_finetuning.solution", "175b_finetuning.solution"]`; a named column may
also hold a list of completions. Several rows of one task follow each other.
"""

from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any

from selfplay.recipe.sections import Replay, Sampling
from selfplay.records import Request, Sample, SampleFailure
from tasks import UserError
from tasks.sources.datasets import rows_of

NUM_TRIED = 1000  # rows read before a run begins


class ReplaySampler:
    """Hands out stored completions; `model` names nothing here."""

    distributions = ("selfplay",)
    is_local = False

    def __init__(self, settings: Sampling, model: str = ""):
        self._completions: dict[str, list[tuple[str, str]]] = {}  # task id or prompt -> (column, text) of each sample
        for key, texts in completions_of(settings.replay):
            self._completions.setdefault(key, []).extend(texts)

    @staticmethod
    def in_flight(settings: Sampling) -> int:
        return settings.max_in_flight or 512

    @staticmethod
    def num_gpus(settings: Sampling) -> int:
        return 1

    @staticmethod
    def preflight(settings: Sampling, model: str, thorough: bool) -> Iterator[str]:
        try:
            for _ in islice(completions_of(settings.replay), NUM_TRIED):
                pass
        except UserError as error:
            yield str(error)

    async def sample(self, request: Request) -> AsyncIterator[Sample | SampleFailure]:
        texts = self._completions.get(request.task_id) or self._completions.get(
            request.prompt[-1]["content"].strip(), []
        )
        for index, seed in zip(request.indices, request.seeds, strict=True):
            if index >= len(texts):
                yield SampleFailure(request.task_id, index, f"{len(texts)} completions are stored for this task")
                continue
            column, text = texts[index]
            yield Sample(
                task_id=request.task_id,
                index=index,
                text=text,
                finish_reason="stop",
                prompt_tokens=0,
                cached_tokens=0,
                completion_tokens=0,
                token_ids=(),
                cumulative_logprob=None,
                seed=seed,
                model=column,
            )

    async def load(self, model: str) -> None:
        raise UserError(
            "stored completions come from no model: a recipe with the replay engine plays one round, without training"
        )

    async def close(self) -> None:
        self._completions.clear()


def completions_of(stored: Replay) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Of each row of the file: its task id or prompt, and the column and text of each of its completions."""
    for number, row in enumerate(rows_of(stored.path), 1):
        where = f"{stored.path}, row {number}"
        key = row.get("task_id") or _value(row, stored.prompt, where).strip()
        texts = []
        for column in stored.completions:
            value = _value(row, column, where)
            texts += [(column, text) for text in (value if isinstance(value, list) else [value])]
        yield key, texts


def _value(row: dict[str, Any], path: str, where: str) -> Any:
    value: Any = row
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            raise UserError(f'{where} has no column "{path}"; it has {", ".join(row)}')
        value = value[name]
    return value
