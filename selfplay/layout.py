"""The folder of a run: names, whole-file writes, digests."""

from pathlib import Path

RECIPE = "recipe.toml"
MANIFEST = "manifest.json"
METRICS = "metrics.json"
CONTROL = "control"  # folder of the control within a run


def round_folder(run: Path, index: int) -> Path:
    return run / f"round_{index:03d}"


def finished_rounds(run: Path) -> list[Path]:
    """The folders of the rounds that are complete, in order."""
    return sorted(path.parent for path in run.glob(f"round_*/{MANIFEST}"))
