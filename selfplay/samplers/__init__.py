"""Samplers: what turns a request into samples. One protocol, one file for each engine."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

from selfplay.records import Request, Sample, SampleFailure

if TYPE_CHECKING:
    from selfplay.recipe.sections import Sampling

__all__ = ["Request", "Sample", "SampleFailure", "Sampler", "make_sampler"]


class Sampler(Protocol):
    """An engine. Calls of `sample` run concurrently; the engine batches them as it sees fit."""

    def sample(self, request: Request) -> AsyncIterator[Sample | SampleFailure]:
        """Every sample of the request as soon as it finishes, in any order.

        A sample that cannot be drawn comes as SampleFailure; an exception means that the engine itself is lost.
        """

    async def load(self, model: str) -> None:
        """From the next request on, sample from the weights at `model` (same architecture)."""

    async def close(self) -> None:
        """Give back what the engine holds."""


def make_sampler(settings: "Sampling", model: str) -> Sampler:
    """The sampler that a recipe's [sampling] section names, on the model at `model` (a path or a hub name)."""
    if settings.engine == "transformers":
        from selfplay.samplers.transformers import TransformersSampler

        return TransformersSampler(settings, model)
    if settings.engine == "vllm":
        from selfplay.samplers.vllm import VllmSampler

        return VllmSampler(settings, model)
    if settings.engine == "openai":
        from selfplay.samplers.openai import OpenAISampler

        return OpenAISampler(settings, model)
    from selfplay.samplers.replay import ReplaySampler

    return ReplaySampler(settings)
