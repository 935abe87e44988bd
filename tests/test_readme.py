"""The READMEs keep their word: links lead somewhere, headline figures stand in the table that they link to, the example runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
MAX_BYTES = 14_000
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


def readmes() -> list[Path]:
    """Every Markdown file of the checkout, without those of an environment or a run."""
    skipped = {".venv", ".git", "node_modules"}
    return [path for path in sorted(ROOT.rglob("*.md")) if not skipped & set(path.relative_to(ROOT).parts)]


def test_the_readme_is_short_enough_to_be_read():
    assert len(README.read_bytes()) <= MAX_BYTES


@pytest.mark.parametrize("path", readmes(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(path):
    links = _LINK.findall(path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def headlines() -> list[tuple[str, str, Path]]:
    """Rows of the README's table of headline figures: claim, figures, the file that the row links to."""
    section = README.read_text(encoding="utf-8").split("\n## Why\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][2:]
    return [(claim, figure, ROOT / _LINK.search(table)[1]) for claim, figure, table in rows]


def test_there_are_five_headline_figures():
    assert len(headlines()) == 5


@pytest.mark.parametrize("claim, figure, table", headlines(), ids=lambda value: str(value)[:20])
def test_a_headline_figure_stands_in_the_table_it_links_to(claim, figure, table):
    numbers = set(re.findall(r"\d[\d,.]*\d|\d", figure))
    assert numbers, f"{claim!r} has no figure"
    assert {number for number in numbers if number not in table.read_text(encoding="utf-8")} == set()


def test_the_python_example_runs_as_it_stands(tmp_path):
    code = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[1]
    (tmp_path / "tasks.jsonl").write_text('{"prompt": "What is 7 times 8?", "answer": "56"}\n')
    (tmp_path / "completions.jsonl").write_text(
        '{"prompt": "What is 7 times 8?", "completion": "7 times 8 is \\\\boxed{56}."}\n'
        '{"prompt": "What is 7 times 8?", "completion": "It is \\\\boxed{54}."}\n'
    )
    (tmp_path / "stored.toml").write_text(
        '[tasks]\nsource = "files"\npath = "tasks.jsonl"\n'
        '[sampling]\nengine = "replay"\n[sampling.replay]\npath = "completions.jsonl"\n'
        '[allocation]\nsamples_per_task = 2\n[ray]\naddress = "none"\n'
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("correct match 0.5\n")
    assert done.stdout.endswith(" 56 7 times 8 is \\boxed{56}.\n") and "54" not in done.stdout
