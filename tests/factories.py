"""Small recipes for the tests of whole runs."""

import os
from pathlib import Path
from typing import Any

from rich.console import Console

from selfplay.progress import Progress
from selfplay.recipe import Recipe, to_toml

SMALL: dict[str, Any] = {  # a model of 10,000 weights that learns to add two or three digits, in this process
    "name": "small",
    "tasks": {"source": "arithmetic", "num_tasks": 60, "operands": [2, 3]},
    "model": {"create": {"hidden_size": 32, "num_layers": 1, "max_length": 32}},
    "pretraining": {"steps": 60, "batch_size": 32, "learning_rate": 1e-2, "corruption": 0.5},
    "sampling": {"max_tokens": 16, "batch_size": 64},
    "training": {"steps": 8, "batch_size": 16, "learning_rate": 1e-3},
    "evaluation": {
        "tasks": {"source": "arithmetic", "split": "test", "operands": [2, 3], "num_tasks": 20},
        "samples_per_task": 4,
        "k": [1, 4],
    },
    "ray": {"address": "none"},
}
SAMPLED: dict[str, Any] = dict.fromkeys(
    ("pretraining", "training", "evaluation")
)  # a recipe without these only samples


def small_recipe(**sections: Any) -> Recipe:
    """SMALL with other keys in some sections; None drops a section or a key."""
    return Recipe.model_validate(_merged(SMALL, sections))


def small_recipe_file(folder: Path, **sections: Any) -> Path:
    """The same as a file of the recipe's name, `small.toml` by default; a run of it lies beside the file."""
    table = _merged(SMALL, sections)
    Recipe.model_validate(table)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{table['name']}.toml"
    path.write_text(to_toml(table), encoding="utf-8")
    return path


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    merged = old | {
        key: _merged(old[key], value) if isinstance(value, dict) and isinstance(old.get(key), dict) else value
        for key, value in new.items()
    }
    return {key: value for key, value in merged.items() if value is not None}


def quietly() -> Progress:
    """Progress that nobody sees."""
    return Progress(Console(file=open(os.devnull, "w", encoding="utf-8")))
