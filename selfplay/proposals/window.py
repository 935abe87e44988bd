"""The window: which tasks of a round teach, by how often they are solved.

What is never solved has no trace to learn; what is solved always teaches little, and a low rate of it keeps it from being
forgotten. The reward of a proposer is 0 at solve rates 0 and 1 (Absolute Zero, arXiv 2505.03335).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from selfplay.proposals.pool import Tried, tried_in
from selfplay.recipe.sections import Proposer, Recipe
from selfplay.records import ACCEPTED, Trace
from selfplay.seeds import number_of

TOO_HARD, TOO_EASY = "too_hard", "too_easy"


def within_window(selected: Iterator[tuple[Trace, str]], recipe: Recipe, folder: Path) -> Iterator[tuple[Trace, str]]:
    """The traces of a round with their reasons, those of tasks outside the window with one more; in the order given."""
    assert recipe.proposer is not None
    outside = outside_window(tried_in(folder), recipe.proposer, recipe.seed)
    for trace, reason in selected:
        yield trace, outside.get(trace.task.id, reason) if reason == ACCEPTED else reason


def outside_window(tried: Sequence[Tried], settings: Proposer, seed: int) -> dict[str, str]:
    """The tasks that do not teach, by id, with the reason.

    Of those above the window a random part stays, by `seed`: the share `mastered` of all that are trained on.
    """
    low, high = settings.window
    outside = {one.task.id: TOO_HARD for one in tried if one.rate <= low}
    num_within = sum(low < one.rate <= high for one in tried)
    share = settings.mastered
    num_kept = round(num_within * share / (1 - share)) if share < 1 else len(tried)
    easy = sorted((one for one in tried if one.rate > high), key=lambda one: number_of(seed, "window", one.task.id))
    return outside | {one.task.id: TOO_EASY for one in easy[num_kept:]}
