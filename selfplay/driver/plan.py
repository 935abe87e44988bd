"""The plan of a sampling pass: which model draws each sample, and from which seed."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

_BITS = 63  # of a number that picks a model
NumberOf = Callable[[str, int], int]  # of a task's id and a sample's index


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """The models of a pass, and the seed of each of its samples.

    Model and seed of a sample follow from its task and index alone, so that a resumed run draws the same samples.
    """

    models: tuple[str, ...]  # paths or hub names
    seed_of: NumberOf  # the seed of a sample, below 2**63
    weights: tuple[float, ...] = (1.0,)  # the share of the samples that each model draws, in any unit
    choice_of: NumberOf | None = None  # a uniform number below 2**63, which picks the model; None with one model
    num_engines: tuple[int, ...] = ()  # of each model; empty: in proportion to the weights

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.models):
            raise ValueError(f"{len(self.models)} models have {len(self.weights)} weights; each model needs one")
        if len(self.models) > 1 and self.choice_of is None:
            raise ValueError(f"choice_of is None; {len(self.models)} models need it, to share out the samples")

    def model_of(self, task_id: str, index: int) -> str:
        """The model that draws sample `index` of a task."""
        if self.choice_of is None:
            return self.models[0]
        bounds = list(accumulate(self.weights))
        place = bisect_right(bounds, self.choice_of(task_id, index) / 2**_BITS * bounds[-1])
        return self.models[min(place, len(bounds) - 1)]  # a number next to 2**63 may be rounded up to the last bound

    def engines(self, size: int) -> list[str]:
        """The model of each of `size` engines, shape [size]; ValueError if there are fewer engines than models."""
        numbers = self.num_engines or shares(self.weights, size)
        return [model for model, number in zip(self.models, numbers, strict=True) for _ in range(number)]


def shares(weights: Sequence[float], total: int) -> list[int]:
    """Split `total` things in proportion to the weights, each weight at least one (D'Hondt's method of highest averages).

    ValueError if there are fewer things than weights.
    """
    if total < len(weights):
        raise ValueError(f"{total} cannot be shared among {len(weights)}")
    given = [1] * len(weights)
    for _ in range(total - len(weights)):
        neediest = max(range(len(weights)), key=lambda place: weights[place] / (given[place] + 1))
        given[neediest] += 1
    return given
