"""What the labels of an audit say: how often verdicts are wrong, in the run as a whole, with intervals."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from selfplay.audit.drawing import Cell, Draw
from selfplay.audit.labels import Labels
from selfplay.estimators.stratified import Stratum, stratified_rate
from selfplay.layout import AUDIT, FINDINGS
from selfplay.storage import write_json
from tasks import UserError

EXCLUDE = "exclude.jsonl"
FAULT = {"correct": "wrong", "wrong": "right"}  # the label that contradicts a verdict


def findings_of(draw: Draw, labels: Labels) -> dict[str, Any]:
    """Rates with 95% intervals, weighted by the draw: false accepts and rejects, broken tasks, overall and by stratum.

    A trace labelled "unsure" counts as not judged; `num_unsure` says how many these are. UserError if a stratum of a side
    that was judged has no judged trace at all.
    """
    judged = {key: label for key, label in labels.items() if label != "unsure"}
    found: dict[str, Any] = {
        "draw": draw.id,
        "num_drawn": len(draw.rows),
        "num_judged": len(judged),
        "num_unsure": len(labels) - len(judged),
    }
    for name, outcome, accepted_only in (
        ("false_accepts", "correct", False),
        ("false_accepts_of_accepted", "correct", True),
        ("false_rejects", "wrong", False),
    ):

        def within(cell: Cell, outcome=outcome, accepted_only=accepted_only) -> bool:
            return cell.outcome == outcome and (cell.is_accepted or not accepted_only)

        if any(map(within, draw.cells)):
            found[name] = _rate(draw, judged, within, FAULT[outcome])
            found[name.replace("false_accepts", "broken_of_correct").replace("false_rejects", "broken_of_wrong")] = (
                _rate(draw, judged, within, "broken")
            )
    if "false_accepts" in found and "false_rejects" in found:
        found["pass_at_1"], found["verifier"] = _corrected(found["false_accepts"], found["false_rejects"])
    found["strata"] = _by_stratum(draw, judged)
    return found


def write_findings(run: Path, draw: Draw, labels: Labels, found: dict[str, Any]) -> tuple[Path, Path]:
    """Write the findings, and the list of traces and tasks in doubt that `[selection] exclude` reads."""
    folder = run / AUDIT
    write_json(folder / FINDINGS, found)
    path = folder / EXCLUDE
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text("".join(json.dumps(row) + "\n" for row in in_doubt(draw, labels)), encoding="utf-8")
    temporary.rename(path)
    return folder / FINDINGS, path


def in_doubt(draw: Draw, labels: Labels) -> list[dict[str, Any]]:
    """Traces that training must not see: accepted by mistake, and all samples of a task that is broken."""
    rows: list[dict[str, Any]] = []
    broken: set[str] = set()
    for row in draw.rows:
        label = labels.get(row["key"])
        if label == "broken" and row["task_id"] not in broken:
            broken.add(row["task_id"])
            rows.append({"task_id": row["task_id"], "why": "the task is broken"})
        elif label == "wrong" and row["outcome"] == "correct":
            number = int(row["key"].split("/")[0].removeprefix("round_"))
            place = {"round": number, "task_id": row["task_id"], "sample_index": row["sample_index"]}
            rows.append(place | {"why": "the answer is wrong"})
    return rows


def _rate(draw: Draw, judged: Labels, within: Callable[[Cell], bool], fault: str) -> dict[str, float]:
    strata, without = [], []
    for place, cell in enumerate(draw.cells):
        if not within(cell):
            continue
        labels = [judged[row["key"]] for row in draw.rows if row["stratum"] == place and row["key"] in judged]
        if labels:
            strata.append(Stratum(cell.size, len(labels), labels.count(fault)))
        else:
            without.append(cell.name)
    if without:
        raise UserError(
            f"no trace of {'; '.join(without)} is judged yet; the page shows one of each stratum first, so judge these"
        )
    return asdict(stratified_rate(strata)) | {
        "num_faults": sum(stratum.faults for stratum in strata),
        "num_judged": sum(stratum.drawn for stratum in strata),
        "num_traces": sum(stratum.size for stratum in strata),
    }


def _corrected(accepts: dict[str, float], rejects: dict[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """The share of right samples, by verdicts and corrected, and the verifier's rates as `selfplay passk` takes them.

    accepts: share of wrong ones among `correct` verdicts; rejects: share of right ones among `wrong` verdicts. The bounds take
    both intervals at their worst together, so they cover more often than 95%. The verifier's rates condition on the truth
    instead (Stroebl et al. 2024, Inference Scaling Flaws): a wrong sample is accepted, a right one rejected.
    """
    correct, wrong = accepts["num_traces"], rejects["num_traces"]

    def share_right(of_correct: float, of_wrong: float) -> float:
        return (correct * (1 - of_correct) + wrong * of_wrong) / (correct + wrong)

    value = share_right(accepts["value"], rejects["value"])
    bounds = {"low": share_right(accepts["high"], rejects["low"]), "high": share_right(accepts["low"], rejects["high"])}
    num_wrong, num_right = (1 - value) * (correct + wrong), value * (correct + wrong)
    verifier = {
        "false_accept": correct * accepts["value"] / num_wrong if num_wrong else 0.0,
        "false_reject": wrong * rejects["value"] / num_right if num_right else 0.0,
    }
    return {"by_verdicts": correct / (correct + wrong), "value": value} | bounds, verifier


def _by_stratum(draw: Draw, judged: Labels) -> list[dict[str, Any]]:
    rows = []
    for place, cell in enumerate(draw.cells):
        counts = Counter(judged[row["key"]] for row in draw.rows if row["stratum"] == place and row["key"] in judged)
        num_judged = counts.total()
        row = asdict(cell) | {"judged": num_judged, "faults": counts[FAULT[cell.outcome]], "broken": counts["broken"]}
        if num_judged:
            row["rate"] = asdict(stratified_rate([Stratum(cell.size, num_judged, row["faults"])]))
        rows.append(row)
    return rows
