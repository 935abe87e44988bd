"""The transformers engine: `generate` in batches. The default on a CPU; on a GPU the vllm engine is far faster."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from selfplay.recipe.sections import Sampling
from selfplay.records import Request, Sample, SampleFailure
from selfplay.samplers.turns import Prompt
from tasks import UserError

if TYPE_CHECKING:
    from selfplay.samplers.generation import Completion

_Row = tuple[Request, int, asyncio.Queue]  # a request, the position of one of its samples, where the sample goes


class TransformersSampler:
    """Gathers the samples that are requested at the same time into batches."""

    distributions = ("transformers",)
    is_local = True

    def __init__(self, settings: Sampling, model: str):
        self._settings = settings
        self._waiting: deque[_Row] = deque()
        self._batches: asyncio.Task | None = None
        self._load(model)

    @staticmethod
    def in_flight(settings: Sampling) -> int:
        return settings.max_in_flight or 2 * settings.batch_size

    @staticmethod
    def num_gpus(settings: Sampling) -> int:
        return 1

    @staticmethod
    def can_sleep(settings: Sampling) -> bool:
        return False

    @staticmethod
    def preflight(settings: Sampling, model: str, thorough: bool) -> Iterator[str]:
        return iter(())

    async def sample(self, request: Request) -> AsyncIterator[Sample | SampleFailure]:
        finished: asyncio.Queue = asyncio.Queue()
        self._waiting.extend((request, position, finished) for position in range(len(request.indices)))
        if self._batches is None or self._batches.done():
            self._batches = asyncio.create_task(self._run_batches())
        for _ in request.indices:
            outcome = await finished.get()
            if isinstance(outcome, Exception):
                raise outcome
            yield outcome

    async def load(self, model: str) -> None:
        if self._batches is not None:
            await self._batches
        await asyncio.to_thread(self._load, model)

    async def close(self) -> None:
        self._waiting.clear()
        if self._batches is not None:
            await self._batches

    def _load(self, model: str) -> None:
        from selfplay.samplers.generation import Generator

        self._generator = Generator(self._settings, model)
        self._turns = self._generator.turns
        self._name = model

    async def _run_batches(self) -> None:
        await asyncio.sleep(0.001)  # let all requests of one delivery arrive
        while self._waiting:
            rows = [self._waiting.popleft() for _ in range(min(self._settings.batch_size, len(self._waiting)))]
            try:
                for row, outcome in zip(rows, await asyncio.to_thread(self._draw, rows), strict=True):
                    row[2].put_nowait(outcome)
            except Exception as error:  # the actor boundary: the engine is lost, and whoever waits must hear of it
                for row in rows:
                    row[2].put_nowait(error)

    def _draw(self, rows: list[_Row]) -> list[Sample | SampleFailure]:
        rendered = {id(request): self._rendered(request) for request, _, _ in rows}
        prompts = [rendered[id(request)] for request, _, _ in rows]
        most = self._generator.max_length or math.inf
        fitting = [number for number, (prompt, _) in enumerate(prompts) if 0 < len(prompt.token_ids) < most]
        completions = self._generator.generate(
            [prompts[number][0].token_ids for number in fitting],
            [rows[number][0].seeds[rows[number][1]] for number in fitting],
        )
        drawn = dict(zip(fitting, completions, strict=True))
        return [self._sample_of(row, *prompts[number], drawn.get(number)) for number, row in enumerate(rows)]

    def _rendered(self, request: Request) -> tuple[Prompt, str]:
        """The prompt of a request, and why there is none."""
        try:
            return self._turns.prompt(request.prompt), ""
        except UserError as error:
            return Prompt("", [], ""), str(error)

    def _sample_of(
        self, row: _Row, prompt: Prompt, refusal: str, completion: "Completion | None"
    ) -> Sample | SampleFailure:
        request, position, _ = row
        prompt_tokens = len(prompt.token_ids)
        index = request.indices[position]
        if completion is None:
            error = refusal or f"the prompt has {prompt_tokens} tokens and the model takes {self._generator.max_length}"
            return SampleFailure(request.task_id, index, error, is_final=True)
        settings = self._settings
        return Sample(
            task_id=request.task_id,
            index=index,
            text=self._turns.text_of(prompt, completion.token_ids, settings.stop, settings.more.stop_token_ids),
            finish_reason="stop" if completion.ended else "length",
            prompt_tokens=prompt_tokens,
            cached_tokens=0,
            completion_tokens=len(completion.token_ids),
            token_ids=tuple(completion.token_ids),
            cumulative_logprob=completion.logprob,
            seed=request.seeds[position],
            model=self._name,
        )
