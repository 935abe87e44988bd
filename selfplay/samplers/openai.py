"""Samples from any server that speaks OpenAI's protocol: vllm serve, SGLang, llama.cpp, or a hosted one."""

import asyncio
import math
import os
import random
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from typing import Any

import openai

from selfplay.recipe.sections import Sampling
from selfplay.records import Request, Sample, SampleFailure
from selfplay.samplers.prompts import join_contents
from selfplay.samplers.server_watchdog import ServerWatch
from selfplay.samplers.streaming import as_finished
from tasks import UserError

CONNECT_SECONDS = 10.0  # a server that is up accepts a connection at once; its answer may take timeout_seconds
LOOK_SECONDS = 2.0  # for an answer that is looked for and not needed
LONGEST_DELAY_SECONDS = 3600.0  # that a server may ask for before a call is tried again
PASSING = (408, 409, 429)  # statuses after which a call is tried again, and all from 500 on


class OpenAISampler:
    """One server. Every sample is a call of its own, with its own seed, so that it comes as soon as it is finished.

    A call is tried again after a lost connection, silence, 408, 409, 429 and 5xx, `max_retries` times, after the delay
    that Retry-After names or else 0.5 seconds, doubled each time up to 8; while nothing listens at the server's address,
    as often as it takes. What fails then costs one sample. What no retry can cure (the key, the model's name, a delay of
    hours, a server that answers nothing at all for minutes) is a UserError.
    """

    distributions = ("openai",)
    is_local = False

    def __init__(self, settings: Sampling, model: str) -> None:
        self.model = model
        self._settings = settings
        key = os.environ.get(settings.api_key_env)
        if not key and not settings.base_url:
            raise UserError(
                f"no key in the environment variable {settings.api_key_env}; "
                "set it, or name a server of your own in [sampling] base_url"
            )
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",  # a server of one's own asks for none, the client insists on one
            base_url=settings.base_url or None,
            max_retries=0,  # the client's own would not say that the server has answered, and give up where it asks for patience
            timeout=openai.Timeout(settings.timeout_seconds, connect=min(CONNECT_SECONDS, settings.timeout_seconds)),
        )
        self._watch = ServerWatch(self._client, settings.timeout_seconds, settings.max_concurrency)
        self._slots = asyncio.Semaphore(settings.max_concurrency)

    @staticmethod
    def in_flight(settings: Sampling) -> int:
        return settings.max_in_flight or settings.max_concurrency

    @staticmethod
    def num_gpus(settings: Sampling) -> int:
        return 1

    @classmethod
    def preflight(cls, settings: Sampling, model: str, thorough: bool) -> Iterator[str]:
        try:
            absence = asyncio.run(cls(settings, model).absence())
        except UserError as error:
            yield str(error)
            return
        if absence:
            yield f"no server answers at base_url = {settings.base_url!r} in [sampling]: {absence}; start it, or name another"

    async def sample(self, request: Request) -> AsyncIterator[Sample | SampleFailure]:
        pairs = zip(request.indices, request.seeds, strict=True)
        draws = (self._draw(request, index, seed, self.model) for index, seed in pairs)
        async with aclosing(as_finished(draws)) as samples:
            async for sample in samples:
                yield sample

    async def _draw(self, request: Request, index: int, seed: int, model: str) -> Sample | SampleFailure:
        """One sample; UserError where every other call would fail alike."""
        try:
            async with self._slots:
                answer = await self._watch.while_heard(self._answer(request, seed, model))
        except (openai.APIError, ValueError) as error:  # ValueError: no JSON, or a prompt that no JSON can hold
            return SampleFailure(request.task_id, index, f"{self._client.base_url}: {in_words(error)}")
        try:
            return _sample_of(answer, request.task_id, index, seed, model)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            return SampleFailure(request.task_id, index, f"{self._client.base_url}: {error} in {answer!r:.200}")

    async def _answer(self, request: Request, seed: int, model: str) -> Any:
        """The answer to a call that is tried again after what may pass; APIError after what does not."""
        num_tries = 0
        while True:
            num_tries += 1
            delay = min(8.0, 0.25 * 2 ** min(num_tries, 9)) * random.uniform(0.75, 1.0)
            try:
                return await self._call(request, seed, model)
            except openai.APIStatusError as error:
                await self._explain(error, model)
                asked = _asked_delay(error)
                self._watch.heard(for_seconds=asked)
                if num_tries > self._settings.max_retries or not (
                    error.status_code in PASSING or error.status_code >= 500
                ):
                    raise
                delay = asked or delay
            except openai.APIConnectionError as error:
                is_gone = not isinstance(error, openai.APITimeoutError) and not await self._watch.lives()
                if num_tries > self._settings.max_retries and not is_gone:
                    raise
            await asyncio.sleep(delay)

    async def _call(self, request: Request, seed: int, model: str) -> Any:
        settings = self._settings
        fields: dict[str, Any] = {
            "model": model,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "seed": seed,
            # OpenAI's own reasoning models refuse max_tokens, and other servers know nothing else
            "max_tokens" if settings.base_url else "max_completion_tokens": settings.max_tokens,
        }
        if settings.stop:
            fields["stop"] = settings.stop
        # top_k is not in OpenAI's protocol; the servers that know it take it beside the rest
        extra = {**({"top_k": settings.top_k} if settings.top_k else {}), **settings.engine_options}
        if settings.endpoint == "chat":
            messages = [dict(message) for message in request.prompt]
            return await self._client.chat.completions.create(messages=messages, extra_body=extra, **fields)
        fields["max_tokens"] = fields.pop("max_completion_tokens", settings.max_tokens)
        return await self._client.completions.create(prompt=join_contents(request.prompt), extra_body=extra, **fields)

    async def _explain(self, error: openai.APIError, model: str) -> None:
        """UserError, with the cure, for an error that every other call would meet too; otherwise nothing."""
        server = self._client.base_url
        if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
            raise UserError(
                f"{server} refused the key ({error.status_code}: {error.message}); "
                f"put a valid one in the environment variable {self._settings.api_key_env}"
            ) from error
        if isinstance(error, openai.NotFoundError):
            raise UserError(
                f'{server} knows no model "{model}" ({error.message}); {await self._served()}; '
                "set [model] path to the name of one, and [sampling] base_url to end in /v1 where the server wants that"
            ) from error
        if isinstance(error, openai.BadRequestError) and "chat template" in error.message.lower():
            raise UserError(
                f'the model "{model}" at {server} takes no chat messages ({error.message}); '
                'set endpoint = "completions" in [sampling]'
            ) from error
        if error.code == "insufficient_quota":
            raise UserError(f"{server}: the account has no credit left ({error.message})") from error
        if (delay := _asked_delay(error)) > LONGEST_DELAY_SECONDS:
            raise UserError(
                f"{server} asks to wait {delay:.0f} s ({error.message}); what was acknowledged is on disk, "
                "run the same command again after that"
            ) from error

    async def _served(self) -> str:
        try:
            names = [model.id for model in (await self._client.models.list()).data]
        except (openai.APIError, AttributeError, TypeError, ValueError) as error:  # some answer with a page
            return f"what it serves cannot be listed ({in_words(error)})"
        return f"it serves {', '.join(names)}"

    async def absence(self) -> str:
        """Why no connection to the server comes about, in words; empty where one does, whatever is then answered."""
        client = self._client.with_options(timeout=openai.Timeout(LOOK_SECONDS, connect=CONNECT_SECONDS))
        try:
            await client.models.with_raw_response.list()
        except openai.APIConnectionError as error:
            if type(error.__cause__).__name__ != "ReadTimeout":  # a busy server may take longer
                return in_words(error)
        except openai.APIStatusError:
            pass  # an answer, too
        finally:
            await self._client.close()
        return ""

    async def load(self, model: str) -> None:
        """Ask for the model of this name from now on; that the server serves it is up to who runs the server."""
        self.model = model

    async def close(self) -> None:
        await self._client.close()


def in_words(error: Exception) -> str:
    """An error of the client with what caused it: a connection's own text says nothing of either."""
    cause = error.__cause__
    return f"{type(error).__name__}: {error}" + (f" ({cause})" if cause and str(cause) else "")


def _asked_delay(error: openai.APIStatusError) -> float:
    """Seconds that Retry-After names, as a number or as a date; 0 where it names none."""
    named = error.response.headers.get("retry-after", "")
    try:
        seconds = float(named)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(named).timestamp() - time.time()
        except ValueError:
            return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def _sample_of(answer: Any, task_id: str, index: int, seed: int, model: str) -> Sample | SampleFailure:
    """The sample in an answer; AttributeError, LookupError, TypeError or ValueError where it is not of the protocol's form."""
    choices = getattr(answer, "choices", None)
    if not choices:
        raise ValueError("no choices")
    choice = choices[0]
    if choice.finish_reason not in ("stop", "length"):
        return SampleFailure(task_id, index, f"the server ended the sample with {choice.finish_reason!r}")
    prompt_tokens, cached_tokens, completion_tokens = _usage(answer)
    return Sample(
        task_id=task_id,
        index=index,
        text=_text(choice),
        finish_reason=choice.finish_reason,
        prompt_tokens=prompt_tokens,
        cached_tokens=cached_tokens,
        completion_tokens=completion_tokens,
        token_ids=tuple(map(int, getattr(choice, "token_ids", None) or ())),  # vllm, asked with return_token_ids = true
        cumulative_logprob=None,
        seed=seed,
        model=model,
    )


def _text(choice: Any) -> str:
    """The completion; the reasoning that a server has split off goes back before it, as the model wrote it."""
    if hasattr(choice, "message"):
        message = choice.message
        text = message.content or ""
        # "reasoning_content" at SGLang, llama.cpp, DeepSeek; "reasoning" at vllm
        reasoning = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
        text = f"<think>{reasoning}</think>{text}" if reasoning else text
    else:
        text = choice.text
    if not isinstance(text, str):
        raise TypeError("a completion that is no text")
    return text


def _usage(answer: Any) -> tuple[int, int, int]:
    """Tokens of the prompt, of these from the cache, and of the completion."""
    usage = answer.usage
    if usage is None:
        warnings.warn("the server tells no usage: its tokens count as 0 in every figure", stacklevel=2)
        return 0, 0, 0
    details = getattr(usage, "prompt_tokens_details", None)
    cached = details.cached_tokens if details else 0
    return int(usage.prompt_tokens or 0), int(cached or 0), int(usage.completion_tokens or 0)
