"""A transformers model that generates by seeds: its noise, stop texts and filters of tokens."""

import math
from dataclasses import dataclass

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    MinPLogitsWarper,
    StoppingCriteria,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.utils.logging import disable_progress_bar

from selfplay.models.threads import fitting_threads
from selfplay.recipe.sections import More, Sampling
from selfplay.samplers.turns import TurnFormat, end_tokens_of


@dataclass(frozen=True, slots=True)
class Completion:
    """The tokens that follow a prompt."""

    token_ids: list[int]  # the end token included
    logprob: float  # of these tokens, in nats
    ended: bool  # by an end token or a stop text


class Generator:
    """A model with its tokenizer.

    Every completion draws its noise from a generator of its own seed, so that it does not depend on the rest of its
    batch, except for the rounding of the matrix products.
    """

    def __init__(self, settings: Sampling, model: str) -> None:
        disable_progress_bar()
        self._settings = settings
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        tokenizer = AutoTokenizer.from_pretrained(model, padding_side="left")
        self._model = AutoModelForCausalLM.from_pretrained(model, **settings.engine_options).to(self._device)
        self._model.eval()
        more = settings.more
        self.turns = TurnFormat(tokenizer, settings.chat_template, end_tokens_of(model), more.special_tokens)
        self._ends = sorted(self.turns.ends | set(more.stop_token_ids))
        # a checkpoint's own penalties, beams and the like would change what is sampled: of its file only the ends count
        self._model.generation_config = GenerationConfig(eos_token_id=self._ends or None)
        self.max_length = getattr(self._model.config, "max_position_embeddings", None)  # tokens; None: no limit known

    def generate(self, prompts: list[list[int]], seeds: list[int]) -> list[Completion]:
        """One completion of each prompt, which has at least one token and fewer than `max_length`."""
        completions: dict[int, Completion] = {}
        groups: dict[float, list[int]] = {}  # rows of one call
        # prompts up to this length have room for max_tokens
        roomy = (self.max_length or math.inf) - self._settings.max_tokens
        for number, prompt in enumerate(prompts):
            # a call ends for all its rows at one width: a longer prompt must take no room from a shorter one
            groups.setdefault(max(len(prompt), roomy), []).append(number)
        for numbers in groups.values():
            with fitting_threads(self._model), torch.inference_mode():
                drawn = self._generate([prompts[number] for number in numbers], [seeds[number] for number in numbers])
            completions.update(zip(numbers, drawn, strict=True))
        return [completions[number] for number in range(len(prompts))]

    def _generate(self, prompts: list[list[int]], seeds: list[int]) -> list[Completion]:
        settings = self._settings
        width = max(map(len, prompts))
        most = min(settings.max_tokens, (self.max_length or width + settings.max_tokens) - width)
        padding = self.turns.tokenizer.pad_token_id or 0  # of many tokenizers None; any token will do, it is masked
        choice = SeededChoice(seeds, settings.temperature, self._device)
        stop = StopText(self.turns.tokenizer, settings.stop, width, len(prompts)) if settings.stop else None
        generated = self._model.generate(
            input_ids=torch.tensor([[padding] * (width - len(ids)) + ids for ids in prompts], device=self._device),
            attention_mask=torch.tensor(
                [[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts], device=self._device
            ),
            generation_config=GenerationConfig(do_sample=False, max_new_tokens=most, pad_token_id=padding),
            logits_processor=LogitsProcessorList([*_filters(settings, self._ends, width, prompts), choice]),
            stopping_criteria=[stop] if stop else None,
        )[:, width:]
        logprobs = torch.stack(choice.logprobs, dim=1).tolist()
        rows = []
        for number, (tokens, chances) in enumerate(zip(generated.tolist(), logprobs, strict=True)):
            ended = next((place + 1 for place, token in enumerate(tokens) if token in self._ends), None)
            lengths = [length for length in (ended, stop and stop.lengths[number]) if length]
            length = min(lengths, default=len(tokens))  # what follows is padding, while others go on
            rows.append(Completion(tokens[:length], sum(chances[:length]), bool(lengths)))
        return rows


class SeededChoice(LogitsProcessor):
    """Draws each row's next token from its own generator by the Gumbel-max trick, and leaves that token the largest.

    Adding independent Gumbel noise to log-probabilities and taking the largest draws from the distribution exactly
    (Gumbel 1954; Maddison, Tarlow and Minka 2014, section 2). `logprobs` holds one tensor [rows] a step, in nats.
    """

    def __init__(self, seeds: list[int], temperature: float, device: str):
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self._greedy = temperature == 0
        self._noise: torch.Tensor | None = None  # [rows, steps, vocabulary], some steps ahead for small vocabularies
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
        tails = self._tokenizer.batch_decode(
            input_ids[:, max(self._width, input_ids.shape[1] - self._reach) :], clean_up_tokenization_spaces=False
        )
        for row, tail in enumerate(tails):
            if self.lengths[row] is None and any(stop in tail for stop in self._stops):
                self.lengths[row] = input_ids.shape[1] - self._width
        return torch.tensor([length is not None for length in self.lengths], device=input_ids.device)


class Penalties(LogitsProcessor):
    """Presence, frequency and repetition penalties, and the least length, as vLLM and OpenAI's protocol define them.

    Repetition counts the tokens of the prompt too, the other two only those of the completion.
    """

    def __init__(self, settings: More, ends: list[int], width: int, prompts: list[list[int]]):
        self._settings = settings
        self._ends = ends
        self._width = width  # of the padded prompts
        self._prompts = prompts

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        more, written = self._settings, input_ids[:, self._width :]
        counts = torch.zeros_like(scores).scatter_add_(1, written, torch.ones_like(written, dtype=scores.dtype))
        if more.repetition_penalty != 1.0:
            held = counts > 0
            for row, prompt in enumerate(self._prompts):
                held[row, prompt] = True
            scaled = torch.where(scores > 0, scores / more.repetition_penalty, scores * more.repetition_penalty)
            scores = torch.where(held, scaled, scores)
        scores = scores - more.frequency_penalty * counts - more.presence_penalty * (counts > 0)
        if self._ends and written.shape[1] < more.min_tokens:
            scores[:, self._ends] = -math.inf
        return scores


def _filters(settings: Sampling, ends: list[int], width: int, prompts: list[list[int]]) -> list[LogitsProcessor]:
    """What changes the model's distribution, in vLLM's order."""
    more = settings.more
    filters: list[LogitsProcessor] = []
    if more.min_tokens or more.presence_penalty or more.frequency_penalty or more.repetition_penalty != 1.0:
        filters.append(Penalties(more, ends, width, prompts))
    if settings.temperature not in (0.0, 1.0):
        filters.append(TemperatureLogitsWarper(float(settings.temperature)))
    if more.min_p:
        filters.append(MinPLogitsWarper(more.min_p))
    if settings.top_k:
        filters.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1:
        filters.append(TopPLogitsWarper(settings.top_p))
    return filters
