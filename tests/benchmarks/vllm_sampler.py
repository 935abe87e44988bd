"""Tokens per second of the vllm sampler over vLLM's own engine on the same requests, in one run.

    python -m tests.benchmarks.vllm_sampler [--requests 64] [--samples 8] [--rounds 9]

Every arm draws the same samples (same prompts, seeds and settings) from the same engine; the arms take turns, the prefix
cache is emptied before each, and the median over the rounds counts, so that a busy machine harms all of them alike.
"""

import argparse
import asyncio
import functools
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable

from vllm.inputs import tokens_input

from selfplay.models.tiny_llama import CHARACTERS, create_model
from selfplay.recipe.sections import Sampling
from selfplay.records import Request
from selfplay.samplers.prompts import encode_prompt
from selfplay.samplers.vllm import VllmSampler


def make_requests(num_requests: int, num_samples: int) -> list[Request]:
    """Prompts of some 200 characters, so that the prefix cache has whole blocks to share."""

    def seed(*parts: object) -> int:
        return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:7])

    return [
        Request(
            task_id=str(number),
            prompt=({"role": "user", "content": f"{number}: " + f"{seed(number)} " * 11},),
            indices=tuple(range(num_samples)),
            seeds=tuple(seed(number, index) for index in range(num_samples)),
        )
        for number in range(num_requests)
    ]


async def through_sampler(sampler: VllmSampler, requests: list[Request]) -> int:
    async def one(request: Request) -> int:
        return sum([sample.completion_tokens async for sample in sampler.sample(request)])

    return sum(await asyncio.gather(*map(one, requests)))


def encoded(sampler: VllmSampler, requests: list[Request]) -> list[tuple[Request, list[int]]]:
    return [(request, encode_prompt(sampler._turns.tokenizer, request.prompt)) for request in requests]


async def engine_alone(sampler: VllmSampler, requests: list[tuple[Request, list[int]]]) -> int:
    """The bare engine: prompts encoded beforehand, one call a sample, nothing made of the output."""

    async def one(token_ids: list[int], number: str, seed: int) -> int:
        async for output in sampler._engine.generate(  # noqa: B007
            tokens_input(token_ids), sampler._parameters(seed), number
        ):
            pass
        return len(output.outputs[0].token_ids)

    calls = [
        one(token_ids, f"{request.task_id}-{seed}", seed) for request, token_ids in requests for seed in request.seeds
    ]
    return sum(await asyncio.gather(*calls))


async def measure(arms: dict[str, Callable], requests: list[Request], num_rounds: int, engine) -> None:
    """Print the speed of each arm, and the ratio of each to the first."""
    speeds: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(num_rounds + 1):  # the first warms up
        for name in sorted(arms, reverse=bool(number % 2)):  # turned, so that no arm always follows the same one
            await engine.reset_prefix_cache()
            start = time.perf_counter()
            num_tokens = await arms[name](requests)
            if number:
                speeds[name].append(num_tokens / (time.perf_counter() - start))
    alone = next(iter(speeds.values()))
    for name, values in speeds.items():
        ratio = statistics.median(mine / theirs for mine, theirs in zip(values, alone, strict=True))
        print(f"{name:24} {statistics.median(values):8.0f} tokens/s   {ratio:6.3f} of the engine alone")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    engine_options = {"enforce_eager": True, "kv_cache_memory_bytes": 2**30, "max_model_len": 512}
    settings = Sampling(engine="vllm", max_tokens=128, engine_options=engine_options)
    with tempfile.TemporaryDirectory() as folder:
        create_model(folder, characters=CHARACTERS, num_heads=2, max_length=512)
        sampler = VllmSampler(settings, folder)

        async def with_logprobs(requests: list[Request]) -> int:
            sampler._settings = settings.model_copy(update={"logprobs": True})
            num_tokens = await through_sampler(sampler, requests)
            sampler._settings = settings
            return num_tokens

        requests = make_requests(options.requests, options.samples)
        prompts = encoded(sampler, requests)
        arms = {
            "engine alone": lambda requests: engine_alone(sampler, prompts),
            "vllm sampler": functools.partial(through_sampler, sampler),
            "the same, with logprobs": with_logprobs,
        }
        print(f"{options.requests} requests of {options.samples} samples, at most {settings.max_tokens} tokens each")
        await measure(arms, requests, options.rounds, sampler._engine)
        await sampler.close()


if __name__ == "__main__":
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # on a CPU: one process less
    asyncio.run(main())
