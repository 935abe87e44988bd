"""The models that a pass samples: one, or several teachers with weights."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

_BITS = 63  # of a hash


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Which model draws a sample is decided by a hash of the sample alone, so that a resumed run draws the same ones."""

    models: tuple[str, ...]  # paths or hub names
    weights: tuple[float, ...] = (1.0,)  # shares of the samples, in any unit
    hash_of: Callable[[str, int], int] = lambda task_id, index: (
        0
    )  # 63 bits of a task's sample; not needed for one model
    num_engines: tuple[int, ...] = ()  # of each model; empty: shared out by weight

    def model_of(self, task_id: str, index: int) -> str:
        """The model that draws this sample of a task."""
        if len(self.models) == 1:
            return self.models[0]
        bounds = list(accumulate(self.weights))
        place = bisect_right(bounds, self.hash_of(task_id, index) / 2**_BITS * bounds[-1])
        return self.models[min(place, len(bounds) - 1)]  # a hash next to 2**63 may be rounded up to the last bound

    def engines(self, size: int) -> list[str]:
        """The model of each of `size` engines, which are at least as many as models."""
        numbers = self.num_engines or shares(self.weights, size)
        return [model for model, number in zip(self.models, numbers, strict=True) for _ in range(number)]


def shares(weights: Sequence[float], total: int) -> list[int]:
    """`total` things shared out by weight, at least one to each: each next one to who has least for its weight (D'Hondt).

    ValueError where there are fewer things than weights.
    """
    if total < len(weights):
        raise ValueError(f"{total} cannot be shared among {len(weights)}")
    given = [1] * len(weights)
    for _ in range(total - len(weights)):
        neediest = max(range(len(weights)), key=lambda place: weights[place] / (given[place] + 1))
        given[neediest] += 1
    return given
