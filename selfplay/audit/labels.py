"""Labels of an audit: one JSON object a line, from the page or by other means, and how far two labellers agree."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from selfplay.audit.drawing import Draw
from tasks import UserError

LABELS = ("right", "wrong", "broken", "unsure")  # of the answer; "broken": the task or its reference is at fault

Labels = dict[str, str]  # key of a trace -> label


def read_labels(path: Path, draw: Draw) -> Labels:
    """The labels of a file: rows {"key", "label", "draw"}. The last one of a key counts.

    UserError names the line of a row that is not JSON, has an unknown key or label, or belongs to another draw.
    """
    labels: Labels = {}
    keys = draw.keys
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"cannot read the labels {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _row(line, f"{path}, line {number}")
        if row.get("draw", draw.id) != draw.id:
            raise UserError(f"{path}, line {number}: a label of the draw {row['draw']}, and the run holds {draw.id}")
        if row["key"] not in keys:
            raise UserError(f"{path}, line {number}: no trace {row['key']!r} was drawn; keys stand in the draw's file")
        if row["label"] not in LABELS:
            raise UserError(f"{path}, line {number}: label {row['label']!r} is unknown; one of {', '.join(LABELS)}")
        labels[row["key"]] = row["label"]
    if not labels:
        raise UserError(f"{path} holds no label")
    return labels


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: not JSON ({error}); each line must be one JSON object") from None
    if not isinstance(row, dict) or not {"key", "label"} <= row.keys():
        raise UserError(f'{where}: an object with "key" and "label" is needed, not {line.strip():.60}')
    return row


def joined(files: list[Labels]) -> Labels:
    """One label a trace: where labellers differ it is "unsure"."""
    out: Labels = {}
    for labels in files:
        for key, label in labels.items():
            out[key] = label if out.get(key, label) == label else "unsure"
    return out


def kappa(one: Labels, other: Labels) -> tuple[float, int]:
    """Cohen's kappa (1960) of two labellers over the traces that both judged, and how many these are.

    nan if they share no trace, or if both use one and the same label throughout.
    """
    shared = sorted(one.keys() & other.keys())
    if not shared:
        return float("nan"), 0
    observed = sum(one[key] == other[key] for key in shared) / len(shared)
    first, second = (Counter(labels[key] for key in shared) for labels in (one, other))
    expected = sum(first[label] * second[label] for label in LABELS) / len(shared) ** 2
    return (observed - expected) / (1 - expected) if expected < 1 else float("nan"), len(shared)
