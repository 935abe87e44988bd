"""Real `selfplay run` processes on a terminal are told to stop, and the same command goes on."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selfplay.journal import read_journal
from selfplay.models.tiny_llama import create_model
from tests.factories import small_recipe_file

MARK = "SELFPLAY_TEST_RUN"  # in the environment of a run and of all that it starts

SOME = r"(?!0 )\S+ of \S+ samples"  # have their verdict: what is only sampled may be lost
MORE = r"(\S+) of \S+ samples, (?!\1 of them)\S+ of them resumed"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return create_model(tmp_path_factory.mktemp("models") / "model", hidden_size=32, num_layers=1, max_length=64)


def stop_when(recipe, shown, number=signal.SIGINT, overrides=()):
    """Start a run, send it a signal once `shown` stands on its terminal; its status, the seconds it took, and its text."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "from selfplay.cli import main; main()", "run", str(recipe), *overrides]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", MARK: str(recipe)}
    # a shell's background job ignores SIGINT, and so would its children
    hears = signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment)
    signal.signal(signal.SIGINT, hears)
    os.close(theirs)
    text, told = "", 0.0
    deadline = time.monotonic() + 200
    try:
        while time.monotonic() < deadline and (piece := read(ours)) is not None:
            text += piece
            if not told and re.search(shown, text):
                process.send_signal(number)
                told = time.monotonic()
        process.wait(max(1.0, deadline - time.monotonic()))
        assert told, f"the run never showed {shown!r}: {text[-2000:]}"
        return process.returncode, time.monotonic() - told, text
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read(terminal):
    """What has come, "" where nothing has, None when the other side is closed."""
    if not select.select([terminal], [], [], 0.05)[0]:
        return ""
    try:
        return os.read(terminal, 65536).decode(errors="replace") or None
    except OSError:
        return None


def written(folder, model, num_tasks, num_held_out):
    return small_recipe_file(
        folder,
        name="told",
        tasks={"num_tasks": num_tasks, "operands": None},
        model={"create": None, "path": str(model)},
        pretraining=None,
        sampling={"max_tokens": 8},
        selection={"verified": False},
        training={"steps": 100_000, "batch_size": 8, "learning_rate": None},
        evaluation={"tasks": {"num_tasks": num_held_out, "operands": None}, "k": [1]},
    )


def assert_stopped(status, seconds, text):
    assert status == 130, text[-2000:]
    assert seconds < 5.0 * max(
        1.0, os.getloadavg()[0] / os.cpu_count()
    )  # on a machine that others keep busy, a share of it
    assert "the same command goes on from there" in text
    assert "Traceback" not in text


def rows(journal):
    return {(sample.task_id, sample.index): sample.text for sample, _ in read_journal(journal)}


def test_ctrl_c_during_evaluation_stops_in_time_with_its_samples_on_disk(tmp_path, model):
    assert_stopped(*stop_when(written(tmp_path, model, 8, 20_000), rf"base: evaluation: {SOME}"))
    assert rows(tmp_path / "told" / "base" / "evaluation")


def test_ctrl_c_during_training_stops_in_time(tmp_path, model):
    assert_stopped(*stop_when(written(tmp_path, model, 8, 2), r"training: step"))
    assert len(rows(tmp_path / "told" / "round_000" / "journal")) == 32
    assert not (tmp_path / "told" / "round_000" / "model").exists()


def test_a_run_stopped_while_sampling_goes_on_with_what_it_had(tmp_path, model):
    path = written(tmp_path, model, 40_000, 2)
    journal = tmp_path / "told" / "round_000" / "journal"
    assert_stopped(*stop_when(path, rf"sampling: {SOME}"))
    before = rows(journal)
    assert before
    assert_stopped(*stop_when(path, rf"sampling: {MORE}", signal.SIGTERM))
    after = rows(journal)
    assert len(after) > len(before)
    assert before.items() <= after.items()


def test_sigterm_stops_a_run_on_ray_in_time_and_leaves_no_process(tmp_path, model):
    path = written(tmp_path, model, 40_000, 2)
    assert_stopped(
        *stop_when(path, rf"sampling: {SOME}", signal.SIGTERM, ["--set=ray.address=local", "--set=name=told"])
    )
    assert rows(tmp_path / "told" / "round_000" / "journal")
    deadline = time.monotonic() + 20
    while (left := descendants(path)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left


def descendants(recipe):
    """Command lines of the processes that a run of this recipe has left, Ray's among them: they inherit the mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={recipe}\0".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes())
        except OSError:
            continue
    return found
