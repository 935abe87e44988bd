"""The traces that an audit judges: a stratified random draw with known chances, more of what is suspicious.

Strata are verdict, acceptance, kind of verifier and suspicion. A trace is suspicious if something cheap speaks against its
verdict (see `doubts_about`). How many of each stratum are drawn follows Neyman (1934): in proportion to its size times the
standard deviation of its faults, as far as that can be guessed before anyone has looked.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from math import sqrt
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from selfplay.layout import AUDIT, MANIFEST, REVERIFIED, VERDICTS, finished_rounds
from selfplay.records import ACCEPTED, normalised
from selfplay.seeds import number_of
from selfplay.shards.files import rows_in_order
from tasks import UserError
from verifiers.kinds import verifier_of_kind

DRAW = "draw.jsonl"
SIDES = ("correct", "wrong")  # outcomes that are judged; an undecided trace has no verdict to doubt
SHARE_OF_CORRECT = 0.6  # of the draw: false accepts are learnt, false rejects only cost samples
GUESSES = {("correct", True): 0.3, ("correct", False): 0.01, ("wrong", True): 0.3, ("wrong", False): 0.01}  # of faults
MIN_OF_STRATUM = 4
TAIL = 400  # characters at the end of a completion in which its answer is looked for
_COLUMNS = [
    "task_number", "task_id", "sample_index", "source", "reference", "completion", "outcome", "reason", "answer",
    "verifier", "selection", "finish_reason",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One stratum of the draw."""

    name: str  # for a reader, such as "correct, accepted, math, suspicious"
    outcome: str
    is_accepted: bool
    size: int  # traces of the run
    drawn: int


@dataclass(frozen=True, slots=True)
class Draw:
    """What is to be judged: strata, and rows in the order in which a person sees them."""

    id: str  # of these very rows; labels name it
    run: str
    seed: int
    cells: tuple[Cell, ...]
    rows: list[dict[str, Any]]  # each with key, stratum (a number into cells), doubts, and the columns of its shard

    @property
    def keys(self) -> set[str]:
        return {row["key"] for row in self.rows}


def draw_traces(run: Path, number: int, seed: int = 0) -> Draw:
    """Draw `number` decided traces of a run's finished rounds; fewer if it has fewer. UserError if it has none."""
    members = defaultdict(list)  # stratum -> (chance, key): the draw takes the least chances
    doubts: dict[str, list[str]] = {}
    for folder in finished_rounds(run):
        for key, stratum, found in _facts(folder):
            chance = number_of(seed, "audit", key)
            members[stratum].append((chance, key))
            if found:
                doubts[key] = found
    if not members:
        raise UserError(f"{run} has no finished round with decided traces, so there is nothing to audit; run it first")
    sizes = {stratum: len(keys) for stratum, keys in sorted(members.items())}
    counts = _shared_out(sizes, number)
    drawn = {
        key: place for place, stratum in enumerate(sizes) for _, key in sorted(members[stratum])[: counts[stratum]]
    }
    rows = _ordered(_fetched(run, drawn, doubts), seed)
    cells = tuple(Cell(_named(stratum), stratum[0], stratum[1], sizes[stratum], counts[stratum]) for stratum in sizes)
    content = json.dumps([[asdict(cell) for cell in cells], [row["key"] for row in rows]], sort_keys=True)
    return Draw(hashlib.sha256(content.encode()).hexdigest()[:12], run.name, seed, cells, rows)


def write_draw(draw: Draw, folder: Path) -> Path:
    """Write the draw as JSONL: a header line with the strata, then one line a trace."""
    folder.mkdir(parents=True, exist_ok=True)
    header = {"draw": draw.id, "run": draw.run, "seed": draw.seed, "strata": [asdict(cell) for cell in draw.cells]}
    path = folder / DRAW
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        for row in (header, *draw.rows):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    temporary.rename(path)
    return path


def read_draw(run: Path) -> Draw:
    """The draw that a run's audit folder holds."""
    path = run / AUDIT / DRAW
    try:
        header, *rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        cells = tuple(Cell(**cell) for cell in header["strata"])
        return Draw(header["draw"], header["run"], header["seed"], cells, rows)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; `selfplay audit {run} --draw 200` makes it") from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is damaged; take it from a backup, or draw again and label again") from None


def key_of(folder: Path, row: dict[str, Any]) -> str:
    """The name of a trace: round folder, task id and sample index."""
    return f"{folder.name}/{row['task_id']}/{row['sample_index']}"


def doubts_about(rows: Sequence[dict[str, Any]], votes: bool) -> list[list[str]]:
    """Cheap second opinions on the decided samples of one task: what speaks against each verdict; mostly nothing.

    rows: of one task, with outcome, answer, selection, completion and reference. votes: whether answers can be compared.
    """
    answers = Counter(_normal(row["answer"]) for row in rows if row["answer"]) if votes else Counter()
    most = max(answers.values(), default=0)
    found = []
    for row in rows:
        doubts = []
        count = answers[_normal(row["answer"])] if row["answer"] else 0
        if row["outcome"] == "correct":
            if votes and count == 1 and most >= 3:
                doubts.append("no other sample of the task agrees, and several agree on another answer")
            if row["selection"] not in (ACCEPTED, "contaminated") and not row["selection"].startswith(_QUOTAS):
                doubts.append(f"selection found: {row['selection'].replace('_', ' ')}")
        else:
            if votes and count == most and most >= 2:
                doubts.append("it has the answer on which most samples of the task agree")
            if votes and _tells(row["completion"], row["reference"]):
                doubts.append("its last lines hold the reference's text")
            if row["reason"] == "no_answer" and row["finish_reason"] == "stop":
                doubts.append("it came to its end, and no answer was found")
        found.append(doubts)
    return found


_QUOTAS = ("duplicate", "near_duplicate", "max_", "not_chosen", "over_")  # kept out for their number, not for a fault


def _facts(folder: Path) -> Iterator[tuple[str, tuple[str, bool, str, bool], list[str]]]:
    """Key, stratum and doubts of each decided trace of a round; all samples of a task are read together."""
    otherwise = _other_verdicts(folder / REVERIFIED)
    for _, group in groupby(rows_in_order(folder / "shards", _COLUMNS), key=lambda row: row["task_number"]):
        rows = [row for row in group if row["outcome"] in SIDES]
        if not rows:
            continue
        votes = verifier_of_kind(json.loads(rows[0]["reference"])["kind"]).has_answers
        for row, doubts in zip(rows, doubts_about(rows, votes), strict=True):
            if said := otherwise.get((row["task_id"], row["sample_index"])):
                doubts.append(said)
            kind = row["verifier"].partition("@")[0]
            yield key_of(folder, row), (row["outcome"], row["selection"] == ACCEPTED, kind, bool(doubts)), doubts


def _other_verdicts(folder: Path) -> dict[tuple[str, int], str]:
    """Traces of a round that `selfplay reverify` decided otherwise, with its words; empty where it was not run."""
    if not (folder / MANIFEST).exists():
        return {}
    columns = ["task_id", "sample_index", "old_outcome", "new_outcome", "new_reason", "new_verifier"]
    rows = pq.read_table(folder / VERDICTS, columns=columns, filters=pc.field("old_outcome") != pc.field("new_outcome"))
    return {
        (row["task_id"], row["sample_index"]): f"{row['new_verifier']} says {row['new_outcome']}: {row['new_reason']}"
        for row in rows.to_pylist()
    }


def _normal(answer: str) -> str:
    return normalised(answer).strip("$. ").lower()


def _tells(completion: str, reference: str) -> bool:
    answer = json.loads(reference).get("answer", "")
    written = re.escape(normalised(str(answer)))
    return bool(written) and bool(re.search(rf"(?<![\w.]){written}(?![\w.]*\w)", normalised(completion[-TAIL:])))


def _shared_out(sizes: dict[tuple, int], number: int) -> dict[tuple, int]:
    """How many of each stratum are drawn, `number` in all or every trace."""
    counts = {}
    left = min(number, sum(sizes.values()))
    sides = [side for side in SIDES if any(stratum[0] == side for stratum in sizes)]
    for side in sides:
        share = 1.0 if side == sides[-1] else SHARE_OF_CORRECT
        parts = {stratum: size for stratum, size in sizes.items() if stratum[0] == side}
        others = sum(sizes.values()) - sum(parts.values()) if side != sides[-1] else 0
        budget = min(sum(parts.values()), max(round(left * share), left - others))
        counts |= shared_by_need(parts, budget)
        left -= budget
    return counts


def shared_by_need(sizes: dict[tuple, int], number: int) -> dict[tuple, int]:
    """Draws of each stratum in proportion to size x guessed standard deviation; a few of each, none above its size."""
    weights = {}
    for stratum, size in sizes.items():
        guess = GUESSES[stratum[0], stratum[3]]
        weights[stratum] = size * sqrt(guess * (1 - guess))
    counts = {stratum: min(MIN_OF_STRATUM, size) for stratum, size in sizes.items()}
    for _ in range(max(0, number - sum(counts.values()))):  # the next one goes where it is missed most
        open_strata = [stratum for stratum in sizes if counts[stratum] < sizes[stratum]]
        counts[max(open_strata, key=lambda stratum: weights[stratum] / (counts[stratum] + 0.5))] += 1
    return counts


def _fetched(run: Path, drawn: dict[str, int], doubts: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    columns = [*_COLUMNS, "prompt", "metadata", "model"]
    for folder in finished_rounds(run):
        for row in rows_in_order(folder / "shards", columns):
            if (place := drawn.get(key := key_of(folder, row))) is not None:
                content = {name: value for name, value in row.items() if name != "task_number"}
                yield {"key": key, "stratum": place, "doubts": doubts.get(key, []), **content}


def _ordered(rows: Iterable[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """In random order, but one of each stratum first, so that an unfinished audit says something of each."""
    by_chance = sorted(rows, key=lambda row: number_of(seed, "audit order", row["key"]))
    seen: set[int] = set()
    first, rest = [], []
    for row in by_chance:
        (rest if row["stratum"] in seen else first).append(row)
        seen.add(row["stratum"])
    return first + rest


def _named(stratum: tuple[str, bool, str, bool]) -> str:
    outcome, is_accepted, kind, is_suspicious = stratum
    parts = [outcome, "accepted" if is_accepted else "not accepted", kind, "suspicious" if is_suspicious else ""]
    return ", ".join(part for part in parts if part)
