"""The table at the end of a run."""

from pathlib import Path

from rich.table import Table
from rich.text import Text

from selfplay.progress import quantity
from selfplay.report.arms import Arm, Stage, in_words, open_arms
from selfplay.report.figures import shown_ks


def summary_table(runs: list[Path]) -> Table:
    """pass@1 and pass@k with 95% intervals by round for each arm, and what was sampled for them."""
    arms = open_arms(runs)
    ks = shown_ks(arms)
    undecided = sum(stage.evaluation.num_undecided for arm in arms for stage in arm.stages)
    caption = "pass@k on held-out tasks; in brackets 95% intervals over tasks" if ks else ""
    caption += f"; {undecided:,} undecided samples left out (the report bounds what they hide)" if undecided else ""
    table = Table(caption=caption, caption_justify="left")
    table.add_column("")
    table.add_column("")
    for name in [*(f"pass@{k}" for k in ks), "samples", "correct", "accepted", "tokens so far"]:
        table.add_column(name, justify="right", no_wrap=True)
    for arm in arms:
        for stage in ([arm.base] if arm.base else []) + arm.rounds:
            table.add_row(
                arm.name if stage.position == 0 or not arm.base else "", *map(Text, stage_cells(arm, stage, ks))
            )
        table.add_section()
    return table


def stage_cells(arm: Arm, stage: Stage, ks: list[int]) -> list[str]:
    """Name, pass@k, samples, share correct, accepted and tokens so far of one stage."""
    curve = stage.evaluation.curve
    cells = [stage.name, *(in_words(curve[k]) if k in curve else "" for k in ks)]
    if stage.position == 0:
        return [*cells, "", "", "", ""]
    sampling = stage.metrics["sampling"]
    return [
        *cells,
        f"{sampling['num_samples']:,}",
        f"{sampling['num_correct'] / max(sampling['num_samples'], 1):.1%}",
        f"{stage.metrics['selection'].get('accepted', 0):,}",
        quantity(arm.sampled_tokens(stage.position)),
    ]
