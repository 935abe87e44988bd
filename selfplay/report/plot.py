"""The main figure by itself: pass@1 and pass@k by round, as one SVG file for a README."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure as Canvas

from selfplay.report.arms import open_arms
from selfplay.report.charts import STYLE, draw_lines, to_svg
from selfplay.report.figures import shown_ks, stage_lines
from selfplay.report.theme import svg_style
from tasks import UserError


def write_plot(runs: list[Path], out: Path) -> None:
    """Draw the arms of the runs into `out`; the drawing follows the reader's light or dark mode."""
    arms = open_arms(runs)
    ks = shown_ks(arms)
    if not ks:
        raise UserError(
            f"nothing to draw: {', '.join(map(str, runs))} evaluated nothing; add [evaluation] to the recipe"
        )
    last = max(stage.position for arm in arms for stage in arm.stages)
    with rc_context(STYLE):
        canvas = Canvas(figsize=(4.2 * len(ks), 3.0))
        for axes, k in zip(canvas.subplots(1, len(ks), squeeze=False)[0], ks, strict=True):
            names = ["start", *(f"round {number}" for number in range(last))]
            draw_lines(axes, stage_lines(arms, k, lambda arm, stage: stage.position), "", f"pass@{k}", x_names=names)
        axes.legend(loc="lower right")
        svg = to_svg(canvas, "pass@k by round on held-out tasks")
    start = svg.index("<title>")
    out.write_text(svg[:start] + svg_style() + svg[start:] + "\n", encoding="utf-8")
