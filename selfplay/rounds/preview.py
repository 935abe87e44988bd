"""`selfplay run RECIPE --preview N`: a few tasks through sampling, checking and selection, and what the whole run would take.

Engine, verifiers and seeds are the run's own, so that these are samples which the run will draw again. Nothing is trained.
With `--keep` the samples stay as a pilot for `selfplay plan`.
"""

import math
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from selfplay.allocation import RULES
from selfplay.driver.executor import Executor
from selfplay.driver.stats import PassStats
from selfplay.metrics.health import summary
from selfplay.progress import Progress, duration, quantity
from selfplay.recipe.sections import Recipe
from selfplay.records import Trace
from selfplay.rounds.data import MAX_COUNTED, Round, num_tasks_of
from selfplay.rounds.round import health, sample
from selfplay.rounds.run_folder import refuse_other_recipe
from selfplay.samplers import sampler_class
from selfplay.samplers.turns import load_turn_format
from selfplay.shards.files import read_in_order
from selfplay.shards.provenance import provenance_of
from selfplay.training.start import first_models
from tasks import UserError, load
from verifiers import Outcome, verifier_of

MAX_CHARACTERS = 2000  # shown of a prompt or a completion


@dataclass(frozen=True, slots=True)
class Preview:
    """A few tasks of the first round, and the whole run by what they took."""

    traces: list[tuple[Trace, str]]  # the first sample of each task, and what selection made of it
    outcomes: Counter  # of all samples
    selected: Counter  # of all samples, what selection made of them
    num_tasks: int  # of a round of the whole run; 0: more than MAX_COUNTED, of which the following are counted
    num_samples: int  # of the whole run, evaluations with them
    num_tokens: int  # completion tokens of these
    seconds: float  # of sampling these, at the preview's pace
    health: str  # of all samples, in words
    rendered: (
        str  # the first prompt as the model reads it, with its special tokens; empty: the engine renders it elsewhere
    )
    opening: str  # the end of it that opens the model's thinking; empty if it opens none
    is_untrained: bool  # the model that the recipe makes is not there yet: these are of its random weights

    def in_words(self) -> str:
        parts = [_trace_in_words(number, len(self.traces), *pair) for number, pair in enumerate(self.traces, 1)]
        if self.rendered:
            opens = f"it opens the model's thinking: {self.opening!r}" if self.opening else "it opens no thinking"
            parts.append(f"--- the first prompt as the model reads it; {opens}\n{_shown(self.rendered)}\n")
        for title, counts in (("all samples", self.outcomes), ("selection", self.selected)):
            parts.append(f"{title}: {', '.join(f'{number} {name}' for name, number in counts.most_common())}")
        parts.append(f"health: {self.health}")
        tokens = f" and {quantity(self.num_tokens)} completion tokens" if self.num_tokens else ""
        parts.append(
            f"the whole run, {f'{self.num_tasks:,}' if self.num_tasks else f'only {MAX_COUNTED:,} counted'} tasks a round: about "
            f"{quantity(self.num_samples)} samples{tokens}, evaluations included; at this pace, that of few samples at once, "
            f"sampling takes {duration(self.seconds)}, and less where batches are full. Training is not counted"
        )
        if self.is_untrained:
            parts.append(
                "the recipe's model is not made yet: these are samples of its random weights, which say nothing of right or long"
            )
        return "\n".join(parts)


def kept_preview(recipe: Recipe) -> Path:
    """The folder that `--keep` leaves a preview in: next to the run's own, which belongs to the run."""
    return Path(f"{recipe.output}-preview")


def preview(recipe: Recipe, num_tasks: int, progress: Progress, keep: bool = False) -> Preview:
    """Play `num_tasks` tasks of the first round in a scratch folder; `keep` moves it to `kept_preview`."""
    whole = recipe.tasks.options.get("num_tasks") or num_tasks_of(Round(recipe, Path(recipe.output), 0).tasks())
    few = _of_few_tasks(recipe, min(num_tasks, whole or num_tasks), whole)
    with tempfile.TemporaryDirectory(prefix="selfplay-preview-") as scratch:
        round = Round(few, Path(scratch), 0)
        model, is_untrained = _model(recipe, Path(scratch, "base"), progress)
        provenance_of(few, model, round.folder, round.plan(model).models)
        with Executor(few.sampling, few.verification, few.ray) as executor:
            stats = sample(round, model, executor, progress)
        seen = summary(health(round), few.sampling)
        _, account = round.make_shards()
        firsts: dict[str, tuple[Trace, str]] = {}
        for trace, selection in read_in_order(round.shards):
            firsts.setdefault(trace.task.id, (trace, selection))
        rendered, opening = _rendered(recipe, model, next(iter(firsts.values()))[0]) if firsts else ("", "")
        if keep:
            shutil.rmtree(kept_preview(recipe), ignore_errors=True)
            shutil.copytree(round.folder, kept_preview(recipe) / round.folder.name)
    num_samples, num_tokens = _whole_run(recipe, stats, whole or MAX_COUNTED)
    seconds = num_samples * stats.elapsed_seconds / max(stats.num_samples, 1)
    return Preview(
        list(firsts.values()),
        stats.outcomes,
        account.counts,
        whole,
        num_samples,
        num_tokens,
        seconds,
        seen,
        rendered,
        opening,
        is_untrained,
    )


def _of_few_tasks(recipe: Recipe, num_tasks: int, whole: int) -> Recipe:
    allocation = recipe.allocation
    if whole:
        allocation = RULES[allocation.rule].for_share(allocation, num_tasks, whole)
    tasks = recipe.tasks.model_copy(update={"num_tasks": num_tasks})
    selection = recipe.selection.model_copy(update={"mix": None})  # it is about training
    return recipe.model_copy(update={"tasks": tasks, "allocation": allocation, "selection": selection})


def _model(recipe: Recipe, scratch: Path, progress: Progress) -> tuple[str, bool]:
    """The model that the first round samples, and whether it lacks its pretraining."""
    if recipe.model.create:
        made = Path(recipe.output, "base", "model")
        try:
            refuse_other_recipe(Path(recipe.output), recipe)
        except UserError:
            made = scratch / "model"
        if made.exists():
            return str(made), False
    return first_models(
        recipe.model_copy(update={"pretraining": None}), scratch, progress
    ).sampled, recipe.pretraining is not None


def _rendered(recipe: Recipe, model: str, trace: Trace) -> tuple[str, str]:
    """A prompt as the model reads it, and what of it opens thinking; empty for an engine that renders prompts elsewhere."""
    if not sampler_class(recipe.sampling.engine).is_local:
        return "", ""
    prompt = load_turn_format(trace.sample.model or model, recipe.sampling).prompt(trace.task.prompt)
    return prompt.text, prompt.opening


def _whole_run(recipe: Recipe, stats: PassStats, num_tasks: int) -> tuple[int, int]:
    """Samples and completion tokens of all rounds of `num_tasks`, of the control and of the evaluations."""
    per_sample = stats.num_tokens / max(stats.num_samples, 1)
    num_rounds = recipe.rounds * (2 if recipe.control else 1)
    samples = num_tasks * stats.num_samples / max(stats.num_tasks, 1)
    if num_correct := stats.outcomes[Outcome.CORRECT]:
        samples = min(samples, (recipe.allocation.total_accepted or math.inf) * stats.num_samples / num_correct)
    samples = min(samples, RULES[recipe.allocation.rule].most_samples(recipe.allocation, per_sample)) * num_rounds
    if recipe.evaluation:
        section = recipe.evaluation.tasks
        num_held_out = section.options.get("num_tasks") or num_tasks_of(load(section.source, **section.options))
        samples += num_held_out * recipe.evaluation.samples_per_task * (1 + num_rounds)
    return round(samples), round(samples * per_sample)


def _trace_in_words(number: int, num_traces: int, trace: Trace, selection: str) -> str:
    task, verdict = trace.task, trace.verdict
    prompt = "\n".join(message["content"] for message in task.prompt)
    reference = verifier_of(task.reference).ground_truth(task.reference)
    return (
        f"--- {number} of {num_traces}, task {task.id}: {verdict.outcome} ({verdict.reason}); selection: {selection}\n{_shown(prompt)}\n"
        f"--- completion, {trace.sample.completion_tokens} tokens\n{_shown(trace.sample.text)}\n"
        f"--- answer: {_shown(verdict.answer)}; reference: {_shown(reference)}\n"
    )


def _shown(text: str) -> str:
    """A text for a terminal: not too long, and without codes that a terminal would obey."""
    plain = "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\ufffd" for letter in text[:MAX_CHARACTERS]
    )
    return plain + (f" ... {len(text) - MAX_CHARACTERS:,} more characters" if len(text) > MAX_CHARACTERS else "")
