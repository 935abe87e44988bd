"""Checkpoints of a training: when one is written, and from which one a killed training goes on."""

import json
import shutil
import time
from pathlib import Path

from selfplay.files_on_disk import read_json, write_json

CHECKPOINT_SECONDS = 60.0  # between two checkpoints, at least: about what a kill can cost
MOST_SHARE = 0.05  # of a training's time that writing checkpoints may take, where one of them takes long

_TRAINING = "checkpoints.json"  # whose checkpoints these are, and how long it took to the last of them
_STATE = "trainer_state.json"  # what the trainer writes last of all into a checkpoint


class Checkpoints:
    """The checkpoints of one training, in the folder that it works in.

    `identity` is a digest of all that decides its result: checkpoints of another training are thrown away.
    """

    def __init__(self, folder: Path, identity: str, every_seconds: float = CHECKPOINT_SECONDS):
        self._folder = folder
        self._identity = identity
        self._every_seconds = every_seconds
        self._started = time.monotonic()
        path = folder / _TRAINING
        before = read_json(path) if path.exists() else {}
        if before.get("identity") != identity:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            before = {"identity": identity, "seconds": 0.0}
            write_json(path, before)
        self.last = _last_whole(folder)  # folder of the checkpoint to go on from; empty where there is none
        self._seconds_before = before["seconds"] if self.last else 0.0

    @property
    def seconds(self) -> float:
        """Wall time of the training: of the processes before up to their last checkpoint, and of this one."""
        return self._seconds_before + time.monotonic() - self._started

    def callback(self):
        """For the trainer: asks for a checkpoint when one is due, and notes what it took."""
        from transformers import TrainerCallback

        checkpoints = self

        class Due(TrainerCallback):
            due = time.monotonic() + checkpoints._every_seconds
            asked = 0.0

            def on_step_end(self, args, state, control, **rest):
                if time.monotonic() >= self.due and state.global_step < state.max_steps:
                    self.asked = time.monotonic()
                    control.should_save = True

            def on_save(self, args, state, control, **rest):
                write_json(checkpoints._folder / _TRAINING, {"identity": checkpoints._identity, "seconds": checkpoints.seconds})
                took = time.monotonic() - self.asked
                self.due = time.monotonic() + max(checkpoints._every_seconds, took / MOST_SHARE)

        return Due()

    def remove(self) -> None:
        """When the training has ended: what it left of them."""
        for folder in self._folder.glob("checkpoint-*"):
            shutil.rmtree(folder)
        (self._folder / "README.md").unlink(missing_ok=True)  # a model card that trl writes with each checkpoint
        (self._folder / _TRAINING).unlink()


def _last_whole(folder: Path) -> str:
    """The newest checkpoint that was written to its end; those that were not are removed."""
    newest = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    for path in newest:
        try:
            json.loads((path / _STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(path)
        else:
            return str(path)
    return ""
