"""The command line: each command reads its arguments, calls the module that does the work, and prints."""

import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
from rich.console import Console
from rich.table import Table
from rich.text import Text

from selfplay.cli.audit import audit
from selfplay.cli.data import add_commands
from selfplay.cli.plan import plan
from selfplay.cli.propose import propose
from tasks.errors import UserError

STATUSES = (
    "Exit status: 0, done. 1, done, and the answer is no: an invalid reference, a damaged or differing shard, a part that does "
    'not work. 2, user error; the message begins with "selfplay:". 130, stopped; the same command resumes.'
)

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, epilog=STATUSES)
UsageError: Any = typer.BadParameter.__bases__[0]  # the base of what typer raises for a wrong command line


@app.callback()
def _commands() -> None:
    """Verified self-play: a model attempts, verifiers check, the right traces train the next round."""


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="a recipe, such as runs/quickstart.toml")],
    set: Annotated[
        list[str],
        typer.Option(
            help="section.key=value, over what the recipe says (section= leaves that section out); can be repeated"
        ),
    ] = [],
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="check the recipe and all that it needs here, print what it resolves to, and play nothing"
        ),
    ] = False,
    preview: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="play N tasks without training; show them, and estimate the whole run",
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="with --preview: keep its samples as a pilot for `selfplay plan`")
    ] = False,
) -> None:
    """Play a recipe: sample, verify, select, train, evaluate. The same command again resumes what was interrupted."""
    from selfplay.recipe.toml import read_recipe, to_toml
    from selfplay.rounds import preflight

    if keep and not preview:
        raise UserError("--keep keeps what --preview N sampled; give both, or leave it out")
    checked = read_recipe(recipe, set)
    if check:
        print(to_toml(checked.model_dump()), end="", flush=True)
    if texts := preflight.errors(checked, writes=not preview, imports=check):
        raise UserError("\n".join(texts))
    if check:
        print("\n# all that this recipe needs is here; a model of the hub is looked up when it is loaded")
        return
    from selfplay.progress import Progress

    if preview:
        from selfplay.rounds.preview import kept_preview
        from selfplay.rounds.preview import preview as play_few

        print(play_few(checked, preview, Progress(), keep).in_words())
        if keep:
            print(f"costs and yield of the whole run: selfplay plan {recipe} --from {kept_preview(checked)}")
        else:
            print("with --keep, `selfplay plan` says what the whole run would cost and bring")
        return
    from selfplay.rounds.run import run as play

    folders = play(checked, Progress())
    from selfplay.report import summary_table, write_report

    out = folders[0] / "report.html"
    write_report(folders, out)
    _print(summary_table(folders))
    print(f"report: {out}\ncosts and yield of further rounds: selfplay plan {recipe} --from {folders[0]}")


@app.command()
def verify(
    source: Annotated[
        Path, typer.Argument(metavar="IN.jsonl", help="rows with id, reference, and completion or answer")
    ],
    out: Annotated[Path, typer.Option(help="where the verdicts go, one line a row, in the same order")],
    workers: Annotated[int, typer.Option(min=1, help="processes that grade")] = os.cpu_count() or 1,
) -> None:
    """Grade completions made anywhere: one row in, one row out, in the same order, with the same id."""
    from selfplay.grading import grade_file
    from selfplay.progress import Progress, quantity

    with Progress().step(f"verifying {source}") as show:
        outcomes = grade_file(
            source,
            out,
            workers,
            lambda rows, counts: show(
                ", ".join([f"{quantity(rows)} rows", *(f"{n} {name}" for name, n in counts.most_common())])
            ),
        )
    print(json.dumps({"rows": outcomes.total(), **outcomes}))


class _TasksCommand(typer.core.TyperCommand):
    """The command `tasks`, whose help lists the sources; they are imported when it is shown."""

    @property
    def epilog(self) -> str:
        from tasks.sources import SOURCES, options_of

        return "Options of --set: " + "; ".join(f"{name} takes {', '.join(options_of(name))}" for name in SOURCES) + "."

    @epilog.setter
    def epilog(self, text: str | None) -> None:
        """typer sets what a command is given; this one has its own."""


@app.command(cls=_TasksCommand)
def tasks(
    source: Annotated[str, typer.Argument(help="a source named below, or package.module:function of your own")],
    set: Annotated[
        list[str], typer.Option(help="option=value of the source, such as path=FILE, from those below; can be repeated")
    ] = [],
    show: Annotated[int, typer.Option(min=0, help="how many tasks to print")] = 3,
    validate: Annotated[
        bool, typer.Option("--validate", help="prove that every reference passes its own verifier")
    ] = False,
    attack: Annotated[
        bool,
        typer.Option(
            "--attack", help="try cheap answers on every final answer, and list the references that accept one"
        ),
    ] = False,
    strengthen: Annotated[
        int, typer.Option(min=0, help="add so many test cases to tasks that have a reference program")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option(help="write the tasks to a JSONL file that the source `files` reads")
    ] = None,
) -> None:
    """Show the tasks of a source. Status 1 if --validate finds a reference that its own verifier does not accept, or --attack
    one that accepts an answer which says nothing or something else."""
    from selfplay.cli.task_listing import list_tasks

    if strengthen and not out:
        raise UserError("--strengthen makes a new file of tasks: name it with --out")
    counts = list_tasks(source, _options(set), show, validate, strengthen, out, attack)
    print(counts.in_words())
    if counts.num_invalid or counts.num_exploitable:
        raise typer.Exit(1)


@app.command()
def passk(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|FILE", help="a run's folder, or graded rows (JSONL) with a task_id")
    ],
    k: Annotated[list[int], typer.Option(min=1, help="can be repeated")] = [1, 4, 16],
    majority: Annotated[
        bool, typer.Option("--majority", help="chance that the most frequent final answer of k is correct")
    ] = False,
    best_of: Annotated[
        bool, typer.Option("--best-of", help="chance that the likeliest of k, by log-probability, is correct")
    ] = False,
    false_accept: Annotated[
        float | None,
        typer.Option(
            help="share of wrong samples that the verifier accepts: chance that the first accepted of k is truly right"
        ),
    ] = None,
    false_reject: Annotated[
        float, typer.Option(help="share of right samples that it refuses; with --false-accept")
    ] = 0.0,
    forecast: Annotated[
        bool, typer.Option("--forecast", help="forecast pass@k where k is more than the samples")
    ] = False,
) -> None:
    """pass@k of a run's rounds, or of a file of verdicts, with 95% intervals. A dash means that no task has k samples."""
    from selfplay.metrics.pass_table import Wanted, in_table, pass_table

    wanted = Wanted(tuple(sorted(set(k))), majority, best_of, false_accept, false_reject, forecast)
    _print(in_table(pass_table(source, wanted), wanted))


@app.command()
def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="folders of runs; several are laid over each other")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="default: report.html in the first run")] = None,
    plot: Annotated[Path | None, typer.Option(help="also write the main figure by itself, as SVG")] = None,
) -> None:
    """Write a report: one HTML file, no network, with the figures and every trace to read."""
    from selfplay.layout import CONTROL, RECIPE
    from selfplay.report import write_plot, write_report

    for folder in runs:
        if not (folder / RECIPE).exists():
            raise UserError(f"{folder} is not a run's folder: it has no {RECIPE}")
    folders = [arm for folder in runs for arm in (folder, folder / CONTROL) if (arm / RECIPE).exists()]
    target = out or runs[0] / "report.html"
    write_report(folders, target)
    if plot:
        write_plot(folders, plot)
    print(f"report: {target}")


@app.command()
def doctor(folder: Annotated[Path, typer.Argument(help="where runs would be written")] = Path("runs")) -> None:
    """Check this machine: what works, and how to fix the rest. Status 1 if a needed part fails."""
    from selfplay.cli.doctor import examine

    table = Table("part", "works", "what was seen", "what to do")
    findings = examine(folder)
    for finding in findings:
        word = "yes" if finding.works else "NO" if finding.needed else "no"
        table.add_row(finding.part, word, Text(finding.evidence), Text("" if finding.works else finding.cure))
    _print(table)
    if any(finding.needed and not finding.works for finding in findings):
        raise typer.Exit(1)


add_commands(app)
app.command()(audit)
app.command()(plan)
app.command()(propose)


def main() -> None:
    """Run the command line; the statuses are those of STATUSES."""
    from selfplay.driver.interruption import STATUS, STOPPED, stop_in_time

    stop_in_time()
    try:
        status = app(standalone_mode=False) or 0
    except UsageError as error:
        if message := error.format_message():  # without one, a command without arguments has shown its help
            _complain(f"{message} (see {error.ctx.command_path if error.ctx else 'selfplay'} --help)")
        status = 2
    except UserError as error:
        _complain(str(error))
        status = 2
    if status == STATUS:  # which typer makes of KeyboardInterrupt
        print(f"\n{STOPPED}", file=sys.stderr)
    sys.exit(status)


def _complain(text: str) -> None:
    for line in text.splitlines():
        print(f"selfplay: {line}", file=sys.stderr)


def _options(pairs: list[str]) -> dict[str, Any]:
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set {pair}: write it as option=value")
        try:
            options[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[key] = value
    return options


def _print(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else 160).print(table)
