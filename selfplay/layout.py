"""The folder of a run on disk: names of its files and folders."""

from pathlib import Path

RECIPE = "recipe.toml"
MANIFEST = "manifest.json"
METRICS = "metrics.json"
CONTROL = "control"  # folder of the control within a run


def round_folder(run: Path, index: int) -> Path:
    return run / f"round_{index:03d}"


def is_control(run: Path) -> bool:
    """Whether this is the folder of a control, within its run."""
    return run.name == CONTROL and (run.parent / RECIPE).exists()


def base_folder(run: Path) -> Path:
    """The first models of a run and their evaluation, which a control shares with its run."""
    return (run.parent if is_control(run) else run) / "base"


def finished_rounds(run: Path) -> list[Path]:
    """The folders of the rounds that are complete, in order."""
    return sorted(path.parent for path in run.glob(f"round_*/{MANIFEST}"))
