"""`selfplay verify`: grade completions made anywhere, one row in, one row out, in the same order."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from selfplay.parallel import in_order
from tasks import Reference, UserError, reference_from_dict
from verifiers import Reason, Verdict, verifier_of, verify_answer, verify_many
from verifiers.mathematics.equivalence import worker_client

CHUNK_ROWS = 128

Line = tuple[int, str]  # number from 1, and text
Graded = tuple[list[dict[str, Any]], str]  # rows out, and what was wrong with the row behind them


def grade_file(source: Path, out: Path, num_workers: int, show: Callable[[int, Counter], None]) -> Counter:
    """Grade a JSONL file into another; gives the count of each outcome.

    UserError names the first malformed line; the rows before it have their verdicts in `out`. Memory does not grow with
    the number of rows. `show(rows, outcomes)` is called as the work goes on.
    """
    outcomes: Counter[str] = Counter()
    refuse_same_file(source, out)
    try:
        with source.open(encoding="utf-8") as lines:
            # without a worker for symbolic algebra at hand, the first questions that need one would stay undecided
            graded = in_order(_results, _chunks(lines), num_workers, _undecided, prepare=worker_client.warm)
            first = next(graded, None)
            if first and isinstance(first[1], str):  # the present content of `out` is kept
                raise UserError(f"{source}, {first[1]}. Nothing was written")
            with out.open("w", encoding="utf-8") as results:
                for _, row in chain([first] if first else [], graded):
                    if isinstance(row, str):
                        raise UserError(
                            f"{source}, {row}. The verdicts of the {outcomes.total()} before it are in {out}"
                        )
                    results.write(json.dumps(row, ensure_ascii=False) + "\n")
                    outcomes[row["outcome"]] += 1
                    if outcomes.total() % CHUNK_ROWS == 0:
                        show(outcomes.total(), outcomes)
                show(outcomes.total(), outcomes)
    except OSError as error:
        raise UserError(f"cannot open {error.filename}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{source} is not UTF-8 text: {error}") from None
    return outcomes


def refuse_same_file(source: Path, out: Path) -> None:
    """UserError if writing `out` would empty `source`."""
    if source.exists() and out.exists() and source.samefile(out):
        raise UserError(f"{out} is the file to read, and writing it would empty it; name another --out")


def grade_lines(lines: list[Line]) -> Graded:
    """Grade lines of JSON; stops at the first that is malformed."""
    rows: list[_Row] = []
    mistake = ""
    for number, line in lines:
        try:
            rows.append(_parse(line))
        except UserError as error:
            mistake = f"line {number}: {error}"
            break
    completions = [row for row in rows if not row.is_answer]
    verdicts = iter(verify_many([row.reference for row in completions], [row.text for row in completions]))
    graded = [
        row.identity | (verify_answer(row.reference, row.text) if row.is_answer else next(verdicts)).to_dict()
        for row in rows
    ]
    return graded, mistake


@dataclass(frozen=True, slots=True)
class _Row:
    """A row to grade."""

    identity: dict[str, Any]  # the keys that go out as they came
    reference: Reference
    text: str
    is_answer: bool  # already extracted, and no completion


def _parse(line: str) -> _Row:
    """The row of a line; UserError if it is malformed."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"not JSON ({error})") from None
    if not isinstance(row, dict):
        raise UserError(f"a JSON object is needed, not {line.strip():.60}")
    unknown = set(row) - {"id", "reference", "completion", "answer", "task_id"}
    if unknown:
        raise UserError(
            f'unknown key "{min(unknown)}"; allowed: id, task_id, reference, and one of completion and answer'
        )
    missing = [f'"{key}"' for key in ("id", "reference") if key not in row]
    if "completion" not in row and "answer" not in row:
        missing.append('"completion" (or "answer", already extracted)')
    if missing:
        raise UserError(f"{' and '.join(missing)} missing; the row has {', '.join(row) or 'no key'}")
    if "completion" in row and "answer" in row:
        raise UserError('it has both "completion" and "answer"; leave one of them out')
    reference = reference_from_dict(row["reference"])
    text = row.get("completion", row.get("answer"))
    if not isinstance(text, str):
        raise UserError(f"completion and answer must be text, not {text!r:.60}")
    identity = {key: row[key] for key in ("id", "task_id") if key in row}
    if "answer" in row and not verifier_of(reference).has_answers:
        raise UserError(f"a {reference.kind} reference needs a completion: its verifier takes no extracted answer")
    return _Row(identity, reference, text, "answer" in row)


def _results(lines: list[Line]) -> list[dict[str, Any] | str]:
    """The row out for each line; from the first malformed one on, what is wrong with that one."""
    rows, mistake = grade_lines(lines)
    return [*rows, *[mistake] * (len(lines) - len(rows))]


def _undecided(line: Line) -> dict[str, Any] | str:
    """The row out for a line whose check killed its process."""
    verdict = Verdict.of(Reason.CHECKER_FAILURE, "the verifier's process died", 0.0, "none@0")
    return _parse(line[1]).identity | verdict.to_dict()


def _chunks(lines: Iterable[str]) -> Iterator[list[Line]]:
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    while chunk := list(islice(numbered, CHUNK_ROWS)):
        yield chunk
