"""The tables of a report, and the figures that stand large at its top."""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from selfplay.layout import AUDIT, FINDINGS, PLAN, RECIPE
from selfplay.metrics.engine_shares import summary
from selfplay.progress import duration, quantity
from selfplay.report.arms import Arm, Stage, paired
from selfplay.report.charts import number
from selfplay.report.figures import shown_ks
from selfplay.report.summary import stage_cells
from selfplay.storage import read_json

LEDGER_ROWS = {  # name -> part of the ledger, and the key in it
    "accepted traces": ("accepted", "num_traces"),
    "of these not had before": ("accepted", "num_new"),
    "sampled tokens an accepted trace": ("accepted", "tokens_per_trace"),
    "tokens of an accepted trace": ("tokens_per_trace", "accepted"),
    "FLOPs of sampling": ("flops", "sampling"),
    "FLOPs of training": ("flops", "training"),
    "engine seconds": ("seconds", "engine"),
    "verifier seconds": ("seconds", "verifier"),
    "bits by the check, an accepted trace": ("accepted", "check_bits_per_trace"),
    "bits by the check, new traces": ("accepted", "new_check_bits"),
    "new bits a GFLOP of sampling": ("accepted", "new_bits_per_gflop"),
    "surprisal, bits a token": ("information", "surprisal_bits_per_token"),
    "compressed, bytes a character": ("information", "compressed_bytes_per_character"),
    "share of traces had in earlier rounds": ("repeats", "trace_of_earlier_rounds"),
    "gain in held-out pass@1": ("paying", "pass_at_1_gain"),
    "its interval, from": ("paying", "low"),
    "to": ("paying", "high"),
    "pays: the gain is beyond its interval": ("paying", "pays"),
}


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f"<th>{escape(str(column))}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def folded(title: str, body: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def tiles(arms: list[Arm]) -> str:
    """What a reader wants first: how far pass@1 went in each arm, and what was accepted for how many tokens."""
    shown = []
    for arm in arms:
        ends = [stage.evaluation.curve[1].value for stage in arm.stages if 1 in stage.evaluation.curve]
        if len(ends) > 1:
            shown.append((f"{ends[0]:.3f} → {ends[-1]:.3f}", f"held-out pass@1, {arm.name}"))
    for arm in arms:
        if arm.rounds and not arm.is_control:
            accepted = sum(stage.metrics["selection"].get("accepted", 0) for stage in arm.rounds)
            samples = sum(stage.metrics["sampling"]["num_samples"] for stage in arm.rounds)
            tokens = arm.sampled_tokens(len(arm.rounds))
            shown.append((f"{accepted:,}", f"accepted traces of {samples:,} samples, {arm.name}"))
            if accepted and tokens:
                shown.append((f"{tokens / accepted:,.1f}", f"sampled tokens an accepted trace, {arm.name}"))
    tile = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(words)}</span></div>' for value, words in shown
    )
    return f'<div class="tiles">{tile}</div>' if tile else ""


def alarms(arms: list[Arm]) -> str:
    return "".join(
        f'<p class="alarm">{escape(f"{arm.name}, {stage.name}: {alarm}")}</p>'
        for arm, stage in _rounds(arms)
        for alarm in stage.metrics.get("alarms", [])
    )


def audits(arms: list[Arm]) -> str:
    """How often verdicts are wrong, of each run that was audited."""
    rows = []
    for arm in arms:
        path = arm.folder / AUDIT / FINDINGS
        found = read_json(path) if path.exists() else {}
        for key, name in _AUDITED.items():
            if rate := found.get(key):
                interval = f"{rate['value']:.2%} [{rate['low']:.2%}, {rate['high']:.2%}]"
                rows.append([arm.name, name, interval, f"{rate['num_faults']} of {rate['num_judged']}"])
    return table(["", "audited by people", "share", "faults seen"], rows) if rows else ""


_AUDITED = {
    "false_accepts_of_accepted": "accepted traces that are wrong",
    "false_accepts": "correct verdicts that are wrong",
    "false_rejects": "wrong verdicts that are right",
    "broken_of_correct": "broken tasks among correct verdicts",
}


def plan_table(arms: list[Arm]) -> str:
    """Each figure of the plan of a round beside what the finished rounds then took and brought; empty without a plan."""
    rows = []
    for arm in arms:
        path = arm.folder / PLAN
        if not path.exists():
            continue
        plan = read_json(path)
        bill = {row["phase"]: row for row in plan["tables"]["bill"]}
        planned = plan["figures"]["a round"] | {"engine hours": bill["sampling"].get("hours")}
        for name, happened in _HAPPENED.items():
            if figure := planned.get(name):
                cells = [happened(stage.metrics) for stage in arm.rounds]
                interval = f"{number(figure['value'])} [{number(figure['low'])}, {number(figure['high'])}]"
                rows.append(
                    [arm.name, name, interval, ", ".join("" if cell is None else number(cell) for cell in cells)]
                )
    note = "In brackets: the plan's 95% interval. It takes the model of every round for the pilot's."
    shown = table(["", "of a round", "planned", "happened, by round"], rows)
    return f'<h3>Planned and happened</h3>{shown}<p class="note">{note}</p>' if rows else ""


def _engine_hours(metrics: dict[str, Any]) -> float | None:
    seconds = metrics.get("ledger", {}).get("seconds", {}).get("engine")
    return None if seconds is None else seconds / 3600


_HAPPENED: dict[str, Callable[[dict[str, Any]], float | None]] = {
    "samples": lambda metrics: metrics["sampling"]["num_samples"],
    "completion tokens": lambda metrics: metrics["sampling"]["completion_tokens"],
    "solved tasks": lambda metrics: metrics["sampling"]["num_solved"],
    "accepted traces": lambda metrics: metrics["selection"].get("accepted", 0),
    "engine hours": _engine_hours,
}


def stages_table(arms: list[Arm]) -> str:
    ks = shown_ks(arms)
    stages = [(arm, stage) for arm in arms for stage in ([arm.base] if arm.base else []) + arm.rounds]
    rows = [[arm.name, *stage_cells(arm, stage, ks)] for arm, stage in stages]
    columns = ["", "", *(f"pass@{k}" for k in ks), "samples", "correct", "accepted", "sampled tokens so far"]
    chances = {arm.name: level for arm in arms for level in map(_chance_level, arm.stages[-1:]) if level}
    told = "".join(f" A blind guess at the tasks of {name}: pass@1 {level:.3f}." for name, level in chances.items())
    note = f'<p class="note">In brackets: 95% intervals over tasks.{escape(told)}</p>' if ks else ""
    return table(columns, rows) + note + _undecided_table(arms, ks)


def _chance_level(stage: Stage) -> float:
    return stage.metrics.get("evaluation", {}).get("chance_level", 0.0)


def _undecided_table(arms: list[Arm], ks: list[int]) -> str:
    """pass@k if all undecided held-out samples were wrong, and if all were correct; empty if none is undecided."""
    stages = [(arm, stage) for arm in arms for stage in arm.stages if stage.evaluation.num_undecided]
    if not stages:
        return ""
    bounds = [[stage.evaluation.bounds(k) for k in ks] for _, stage in stages]
    rows = [
        [
            arm.name,
            stage.name,
            f"{stage.evaluation.num_undecided:,}",
            *(f"{low:.3f} to {high:.3f}" for low, high in of_stage),
        ]
        for (arm, stage), of_stage in zip(stages, bounds, strict=True)
    ]
    title = "<h3>Held-out samples that are undecided: their checker failed, and pass@k leaves them out</h3>"
    return title + table(["", "", "undecided", *(f"pass@{k}, all wrong to all correct" for k in ks)], rows)


def paired_table(arms: list[Arm]) -> str:
    """Differences from start to end of each arm, and between the ends of the arms, over the tasks that both have."""
    ends = [(arm, arm.stages) for arm in arms if arm.stages]
    pairs = [
        (f"{arm.name}: {stages[0].name} to {stages[-1].name}", stages[0], stages[-1])
        for arm, stages in ends
        if len(stages) > 1
    ]
    pairs += [
        (f"{left.name} to {right.name}, at their ends", left_stages[-1], right_stages[-1])
        for i, (left, left_stages) in enumerate(ends)
        for right, right_stages in ends[i + 1 :]
    ]
    ks, rows = shown_ks(arms), []
    for name, left, right in pairs:
        found = [paired(left.evaluation, right.evaluation, k) for k in ks]
        if any(found):
            cells = [f"{d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}]" if d else "" for d in found]
            rows.append([name, *cells, max(d.num_tasks for d in found if d)])
    if not rows:
        return ""
    return "<h3>Differences, paired by task</h3>" + table(
        ["", *(f"pass@{k}" for k in ks), "tasks that both have"], rows
    )


def work_table(arms: list[Arm]) -> str:
    """What each round took. Times are those of the process that finished it; one that resumed did only its part."""
    rows = []
    for arm, stage in _rounds(arms):
        sampling, training = stage.metrics["sampling"], stage.metrics.get("training", {})
        seconds = sampling.get("seconds", 0.0)
        rows.append(
            [
                arm.name,
                stage.name,
                f"{sampling['num_solved']:,} of {sampling['num_tasks']:,}",
                f"{sampling['num_undecided']:,}",
                quantity(sampling["prompt_tokens"]),
                quantity(sampling["completion_tokens"]),
                duration(seconds),
                quantity(sampling.get("tokens_per_second", 0.0)),
                f"{sampling.get('engine_idle_seconds', 0.0) / seconds:.1%}" if seconds else "",
                duration(sampling["verifier_seconds"]),
                duration(training["seconds"]) if "seconds" in training else "",
                engine_time(stage.metrics.get("engines")),
            ]
        )
    columns = [
        "",
        "",
        "tasks solved",
        "undecided",
        "prompt tokens",
        "sampled tokens",
        "sampling",
        "tokens/s",
        "engine idle",
        "verifiers",
        "training",
        "engines' time in the round",
    ]
    return "<h3>Work of each round</h3>" + table(columns, rows) if rows else ""


def engine_time(engines: dict[str, Any] | None) -> str:
    """Shares of the engines' time in a round; empty for a round that was played before they were counted."""
    return summary(engines) if engines else ""


def selection_table(arms: list[Arm]) -> str:
    """Traces by what selection said of them, with the tasks that each reason lost where the metrics tell."""
    rounds = _rounds(arms)
    names = list(dict.fromkeys(name for _, stage in rounds for name in stage.metrics["selection"]))
    rows = []
    for arm, stage in rounds:
        reasons = stage.metrics.get("selection_cost", {}).get("reasons", {})
        lost = {name: reasons.get(name, {}).get("num_tasks_lost", 0) for name in names}
        cells = [
            f"{stage.metrics['selection'].get(name, 0):,}" + (f" ({lost[name]:,} tasks lost)" if lost[name] else "")
            for name in names
        ]
        rows.append([arm.name, stage.name, *cells])
    return "<h3>Selection</h3>" + table(["", "", *(name.replace("_", " ") for name in names)], rows) if rows else ""


def health_table(arms: list[Arm]) -> str:
    """The health of each round's samples; empty if the rounds were played by a version that did not record it."""
    rows = []
    for arm, stage in _rounds(arms):
        if not (health := stage.metrics.get("health")):
            continue
        num = max(health["num_samples"], 1)
        counts = ("num_cut", "num_empty", "num_without_answer", "num_repeated")
        wrong, siblings = health["num_wrong_answers"], health["num_tasks_with_siblings"]
        rows.append(
            [
                arm.name,
                stage.name,
                *(f"{health[name] / num:.1%}" for name in counts),
                f"{health['num_tasks_of_one_text']:,} of {siblings:,}",
                ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in health["undecided"].items()) or "0",
                f"{health['num_wrong_from_prompt'] / wrong:.1%}" if wrong else "",
                "" if health["chance"] is None else f"{health['chance']:.1%} by {health['chance_answer'][:30]}",
            ]
        )
    columns = ["", "", "cut at max_tokens", "empty", "no answer", "repeated", "tasks of one text", "undecided"]
    note = (
        "Repeated: the text of an earlier sample of the same task. Of the prompt: the share of the wrong answers that are a "
        "number of their prompt. Fixed answer: how often the most frequent reference would be right."
    )
    shown = table([*columns, "of the prompt", "fixed answer"], rows)
    return f'<h3>Health of the samples</h3>{shown}<p class="note">{note}</p>' if rows else ""


def ledger_table(arms: list[Arm]) -> str:
    """What each round took and brought; whatever else the metrics hold under "ledger" is folded below."""
    rounds = [(arm, stage) for arm, stage in _rounds(arms) if stage.ledger]
    if not rounds:
        return ""
    titles = [f"{arm.name}, {stage.name}" for arm, stage in rounds]
    rows = []
    for name, (part, key) in LEDGER_ROWS.items():
        values = [stage.ledger.get(part, {}).get(key) for _, stage in rounds]
        if any(value is not None for value in values):
            rows.append([name, *map(_ledger_cell, values)])
    return table(["", *titles], rows) + folded(
        "all figures of the ledger",
        _figures_table([(title, stage.ledger) for title, (_, stage) in zip(titles, rounds, strict=True)]),
    )


def _ledger_cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return quantity(value) if isinstance(value, int | float) and value >= 1e4 else _cell(value)


def all_figures(arms: list[Arm]) -> str:
    """All of the metrics but the curves and what only one task concerns, one column a round."""
    columns = []
    for arm, stage in _rounds(arms):
        metrics = {
            key: value for key, value in stage.metrics.items() if key not in ("round", "evaluation", "selection_cost")
        }
        evaluation = {key: value for key, value in stage.metrics.get("evaluation", {}).items() if key != "curve"}
        columns.append((f"{arm.name}, {stage.name}", metrics | {"evaluation": evaluation}))
    return folded("all figures of the rounds, as in metrics.json", _figures_table(columns)) if columns else ""


def recipes(arms: list[Arm]) -> str:
    return "".join(
        folded(arm.name, f"<pre>{escape((arm.folder / RECIPE).read_text(encoding='utf-8'))}</pre>") for arm in arms
    )


def leaves(figures: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """The leaves of nested figures by their path, numbers as a table can hold them; lists are joined."""
    found: dict[str, str] = {}
    for key, value in figures.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, dict):
            found |= leaves(value, f"{name}, ")
        elif isinstance(value, list):
            found[name] = ", ".join(map(_cell, value))
        else:
            found[name] = _cell(value)
    return found


def _rounds(arms: list[Arm]) -> list[tuple[Arm, Stage]]:
    return [(arm, stage) for arm in arms for stage in arm.rounds]


def _figures_table(columns: list[tuple[str, dict[str, Any]]]) -> str:
    flat = [leaves(figures) for _, figures in columns]
    names = list(dict.fromkeys(name for column in flat for name in column))
    return (
        table(
            ["", *(title for title, _ in columns)],
            [[name, *(column.get(name, "") for column in flat)] for name in names],
        )
        if names
        else ""
    )


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return f"{value:.3g}" if value and not 1e-3 <= abs(value) < 1e9 else number(value)
