"""pass@k and related figures of the passes of a run, or of a file of verdicts, for `selfplay passk`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from selfplay.allocation import RULES
from selfplay.estimators.forecast import forecast
from selfplay.estimators.intervals import Interval, over_tasks
from selfplay.estimators.passk import best_of_k, majority_at_k, pass_at_k, pass_at_k_bounds, resampling_cap, right_at_k
from selfplay.estimators.solve_rates import Counts, likeliest_mixture
from selfplay.estimators.stopping import StoppingRule, pass_at_k_of_runs
from selfplay.journal.samples import Column, SampleTable, read_samples, read_verdicts
from selfplay.layout import METRICS
from selfplay.storage import read_json
from tasks import UserError

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Wanted:
    """The figures that are asked for."""

    ks: tuple[int, ...] = (1, 4, 16)
    majority: bool = False
    best_of: bool = False
    false_accept: float | None = None  # of the verifier, as measured: asks for right@k
    false_reject: float = 0.0
    forecast: bool = False  # where the samples do not reach to k

    def __post_init__(self) -> None:
        if self.false_accept is not None and not 0 <= self.false_accept < 1 - self.false_reject <= 1:
            raise UserError(
                f"a false accept rate of {self.false_accept} and a false reject rate of {self.false_reject} must be shares, and a "
                "right sample must be accepted more often than a wrong one"
            )

    @property
    def columns(self) -> list[Column]:
        """The columns of a table of samples that the figures need, besides the outcomes."""
        columns: list[Column] = ["answer"] if self.majority else []
        return [*columns, "logprob"] if self.best_of else columns


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure, averaged over the tasks that define it."""

    value: float
    low: float  # of the 95% interval over tasks
    high: float
    least: float = float("nan")  # were every undecided sample wrong; nan where none is undecided
    most: float = float("nan")  # were every undecided sample correct
    is_forecast: bool = False

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.3f}, {self.high:.3f}]" + ("*" if self.is_forecast else "")


@dataclass(frozen=True, slots=True)
class PassFigures:
    """The figures of one pass."""

    name: str
    rule: str  # how many samples a task got: what the estimate rests on
    num_tasks: int
    num_samples: int
    num_undecided: int
    by_k: dict[int, dict[str, Figure]]  # k -> name -> figure, without those that no task defines
    cap: float | None  # of right@k, however large k is; None where it was not asked for


def pass_table(source: Path, wanted: Wanted) -> Iterator[PassFigures]:
    """The figures of a file of verdicts, or of each pass of a run.

    Where sampling stopped on what it saw, the estimate is the one for the recorded rule (selfplay.stopping); under a
    budget there is none but a forecast, and votes need a fixed number of samples.
    """
    if source.is_file():
        yield _figures(source.name, "fixed", read_verdicts(source, wanted.best_of), None, wanted)
        return
    if not source.exists():
        raise UserError(f"{source} does not exist")
    folders = [source / "base", *sorted(source.glob("round_*"))] if source.is_dir() else []
    passes = [(folder, name) for folder in folders for name in ("journal", "evaluation") if (folder / name).exists()]
    if not passes:
        raise UserError(f"{source} is neither a file of verdicts nor the folder of a run with a journal")
    for folder, name in passes:
        record = _recorded_rule(folder) if name == "journal" else {"rule": "fixed"}
        rule = RULES[record["rule"]].stopping_rule(record) if record["rule"] in RULES else None
        title = f"{folder.name} {'sampling' if name == 'journal' else name}"
        yield _figures(title, record["rule"], read_samples(folder / name, wanted.columns), rule, wanted)


def _recorded_rule(folder: Path) -> dict[str, Any]:
    """The rule that a finished round applied; a round that is not finished has recorded none."""
    metrics = folder / METRICS
    return read_json(metrics)["allocation"] if metrics.exists() else {"rule": "not finished"}


def _figures(name: str, kind: str, samples: SampleTable, rule: StoppingRule | None, wanted: Wanted) -> PassFigures:
    by_k: dict[int, dict[str, Figure]] = {}
    num_undecided = int(samples.num_undecided.sum())
    runs = samples.runs() if rule else []
    for k in wanted.ks:
        found: dict[str, Figure | None] = {}
        if rule:
            found["pass"] = _with_bounds(*pass_at_k_of_runs(rule, runs, k), num_undecided)
        elif kind == "fixed":
            found = _fixed_figures(samples, k, wanted)
        by_k[k] = {title: figure for title, figure in found.items() if figure}
    ahead = [k for k in wanted.ks if "pass" not in by_k[k]]
    if wanted.forecast and ahead and kind != "not finished" and samples.decided.any():
        plain = {"rule": rule} if rule else {"plain_curve": kind == "fixed"}
        points = forecast(samples.num_decided, samples.num_correct, ahead, confidence=CONFIDENCE, **plain).points
        for point in points:
            by_k[point.k]["pass"] = Figure(point.value, point.low, point.high, is_forecast=True)
    return PassFigures(name, kind, samples.num_tasks, len(samples), num_undecided, by_k, _cap(samples, wanted))


def _fixed_figures(samples: SampleTable, k: int, wanted: Wanted) -> dict[str, Figure | None]:
    """Of tasks whose number of samples was set before sampling."""
    n, c, num_undecided = samples.num_decided, samples.num_correct, samples.num_undecided
    bounds = pass_at_k_bounds(n, c, num_undecided, k)
    found = {"pass": _with_bounds(pass_at_k(n, c, k), *bounds, int(num_undecided.sum()))}
    if wanted.majority:
        found["majority"] = _mean([majority_at_k(votes, right, k, no_vote=0) for votes, right in samples.votes()])
    if wanted.best_of:
        found["best-of"] = _mean([best_of_k(right, scores, k) for right, scores in samples.scores()])
    if wanted.false_accept is not None:
        found["right"] = _mean(right_at_k(n, c, k, wanted.false_accept, wanted.false_reject))
    return found


def _with_bounds(estimates: Any, lows: Any, highs: Any, num_undecided: int) -> Figure | None:
    figure = _mean(estimates)
    if figure is None or not num_undecided:
        return figure
    return Figure(figure.value, figure.low, figure.high, float(np.nanmean(lows)), float(np.nanmean(highs)))


def _mean(per_task: Any) -> Figure | None:
    interval: Interval = over_tasks(per_task, CONFIDENCE)
    return Figure(interval.value, interval.low, interval.high) if interval.num_tasks else None


def _cap(samples: SampleTable, wanted: Wanted) -> float | None:
    """The cap of right@k under the spread of true solve rates: that of acceptance, fitted, with the verifier's errors taken out."""
    if wanted.false_accept is None or not samples.decided.any():
        return None
    counts = Counts(samples.num_decided, samples.num_correct)
    accepted = np.append(np.exp(counts.grid.log_p), [0.0, 1.0])
    rates = np.clip((accepted - wanted.false_accept) / (1 - wanted.false_reject - wanted.false_accept), 0.0, 1.0)
    return resampling_cap(rates, wanted.false_accept, wanted.false_reject, likeliest_mixture(counts))


def in_table(passes: Iterable[PassFigures], wanted: Wanted) -> Table:
    """One line for each pass and k."""
    passes = list(passes)
    names = {"pass": "pass@k", "majority": "majority@k", "best-of": "best of k", "right": "right@k"}
    asked = [
        name
        for name, is_wanted in zip(
            names, (True, wanted.majority, wanted.best_of, wanted.false_accept is not None), strict=False
        )
        if is_wanted
    ]
    bounded = any(each.num_undecided for each in passes)
    notes = ["in brackets: 95% intervals over tasks" + ("; *: a forecast" if wanted.forecast else "")]
    notes += [
        f"{each.name}: right@k cannot pass {each.cap:.4f}, however large k is"
        for each in passes
        if each.cap is not None
    ]
    notes += [
        f"{each.name}: {RULES[each.rule].bias}" for each in passes if each.rule in RULES and RULES[each.rule].bias
    ]
    table = Table(caption=Text("\n".join(notes)), caption_justify="left")
    for name in [
        "samples of",
        "rule",
        "tasks",
        "samples",
        "undecided",
        "k",
        *(names[name] for name in asked),
        *(["undecided wrong, correct"] * bounded),
    ]:
        table.add_column(name, no_wrap=name in ("samples of", "k"))
    for each in passes:
        about = [each.name, each.rule, str(each.num_tasks), str(each.num_samples), str(each.num_undecided)]
        for k, figures in each.by_k.items():
            cells = [str(figures.get(name, "-")) for name in asked]
            if bounded:
                figure = figures.get("pass")
                cells.append(
                    f"{figure.least:.4f}, {figure.most:.4f}" if figure and figure.least == figure.least else ""
                )
            table.add_row(*about, str(k), *map(Text, cells))
            about = [""] * len(about)
        table.add_section()
    return table
