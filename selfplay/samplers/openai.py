"""Samples from any server that speaks OpenAI's protocol: vllm serve, SGLang, llama.cpp, or a hosted one."""

import asyncio
import math
import os
import random
import re
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from typing import Any

import openai

from selfplay.recipe.sections import Sampling
from selfplay.records import Request, Sample, SampleFailure
from selfplay.samplers.prompts import join_contents, with_system
from selfplay.samplers.server_answers import Answer, ServerError, passes, read_answer
from selfplay.samplers.server_watchdog import ServerWatch
from selfplay.samplers.streaming import as_finished
from tasks import UserError
from verifiers.thinking import opening_at_end

CONNECT_SECONDS = 10.0  # a server that is up accepts a connection at once; its answer may take timeout_seconds
LOOK_SECONDS = 2.0  # for an answer that is looked for and not needed
LONGEST_DELAY_SECONDS = 3600.0  # that a server may ask for before a call is tried again
BUSY_SECONDS = 60.0  # longest delay after 429, which asks for patience; after other trouble it is 8 seconds
SEED_BITS = 31  # more, and some servers refuse the request
PROBE_TOKENS = 16  # of the request that --check sends
# what a server that refuses a field says of it
_REFUSAL = re.compile(
    r"unsupported|not support|unrecogni|unknown|unexpected|not permitted|not allowed|extra|invalid|cannot both|can't both|both be"
    r"|only one of|does not exist|not available|must be|less than|out of range|deprecated|use .{0,40} instead",
    re.I,
)
_TOO_LONG = re.compile(r"context length|context window|too long|too large|maximum.{0,20}length|exceeds? the", re.I)


class OpenAISampler:
    """One server. Every sample is a call of its own, with its own seed, so that it comes as soon as it is finished.

    A call is tried again after a lost connection, silence, 408, 409, 425, 429 and 5xx, as a status or within an answer,
    `max_retries` times, after the delay that Retry-After names or else 0.5 seconds, doubled each time up to 8 (60 after
    429); while nothing listens at the server's address, as often as it takes. What fails then costs one sample. What no
    retry can cure (the key, the model's name, a field that the server refuses, a delay of hours, a server that answers
    nothing at all for minutes) is a UserError. Another refusal of one request is final: it is sent once.
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
        # OpenAI's own reasoning models refuse max_tokens, and many other servers know nothing else
        self._limit = "max_completion_tokens" if "openai.com" in str(self._client.base_url) else "max_tokens"
        self._switched = False
        self._has_answered = False  # a call: then its fields are not refused
        self._opening: asyncio.Task[str] | None = None  # asks the server, once, how its prompts end
        self._counter: Callable[[str], int] | None = None  # of tokens, for a server that reports no usage

    @staticmethod
    def in_flight(settings: Sampling) -> int:
        return settings.max_in_flight or settings.max_concurrency

    @staticmethod
    def num_gpus(settings: Sampling) -> int:
        return 1

    @staticmethod
    def can_sleep(settings: Sampling) -> bool:
        return False

    @classmethod
    def preflight(cls, settings: Sampling, model: str, thorough: bool) -> Iterator[str]:
        """`thorough`: send one real request of a few tokens."""
        try:
            absence = asyncio.run(cls(settings, model).absence())
            if absence:
                at = f"no server answers at base_url = {settings.base_url!r} in [sampling]"
                yield f"{at}: {absence}; start it, or name another"
            elif thorough:
                few = {
                    "max_tokens": min(PROBE_TOKENS, settings.max_tokens),
                    "max_retries": min(1, settings.max_retries),
                }
                if failure := asyncio.run(cls(settings.model_copy(update=few), model)._trial()):
                    yield f"one request was sent and failed: {failure}"
        except UserError as error:
            yield str(error)

    async def sample(self, request: Request) -> AsyncIterator[Sample | SampleFailure]:
        pairs = zip(request.indices, request.seeds, strict=True)
        draws = (self._draw(request, index, seed, self.model) for index, seed in pairs)
        async with aclosing(as_finished(draws)) as samples:
            async for sample in samples:
                yield sample

    async def _trial(self) -> str:
        """Send one request; the error in words, or nothing."""
        request = Request("check", ({"role": "user", "content": "What is 1+1?"},), (0,), (1,))
        try:
            outcome = await self._draw(request, 0, 1, self.model)
        finally:
            await self.close()
        return outcome.error if isinstance(outcome, SampleFailure) else ""

    async def _draw(self, request: Request, index: int, seed: int, model: str) -> Sample | SampleFailure:
        """One sample; UserError if every other call would fail alike."""
        server = self._client.base_url
        try:
            async with self._slots:
                answer = await self._watch.while_heard(self._answer(request, seed, model))
        except (
            openai.APIError,
            ServerError,
            ValueError,
        ) as error:  # ValueError: no JSON, or a prompt that no JSON can hold
            status = error.status if isinstance(error, ServerError) else getattr(error, "status_code", 500)
            is_final = not passes(status)
            return SampleFailure(request.task_id, index, f"{server}: {in_words(error)}", is_final)
        prompt_tokens, completion_tokens = answer.prompt_tokens, answer.completion_tokens
        if completion_tokens is None:
            count = await asyncio.to_thread(self._token_counter)
            prompt_tokens, completion_tokens = count(join_contents(request.prompt)), count(answer.text)
        return Sample(
            task_id=request.task_id,
            index=index,
            text=answer.text,
            finish_reason=answer.finish_reason,
            prompt_tokens=prompt_tokens or 0,
            cached_tokens=answer.cached_tokens,
            completion_tokens=completion_tokens,
            token_ids=answer.token_ids,
            cumulative_logprob=None,
            seed=seed,
            model=model,
        )

    async def _answer(self, request: Request, seed: int, model: str) -> Answer:
        """The answer to a call that is tried again after what may pass; APIError or ServerError after what does not."""
        num_tries = 0
        while True:
            num_tries += 1
            longest, limit = 8.0, self._limit
            try:
                answer = await self._call(request, seed, model)
                try:
                    read = read_answer(answer, self._settings.max_tokens, await self._opening_of(request, model))
                except (AttributeError, LookupError, TypeError, ValueError) as error:
                    raise ValueError(f"{error} in {answer!r:.200}") from error
                self._has_answered = True
                return read
            except openai.APIStatusError as error:
                if self._takes_other_limit(error, limit):
                    continue
                await self._explain(error, model)
                asked = _asked_delay(error)
                self._watch.heard(for_seconds=asked)
                if num_tries > self._settings.max_retries or not passes(error.status_code):
                    raise
                delay, longest = asked, BUSY_SECONDS if error.status_code == 429 else longest
            except ServerError as error:
                self._watch.heard()
                if error.status in (401, 402, 403):
                    raise UserError(f"{self._client.base_url} refused the request: {error}") from error
                if num_tries > self._settings.max_retries or not passes(error.status):
                    raise
                delay, longest = 0.0, BUSY_SECONDS if error.status == 429 else longest
            except openai.APIConnectionError as error:
                is_gone = not isinstance(error, openai.APITimeoutError) and not await self._watch.lives()
                if num_tries > self._settings.max_retries and not is_gone:
                    raise
                delay = 0.0
            await asyncio.sleep(delay or min(longest, 0.25 * 2 ** min(num_tries, 9)) * random.uniform(0.75, 1.0))

    def _fields(self, seed: int, model: str) -> dict[str, Any]:
        """The fields of a request except its prompt: no field at its default, and none that the recipe omits."""
        settings, more = self._settings, self._settings.more
        fields = {
            "model": model,
            "temperature": settings.temperature,
            self._limit if settings.endpoint == "chat" else "max_tokens": settings.max_tokens,
            "seed": seed % 2**SEED_BITS,
        }
        optional = {
            "top_p": (settings.top_p, 1.0),
            "top_k": (
                settings.top_k,
                0,
            ),  # not in OpenAI's protocol; servers that know these accept them as further fields
            "stop": (settings.stop, []),
            "min_p": (more.min_p, 0.0),
            "presence_penalty": (more.presence_penalty, 0.0),
            "frequency_penalty": (more.frequency_penalty, 0.0),
            "repetition_penalty": (more.repetition_penalty, 1.0),
            "min_tokens": (more.min_tokens, 0),
            "stop_token_ids": (more.stop_token_ids, []),
            "skip_special_tokens": (more.special_tokens != "all", True),
            "chat_template_kwargs": (settings.chat_template.kwargs, {}),
        }
        fields |= {name: value for name, (value, default) in optional.items() if value != default}
        omitted = set(settings.omit)
        if omitted & {"max_tokens", "max_completion_tokens"}:
            omitted |= {"max_tokens", "max_completion_tokens"}
        return {name: value for name, value in (fields | settings.engine_options).items() if name not in omitted}

    async def _call(self, request: Request, seed: int, model: str) -> Any:
        fields = self._fields(seed, model)
        messages = with_system(request.prompt, self._settings.chat_template)
        # everything goes as `extra_body`: the client itself knows only what OpenAI's own servers take
        if self._settings.endpoint == "chat":
            return await self._client.chat.completions.create(
                model=fields.pop("model", model), messages=messages, extra_body=fields
            )
        return await self._client.completions.create(
            model=fields.pop("model", model), prompt=join_contents(messages), extra_body=fields
        )

    def _takes_other_limit(self, error: openai.APIStatusError, limit: str) -> bool:
        """Whether a call with this name of the limit is worth a call with the other name, which is used from now on."""
        if limit != self._limit:
            return True  # another call has found out
        other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[limit]
        is_refusal = error.status_code in (400, 422) and not _TOO_LONG.search(error.message)
        if self._has_answered or self._switched or not is_refusal or self._settings.endpoint != "chat":
            return False
        if self._refused_field(error) != limit and f"'{other}'" not in error.message:
            return False
        self._limit, self._switched = other, True
        return True

    def _refused_field(self, error: openai.APIStatusError) -> str:
        """The field that a server's refusal names, of those that are sent; empty if it names none."""
        sent = [name for name in self._fields(0, "") if name != "model"]
        param = getattr(error, "param", None)
        if isinstance(param, str) and param.split(".")[0] in sent:
            return param.split(".")[0]
        for name in re.findall(r"'loc': \[[^\]]*'(\w+)'\]|\"loc\": ?\[[^\]]*\"(\w+)\"\]", str(error.body)):
            if (found := next(filter(None, name), "")) in sent:
                return found
        if _REFUSAL.search(error.message):
            named = [(match.start(), name) for name in sent if (match := re.search(rf"\b{name}\b", error.message))]
            return min(named)[1] if named else ""
        return ""

    def _token_counter(self) -> Callable[[str], int]:
        """Counts the tokens of a text: by the model's tokenizer if it is on this machine, or else roughly."""
        if self._counter is None:
            from transformers import AutoTokenizer

            try:
                tokenizer = AutoTokenizer.from_pretrained(self.model, local_files_only=True)
                self._counter = lambda text: len(tokenizer.encode(text, add_special_tokens=False))
                how = f"they are counted by the tokenizer of {self.model}"
            except (OSError, ValueError):
                self._counter = lambda text: math.ceil(len(text.encode("utf-8", "replace")) / 4)
                how = "they are estimated, a token for each 4 bytes"
            warnings.warn(f"{self._client.base_url} reports no usage of tokens: {how}", stacklevel=2)
        return self._counter

    async def _opening_of(self, request: Request, model: str) -> str:
        """The end of the server's prompts that opens the model's thinking, as far as the server renders one for us."""
        if self._settings.endpoint != "chat" or not self._settings.base_url:
            return ""
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._ask_opening(request, model))
        return await asyncio.shield(self._opening)

    async def _ask_opening(self, request: Request, model: str) -> str:
        client = self._client.with_options(timeout=openai.Timeout(LOOK_SECONDS, connect=CONNECT_SECONDS))
        root = str(self._client.base_url).removesuffix("/").removesuffix("/v1")
        asked = {
            "model": model,
            "messages": with_system(request.prompt, self._settings.chat_template),
            "add_generation_prompt": True,
            "chat_template_kwargs": self._settings.chat_template.kwargs,
        }
        try:
            maker = str(getattr((await client.models.list()).data[0], "owned_by", ""))
            if maker == "llamacpp":
                prompt = (await client.post(f"{root}/apply-template", body=asked, cast_to=dict))["prompt"]
            elif maker == "vllm":
                tokens = (await client.post(f"{root}/tokenize", body=asked, cast_to=dict))["tokens"]
                body = {"model": model, "tokens": tokens}
                prompt = (await client.post(f"{root}/detokenize", body=body, cast_to=dict))["prompt"]
            else:
                return ""
        except (openai.APIError, AttributeError, LookupError, TypeError, ValueError):  # it is asked for and not needed
            return ""
        return opening_at_end(prompt)

    async def _explain(self, error: openai.APIStatusError, model: str) -> None:
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
                "set [model] path to the name of one, and [sampling] base_url to end in /v1 if the server wants that"
            ) from error
        if isinstance(error, openai.BadRequestError) and "chat template" in error.message.lower():
            raise UserError(
                f'the model "{model}" at {server} takes no chat messages ({error.message}); '
                'set endpoint = "completions" in [sampling]'
            ) from error
        is_refusal = error.status_code in (400, 422) and not self._has_answered and not _TOO_LONG.search(error.message)
        if is_refusal and (name := self._refused_field(error)):
            where = "engine_options" if name in self._settings.engine_options else ""
            cure = f"take it out of {where}" if where else f'leave it out with omit = ["{name}"]'
            raise UserError(
                f"{server} refuses the field {name} ({error.status_code}: {error.message}); {cure} in [sampling]"
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
        """Why the server cannot be connected to; empty if it can, whatever it then answers."""
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
    """Seconds that Retry-After names, as a number or as a date; 0 if it names none."""
    named = error.response.headers.get("retry-after", "")
    try:
        seconds = float(named)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(named).timestamp() - time.time()
        except ValueError:
            return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0
