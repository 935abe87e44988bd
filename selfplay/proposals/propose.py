"""The step of a round that writes its tasks: ask the model, read, judge, until there are enough. Idempotent.

Proposals come in waves: how many a wave asks for follows from what the gate admitted of those before, and every request from the
run's seed and the rounds before. A killed step asks the same again, and the journal answers what it has.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from selfplay.allocation import Allocation
from selfplay.driver.executor import Executor, Observer
from selfplay.driver.plan import SamplingPlan
from selfplay.journal.journal import read_journal
from selfplay.layout import TASKS, round_folder
from selfplay.proposals.gate import Surroundings, judged, surroundings
from selfplay.proposals.kind import Kind
from selfplay.proposals.kinds import make_kind
from selfplay.proposals.pool import PROPOSALS, Tried, earlier_tasks, read_jsonl, tried_in, weighted_parents
from selfplay.proposals.proposal import ADMITTED, Ask, Proposal, Trust
from selfplay.proposals.request import request_of
from selfplay.recipe.sections import Proposer, Recipe
from selfplay.records import Sample
from selfplay.seeds import number_of
from selfplay.selection.decontamination import Contamination
from selfplay.storage import write_lines
from tasks import Task
from verifiers import Verdict, verify_answer

MOST_SEEDS = 20_000  # that are read as parents of the first round and as what no proposal may copy
FIRST_SHARE = 0.5  # of proposals that the first wave expects to be admitted
LEAST_SHARE = 0.1  # and a later wave at least
LEAST_WAVE = 64  # proposals: a wave of a few costs as long as one of many, and those beyond what is wanted are few
ONE_SAMPLE = Allocation(rule="fixed", samples_per_task=1)


@dataclass(frozen=True)
class Proposing:
    """The proposals of one round of a run."""

    recipe: Recipe
    run: Path
    index: int
    seeds: Callable[[], Iterator[Task]]  # tasks of [tasks], as this round draws them
    contamination: Contamination | None  # evaluation tasks that no proposal may copy

    @property
    def folder(self) -> Path:
        return round_folder(self.run, self.index)

    @property
    def settings(self) -> Proposer:
        assert self.recipe.proposer is not None
        return self.recipe.proposer

    def kinds(self) -> dict[str, Kind]:
        """The kinds that the recipe names."""
        return {name: make_kind(name, self.recipe.tasks.source) for name in self.settings.shares}

    def write(self, model: str, digest: str, executor: Executor, observe: Observer) -> None:
        """Write proposals.jsonl and then tasks.jsonl of the round, unless they are there."""
        if (self.folder / TASKS).exists():
            return
        settings = self.settings
        num_seeds = round(settings.seeds * settings.tasks_per_round)
        wanted = settings.tasks_per_round - num_seeds
        proposals = self._proposals(wanted, model, executor, observe)
        for change in (self._agreeing, self._unverified):
            proposals = change(proposals, model, executor, observe)
        seeds = islice(self.seeds(), num_seeds)
        tasks = [*seeds, *(one.task for one in proposals if one.reason == ADMITTED)]
        tasks.sort(key=lambda task: self._number("order", task.id))
        write_lines(self.folder / PROPOSALS, (one.to_dict(self.index, digest) for one in proposals))
        write_lines(self.folder / TASKS, (task.to_dict() for task in tasks))

    def _proposals(self, wanted: int, model: str, executor: Executor, observe: Observer) -> list[Proposal]:
        """Proposals with the gate's result, until so many are admitted or the recipe's patience ends."""
        kinds = self.kinds()
        seeds = list(islice(self.seeds(), MOST_SEEDS))
        before = tried_in(round_folder(self.run, self.index - 1)) if self.index else []
        around = self._surroundings(kinds, seeds, before)
        parents = weighted_parents(before, seeds, self.settings.window)
        bounds = list(accumulate(weight for _, weight in parents))
        most = math.ceil(self.settings.most_proposals * wanted)
        found: list[Proposal] = []
        num_admitted = 0
        while num_admitted < wanted and len(found) < most:
            share = max(LEAST_SHARE, num_admitted / len(found)) if found else FIRST_SHARE
            number = min(most - len(found), max(LEAST_WAVE, math.ceil((wanted - num_admitted) / share)))
            asks = [self._ask(len(found) + place, kinds, parents, bounds, around) for place in range(number)]
            for proposal in self._answered(asks, kinds, model, executor, observe):
                result = replace(proposal, reason="surplus") if num_admitted >= wanted else judged(proposal, around)
                num_admitted += result.reason == ADMITTED
                found.append(result)
        return found

    def _surroundings(self, kinds: dict[str, Kind], seeds: Sequence[Task], before: Sequence[Tried]) -> Surroundings:
        settings = self.settings
        solved = [one.task for one in before if one.rate > 0] or seeds
        return surroundings(
            kinds,
            seeds,
            earlier_tasks(self.run, self.index),
            self.contamination,
            longest={name: max(map(kind.form, solved), default=0) + settings.margin for name, kind in kinds.items()},
            most_of_family=round(settings.most_of_family * settings.tasks_per_round),
            max_characters=settings.max_characters,
        )

    def _ask(
        self,
        number: int,
        kinds: dict[str, Kind],
        parents: Sequence[tuple[Task, float]],
        bounds: Sequence[float],
        around: Surroundings,
    ) -> Ask:
        rng = random.Random(self._number("ask", number))
        shares = self.settings.shares
        name = rng.choices(list(shares), list(shares.values()))[0]
        kind = kinds[name]
        chosen = tuple(task for task, _ in rng.choices(parents, cum_weights=bounds, k=kind.num_parents))
        operator, prompt = kind.prompt(chosen, rng)
        return Ask(number, name, operator, chosen, prompt, around.longest[name] - self.settings.margin)

    def _answered(
        self, asks: Sequence[Ask], kinds: dict[str, Kind], model: str, executor: Executor, observe: Observer
    ) -> Iterator[Proposal]:
        """The proposals of some requests, in their order, read and with their references."""
        source = self.recipe.tasks.source
        requests = {ask.number: request_of(ask, source) for ask in asks if kinds[ask.kind].needs_model}
        samples = self._sampled(list(requests.values()), "proposals", model, executor, observe)
        for ask in asks:
            kind, seed = kinds[ask.kind], self._number("text", ask.number)
            if kind.needs_model:
                sample, _ = samples[requests[ask.number].id][0]
                text, named, seed, tokens = sample.text, sample.model, sample.seed, sample.completion_tokens
            else:
                text, named, tokens = kind.text(ask, random.Random(seed)), source, 0
            proposal = Proposal(ask, text, named, seed, tokens, kind.read(ask, text))
            yield replace(proposal, reading=kind.settle(proposal)) if proposal.reading.task else proposal

    def _agreeing(self, proposals: list[Proposal], model: str, executor: Executor, observe: Observer) -> list[Proposal]:
        """The proposals without those whose program nobody agrees with: no independent solution has its answer."""
        number = self.settings.agreement
        chosen = [one for one in proposals if one.reason == ADMITTED and one.reading.trust == Trust.PROGRAM]
        if not number or not chosen:
            return proposals
        samples = self._sampled([one.task for one in chosen], "solutions", model, executor, observe, number)
        by_number = {one.ask.number: _with_solutions(one, samples[one.task.id]) for one in chosen}
        return [by_number.get(one.ask.number, one) for one in proposals]

    def _unverified(
        self, proposals: list[Proposal], model: str, executor: Executor, observe: Observer
    ) -> list[Proposal]:
        """The proposals, of which a share of those admitted gets the model's own answer for a reference."""
        share = self.settings.unverified
        chosen = [
            one
            for one in proposals
            if one.reason == ADMITTED and self._number("unverified", one.ask.number) < share * 2**63
        ]
        samples = self._sampled([one.task for one in chosen], "answers", model, executor, observe)
        by_number = {one.ask.number: _with_own_answer(one, *samples[one.task.id][0]) for one in chosen}
        return [by_number.get(one.ask.number, one) for one in proposals]

    def _sampled(
        self, tasks: Sequence[Task], name: str, model: str, executor: Executor, observe: Observer, number: int = 1
    ) -> dict[str, list[tuple[Sample, Verdict]]]:
        """So many samples of each task, by the task's id, through the journal `name` of the round."""
        if not tasks:
            return {}
        plan = SamplingPlan((model,), lambda *sample: self._number(name, *sample))
        executor.run_pass(tasks, plan, Allocation(samples_per_task=number), self.folder / name, observe)
        found: dict[str, list[tuple[Sample, Verdict]]] = {task.id: [] for task in tasks}
        for sample, verdict in read_journal(self.folder / name):
            if sample.task_id in found:
                found[sample.task_id].append((sample, verdict))
        return found

    def _number(self, choice: str, *parts: object) -> int:
        return number_of(self.recipe.seed, "proposals", choice, self.index, *parts)


def _with_solutions(proposal: Proposal, solutions: Sequence[tuple[Sample, Verdict]]) -> Proposal:
    """The proposal, refused if none of some independent solutions agrees with its reference."""
    agreeing = sum(verdict.outcome == "correct" for _, verdict in solutions)
    tokens = proposal.tokens + sum(sample.completion_tokens for sample, _ in solutions)
    detail = f"{agreeing} of {len(solutions)} solutions agree"
    return replace(proposal, tokens=tokens, detail=detail, reason=ADMITTED if agreeing else "disagreement")


def _with_own_answer(proposal: Proposal, sample: Sample, verdict: Verdict) -> Proposal:
    """The proposal with the answer of a sample for its reference; refused if that sample has none.

    What the sample cost counts as the proposal's tokens; `detail` says whether the answer is wrong, if its task knew.
    """
    tokens = proposal.tokens + sample.completion_tokens
    if not verdict.answer:
        return replace(proposal, tokens=tokens, reason="no_own_answer")
    task = proposal.task
    is_wrong = verify_answer(task.reference, verdict.answer).outcome != "correct"
    known: Any = task.reference  # of a kind with answers, whose references hold one
    reference = replace(known, answer=verdict.answer)
    changed = Task.make(task.source, list(task.prompt), reference, **dict(task.metadata))
    reading = replace(proposal.reading, task=changed, trust=Trust.OWN)
    detail = "the reference is wrong" if is_wrong else ""
    return replace(proposal, tokens=tokens, reading=reading, detail=detail)


def left_for_samples(recipe: Recipe, folder: Path) -> Allocation:
    """The recipe's [allocation], with the tokens of the round's proposals taken from a token budget."""
    allocation = recipe.allocation
    if not recipe.proposer or not allocation.token_budget:
        return allocation
    spent = sum(row["tokens"] for row in read_jsonl(folder / PROPOSALS))
    return allocation.model_copy(update={"token_budget": max(1, allocation.token_budget - spent)})
