"""Samples from any server that speaks OpenAI's protocol: vllm serve, SGLang, llama.cpp, or a hosted one."""

import asyncio
import os
import warnings
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import openai

from selfplay.records import Request, Sample, SampleFailure
from selfplay.samplers.prompts import join_contents
from selfplay.samplers.server_watch import ServerWatch
from selfplay.samplers.streaming import as_finished
from tasks import UserError

if TYPE_CHECKING:
    from selfplay.recipe import Sampling

CONNECT_SECONDS = 10.0  # a server that is up accepts a connection at once; its answer may take timeout_seconds


class OpenAISampler:
    """One server. Every sample is a call of its own, with its own seed, so that it comes as soon as it is finished.

    The client tries a call again after a lost connection, silence, 408, 409, 429 and 5xx, `max_retries` times, after
    the delay that Retry-After names (up to two minutes) or else 0.5 seconds, doubled each time up to 8. What fails then
    costs one sample. What no retry can cure (the key, the model's name, a server that answers nothing at all for minutes)
    is a UserError.
    """

    def __init__(self, settings: "Sampling", model: str) -> None:
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
            max_retries=settings.max_retries,
            timeout=openai.Timeout(settings.timeout_seconds, connect=min(CONNECT_SECONDS, settings.timeout_seconds)),
        )
        self._watch = ServerWatch(self._client, settings.timeout_seconds, settings.max_concurrency)
        self._slots = asyncio.Semaphore(settings.max_concurrency)

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
                answer = await self._watch.while_heard(self._call(request, seed, model))
        except openai.APIError as error:
            await self._explain(error, model)
            return SampleFailure(request.task_id, index, f"{self._client.base_url}: {type(error).__name__}: {error}")
        choices = getattr(answer, "choices", None)
        if not choices:
            return SampleFailure(request.task_id, index, f"{self._client.base_url}: no choices in {answer!r:.200}")
        choice = choices[0]
        if choice.finish_reason not in ("stop", "length"):
            return SampleFailure(request.task_id, index, f"the server ended the sample with {choice.finish_reason!r}")
        prompt_tokens, cached_tokens, completion_tokens = _usage(answer)
        return Sample(
            task_id=request.task_id,
            index=index,
            text=_text(choice),
            finish_reason=choice.finish_reason,
            prompt_tokens=prompt_tokens,
            cached_tokens=cached_tokens,
            completion_tokens=completion_tokens,
            token_ids=tuple(getattr(choice, "token_ids", None) or ()),  # vllm, asked with return_token_ids = true
            cumulative_logprob=None,
            seed=seed,
            model=model,
        )

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

    async def _served(self) -> str:
        try:
            names = [model.id for model in (await self._client.models.list()).data]
        except openai.APIError as error:
            return f"what it serves cannot be listed ({error})"
        return f"it serves {', '.join(names)}"

    async def load(self, model: str) -> None:
        """Ask for the model of this name from now on; that the server serves it is up to who runs the server."""
        self.model = model

    async def close(self) -> None:
        await self._client.close()


def _text(choice: Any) -> str:
    """The completion; the reasoning that a server has split off goes back before it, as the model wrote it."""
    if not hasattr(choice, "message"):
        return choice.text
    message = choice.message
    content = message.content or ""
    # "reasoning_content" at SGLang, llama.cpp, DeepSeek; "reasoning" at vllm
    reasoning = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    return f"<think>{reasoning}</think>{content}" if reasoning else content


def _usage(answer: Any) -> tuple[int, int, int]:
    """Tokens of the prompt, of these from the cache, and of the completion."""
    usage = answer.usage
    if usage is None:
        warnings.warn("the server tells no usage: its tokens count as 0 in every figure", stacklevel=2)
        return 0, 0, 0
    details = getattr(usage, "prompt_tokens_details", None)
    return usage.prompt_tokens, (details and details.cached_tokens) or 0, usage.completion_tokens
