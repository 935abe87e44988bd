"""The charts of a report, each from the arms it is about."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from selfplay.estimators.forecast import Forecast
from selfplay.estimators.intervals import Interval
from selfplay.report.arms import Arm, Stage
from selfplay.report.charts import Bars, Chart, Line, bar_chart, line_chart
from selfplay.report.traces import Counted, Counts
from verifiers import Reason

BINS = ("none", "to ¼", "to ½", "to ¾", "below all", "all")
MOST_GROUPS = 12  # of difficulty in one chart; neighbours are joined beyond it


def learning_charts(arms: list[Arm]) -> list[Chart]:
    """pass@1 and pass@k by round."""
    last = max((stage.position for arm in arms for stage in arm.stages), default=0)
    names = ["start", *(f"round {number}" for number in range(last))]
    if not last:
        return []
    return [
        line_chart(
            f"pass@{k} by round",
            stage_lines(arms, k, lambda _, stage: stage.position),
            "",
            f"pass@{k}",
            x_names=names,
            note=interval_note(arms),
        )
        for k in shown_ks(arms)
    ]


def cost_charts(arms: list[Arm]) -> list[Chart]:
    """pass@1 and pass@k against the tokens, and the FLOPs, that were spent to get there; what the bits of the check cost."""
    charts = []
    for spent, label, title in (
        (Arm.sampled_tokens, "completion tokens sampled for training", "sampled tokens"),
        (Arm.flops, "FLOPs of sampling and training", "FLOPs spent"),
    ):
        ends = [spent(arm, arm.stages[-1].position) for arm in arms if arm.stages]
        if any(ends) and None not in ends:
            x = lambda arm, stage, spent=spent: spent(arm, stage.position)  # noqa: E731
            charts += [
                line_chart(
                    f"pass@{k} against {title}", stage_lines(arms, k, x), label, f"pass@{k}", note=interval_note(arms)
                )
                for k in shown_ks(arms)
            ]
    charts += _round_chart("Tokens a sample", "completion tokens", arms, _tokens_a_sample)
    return charts + _round_chart(
        "What the check bought",
        "new bits a GFLOP of sampling",
        arms,
        lambda stage: stage.ledger.get("accepted", {}).get("new_bits_per_gflop"),
    )


def _round_chart(title: str, label: str, arms: list[Arm], figure: Callable[[Stage], float | None]) -> list[Chart]:
    """A figure of each round, a line an arm; none where no arm has it in two rounds."""
    lines = []
    for color, arm in enumerate(arms):
        points = [(stage.position - 1, value) for stage in arm.rounds if (value := figure(stage)) is not None]
        if any(value for _, value in points):
            x, y = zip(*points, strict=True)
            lines.append(Line(arm.name, color, x, y, dashed=arm.is_control))
    last = max((int(x) for line in lines for x in line.x), default=0)
    names = [f"round {number}" for number in range(last + 1)]
    return [line_chart(title, lines, "", label, x_names=names, share=False)] if last else []


def stage_lines(arms: list[Arm], k: int, x: Callable[[Arm, Stage], float]) -> list[Line]:
    """One line an arm through its stages."""
    lines = []
    for color, arm in enumerate(arms):
        points = [(x(arm, stage), stage.evaluation.curve[k]) for stage in arm.stages if k in stage.evaluation.curve]
        if points:
            lines.append(_line(arm.name, color, points, dashed=arm.is_control))
    return lines


def curve_charts(arms: list[Arm]) -> list[Chart]:
    """pass@k against k of every stage of each arm, with a forecast of the first and the last."""
    charts = []
    for color, arm in enumerate(arms):
        lines = []
        for place, stage in enumerate(arm.stages):
            draw = partial(
                _line,
                stage.name,
                7 if place == 0 else color,
                dashed=place == 0,
                strength=1.0 if place == 0 else _strength(place, len(arm.stages)),
            )
            lines.append(draw(list(stage.evaluation.curve.items())))
            if place in (0, len(arm.stages) - 1) and stage.evaluation.forecast:
                ahead = [(point.k, point) for point in stage.evaluation.forecast]
                lines.append(draw(ahead, is_forecast=True))
        if lines and max(len(line.x) for line in lines) > 1:
            note = interval_note([arm]) + _forecast_note(arm)
            charts.append(line_chart(f"pass@k against k: {arm.name}", lines, "k", "pass@k", log_x=True, note=note))
    return charts


def inference_charts(arms: list[Arm]) -> list[Chart]:
    """pass@k against the operations of k samples of a task, of the first model and of the last of each arm."""
    lines, seen = [], set()
    for color, arm in enumerate(arms):
        for stage in arm.stages[:1] + arm.stages[1:][-1:]:
            flops = stage.flops_per_sample
            if not flops or stage.folder in seen:
                continue
            seen.add(stage.folder)
            start = stage.position == 0
            points = [(k * flops, figure) for k, figure in stage.evaluation.curve.items()]
            lines.append(_line(f"{arm.name}, {stage.name}", 7 if start else color, points, dashed=start))
    title, note = (
        "pass@k against FLOPs",
        "k samples of an average held-out task, with the prompt. " + interval_note(arms),
    )
    return [line_chart(title, lines, "FLOPs of k samples", "pass@k", log_x=True, note=note)] if lines else []


def difficulty_charts(arms: list[Arm]) -> list[Chart]:
    """Share of correct samples and cost of a correct one, by difficulty, of each round."""
    charts = []
    for color, arm in enumerate(arms):
        parts = _joined([stage.metrics["sampling"]["by_difficulty"] for stage in arm.rounds])
        groups = list(dict.fromkeys(name for part in parts for name in part))
        if len(groups) < 2:
            continue
        names = [group or "unknown" for group in groups]

        def bars(above: str, below: str, arm=arm, color=color, groups=groups, parts=parts) -> list[Bars]:
            heights = [[_ratio(part.get(group), above, below) for group in groups] for part in parts]
            return _round_bars(arm, color, heights)

        charts.append(
            bar_chart(
                f"Acceptance by difficulty: {arm.name}",
                names,
                bars("num_correct", "num_samples"),
                "difficulty",
                "share correct",
                share=True,
            )
        )
        if any(part[group]["completion_tokens"] for part in parts for group in part):
            cost = bars("completion_tokens", "num_correct")
            note = "Sampled tokens a correct sample; a group without one has no bar."
            charts.append(bar_chart(f"Cost by difficulty: {arm.name}", names, cost, "difficulty", "tokens", note=note))
    return charts


def reason_chart(arms: list[Arm]) -> list[Chart]:
    """What the verifiers said of each round's samples, as shares of them."""
    columns = [(arm, stage, stage.metrics["sampling"]["reasons"]) for arm in arms for stage in arm.rounds]
    present = {reason for _, _, reasons in columns for reason in reasons}
    if not present:
        return []
    names = [stage.name if len(arms) == 1 else f"{arm.name} {stage.position - 1}" for arm, stage, _ in columns]
    bars = [
        Bars(
            reason.replace("_", " "),
            place,
            [reasons.get(reason, 0) / max(sum(reasons.values()), 1) for _, _, reasons in columns],
        )
        for place, reason in enumerate(reason for reason in map(str, Reason) if reason in present)
    ]
    return [bar_chart("Reasons of the verdicts", names, bars, "", "share of samples", stacked=True, share=True)]


def allocation_charts(arms: list[Arm], counted: Counted) -> list[Chart]:
    """Tasks by their share of correct samples, and where it differs, tasks and samples by how many each task got."""
    charts = []
    for color, arm in enumerate(arms):
        rounds = [list(tasks.values()) for (name, _), tasks in counted.items() if name == arm.name]
        solved = [
            [sum(_bin(counts) == place for counts in tasks) / max(len(tasks), 1) for place in range(len(BINS))]
            for tasks in rounds
        ]
        if rounds:
            bars = _round_bars(arm, color, solved)
            title = f"Tasks by share of correct samples: {arm.name}"
            charts.append(bar_chart(title, BINS, bars, "correct samples", "share of tasks", share=True))
        if len({counts.samples for tasks in rounds for counts in tasks}) > 1:
            charts.append(_samples_chart(arm, color, rounds))
    return charts


def shown_ks(arms: list[Arm]) -> list[int]:
    """pass@1 and the largest k of the recipes that every evaluation defines."""
    curves = [stage.evaluation.curve for arm in arms for stage in arm.stages]
    if not curves:
        return []
    asked = {k for arm in arms for k in arm.recipe.get("evaluation", {}).get("k", [])}
    return sorted({1, max((k for k in asked if all(k in curve for curve in curves)), default=1)})


def interval_note(arms: list[Arm]) -> str:
    """How the bands came about."""
    methods = {interval.method for arm in arms for stage in arm.stages for interval in stage.evaluation.curve.values()}
    return f"Bands: 95% intervals, {' or '.join(sorted(methods))}."


def _forecast_note(arm: Arm) -> str:
    """What the dotted lines are, and from where on the data carry none."""
    points = [point for stage in (arm.stages[0], arm.stages[-1]) for point in stage.evaluation.forecast]
    if not points:
        return ""
    weak = min((point.k for point in points if not point.supported), default=0)
    return " Dotted: forecast with its 95% interval" + (f", too wide to plan on from k = {weak:,}." if weak else ".")


def _joined(parts: list[dict[str, dict[str, int]]]) -> list[dict[str, dict[str, int]]]:
    """The groups of each round, neighbours added up if there are too many of them."""
    groups = list(dict.fromkeys(name for part in parts for name in part))
    size = -(-len(groups) // MOST_GROUPS)
    if size < 2:
        return parts
    lots = [groups[start : start + size] for start in range(0, len(groups), size)]
    keys = ("num_samples", "num_correct", "completion_tokens")
    return [
        {
            f"{lot[0]} to {lot[-1]}": {key: sum(part[name][key] for name in lot if name in part) for key in keys}
            for lot in lots
        }
        for part in parts
    ]


def _samples_chart(arm: Arm, color: int, rounds: list[list[Counts]]) -> Chart:
    """Samples by the size of the lot that a task got."""
    totals = [Counter(counts.samples for counts in tasks) for tasks in rounds]
    sizes = sorted({size for counts in totals for size in counts})
    starts = (
        sizes if len(sizes) <= 8 else [2**power for power in range(sizes[0].bit_length() - 1, sizes[-1].bit_length())]
    )
    ends = [*starts[1:], sizes[-1] + 1]
    lots = list(zip(starts, ends, strict=True))
    names = [str(start) if end == start + 1 or len(sizes) <= 8 else f"{start}-{end - 1}" for start, end in lots]
    heights = [
        [sum(count for size, count in counts.items() if start <= size < end) for start, end in lots]
        for counts in totals
    ]
    return bar_chart(f"Allocation: {arm.name}", names, _round_bars(arm, color, heights), "samples of a task", "tasks")


def _tokens_a_sample(stage: Stage) -> float:
    sampling = stage.metrics["sampling"]
    return sampling["completion_tokens"] / max(sampling["num_samples"], 1)


def _bin(counts: Counts) -> int:
    if counts.correct == counts.samples:
        return len(BINS) - 1
    return -(-4 * counts.correct // counts.samples)


def _round_bars(arm: Arm, color: int, heights: Sequence[Sequence[float]]) -> list[Bars]:
    return [
        Bars(stage.name, color, values, _strength(place + 1, len(arm.rounds) + 1))
        for place, (stage, values) in enumerate(zip(arm.rounds, heights, strict=True))
    ]


def _strength(place: int, num: int) -> float:
    """Of the colour of stage `place` of `num`: the last is full."""
    return 0.3 + 0.7 * place / max(num - 1, 1)


def _line(
    label: str,
    color: int,
    points: Sequence[tuple[float, Interval | Forecast]],
    *,
    dashed: bool = False,
    strength: float = 1.0,
    is_forecast: bool = False,
) -> Line:
    x, figures = zip(*points, strict=True)
    return Line(
        label,
        color,
        x,
        [f.value for f in figures],
        [f.low for f in figures],
        [f.high for f in figures],
        dashed,
        strength,
        is_forecast,
    )


def _ratio(part: dict[str, float] | None, above: str, below: str) -> float:
    return part[above] / part[below] if part and part[below] else 0.0
