"""The page: charts, tables and the trace reader put into one file."""

import base64
import hashlib
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from selfplay.report import figures, tables
from selfplay.report.arms import Arm, open_arms
from selfplay.report.charts import Chart
from selfplay.report.theme import asset
from selfplay.report.traces import MAX_CHARACTERS, MAX_TRACES, Collection, Counted, collect, count_tasks, pack
from tasks import UserError


def write_report(
    runs: list[Path], out: Path, max_traces: int = MAX_TRACES, max_characters: int = MAX_CHARACTERS
) -> None:
    """Write the report of the runs and their controls to `out`; of traces beyond the limits whole tasks are left out."""
    arms = open_arms(runs)
    counted = count_tasks(arms)
    traces = collect(arms, counted, max_traces, max_characters)
    sections = [section for section in _sections(arms, counted) if section[2]]
    script = _script(traces.has_latex)
    values = {
        "policy": policy_for(script),
        "title": escape(" and ".join(dict.fromkeys(arm.recipe["name"] for arm in arms))),
        "about": escape(_about(arms)),
        "links": "".join(
            f'<a href="#{name}">{escape(title)}</a>' for name, title, _ in [*sections, ("traces", "Traces", "")]
        ),
        "style": asset("theme.css") + asset("page.css"),
        "sections": "\n".join(
            f'<section id="{name}"><h2>{escape(title)}</h2>{body}</section>' for name, title, body in sections
        ),
        "traces_about": escape(_traces_about(traces)),
        "index": pack(traces.index),
        "blocks": "\n".join(f'<script type="text/plain" class="block">{block}</script>' for block in traces.blocks),
        "script": script,
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda match: values[match.group(1)], asset("page.html"))
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        temporary.write_text(page, encoding="utf-8", newline="\n")
        temporary.rename(out)
    except OSError as error:
        raise UserError(f"cannot write the report {out}: {error.strerror}; choose another place with -o") from None


def _sections(arms: list[Arm], counted: Counted) -> list[tuple[str, str, str]]:
    """Name, title and body of what stands before the traces; an empty body where the runs have nothing to show."""
    return [
        (
            "on-learning",
            "Does it learn?" if figures.shown_ks(arms) else "Rounds",
            tables.tiles(arms)
            + tables.alarms(arms)
            + _charts(figures.learning_charts(arms))
            + tables.stages_table(arms)
            + tables.paired_table(arms),
        ),
        ("on-passk", "pass@k against k", _charts(figures.curve_charts(arms) + figures.inference_charts(arms))),
        (
            "on-cost",
            "What does it cost?",
            _charts(figures.cost_charts(arms)) + tables.work_table(arms) + tables.plan_table(arms),
        ),
        ("on-difficulty", "By difficulty", _charts(figures.difficulty_charts(arms))),
        (
            "on-verdicts",
            "Verdicts, allocation, selection",
            _charts(figures.reason_chart(arms) + figures.allocation_charts(arms, counted))
            + tables.health_table(arms)
            + tables.selection_table(arms)
            + tables.audits(arms),
        ),
        ("on-ledger", "Ledger", tables.ledger_table(arms)),
        ("on-files", "Figures and recipes", tables.all_figures(arms) + tables.recipes(arms)),
    ]


def _script(with_katex: bool) -> str:
    """All scripts as one; KaTeX, with its licence, only where there are formulas."""
    katex = f"/*! KaTeX\n{asset('katex.LICENSE')}*/\n{asset('katex.min.js')}\n" if with_katex else ""
    return katex + '"use strict";\n' + "".join(map(asset, ("text.js", "blocks.js", "trace.js", "reader.js")))


def policy_for(script: str) -> str:
    """No request of any kind, and no script but the one of this page."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"


def _about(arms: list[Arm]) -> str:
    parts = []
    for arm in (arm for arm in arms if not arm.is_control):
        recipe = arm.recipe
        replayed = recipe["sampling"]["engine"] == "replay"
        model = recipe["model"].get("path") or (
            "replayed completions" if replayed else "a small model from random weights"
        )
        unfinished = f"{len(arm.rounds)} of " if len(arm.rounds) < recipe["rounds"] else ""
        rounds = f"{unfinished}{recipe['rounds']} round{'s' if recipe['rounds'] > 1 else ''}"
        parts.append(
            f"{recipe['name']}: {rounds} on {recipe['tasks']['source']} tasks by {model}, seed {recipe['seed']}"
        )
    return ". ".join(parts) + "."


def _traces_about(traces: Collection) -> str:
    num_tasks = len(traces.index["tasks"]["id"])
    text = f"{traces.num_shown:,} traces of {num_tasks:,} tasks"
    if traces.num_held_out:
        text += f", {traces.num_held_out:,} of them on held-out tasks"
    if traces.num_shown < traces.num_traces:
        text = (
            f"{traces.num_shown:,} of the {traces.num_traces:,} traces: all those of {num_tasks:,} tasks, the hardest solved ones "
            "first and then such as a hash of their id draws"
        )
    return f"{text}. {traces.missing} Suspicious accepts stand first, then solutions of the hardest solved tasks. Keys: n next, p previous, / search, ? help."


def _charts(charts: Sequence[Chart]) -> str:
    return f'<div class="charts">{"".join(map(_chart, charts))}</div>' if charts else ""


def _chart(chart: Chart) -> str:
    legend = "".join(
        f'<span><i class="{key.mark}" style="border-color:var(--series-{key.color % 8});opacity:{key.strength:.2f}"></i>{escape(key.label)}</span>'
        for key in chart.legend
    )
    note = f'<p class="note">{escape(chart.note)}</p>' if chart.note else ""
    numbers = tables.folded("numbers", tables.table(chart.columns, chart.rows))
    return f'<figure><figcaption>{escape(chart.title)}</figcaption><div class="legend">{legend}</div>{chart.svg}{note}{numbers}</figure>'
