"""The traces that a report carries, sampled for training and on held-out tasks: an index of columns that is read at once, and compressed blocks of text that are read
when a trace is opened.

Where the runs hold more traces than the limit, whole tasks are left out: the hardest solved ones stay, and of the others
those with the smallest hash of their id, so that the arms keep the same tasks.
"""

import base64
import hashlib
import json
import re
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from math import isfinite
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from selfplay.report.arms import Arm, Stage
from selfplay.report.held_out import HeldOut
from selfplay.report.notable import Notable, mark_notable
from selfplay.shards.files import read_rows
from tasks import UserError
from verifiers.kinds import verifier_of_kind

MAX_TRACES = 60_000
MAX_CHARACTERS = 150_000_000  # of completions; a page of some 60 MB
HARDEST_SHARE = 0.1  # of the limit, for the hardest solved tasks
BLOCK_CHARACTERS = 200_000  # of completions in one block, before compression
SNIPPET = 90  # characters of a prompt in the index
ANSWER = 24  # characters of an answer in the index

_LIGHT = ["task_id", "outcome", "completion"]
_TEXT = [
    "task_number", "task_id", "source", "prompt", "reference", "metadata", "sample_index", "completion", "finish_reason", "prompt_tokens",
    "completion_tokens", "cumulative_logprob", "seed", "model", "outcome", "reason", "answer", "verify_seconds", "verifier",
    "selection",
]  # fmt: skip
_CODED = (
    "outcome",
    "reason",
    "selection",
    "finish_reason",
    "model",
    "verifier",
)  # few values: the index holds their number

SETS = ["sampled", "held out"]
SAMPLED, HELD_OUT = range(2)

_LATEX = re.compile(r"\\(?:[a-zA-Z]{2,}|[(\[])|\$[^$\s][^$\n]*[\^_=][^$\n]*\$")


@dataclass
class Counts:
    """Of one task, in one round of one arm."""

    samples: int = 0
    correct: int = 0
    characters: int = 0  # of the completions

    def add(self, correct: bool, characters: int) -> None:
        self.samples += 1
        self.correct += correct
        self.characters += characters


Counted = dict[tuple[str, int], dict[str, Counts]]  # arm and round -> task id -> counts


@dataclass
class Collection:
    """All that the trace reader of a page needs."""

    index: dict[str, Any]
    blocks: list[str] = field(default_factory=list)  # base64 of raw deflate of JSON
    num_traces: int = 0  # in the runs, of which the index may hold fewer
    has_latex: bool = False
    missing: str = ""  # a sentence about held-out tasks that could not be had

    @property
    def num_held_out(self) -> int:
        return sum(self.index["set"])

    @property
    def num_shown(self) -> int:
        return len(self.index["task"])


def count_tasks(arms: list[Arm]) -> Counted:
    """The counts of every task by arm and round, from the columns of the shards."""
    counted: Counted = {}
    for arm in arms:
        for number, stage in enumerate(arm.rounds):
            counts = counted.setdefault((arm.name, number), defaultdict(Counts))
            for row in read_rows(stage.folder / "shards", columns=_LIGHT):
                counts[row["task_id"]].add(row["outcome"] == "correct", len(row["completion"]))
    return counted


def collect(
    arms: list[Arm], counted: Counted, max_traces: int = MAX_TRACES, max_characters: int = MAX_CHARACTERS
) -> Collection:
    """The index and the blocks of the arms' traces, those of held-out tasks last."""
    held_out = HeldOut(arms)
    evaluated: Counted = {}
    for place, stage in held_out.evaluations:
        counts = evaluated.setdefault((arms[place].name, stage.position), defaultdict(Counts))
        for task_id, correct, characters in held_out.sizes(stage):
            counts[task_id].add(correct, characters)
    everything = [*counted.values(), *evaluated.values()]
    chosen = _chosen_tasks(everything, max_traces, max_characters)
    builder = _Builder([arm.name for arm in arms])
    for place, arm in enumerate(arms):
        for number, stage in enumerate(arm.rounds):
            for row in _rows(stage, chosen):
                builder.add(SAMPLED, place, number, row)
    for place, stage in held_out.evaluations:
        for row in held_out.rows(stage, chosen):
            builder.add(HELD_OUT, place, stage.position - 1, row)
    return builder.finish(sum(counts.samples for tasks in everything for counts in tasks.values()), held_out.missing)


def pack(content: Any) -> str:
    """Base64 of the raw deflate of JSON, as the page unpacks it."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")
    squeeze = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(squeeze.compress(text) + squeeze.flush()).decode()


class _Builder:
    """Collects rows into columns and blocks."""

    def __init__(self, arms: list[str]):
        self._columns: dict[str, list[Any]] = {
            name: [] for name in ("set", "arm", "round", "task", "sample", "tokens", "characters", "answer", *_CODED)
        }
        self._codes: dict[str, dict[str, int]] = {name: {} for name in _CODED}
        self._arms = arms
        self._tasks: dict[str, int] = {}
        self._task_columns: dict[str, list[Any]] = {name: [] for name in ("id", "source", "difficulty", "snippet")}
        self._starts: list[int] = []  # first row of each block
        self._blocks: list[str] = []
        self._block: dict[str, Any] = {}
        self._block_size = 0
        self._notable: list[Notable] = []
        self._has_latex = False

    def add(self, kind: int, arm: int, number: int, row: dict[str, Any]) -> None:
        """kind: SAMPLED or HELD_OUT; number: of the round that sampled the row, or whose model did (-1: the first model)."""
        task = self._task(row)
        columns = self._columns
        if not self._block:
            self._starts.append(len(columns["task"]))
            self._block = {"tasks": {}, "rows": []}
        text = row["completion"]
        values = {
            "set": kind, "arm": arm, "round": number, "task": task, "sample": row["sample_index"], "tokens": row["completion_tokens"],
            "characters": len(text), "answer": row["answer"][:ANSWER],
        }  # fmt: skip
        for name, value in values.items():
            columns[name].append(value)
        for name in _CODED:
            columns[name].append(self._codes[name].setdefault(row[name], len(self._codes[name])))
        if task not in self._block["tasks"]:
            self._block["tasks"][task] = {
                "prompt": row["prompt"],
                "reference": (reference := _for_page(row["reference"])),
                "traits": _traits(reference["kind"]),
                "metadata": _for_page(row["metadata"]),
            }
        logprob = row["cumulative_logprob"]
        known = logprob is not None and isfinite(logprob)
        self._block["rows"].append(
            [
                text,
                row["answer"],
                row["prompt_tokens"],
                logprob if known else None,
                str(row["seed"]),
                row["verify_seconds"],
            ]
        )
        self._notable.append(Notable(task, row["outcome"] == "correct", text, row["reason"], row["finish_reason"]))
        is_prose = self._block["tasks"][task]["traits"]["is_prose"]
        self._has_latex = self._has_latex or (is_prose and _has_latex(row))
        self._block_size += len(text)
        if self._block_size > BLOCK_CHARACTERS:
            self._close_block()

    def finish(self, num_traces: int, missing: str) -> Collection:
        self._close_block()
        suspicious, hardest = mark_notable(self._notable, self._task_columns["difficulty"])
        index = {
            "arms": self._arms,
            "names": {"set": SETS} | {name: list(codes) for name, codes in self._codes.items()},
            "tasks": self._task_columns,
            "starts": self._starts,
            "suspicious": [[row, notes] for row, notes in suspicious],
            "hardest": hardest,
            **self._columns,
        }
        return Collection(index, self._blocks, num_traces, self._has_latex, missing)

    def _task(self, row: dict[str, Any]) -> int:
        task_id = row["task_id"]
        if task_id not in self._tasks:
            self._tasks[task_id] = len(self._tasks)
            prompt = " ".join(row["prompt"][-1]["content"].split()) if row["prompt"] else ""
            difficulty = json.loads(row["metadata"]).get("difficulty")
            values = (task_id, row["source"], "" if difficulty is None else str(difficulty), prompt[:SNIPPET])
            for column, value in zip(self._task_columns.values(), values, strict=True):
                column.append(value)
        return self._tasks[task_id]

    def _close_block(self) -> None:
        if self._block:
            self._blocks.append(pack(self._block))
        self._block, self._block_size = {}, 0


def _chosen_tasks(counted: list[dict[str, Counts]], max_traces: int, max_characters: int) -> set[str] | None:
    """The tasks whose traces fit into the limits; None for all."""
    sizes: dict[str, Counts] = defaultdict(Counts)
    for tasks in counted:
        for task_id, counts in tasks.items():
            total = sizes[task_id]
            total.samples += counts.samples
            total.correct += counts.correct
            total.characters += counts.characters
    shares = {task_id: max(c.samples / max_traces, c.characters / max_characters) for task_id, c in sizes.items()}
    if (
        sum(c.samples for c in sizes.values()) <= max_traces
        and sum(c.characters for c in sizes.values()) <= max_characters
    ):
        return None
    chosen: set[str] = set()
    room = 1.0

    def take(ordered: list[str], until: float) -> None:
        nonlocal room
        for task_id in ordered:
            if room - shares[task_id] >= until and task_id not in chosen:
                chosen.add(task_id)
                room -= shares[task_id]

    solved = [task_id for task_id, counts in sizes.items() if counts.correct]
    take(sorted(solved, key=lambda task_id: sizes[task_id].correct / sizes[task_id].samples), 1 - HARDEST_SHARE)
    take(sorted(sizes, key=lambda task_id: hashlib.sha256(task_id.encode()).digest()), 0.0)
    return chosen


def _rows(stage: Stage, chosen: set[str] | None) -> list[dict[str, Any]]:
    """The traces of a round, tasks together and their samples in order."""
    rows: list[dict[str, Any]] = []
    for path in sorted((stage.folder / "shards").glob("[ar]*.parquet")):  # not what was mixed in from elsewhere
        for batch in pq.ParquetFile(path).iter_batches(columns=_TEXT):
            if chosen is not None:
                batch = batch.filter(pc.is_in(batch["task_id"], value_set=pa.array(sorted(chosen), pa.string())))
            rows += batch.to_pylist()
    return sorted(rows, key=lambda row: (row["task_number"], row["sample_index"]))


def _for_page(text: str) -> Any:
    """JSON that the page can read: what JavaScript has no number for, such as NaN or 2**64, becomes text."""
    return json.loads(text, parse_constant=str, parse_int=lambda digits: int(digits) if len(digits) <= 15 else digits)


def _has_latex(row: dict[str, Any]) -> bool:
    return any(map(_LATEX.search, [row["completion"], *(message["content"] for message in row["prompt"])]))


@cache
def _traits(kind: str) -> dict[str, Any]:
    """What the page asks of a kind's verifier. A kind of the user's own may be out of reach where a report is made."""
    try:
        verifier = verifier_of_kind(kind)
    except UserError:
        return {"ability": "", "is_prose": True, "has_answers": False}
    return {"ability": verifier.ability, "is_prose": verifier.is_prose, "has_answers": verifier.has_answers}
