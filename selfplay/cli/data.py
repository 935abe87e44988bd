"""The commands about a run's data: shards, export, reverify."""

import os
from pathlib import Path
from typing import Annotated

import typer


def _existing(run: str) -> str:
    from selfplay.storage import Location

    if not Location.of(run).is_folder():
        raise typer.BadParameter(f"no folder {run}")
    return run


shards = typer.Typer(
    no_args_is_help=True,
    help="Check the shards of a run against its manifests, copy them, or make them again from its journal.",
)
Run = Annotated[Path, typer.Argument(help="the folder of a run, such as runs/quickstart", exists=True, file_okay=False)]
RunOrCopy = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="the folder of a run, or an fsspec URL where a copy of it lies", callback=_existing
    ),
]


@shards.command()
def check(run: RunOrCopy) -> None:
    """Compare every shard with its manifest: status 1 and one line for each that is missing, truncated or damaged."""
    from selfplay.shards.integrity import check_shards

    problems = check_shards(run)
    for problem in problems:
        print(problem)
    if problems:
        raise typer.Exit(1)
    print(f"{run}: all shards are as their manifests say")


@shards.command()
def copy(
    run: Run, to: Annotated[str, typer.Argument(help="a folder, or an fsspec URL such as s3://bucket/run")]
) -> None:
    """Copy the finished rounds of a run, those that are not there yet: shards, figures and manifests."""
    from selfplay.shards.mirror import copy_run

    num_copied = copy_run(run, to)
    print(f"{to}: {num_copied} round{'' if num_copied == 1 else 's'} copied")


@shards.command()
def rebuild(
    run: Run,
    out: Annotated[
        str, typer.Option(help="repair, or make, the copy of the run in this folder or at this fsspec URL")
    ] = "",
) -> None:
    """Make the shards of every finished round again from its journal; status 1 where they differ from the manifest."""
    from selfplay.rounds.rebuild import rebuild_shards

    differing = rebuild_shards(run, out)
    for line in differing:
        print(line)
    if differing:
        raise typer.Exit(1)
    print(f"{out or run}: made again, the same bytes")


def export(
    run: RunOrCopy,
    format: Annotated[
        str, typer.Option(help="what the rows hold: tokens, text, sft, chat, dpo, ...; an unknown name lists them all")
    ],
    out: Annotated[str, typer.Option(help="folder or fsspec URL (s3://...) for the rows and a README.md")],
    plain: Annotated[
        bool, typer.Option("--plain", help="dpo, kto: prompts as text, for a model without a chat template")
    ] = False,
    reverified: Annotated[bool, typer.Option("--reverified", help="take the verdicts of `selfplay reverify`")] = False,
    tokenizer: Annotated[
        str, typer.Option(help="tokens, text: the model whose tokenizer writes the rows; empty: the sampled one")
    ] = "",
) -> None:
    """Write a run's traces in the form that a trainer reads, with a dataset card."""
    from selfplay.export.export import export as write

    summary = write(run, format, out, plain, reverified, tokenizer)
    print(f"{summary.num_rows} rows, {', '.join(f'{out}/{name}' for name in [*summary.files, 'README.md'])}")


def reverify(
    run: Run,
    workers: Annotated[int, typer.Option(min=1, help="processes that grade")] = os.cpu_count() or 1,
) -> None:
    """Grade all stored traces again with the present verifiers, and write shards of the new verdicts next to the old ones."""
    from selfplay.progress import Progress
    from selfplay.rounds.reverify import reverify as grade

    with Progress().step(f"verifying {run} again") as show:
        reports = grade(run, workers, show)
    for index, report in enumerate(reports):
        shared = f"{report.num_shared} verdicts taken from an equal answer to the same reference"
        print(
            f"round {index}: {report.num_traces} traces, {report.num_changed} outcomes changed in {report.num_tasks_changed} tasks, {shared}"
        )
        for change, count in report.changes.most_common():
            print(f"  {count:>8}  {change}")
        for task in report.tasks[:10]:
            print(f"  task {task['task_id']} ({task['source']}): {task['num_changed']} of {task['num_traces']} changed")


def add_commands(app: typer.Typer) -> None:
    """Hang these commands into the command line."""
    app.add_typer(shards, name="shards")
    app.command()(export)
    app.command()(reverify)
