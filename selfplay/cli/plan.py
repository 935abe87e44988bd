"""`selfplay plan`: what a recipe will cost and bring, by a pilot of it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from selfplay.planning.plan import Figure, Plan

GPUS = ("h200", "h100", "a100", "l40s", "l4", "t4")
_COMPARED = (
    ("a round", "samples"), ("a round", "completion tokens"), ("a round", "accepted traces"), ("a round", "solved tasks"),
    ("the run", "flops"), ("the run", "wall hours"), ("the run", "money"),
)  # fmt: skip


def plan(
    recipe: Annotated[Path, typer.Argument(help="a recipe, such as runs/quickstart.toml")],
    source: Annotated[
        Path, typer.Option("--from", metavar="RUN", help="a finished run, or a preview that was kept with --keep")
    ],
    gpu: Annotated[str, typer.Option(help=f"where training would run: {', '.join(GPUS)}")] = "",
    price: Annotated[float, typer.Option(min=0, help="of one GPU hour, in any currency")] = 0.0,
    hit_tokens: Annotated[
        float, typer.Option(min=0, help="completion tokens that one more solved task may cost; 0: any")
    ] = 0.0,
    what_if: Annotated[
        list[str], typer.Option(help="section.key=value: the same plan with that change, side by side; can be repeated")
    ] = [],
    weak: Annotated[
        Path | None, typer.Option(help="a pilot of a smaller model: compare both at equal operations")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="also write the plan as JSON")] = None,
) -> None:
    """Say what a run will cost and bring, each figure with its interval and its source."""
    from selfplay.planning.pilot import read_pilot
    from selfplay.planning.plan import weak_or_strong
    from tasks import UserError

    if gpu and gpu not in GPUS:
        raise UserError(f"--gpu {gpu} is unknown; one of {', '.join(GPUS)}")
    made = _plan(recipe, [], source, (gpu, price), hit_tokens)
    content: dict[str, Any] = made.to_dict()
    _print_plan(made)
    if weak:
        compared = weak_or_strong(read_pilot(weak), read_pilot(source))
        if compared is None:
            raise UserError("weak or strong needs the size of both models, and one of the pilots does not know it")
        _print_figures("weak or strong", compared)
        content["weak or strong"] = {name: _row(figure) for name, figure in compared.items()}
    if what_if:
        others = {text: _plan(recipe, [text], source, (gpu, price), hit_tokens) for text in what_if}
        _print_side_by_side(made, others)
        content["what if"] = {text: other.to_dict() for text, other in others.items()}
    _keep(content, recipe, out)


def _keep(content: dict[str, Any], recipe: Path, out: Path | None) -> None:
    """Write the plan as JSON: to `out`, and into the folder of the run unless a round of it is finished already."""
    from selfplay.layout import PLAN, finished_rounds
    from selfplay.recipe import read_recipe
    from selfplay.storage import write_json

    if out:
        out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        print(f"plan: {out}")
    run = Path(read_recipe(recipe).output)
    if not finished_rounds(run):
        run.mkdir(parents=True, exist_ok=True)
        write_json(run / PLAN, content)
        print(f"plan: {run / PLAN}; the run's report will show it beside what happened")


def _plan(recipe: Path, overrides: list[str], source: Path, hardware: tuple[str, float], hit_tokens: float) -> "Plan":
    from selfplay.planning.pilot import read_pilot
    from selfplay.planning.plan import Extent, Hardware, plan_run
    from selfplay.recipe import read_recipe
    from selfplay.rounds.data import Round, evaluation_tasks, num_tasks_of

    resolved = read_recipe(recipe, overrides)
    num_tasks = resolved.tasks.options.get("num_tasks") or num_tasks_of(
        Round(resolved, Path(resolved.output), 0).tasks()
    )
    num_held_out = sum(1 for _ in evaluation_tasks(resolved)) if resolved.evaluation else 0
    pilot = read_pilot(source, resolved.selection.max_traces_per_task)
    return plan_run(resolved, pilot, Extent(num_tasks, num_held_out), Hardware(*hardware), hit_tokens)


def _row(figure: "Figure") -> dict[str, Any]:
    return {name: getattr(figure, name) for name in figure.__slots__}


def _print_plan(made: "Plan") -> None:
    for title, figures in made.figures.items():
        _print_figures(title, figures)
    bill = Table("phase of a round", "tokens", "FLOPs", "engine hours", "wall hours", "money")
    for row in made.tables["bill"]:
        bill.add_row(
            row["phase"], *(_short(row.get(unit)) for unit in ("tokens", "flops", "hours", "wall_hours", "money"))
        )
    Console().print(bill)
    hits = Table("k", "pass@k", "tokens for one more solved task at the k-th sample", "")
    for row in made.tables["first hits"]:
        share, tokens = row["pass_at_k"], row["tokens"]
        hits.add_row(
            str(row["k"]),
            f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f})",
            f"{_number(tokens.value)} ({_number(tokens.low)} to {_number(tokens.high)})",
            row.get("beyond", ""),
        )
    Console().print(hits)
    for text in made.assumptions:
        print(f"assumed: {text}")


def _print_figures(title: str, figures: "dict[str, Figure]") -> None:
    table = Table(title, "value", "95% interval", "unit", "source")
    for name, figure in figures.items():
        interval = "" if figure.low == figure.high else f"{_number(figure.low)} to {_number(figure.high)}"
        table.add_row(name, _number(figure.value), interval, figure.unit, figure.source)
    Console().print(table)


def _print_side_by_side(made: "Plan", others: "dict[str, Plan]") -> None:
    table = Table("what if", "as it is", *others)
    for section, name in _COMPARED:
        cells = [one.figures.get(section, {}).get(name) for one in (made, *others.values())]
        if any(cells):
            table.add_row(f"{name} of {section}", *map(_short, cells))
    Console().print(table)


def _short(figure: "Figure | None") -> str:
    return "" if figure is None else _number(figure.value)


def _number(value: float) -> str:
    """Three digits that count, with the suffix of a large number."""
    if value == 0 or 0.001 <= abs(value) < 1000:
        return f"{value:.3g}"
    for limit, suffix in ((1e6, "k"), (1e9, "M"), (1e12, "G"), (1e15, "T"), (1e18, "P")):
        if 1000 <= abs(value) < limit:
            return f"{value / (limit / 1000):.3g} {suffix}"
    return f"{value:.2e}"
