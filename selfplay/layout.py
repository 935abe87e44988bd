"""The folder of a run on disk: names of its files and folders."""

from pathlib import Path
from urllib.parse import quote

RECIPE = "recipe.toml"
MANIFEST = "manifest.json"
METRICS = "metrics.json"
CONTROL = "control"  # folder of the control within a run
TASKS = "tasks.jsonl"  # the tasks that a round keeps
CORPUS_ROWS = "corpus.jsonl"  # the rows of the corpus that a round mixes in
HELD_OUT = "held_out"  # folder of the held-out tasks that a run keeps
AUDIT = "audit"  # folder of a run's audit
PLAN = "plan.json"  # in the run's folder: what `selfplay plan` said before its first round ended
FINDINGS = "findings.json"  # of the audit, in its folder
REVERIFIED = "reverified"  # folder within a round: the verdicts of present verifiers, and the shards that they make
VERDICTS = "verdicts.parquet"  # in it
EVALUATION = "evaluation"  # name of the tasks of [evaluation] among them; the others are [selection.against.NAME]


def round_folder(run: Path, index: int) -> Path:
    return run / f"round_{index:03d}"


def is_control(run: Path) -> bool:
    """Whether this is the folder of a control, within its run."""
    return run.name == CONTROL and (run.parent / RECIPE).exists()


def base_folder(run: Path) -> Path:
    """The first models of a run and their evaluation, which a control shares with its run."""
    return (run.parent if is_control(run) else run) / "base"


def keeps_tasks(run: Path) -> bool:
    """Whether a run has begun, and keeps the tasks of a round or its held-out tasks."""
    return any(run.glob(f"round_*/{TASKS}")) or (run / HELD_OUT).exists()


def held_out_path(run: Path, name: str) -> Path:
    """The file of a set of held-out tasks, which a control shares with its run."""
    return base_folder(run).parent / HELD_OUT / f"{quote(name, safe='')}.jsonl"


def finished_rounds(run: Path) -> list[Path]:
    """The folders of the rounds that are complete, in order."""
    return sorted(path.parent for path in run.glob(f"round_*/{MANIFEST}"))
