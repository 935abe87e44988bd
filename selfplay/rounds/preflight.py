"""Errors that a run would meet later, found before it begins: by `selfplay run`, and by its option `--check`."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from selfplay.layout import CONTROL, EVALUATION, TASKS, finished_rounds, held_out_path, round_folder
from selfplay.proposals.kinds import make_kind
from selfplay.recipe.sections import Recipe
from selfplay.rounds.data import held_out_sets
from selfplay.rounds.kept_tasks import read_tasks
from selfplay.rounds.run_folder import refuse_other_recipe
from selfplay.samplers import sampler_class
from selfplay.samplers.turns import refusals
from selfplay.shards.mirror import make_place
from tasks import Reference, Task, UserError, load
from verifiers import Verifier, verifier_of

NUM_TRIED = 1000  # tasks read of each source
NUM_RENDERED = 100_000  # prompts rendered of each source by --check


def errors(recipe: Recipe, writes: bool = True, imports: bool = False) -> list[str]:
    """Every error that the run would meet, one text each. Takes seconds, or a minute if a cluster or the hub is slow.

    `writes`: whether the run's folder is to be written. Of a finished run nothing else is asked. `imports`: whether to
    import vLLM rather than to look whether it is there; it takes some ten seconds, in a process of its own.
    """
    if writes and _is_finished(recipe):
        return list(_folder(recipe))
    tasks: list[Task] = []
    checks = (
        _folder(recipe) if writes else (),
        _engine(recipe, imports),
        _models(recipe),
        _ray(recipe),
        _tasks(recipe, tasks, imports),
        _verifiers(recipe, tasks),
        _prompts(recipe, imports),
        _proposals(recipe),
    )
    return [text for check in checks for text in check]


def _is_finished(recipe: Recipe) -> bool:
    folder = Path(recipe.output)
    arms = (folder, folder / CONTROL) if recipe.control else (folder,)
    return all(len(finished_rounds(arm)) >= recipe.rounds for arm in arms)


def _folder(recipe: Recipe) -> Iterator[str]:
    folder = Path(recipe.output).absolute()
    present = next(path for path in (folder, *folder.parents) if path.exists())
    if not present.is_dir():
        yield f"the run's folder {recipe.output} cannot be made, since {present} is a file; choose another with `output`"
    elif not os.access(present, os.W_OK | os.X_OK):
        yield f"the run's folder {recipe.output} cannot be written: {present} belongs to another user, or is read-only; choose another with `output`"
    else:
        yield from _complaint(refuse_other_recipe, folder, recipe)
    if recipe.copy_to:
        yield from _complaint(make_place, recipe.copy_to)


def _engine(recipe: Recipe, imports: bool) -> Iterator[str]:
    settings, is_here = recipe.sampling, recipe.ray.address in ("local", "none")
    sampler = sampler_class(settings.engine)
    if is_here or not sampler.is_local:
        yield from sampler.preflight(settings, recipe.model.name, imports)
    if recipe.ray.sampler_gpus and is_here:
        import torch

        workers, present = sampler.num_gpus(settings), torch.cuda.device_count()
        wanted = recipe.ray.num_samplers * (recipe.ray.sampler_gpus if workers == 1 else workers)
        if wanted > present:
            each = "sampler_gpus" if workers == 1 else f"{workers} of a parallel engine"
            yield f"[ray] asks for {wanted:g} GPUs (num_samplers x {each}), and torch sees {present} here"


def _models(recipe: Recipe) -> Iterator[str]:
    if sampler_class(recipe.sampling.engine).is_local:
        student = recipe.model.student
        for path in (
            recipe.model.path,
            *(teacher.path for teacher in recipe.model.teachers),
            student.path if student else "",
        ):
            if path and Path(path).is_dir() and not (Path(path) / "config.json").exists():
                yield f"{path} holds no model: it has no config.json, as a model saved by transformers has"


def _ray(recipe: Recipe) -> Iterator[str]:
    if recipe.ray.address not in ("local", "none"):
        from selfplay.driver.cluster import connect

        yield from _complaint(connect, recipe.ray)  # the run goes on with this connection


def _tasks(recipe: Recipe, found: list[Task], thorough: bool) -> Iterator[str]:
    """Reads the first tasks of each source, or those that the run keeps; the first that are sampled go to `found`.

    `thorough`: reads all of them.
    """
    folder = Path(recipe.output)
    last = round_folder(folder / CONTROL if recipe.control else folder, recipe.rounds - 1)
    sections = {"tasks": (recipe.tasks, last / TASKS)}
    for name, held_out in held_out_sets(recipe).items():
        place = "evaluation.tasks" if name == EVALUATION else f"selection.against.{name}"
        sections[place] = (held_out, held_out_path(folder, name))
    for name, (section, kept) in sections.items():
        try:
            stream = read_tasks(kept) if kept.exists() else load(section.source, **section.options)
            tasks = list(islice(stream, NUM_TRIED))
            for _ in stream if thorough else ():
                pass
        except UserError as error:
            yield f"[{name}]: {error}"
            continue
        if not tasks:
            yield f"[{name}]: the source {section.source} yields no task"
        if name == "tasks":
            found += tasks


def _prompts(recipe: Recipe, thorough: bool) -> Iterator[str]:
    """`thorough`: renders every prompt that the recipe samples, with the model's own template, if that is on this machine."""
    settings, model = recipe.sampling, recipe.model.path
    if (
        not thorough
        or not sampler_class(settings.engine).is_local
        or not (Path(model) / "tokenizer_config.json").exists()
    ):
        return
    try:
        refuses = refusals(model, settings)
    except UserError as error:
        yield str(error)
        return
    sections = {"tasks": recipe.tasks} | ({"evaluation.tasks": recipe.evaluation.tasks} if recipe.evaluation else {})
    for name, section in sections.items():
        refused = []
        try:
            for task in islice(load(section.source, **section.options), NUM_RENDERED):
                if reason := refuses(task.prompt):
                    refused.append((task.id, reason))
        except UserError:
            continue  # _tasks says so
        if refused:
            ids = ", ".join(task_id for task_id, _ in refused[:5]) + (", ..." if len(refused) > 5 else "")
            yield f"[{name}]: the prompts of {len(refused)} tasks cannot be rendered ({ids}): {refused[0][1]}"


def _proposals(recipe: Recipe) -> Iterator[str]:
    """Whether the kinds of [proposer] can work with the source of the seeds."""
    for name in recipe.proposer.shares if recipe.proposer else ():
        for text in _complaint(make_kind, name, recipe.tasks.source):
            yield f"[proposer]: kind {name}: {text}"


def _verifiers(recipe: Recipe, tasks: list[Task]) -> Iterator[str]:
    if recipe.ray.address not in ("local", "none"):
        return  # verifiers run on other machines
    references: dict[Verifier, list[Reference]] = {}
    try:
        for task in tasks:
            references.setdefault(verifier_of(task.reference), []).append(task.reference)
    except UserError as error:
        yield str(error)
    for verifier, asked in references.items():
        for text in verifier.obstacles(asked, recipe.verification.unsafe):
            yield f"the tasks cannot be checked by {verifier.version}: {text}"


def _complaint(check, *arguments) -> Iterator[str]:
    try:
        check(*arguments)
    except UserError as error:
        yield str(error)
