"""The transformers engine: `generate` in batches. The default on a CPU; on a GPU the vllm engine is far faster."""

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.utils.logging import disable_progress_bar

from selfplay.models.threads import fitting_threads
from selfplay.records import Request, Sample, SampleFailure
from selfplay.samplers.prompts import encode_prompt

if TYPE_CHECKING:
    from selfplay.recipe.sections import Sampling

_Row = tuple[Request, int, asyncio.Queue]  # a request, the position of one of its samples, where the sample goes


class TransformersSampler:
    """Gathers the samples that are asked for at the same time into batches.

    Every sample draws its noise from a generator of its own seed, so that it does not depend on what else is in its
    batch, but for the rounding of the matrix products.
    """

    def __init__(self, settings: "Sampling", model: str):
        self._settings = settings
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._waiting: deque[_Row] = deque()
        self._batches: asyncio.Task | None = None
        self._load(model)

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
        disable_progress_bar()
        self._tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
        self._model = AutoModelForCausalLM.from_pretrained(model, **self._settings.engine_options).to(self._device)
        self._model.eval()
        # a checkpoint's own penalties, beams and the like would change what is sampled: of its file only the ends count
        self._model.generation_config = GenerationConfig(eos_token_id=self._model.generation_config.eos_token_id)
        self._name = model
        self._max_length = getattr(self._model.config, "max_position_embeddings", None)

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
        prompts = [encode_prompt(self._tokenizer, request.prompt) for request, _, _ in rows]
        outcomes: dict[int, Sample | SampleFailure] = {}
        alike: dict[float, list[int]] = {}  # rows for one call
        roomy = (
            self._max_length or math.inf
        ) - self._settings.max_tokens  # prompts up to this length have room for max_tokens
        for number, (request, position, _) in enumerate(rows):
            length = len(prompts[number])
            if not length or (self._max_length and length >= self._max_length):
                error = f"the prompt has {length} tokens and the model takes {self._max_length}"
                outcomes[number] = SampleFailure(request.task_id, request.indices[position], error)
            else:  # a call ends for all its rows at one width: a longer prompt must take no room from a shorter one
                alike.setdefault(max(length, roomy), []).append(number)
        for numbers in alike.values():
            seeds = [rows[number][0].seeds[rows[number][1]] for number in numbers]
            with fitting_threads(self._model):
                drawn = self._generate([prompts[number] for number in numbers], seeds)
            for number, completion in zip(numbers, drawn, strict=True):
                outcomes[number] = self._sample_of(rows[number], len(prompts[number]), *completion)
        return [outcomes[number] for number in range(len(rows))]

    @torch.inference_mode()
    def _generate(self, prompts: list[list[int]], seeds: list[int]) -> list[tuple[list[int], float, bool]]:
        """For each prompt the completion's token ids, the end token included, their log-probability in nats, and whether it ended."""
        settings = self._settings
        width = max(map(len, prompts))
        most = min(settings.max_tokens, (self._max_length or width + settings.max_tokens) - width)
        padding = self._tokenizer.pad_token_id or 0  # of many tokenizers None; any token will do, it is masked
        choice = SeededChoice(seeds, settings.temperature, self._device)
        stop = StopText(self._tokenizer, settings.stop, width, len(prompts)) if settings.stop else None
        generated = self._model.generate(
            input_ids=torch.tensor([[padding] * (width - len(ids)) + ids for ids in prompts], device=self._device),
            attention_mask=torch.tensor(
                [[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts], device=self._device
            ),
            generation_config=GenerationConfig(do_sample=False, max_new_tokens=most, pad_token_id=padding),
            logits_processor=LogitsProcessorList([*_warpers(settings), choice]),
            stopping_criteria=[stop] if stop else None,
        )[:, width:]
        ends = _end_tokens(self._model.generation_config.eos_token_id)
        logprobs = torch.stack(choice.logprobs, dim=1).tolist()
        rows = []
        for number, (tokens, chances) in enumerate(zip(generated.tolist(), logprobs, strict=True)):
            ended = next((place + 1 for place, token in enumerate(tokens) if token in ends), None)
            lengths = [length for length in (ended, stop and stop.lengths[number]) if length]
            length = min(lengths, default=len(tokens))  # what follows is padding, while others go on
            rows.append((tokens[:length], sum(chances[:length]), bool(lengths)))
        return rows

    def _sample_of(self, row: _Row, prompt_tokens: int, tokens: list[int], logprob: float, ended: bool) -> Sample:
        request, position, _ = row
        text = self._tokenizer.decode(tokens, skip_special_tokens=True)
        for stop in self._settings.stop:
            text = text.partition(stop)[0]
        return Sample(
            task_id=request.task_id,
            index=request.indices[position],
            text=text,
            finish_reason="stop" if ended else "length",
            prompt_tokens=prompt_tokens,
            cached_tokens=0,
            completion_tokens=len(tokens),
            token_ids=tuple(tokens),
            cumulative_logprob=logprob,
            seed=request.seeds[position],
            model=self._name,
        )


class SeededChoice(LogitsProcessor):
    """Draws each row's next token from its own generator by the Gumbel-max trick, and leaves that token the largest.

    Adding independent Gumbel noise to log-probabilities and taking the largest draws from the distribution exactly
    (Gumbel 1954; Maddison, Tarlow and Minka 2014, section 2). `logprobs` holds one tensor [rows] a step, in nats.
    """

    def __init__(self, seeds: list[int], temperature: float, device: str):
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self._greedy = temperature == 0
        self._noise: torch.Tensor | None = (
            None  # [rows, steps, vocabulary], drawn some steps ahead for small vocabularies
        )
        self._step = 0
        self.logprobs: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        logprobs = torch.log_softmax(scores.float(), dim=-1)
        noisy = logprobs if self._greedy else logprobs + self._next_noise(logprobs.shape[1])
        chosen = noisy.argmax(dim=-1, keepdim=True)
        self.logprobs.append(logprobs.gather(1, chosen).squeeze(1))
        return noisy

    def _next_noise(self, vocabulary: int) -> torch.Tensor:
        ahead = max(1, min(32, 8192 // vocabulary))
        place = self._step % ahead
        self._step += 1
        if place == 0:
            draws = [
                torch.empty(ahead, vocabulary, device=generator.device).exponential_(generator=generator)
                for generator in self._generators
            ]
            self._noise = -torch.log(torch.stack(draws))
        return self._noise[:, place]


class StopText(StoppingCriteria):
    """Ends a row when one of the texts stands in what it has generated; `lengths` says after how many tokens, or None."""

    def __init__(self, tokenizer, stops: list[str], width: int, num_rows: int):
        self._tokenizer = tokenizer
        self._stops = stops
        self._width = width  # of the padded prompts
        self._reach = (
            max(len(stop.encode()) for stop in stops) + 8
        )  # a text of so many bytes lies within the last so many tokens
        self.lengths: list[int | None] = [None] * num_rows

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **rest) -> torch.Tensor:
        tails = self._tokenizer.batch_decode(input_ids[:, max(self._width, input_ids.shape[1] - self._reach) :])
        for row, tail in enumerate(tails):
            if self.lengths[row] is None and any(stop in tail for stop in self._stops):
                self.lengths[row] = input_ids.shape[1] - self._width
        return torch.tensor([length is not None for length in self.lengths], device=input_ids.device)


def _warpers(settings: "Sampling") -> list[LogitsProcessor]:
    warpers: list[LogitsProcessor] = []
    if settings.temperature not in (0.0, 1.0):
        warpers.append(TemperatureLogitsWarper(float(settings.temperature)))
    if settings.top_k:
        warpers.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1:
        warpers.append(TopPLogitsWarper(settings.top_p))
    return warpers


def _end_tokens(eos: int | list[int] | None) -> set[int]:
    return set() if eos is None else {eos} if isinstance(eos, int) else set(eos)
