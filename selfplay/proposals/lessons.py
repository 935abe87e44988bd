"""What teaches a model to propose: requests with the tasks that were worth it."""

import random
from collections.abc import Iterator
from itertools import islice

from selfplay.layout import round_folder
from selfplay.proposals.kind import Kind, Lesson
from selfplay.proposals.pool import Tried, tried_in
from selfplay.proposals.proposal import Ask, Proposal, Reading
from selfplay.proposals.propose import MOST_SEEDS, Proposing
from selfplay.seeds import number_of

NEW_SHARE = 0.5  # of the lessons that come from the round itself; the others are of earlier rounds and of the seeds


def lessons(proposing: Proposing, number: int) -> Iterator[Lesson]:
    """So many lessons, the same each time; none if nothing teaches. Some may come twice."""
    if not number:
        return
    kinds = proposing.kinds()
    new = _of_round(proposing, proposing.index, kinds)
    old = [one for index in range(proposing.index) for one in _of_round(proposing, index, kinds)]
    old += [
        lesson
        for seed in islice(proposing.seeds(), MOST_SEEDS)
        for kind in kinds.values()
        for lesson in kind.lessons_of_seed(seed, _rng(proposing, "seed", seed.id))
    ]
    rng = _rng(proposing, "draw", proposing.index)
    for _ in range(number if new or old else 0):
        yield rng.choice(new if new and (not old or rng.random() < NEW_SHARE) else old)


def worth_learning(tried: list[Tried], hardest: float) -> list[Tried]:
    """The proposed tasks that were solved, the share `hardest` with the lowest solve rates; ties at the bound are in."""
    solved = [one for one in tried if one.provenance and one.rate > 0]
    if not solved:
        return []
    bound = sorted(one.rate for one in solved)[min(len(solved) - 1, int(hardest * len(solved)))]
    return [one for one in solved if one.rate <= bound]


def _of_round(proposing: Proposing, index: int, kinds: dict[str, Kind]) -> list[Lesson]:
    tried = tried_in(round_folder(proposing.run, index))
    return [
        lesson
        for one in worth_learning(tried, proposing.settings.hardest)
        if (kind := kinds.get(one.provenance["kind"]))
        for lesson in kind.lessons(_proposal_of(one), _rng(proposing, "lesson", one.task.id))
    ]


def _proposal_of(one: Tried) -> Proposal:
    row = one.provenance
    ask = Ask(row["number"], row["kind"], row["operator"], (), tuple(row["prompt"]))
    return Proposal(ask, row["text"], row["model"], row["seed"], row["tokens"], Reading(one.task, row["trust"]))


def _rng(proposing: Proposing, *parts: object) -> random.Random:
    return random.Random(number_of(proposing.recipe.seed, "lessons", *parts))
