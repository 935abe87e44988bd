"""Errors of a recipe whose every key is valid by itself."""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from selfplay.allocation import RULES, Allocation
from selfplay.layout import EVALUATION, TASKS, held_out_path
from selfplay.recipe.sections import ENGINES, Recipe

ROW_FILES = (".jsonl", ".json", ".parquet")  # endings that no name of the hub has


def errors(recipe: Recipe) -> list[tuple[str, str]]:
    """Errors that no single key shows, each as its section and a text."""
    mistakes = []
    engine = ENGINES[recipe.sampling.engine]
    if recipe.evaluation:
        least = recipe.evaluation.samples_per_task
        mistakes += [
            ("evaluation", f"k = {k} needs at least {k} samples_per_task, not {least}")
            for k in recipe.evaluation.k
            if k > least
        ]
    if bool(recipe.model.path) + bool(recipe.model.create) + bool(recipe.model.teachers) != 1 and engine.samples_models:
        mistakes.append(("model", "exactly one of path and create is needed, or [[model.teachers]]"))
    if recipe.model.teachers:
        mistakes += _impossible_teachers(recipe)
    if recipe.pretraining and not recipe.model.create:
        mistakes.append(("pretraining", "it needs [model.create]: a model that is there already is not trained first"))
    mistakes += _impossible_sampling(recipe)
    mistakes += _impossible_learning(recipe)
    mistakes += [("proposer", text) for text in _impossible_proposals(recipe)]
    if recipe.rounds > 1 and not recipe.training:
        mistakes.append(
            ("training", f"rounds = {recipe.rounds} needs [training], or each round would sample the same model")
        )
    mistakes += _unread(recipe.allocation)
    mistakes += [("allocation", text) for text in RULES[recipe.allocation.rule].mistakes(recipe.allocation)]
    return mistakes + _missing_files(recipe)


def _unread(allocation: Allocation) -> list[tuple[str, str]]:
    """Keys that are set and that the recipe's rule does not read."""
    given = {
        key
        for key, field in Allocation.model_fields.items()
        if key not in ("rule", "total_accepted") and getattr(allocation, key) != field.default
    }
    unread = sorted(given - RULES[allocation.rule].keys)
    if not unread:
        return []
    better = " or ".join(f'rule = "{rule}"' for rule, kind in RULES.items() if given <= kind.keys)
    return [
        (
            "allocation",
            f'rule = "{allocation.rule}" does not read {", ".join(unread)}; {f"set {better}, or " if better else ""}leave out what is not meant',
        )
    ]


def _impossible_sampling(recipe: Recipe) -> list[tuple[str, str]]:
    """Of what the engine of [sampling] cannot do."""
    name, engine, mistakes = recipe.sampling.engine, ENGINES[recipe.sampling.engine], []
    learns = recipe.training and not _only_a_student_learns(recipe)
    if engine.required and not getattr(recipe.sampling, engine.required[0]):
        mistakes.append(("sampling", f'engine = "{name}" needs {engine.required[1]}'))
    if not engine.samples_models:
        if recipe.rounds > 1 or recipe.evaluation or learns:
            words = "without [evaluation], and with [training] only for a [model.student] that does not teach"
            mistakes.append(("sampling", f'engine = "{name}" plays one round, {words}'))
    elif not engine.loads_weights:
        if learns:
            words = "play one round without [training], or train a [model.student] that does not teach"
            mistakes.append(("training", f"a server's model cannot be replaced between rounds; {words}"))
        if recipe.model.student and recipe.evaluation:
            mistakes.append(("evaluation", "a server cannot sample the student; evaluate it in a recipe of its own"))
    return mistakes


def _impossible_teachers(recipe: Recipe) -> list[tuple[str, str]]:
    paths = [teacher.path for teacher in recipe.model.teachers]
    num, by_teacher = recipe.ray.num_samplers, recipe.ray.samplers_of_teachers
    mistakes = []
    if len(set(paths)) < len(paths):
        mistakes.append(("model", "a teacher is there twice; give it more weight instead"))
    if num < len(paths):
        mistakes.append(
            (
                "ray",
                f"num_samplers = {num} is below the number of teachers, {len(paths)}; each needs an engine of its own",
            )
        )
    if by_teacher and (len(by_teacher) != len(paths) or sum(by_teacher) != num):
        mistakes.append(
            (
                "ray",
                f"samplers_of_teachers = {by_teacher} needs {len(paths)} numbers with the sum of num_samplers, {num}",
            )
        )
    if (recipe.training or recipe.evaluation) and not recipe.model.student:
        mistakes.append(("model", "teachers stay as they are: name what is trained and evaluated in [model.student]"))
    if not ENGINES[recipe.sampling.engine].samples_models:
        mistakes.append(("sampling", f'engine = "{recipe.sampling.engine}" samples no model'))
    return mistakes


def _impossible_learning(recipe: Recipe) -> list[tuple[str, str]]:
    """Of [model.student], [selection.mix], [training.lora] and [stop]."""
    mistakes = []
    student, mix, stop = recipe.model.student, recipe.selection.mix, recipe.stop
    if student and bool(student.path) == bool(student.create):
        mistakes.append(("model.student", "exactly one of path and create is needed"))
    if student and not recipe.training:
        mistakes.append(("model.student", "it needs [training], which is what it learns by"))
    if mix and not recipe.training:
        mistakes.append(("selection.mix", "it needs [training], which is what it adds rows to"))
    if mix and mix.earlier_rounds + mix.corpus >= 1:
        shares = f"earlier_rounds = {mix.earlier_rounds} and corpus = {mix.corpus}"
        mistakes.append(
            ("selection.mix", f"{shares} leave nothing for the round's own traces; together they must be below 1")
        )
    if mix and mix.corpus and not mix.path and not recipe.pretraining:
        mistakes.append(
            ("selection.mix", f"corpus = {mix.corpus} needs the path of a corpus, since there is no [pretraining]")
        )
    if recipe.training and recipe.training.lora:
        if recipe.training.command:
            mistakes.append(("training.lora", "a command trains as it likes; leave one of them out"))
        if not find_spec("peft"):
            mistakes.append(("training.lora", 'it needs the package peft: pip install "selfplay[lora]"'))
    for section, fitting in (("training", recipe.training), ("pretraining", recipe.pretraining)):
        if fitting and fitting.micro_batch_size and fitting.batch_size % fitting.micro_batch_size:
            sizes = f"batch_size = {fitting.batch_size} is no multiple of micro_batch_size = {fitting.micro_batch_size}"
            mistakes.append((section, f"{sizes}; a step is a whole number of micro batches"))
    mistakes += [("training", text) for text in _impossible_workers(recipe)]
    if stop and not stop.least_bits and not recipe.evaluation:
        mistakes.append(("stop", "least_bits = 0 judges by pass@1 alone, which needs [evaluation]"))
    return mistakes


def _impossible_proposals(recipe: Recipe) -> Iterator[str]:
    """Of [proposer]."""
    settings, mix = recipe.proposer, recipe.selection.mix
    if settings is None:
        return
    low, high = settings.window
    if low >= high:
        yield f"window = [{low}, {high}] holds no solve rate; its first must be below its second"
    if not ENGINES[recipe.sampling.engine].samples_models:
        yield f'engine = "{recipe.sampling.engine}" samples no model, so there is nobody to propose'
    if recipe.model.teachers:
        yield "several teachers cannot propose; name one model with path"
    if settings.learn and not recipe.training:
        yield "learn needs [training], which is what it adds rows to"
    if mix and settings.learn + mix.earlier_rounds + mix.corpus >= 1:
        yield f"learn = {settings.learn} and the shares of [selection.mix] leave nothing for the round's own traces"


def _impossible_workers(recipe: Recipe) -> list[str]:
    """Of the processes that train, and of what they learn from."""
    training, mistakes = recipe.training, []
    if not training:
        return []
    if training.num_workers > 1 and recipe.ray.address == "none":
        mistakes.append(f'num_workers = {training.num_workers} needs Ray; set [ray] address = "local", or leave it out')
    if training.method != "sft" and (training.command or recipe.adds_rows):
        what = "a command" if training.command else "[selection.mix], [second_chances] or learn of [proposer]"
        mistakes.append(f'method = "{training.method}" learns from pairs, and {what} has none; leave one of them out')
    if training.method == "kto" and (training.micro_batch_size or training.batch_size) < 2:
        mistakes.append('method = "kto" compares rows of a micro batch, which needs at least 2 of them')
    if training.strategy == "fsdp":
        if not recipe.ray.sampler_gpus or not training.gpus_per_worker:
            mistakes.append(
                'strategy = "fsdp" needs GPUs, and training has none here; set sampler_gpus in [ray], or "ddp"'
            )
        if training.lora:
            mistakes.append('strategy = "fsdp" trains all weights; leave out [training.lora], or set "ddp"')
    return mistakes


def _only_a_student_learns(recipe: Recipe) -> bool:
    return recipe.model.student is not None and not recipe.model.student.teaches


def _missing_files(recipe: Recipe) -> list[tuple[str, str]]:
    paths: list[tuple[str, Any]] = [("model", recipe.model.path)]
    paths += [("model.teachers", teacher.path) for teacher in recipe.model.teachers]
    run = Path(recipe.output)
    if not any(run.glob(f"round_*/{TASKS}")):  # else preflight asks whether a round needs them yet
        paths.append(("tasks", recipe.tasks.options.get("path")))
    if recipe.evaluation and not held_out_path(run, EVALUATION).exists():
        paths.append(("evaluation.tasks", recipe.evaluation.tasks.options.get("path")))
    paths += [
        (f"selection.against.{name}", against.options.get("path"))
        for name, against in recipe.selection.against.items()
        if not held_out_path(run, name).exists()
    ]
    if recipe.model.student:
        paths.append(("model.student", recipe.model.student.path))
    if recipe.selection.mix:
        paths.append(("selection.mix", recipe.selection.mix.path))
    if recipe.sampling.replay:
        paths.append(("sampling.replay", recipe.sampling.replay.path))
    missing = [
        (section, f"path = {json.dumps(path)}: no such file")
        for section, path in paths
        if isinstance(path, str) and _looks_local(path) and not Path(path).exists()
    ]
    exclude = recipe.selection.exclude
    if exclude and not Path(exclude).is_file():
        missing.append(("selection", f"exclude = {json.dumps(exclude)}: no such file"))
    return missing


def _looks_local(path: str) -> bool:
    """Whether a path can only mean this machine: a hub name has one slash, no ending and no dots at its front."""
    return path.startswith((".", "/", "~")) or path.endswith(ROW_FILES) or path.count("/") > 1
