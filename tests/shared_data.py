"""Where labelled cases and real data lie, for the tests and benchmarks that read them."""

import os
from pathlib import Path

_folder = Path(os.environ.get("SELFPLAY_SHARED", Path(__file__).resolve().parents[2] / "shared"))

SHARED: Path | None = _folder if (_folder / "data").is_dir() else None  # None: what needs it skips and says so
