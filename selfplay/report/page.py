"""The page: charts, tables and the trace reader put into one file."""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from selfplay.report import figures
from selfplay.report.arms import Arm, open_arms, paired_pass_at_1
from selfplay.report.charts import Chart
from selfplay.report.summary import stage_cells
from selfplay.report.tables import leaves
from selfplay.report.theme import asset
from selfplay.report.traces import MAX_TRACES, Collection, collect, count_tasks, pack


def write_report(runs: list[Path], out: Path, max_traces: int = MAX_TRACES) -> None:
    """Write the report of the runs and their controls to `out`; of more than `max_traces` traces whole tasks are left out."""
    arms = open_arms(runs)
    counted = count_tasks(arms)
    traces = collect(arms, counted, max_traces)
    sections = [
        ("on-learning", "Does it learn?", _alarms(arms) + _stages_table(arms) + _charts(figures.learning_charts(arms)) + _paired_table(arms)),
        ("on-cost", "What does it cost?", _charts(figures.cost_charts(arms, counted))),
        ("on-passk", "pass@k against k", _charts(figures.curve_charts(arms))),
        ("on-difficulty", "By difficulty", _charts(figures.difficulty_charts(arms))),
        ("on-verdicts", "Verdicts and allocation", _charts(figures.reason_chart(arms) + figures.allocation_charts(arms, counted)) + _selection_table(arms)),
        ("on-ledger", "Ledger", _ledger(arms)),
        ("on-recipes", "Recipes", _recipes(arms)),
    ]
    sections = [section for section in sections if section[2]]
    script = _script(traces.has_latex)
    values = {
        "policy": _policy(script),
        "title": escape(" and ".join(dict.fromkeys(arm.recipe["name"] for arm in arms))),
        "about": escape(_about(arms)),
        "links": "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title, _ in [*sections, ("traces", "Traces", "")]),
        "style": asset("theme.css") + asset("page.css"),
        "sections": "\n".join(f'<section id="{name}"><h2>{escape(title)}</h2>{body}</section>' for name, title, body in sections),
        "traces_about": escape(_traces_about(traces)),
        "index": pack(traces.index),
        "blocks": "\n".join(f'<script type="text/plain" class="block">{block}</script>' for block in traces.blocks),
        "script": script,
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda match: values[match.group(1)], asset("page.html"))
    temporary = out.with_name(f".{out.name}.tmp")
    temporary.write_text(page, encoding="utf-8", newline="\n")
    temporary.rename(out)


def _script(with_katex: bool) -> str:
    """All scripts as one; KaTeX, with its licence, only where there are formulas."""
    katex = f"/*! KaTeX\n{asset('katex.LICENSE')}*/\n{asset('katex.min.js')}\n" if with_katex else ""
    return katex + '"use strict";\n' + asset("text.js") + asset("blocks.js") + asset("trace.js") + asset("reader.js")


def _policy(script: str) -> str:
    """No request of any kind, and no script but the one of this page."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"


def _about(arms: list[Arm]) -> str:
    parts = []
    for arm in (arm for arm in arms if not arm.is_control):
        recipe = arm.recipe
        model = recipe["model"].get("path") or ("a small model from random weights" if "create" in recipe["model"] else "replayed completions")
        unfinished = f"{len(arm.rounds)} of " if len(arm.rounds) < recipe["rounds"] else ""
        rounds = f"{unfinished}{recipe['rounds']} round{'s' if recipe['rounds'] > 1 else ''}"
        parts.append(f"{recipe['name']}: {rounds} on {recipe['tasks']['source']} tasks by {model}, seed {recipe['seed']}")
    return ". ".join(parts) + "."


def _traces_about(traces: Collection) -> str:
    text = f"{traces.num_shown:,} traces of {len(traces.index['tasks']['id']):,} tasks."
    if traces.num_shown < traces.num_traces:
        text = (
            f"{traces.num_shown:,} of the {traces.num_traces:,} traces: all those of {len(traces.index['tasks']['id']):,} tasks, "
            "of which some are the hardest solved ones and the others were drawn by hash."
        )
    return text + " Suspicious accepts stand first, then solutions of the hardest solved tasks. Keys: n next, p previous, / search, ? help."


def _charts(charts: Sequence[Chart]) -> str:
    return f'<div class="charts">{"".join(map(_chart, charts))}</div>' if charts else ""


def _chart(chart: Chart) -> str:
    legend = "".join(
        f'<span><i class="{key.mark}" style="border-color:var(--series-{key.color % 8});opacity:{key.strength:.2f}"></i>{escape(key.label)}</span>'
        for key in chart.legend
    )
    note = f'<p class="note">{escape(chart.note)}</p>' if chart.note else ""
    numbers = f"<details><summary>numbers</summary>{table(chart.columns, chart.rows)}</details>"
    return f'<figure><figcaption>{escape(chart.title)}</figcaption><div class="legend">{legend}</div>{chart.svg}{note}{numbers}</figure>'


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(str(column))}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _stages_table(arms: list[Arm]) -> str:
    ks = figures.shown_ks(arms)
    rows = [[arm.name, *stage_cells(arm, stage, ks)] for arm in arms for stage in ([arm.base] if arm.base else []) + arm.rounds]
    return table(["", "", *(f"pass@{k}" for k in ks), "samples", "correct", "accepted", "sampled tokens so far"], rows)


def _paired_table(arms: list[Arm]) -> str:
    """Differences in pass@1 between the ends of the arms, and from start to end of each."""
    ends = [(arm, arm.stages) for arm in arms if arm.stages]
    pairs = [(f"{arm.name}: {stages[0].name} to {stages[-1].name}", stages[0], stages[-1]) for arm, stages in ends if len(stages) > 1]
    pairs += [
        (f"{left.name} to {right.name}, at their ends", left_stages[-1], right_stages[-1])
        for i, (left, left_stages) in enumerate(ends)
        for right, right_stages in ends[i + 1 :]
    ]
    found = [(name, paired_pass_at_1(left.evaluation, right.evaluation)) for name, left, right in pairs]
    rows = [[name, f"{d.value:+.3f}", f"{d.low:+.3f} to {d.high:+.3f}", d.num_tasks] for name, d in found if d]
    if not rows:
        return ""
    return "<h3>Differences in pass@1, paired by task</h3>" + table(["", "difference", "95% interval", "tasks that both have"], rows)


def _selection_table(arms: list[Arm]) -> str:
    stages = [(arm, stage) for arm in arms for stage in arm.rounds]
    names = list(dict.fromkeys(name for _, stage in stages for name in stage.metrics["selection"]))
    rows = [[arm.name, stage.name, *(f"{stage.metrics['selection'].get(name, 0):,}" for name in names)] for arm, stage in stages]
    return "<h3>Selection</h3>" + table(["", "", *names], rows) if rows else ""


def _ledger(arms: list[Arm]) -> str:
    """Whatever figures the metrics hold under "ledger", one column a round."""
    stages = [(arm, stage) for arm in arms for stage in arm.rounds if stage.metrics.get("ledger")]
    columns = [leaves(stage.metrics["ledger"]) for _, stage in stages]
    names = list(dict.fromkeys(name for column in columns for name in column))
    return table(["", *(f"{arm.name}, {stage.name}" for arm, stage in stages)], [[name, *(column.get(name, "") for column in columns)] for name in names]) if names else ""


def _alarms(arms: list[Arm]) -> str:
    return "".join(
        f'<p class="alarm">{escape(arm.name)}, {escape(stage.name)}: {escape(str(alarm))}</p>'
        for arm in arms
        for stage in arm.rounds
        for alarm in stage.metrics.get("alarms", [])
    )


def _recipes(arms: list[Arm]) -> str:
    return "".join(
        f"<details><summary>{escape(arm.name)}</summary><pre>{escape((arm.folder / 'recipe.toml').read_text(encoding='utf-8'))}</pre></details>"
        for arm in arms
    )
