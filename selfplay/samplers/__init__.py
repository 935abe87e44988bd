"""Samplers turn a request into samples. One file an engine, and one row in SAMPLERS."""

from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from typing import ClassVar, Protocol

from selfplay.recipe.sections import Sampling
from selfplay.records import Request, Sample, SampleFailure

__all__ = ["SAMPLERS", "Request", "Sample", "SampleFailure", "Sampler", "make_sampler", "sampler_class"]

# engine -> "module:Class"; the module is imported when the engine is used. recipe/sections.py holds the same names.
SAMPLERS = {
    "transformers": "selfplay.samplers.transformers:TransformersSampler",
    "vllm": "selfplay.samplers.vllm:VllmSampler",
    "openai": "selfplay.samplers.openai:OpenAISampler",
    "replay": "selfplay.samplers.replay:ReplaySampler",
}


class Sampler(Protocol):
    """An engine. Calls of `sample` run concurrently; the engine batches them as it sees fit.

    The class attributes are facts that others need before an engine exists. Importing the module of an engine must stay
    cheap: the engine's own packages are imported when one is made.
    """

    distributions: ClassVar[tuple[str, ...]]  # installed packages that give the engine's version, the first one found
    is_local: ClassVar[bool]  # reads the model's files and computes in its own process

    def __init__(self, settings: Sampling, model: str) -> None:
        """Sample from the model at `model`: a path, a hub name, or the name that a server knows."""

    @staticmethod
    def in_flight(settings: Sampling) -> int:
        """Samples that one engine may hold, so that its next batch is there before the present one ends."""

    @staticmethod
    def num_gpus(settings: Sampling) -> int:
        """GPUs of one engine that is spread over several; 1 otherwise."""

    @staticmethod
    def can_sleep(settings: Sampling) -> bool:
        """Whether `sleep` gives back the memory of GPUs while the engine stays; otherwise the engine must end for that."""

    @staticmethod
    def preflight(settings: Sampling, model: str, thorough: bool) -> Iterator[str]:
        """Errors that sampling would meet, found before it begins; `thorough`: take some seconds for it."""

    def sample(self, request: Request) -> AsyncIterator[Sample | SampleFailure]:
        """Every sample of the request as soon as it finishes, in any order.

        A sample that cannot be drawn comes as SampleFailure; an exception means that the engine itself is lost.
        """

    async def load(self, model: str) -> None:
        """Sample from the weights at `model` (same architecture) from the next request on."""

    async def sleep(self) -> None:
        """Give back the memory of the GPUs, without a request in flight; the next `load` wakes the engine. Only of engines
        that can sleep."""

    async def close(self) -> None:
        """Give back everything that the engine holds."""


def sampler_class(engine: str) -> type[Sampler]:
    """The sampler of an engine. UserError if its packages are not installed."""
    module, _, name = SAMPLERS[engine].partition(":")
    return getattr(import_module(module), name)


def make_sampler(settings: Sampling, model: str) -> Sampler:
    """The sampler that a recipe's [sampling] section names, on the model at `model` (a path or a hub name)."""
    return sampler_class(settings.engine)(settings, model)
