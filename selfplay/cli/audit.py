"""`selfplay audit`: draw traces for a person to judge, and say what the labels prove."""

from math import isnan
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

_NAMES = {
    "false_accepts": "correct verdicts that are wrong",
    "false_accepts_of_accepted": "accepted traces that are wrong",
    "false_rejects": "wrong verdicts that are right",
    "broken_of_correct": "broken tasks among correct verdicts",
    "broken_of_accepted": "broken tasks among accepted traces",
    "broken_of_wrong": "broken tasks among wrong verdicts",
}


def audit(
    run: Annotated[
        Path, typer.Argument(help="the folder of a run with a finished round", exists=True, file_okay=False)
    ],
    draw: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="draw N traces and write the page that labels them")
    ] = None,
    labels: Annotated[
        list[Path],
        typer.Option(help="a file of labels; several labellers give several files, each with --labels"),
    ] = [],
    seed: Annotated[int, typer.Option(min=0, help="of the draw")] = 0,
) -> None:
    """Measure how often verdicts are wrong: draw traces, label them on one offline page, read the rates with intervals."""
    from selfplay.audit.drawing import read_draw
    from selfplay.audit.findings import findings_of, write_findings
    from selfplay.audit.labels import joined, read_labels
    from tasks import UserError

    if bool(draw) == bool(labels):
        raise UserError(f"say either --draw N, to begin an audit of {run}, or --labels FILE, to read what it found")
    if draw:
        return _begin(run, draw, seed)
    drawn = read_draw(run)
    files = [read_labels(path, drawn) for path in labels]
    together = joined(files)
    found = findings_of(drawn, together) | {"labellers": len(files), "agreement": _agreement(labels, files)}
    paths = write_findings(run, drawn, together, found)
    _print(run, found)
    print(f"findings: {paths[0]}; traces and tasks in doubt, for [selection] exclude: {paths[1]}")


def _begin(run: Path, number: int, seed: int) -> None:
    from selfplay.audit.drawing import DRAW, draw_traces, read_draw, write_draw
    from selfplay.audit.page import write_page
    from selfplay.layout import AUDIT
    from tasks import UserError

    made = draw_traces(run, number, seed)
    if (run / AUDIT / DRAW).exists() and read_draw(run).id != made.id:
        raise UserError(
            f"{run / AUDIT} holds another draw, and its labels would be lost; use the same --draw and --seed, or move it away"
        )
    path = write_draw(made, run / AUDIT)
    page = write_page(made, run)
    for cell in made.cells:
        print(f"{cell.drawn:6} of {cell.size:9,} {cell.name}")
    print(f"page: {page}\nrows: {path}\nthen: selfplay audit {run} --labels FILE")


def _agreement(paths: list[Path], files: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Cohen's kappa of each pair of labellers."""
    from selfplay.audit.labels import kappa

    rows = []
    for number, (path, labels) in enumerate(zip(paths, files, strict=True)):
        for other_path, other in zip(paths[:number], files[:number], strict=True):
            value, shared = kappa(other, labels)
            files_of_pair = [other_path.name, path.name]
            rows.append({"files": files_of_pair, "kappa": None if isnan(value) else value, "num_shared": shared})
    return rows


def _print(run: Path, found: dict[str, Any]) -> None:
    table = Table("share", "estimate", "95% interval", "seen")
    for name, title in _NAMES.items():
        if rate := found.get(name):
            seen = f"{rate['num_faults']} of {rate['num_judged']} judged, of {rate['num_traces']:,}"
            table.add_row(title, f"{rate['value']:.2%}", f"{rate['low']:.2%} to {rate['high']:.2%}", seen)
    Console().print(table)
    if "pass_at_1" in found:
        share, verifier = found["pass_at_1"], found["verifier"]
        print(
            f"samples that are right: {share['by_verdicts']:.2%} by the verdicts, {share['value']:.2%} corrected "
            f"({share['low']:.2%} to {share['high']:.2%})\nright@k: selfplay passk {run} "
            f"--false-accept {verifier['false_accept']:.4g} --false-reject {verifier['false_reject']:.4g}"
        )
    for pair in found["agreement"]:
        value = "undefined" if pair["kappa"] is None else f"{pair['kappa']:.3f}"
        print(f"agreement of {' and '.join(pair['files'])}: Cohen's kappa {value} over {pair['num_shared']} traces")
    print(f"{found['num_judged']} of {found['num_drawn']} drawn traces judged, {found['num_unsure']} unsure")
