"""Export: the traces of a run in the form that a trainer reads, with a dataset card.

Rows are streamed: what is held is the traces of one task. The shards are checked against their manifest first.
"""

import tomllib
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from selfplay.export.card import card
from selfplay.export.formats import FORMATS, Choices, Format, Selected
from selfplay.export.summary import Summary
from selfplay.layout import AUDIT, FINDINGS, MANIFEST, RECIPE
from selfplay.recipe.sections import Recipe
from selfplay.samplers.turns import load_turn_format
from selfplay.shards.files import read_in_order
from selfplay.shards.integrity import check_round, other_schema
from selfplay.storage import Location, finished_rounds_at
from tasks import UserError
from tasks.imports import look_in

ROWS_AT_ONCE = 1000


def export(
    run: Path | str,
    format: str,
    out: Path | str,
    plain: bool = False,
    reverified: bool = False,
    tokenizer: str = "",
) -> Summary:
    """Write all finished rounds of a run in `format` to the folder `out`, each a path or an fsspec URL, with a README.

    `plain` writes prompts as text, for models without a chat template; `reverified` takes the shards that `selfplay
    reverify` made; `tokenizer`, a path or a hub name, renders and encodes instead of the sampled model's. UserError if
    there is nothing to export or a shard is damaged.
    """
    if format not in FORMATS:
        raise UserError(f'unknown format "{format}"; one of {", ".join(FORMATS)}')
    form = FORMATS[format]
    if plain and not form.takes_plain:
        choosing = " and ".join(other.name for other in FORMATS.values() if other.takes_plain)
        raise UserError(f"--plain is a choice of {choosing}; the rows of {format} have one form, so leave it out")
    if tokenizer and not form.needs_tokenizer:
        using = " and ".join(other.name for other in FORMATS.values() if other.needs_tokenizer)
        raise UserError(f"--tokenizer is a choice of {using}; the rows of {format} need none, so leave it out")
    run = Location.of(run)
    look_in(Path(run.path).parent)  # where modules of the user's own that its tasks name may lie
    folders = [folder / "reverified" if reverified else folder for folder in finished_rounds_at(run)]
    if missing := [folder.parent.name for folder in folders if reverified and not (folder / MANIFEST).exists()]:
        raise UserError(
            f"nothing exported: {', '.join(missing)} of {run} not verified again; run `selfplay reverify {run}` first"
        )
    problems = [problem for folder in folders for problem in check_round(folder)]
    if problems or not folders:
        what = "\n".join(problems) or f"{run} has no finished round"
        raise UserError(
            f"nothing exported: {what}"
            + ("\nMake damaged shards again with `selfplay shards rebuild`" if problems else "")
        )
    if older := [problem for folder in folders if (problem := other_schema(folder))]:
        raise UserError("nothing exported: " + "\n".join(older))
    target = Location.of(out)
    if target.is_file() or (target / RECIPE).exists():
        what = "is a file" if target.is_file() else "holds a run"
        raise UserError(f"{out} {what}; name a folder of the export's own with --out")
    if (card_there := target / "README.md").exists() and f", as {format}\n".encode() not in card_there.files.cat_file(
        card_there.path
    ):
        raise UserError(
            f"{out} holds something else than an export as {format}: its README.md says so; name another folder with --out"
        )
    summary = Summary()
    rows = form.rows(_groups(folders, summary), _choices(run, form, plain, tokenizer))
    is_new = not target.exists()
    target.files.makedirs(target.path, exist_ok=True)
    name = form.writer.file
    unfinished = target / f".{name}.unfinished"  # renamed when it is whole
    with unfinished.open("wb") as file:
        summary.num_rows = form.writer.write(file, rows)
    if not summary.num_rows:
        target.files.rm(target.path if is_new else unfinished.path, recursive=True)
        raise UserError(f"nothing to export as {format}: no task of {run} has {form.needs}")
    target.files.mv(unfinished.path, (target / name).path)
    summary.files.append(name)
    with (target / "README.md").open("wb") as file:
        file.write(card(form, summary, run.name, _audit(run)).encode())
    return summary


def _audit(run: Location) -> dict[str, Any] | None:
    """The findings of the run's audit; None if it had none."""
    path = run / AUDIT / FINDINGS
    return path.read_json() if path.exists() else None


def _choices(run: Location, form: Format, plain: bool, tokenizer: str) -> Choices:
    """How this run's prompts are rendered, with a tokenizer if the format needs one."""
    try:
        with (run / RECIPE).open("rb") as file:
            recipe = Recipe.model_validate(tomllib.loads(file.read().decode()))
    except (OSError, ValueError) as error:  # pydantic's and TOML's errors are ValueErrors
        raise UserError(f"{run / RECIPE} cannot be read: {error}") from error
    if not form.needs_tokenizer:
        return Choices(plain, recipe.sampling.chat_template)
    model = tokenizer or (str(Path(run.path, "base", "model")) if recipe.model.create else recipe.model.path)
    if not model:
        raise UserError(f"{form.name} needs the tokenizer of one model; name it with --tokenizer")
    try:
        turns = load_turn_format(model, recipe.sampling)
    except UserError as error:
        raise UserError(f"{error}; name a model or its folder with --tokenizer") from error
    student = recipe.model.student
    is_own = not tokenizer and not (student and student.teaches)  # a student's tokens may be others
    return Choices(plain, recipe.sampling.chat_template, turns, is_own)


def _groups(folders: Iterable[Location], summary: Summary) -> Iterator[list[Selected]]:
    """The traces of one task and round at a time, counted."""
    for folder in folders:
        for _, traces in groupby(read_in_order(str(folder / "shards")), key=lambda row: row[0].task.id):
            group = list(traces)
            summary.count(group)
            yield group
