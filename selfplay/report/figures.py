"""The charts of a report, each from the arms it is about."""

from collections import Counter
from collections.abc import Callable

from selfplay.files_on_disk import read_json
from selfplay.report.arms import Arm, Evaluation, Figure, Stage
from selfplay.report.charts import Bars, Chart, Line, bar_chart, line_chart

INTERVAL_NOTE = "Bands are 95% intervals from resampling the held-out tasks."


def learning_charts(arms: list[Arm]) -> list[Chart]:
    """pass@1 and pass@k by round, then both against what was sampled for them."""
    ks = shown_ks(arms)
    last = max((stage.position for arm in arms for stage in arm.stages), default=0)
    names = ["start", *(f"round {number}" for number in range(last))]
    by_round = [
        line_chart(
            f"pass@{k} by round", stage_lines(arms, k, lambda arm, stage: stage.position), "", f"pass@{k}", x_names=names, note=INTERVAL_NOTE
        )
        for k in ks
    ]
    against_tokens = [
        line_chart(
            f"pass@{k} against sampled tokens", stage_lines(arms, k, lambda arm, stage: arm.sampled_tokens(stage.position)),
            "completion tokens sampled for training", f"pass@{k}", note=INTERVAL_NOTE,
        )
        for k in ks
    ]
    return [chart for chart in by_round + against_tokens if chart.rows]


def stage_lines(arms: list[Arm], k: int, x: Callable[[Arm, Stage], float]) -> list[Line]:
    """One line an arm through its stages."""
    lines = []
    for color, arm in enumerate(arms):
        points = [(x(arm, stage), stage.evaluation.curve[k]) for stage in arm.stages if k in stage.evaluation.curve]
        if points:
            lines.append(_line(arm.name, color, points, dashed=arm.is_control))
    return lines


def curve_charts(arms: list[Arm]) -> list[Chart]:
    """pass@k against k of every stage of each arm."""
    charts = []
    for color, arm in enumerate(arms):
        stages = arm.stages
        lines = [
            _line(stage.name, (color + place) % 8, list(stage.evaluation.curve.items()), dashed=stage.position == 0)
            for place, stage in enumerate(stages)
        ]
        if lines and max(len(line.x) for line in lines) > 1:
            charts.append(line_chart(f"pass@k against k: {arm.name}", lines, "k", "pass@k", log_x=True, note=INTERVAL_NOTE))
    return charts


def difficulty_charts(arms: list[Arm]) -> list[Chart]:
    """Share of correct samples and cost of a correct one, by difficulty, of each round."""
    charts = []
    for arm in arms:
        groups = list(dict.fromkeys(name for stage in arm.rounds for name in stage.metrics["sampling"]["by_difficulty"]))
        if len(groups) < 2:
            continue
        names = [group or "unknown" for group in groups]
        parts = [(stage, stage.metrics["sampling"]["by_difficulty"]) for stage in arm.rounds]
        charts += [
            bar_chart(
                f"Samples that are correct, by difficulty: {arm.name}", names,
                [Bars(stage.name, place, [_ratio(part.get(group), "num_correct", "num_samples") for group in groups]) for place, (stage, part) in enumerate(parts)],
                "difficulty", "share correct", share=True,
            ),
            bar_chart(
                f"Cost of a correct sample, by difficulty: {arm.name}", names,
                [Bars(stage.name, place, [_ratio(part.get(group), "completion_tokens", "num_correct") for group in groups]) for place, (stage, part) in enumerate(parts)],
                "difficulty", "sampled tokens a correct sample", note="A group without a correct sample has no bar.",
            ),
        ]
    return charts


def reason_chart(arms: list[Arm]) -> list[Chart]:
    """What the verifiers said of each round's samples, as shares of them."""
    columns = [(arm, stage, stage.metrics["sampling"]["reasons"]) for arm in arms for stage in arm.rounds]
    totals = Counter({reason: count for _, _, reasons in columns for reason, count in reasons.items()})
    if not totals:
        return []
    names = [stage.name if len(arms) == 1 else f"{arm.name} {stage.position - 1}" for arm, stage, _ in columns]
    bars = [
        Bars(reason, place, [reasons.get(reason, 0) / max(sum(reasons.values()), 1) for _, _, reasons in columns])
        for place, reason in enumerate(sorted(totals))
    ]
    return [bar_chart("Reasons of the verdicts", names, bars, "round", "share of samples", stacked=True, share=True)]


def allocation_chart(arms: list[Arm], samples_of_tasks: dict[tuple[str, int], list[int]]) -> list[Chart]:
    """How many samples the tasks got, over all rounds of each arm; lists of samples a task, by arm and round."""
    totals = {arm.name: Counter(n for (name, _), counts in samples_of_tasks.items() if name == arm.name for n in counts) for arm in arms}
    sizes = sorted({n for counts in totals.values() for n in counts})
    if not sizes:
        return []
    edges = sizes if len(sizes) <= 16 else sorted({2**i for i in range(sizes[-1].bit_length() + 1)})
    ends = [*edges[1:], sizes[-1] + 1]
    names = [str(low) if high == low + 1 or len(sizes) <= 16 else f"{low}-{high - 1}" for low, high in zip(edges, ends, strict=True)]
    bars = [
        Bars(name, color, [sum(count for n, count in counts.items() if low <= n < high) for low, high in zip(edges, ends, strict=True)])
        for color, (name, counts) in enumerate(totals.items())
    ]
    return [bar_chart("Samples a task", names, bars, "samples", "tasks, all rounds")]


def shown_ks(arms: list[Arm]) -> list[int]:
    """pass@1 and the largest k of the recipes that every evaluation defines."""
    curves = [stage.evaluation.curve for arm in arms for stage in arm.stages]
    common = [k for k in sorted({k for arm in arms for k in arm.ks}) if all(k in curve for curve in curves)]
    return sorted({1, common[-1]}) if common and curves else [1] if curves else []



def _line(label: str, color: int, points: list[tuple[float, Figure]], dashed: bool = False) -> Line:
    x, figures = zip(*points, strict=True)
    return Line(label, color, x, [f.value for f in figures], [f.low for f in figures], [f.high for f in figures], dashed)


def _ratio(part: dict[str, float] | None, above: str, below: str) -> float:
    return part[above] / part[below] if part and part[below] else 0.0
