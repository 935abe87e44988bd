"""Checkpoints of a training: when one is written, and from which one a killed training goes on."""

import shutil
import time
from pathlib import Path

from selfplay.storage import force_to_disk, read_json, write_json

CHECKPOINT_SECONDS = 60.0  # between two checkpoints, at least: about what a kill can cost
MOST_SHARE = 0.05  # of a training's time that writing checkpoints may take, if one of them takes long

_NOTE = "checkpoints.json"  # whose checkpoints these are, the last that is whole, and how long it took to that one


class Checkpoints:
    """The checkpoints of one training, in the folder that it works in.

    `identity` is a digest of all that decides its result: checkpoints of another training are not gone on from. Several
    processes that train together see the same folder; the first of them notes.
    """

    def __init__(self, folder: Path, identity: str, every_seconds: float = CHECKPOINT_SECONDS):
        self._folder = folder
        self._identity = identity
        self._every_seconds = every_seconds
        self._started = time.monotonic()
        self._seconds_before = 0.0
        self.last = ""  # folder of the checkpoint to go on from; empty if there is none
        note = read_json(folder / _NOTE) if (folder / _NOTE).exists() else {}
        if note.get("identity") == identity:
            self.last, self._seconds_before = str(folder / note["last"]), note["seconds"]

    def begin(self) -> None:
        """Throw away all that another training left. One process calls it, before any of them trains."""
        if not self.last:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)

    @property
    def seconds(self) -> float:
        """Wall time of the training: of the processes before up to their last checkpoint, and of this one."""
        return self._seconds_before + time.monotonic() - self._started

    def callback(self):
        """For the trainer: asks for a checkpoint when one is due, and notes it when it is whole."""
        from transformers import TrainerCallback

        checkpoints = self

        class Due(TrainerCallback):
            due = time.monotonic() + checkpoints._every_seconds
            asked = 0.0

            def on_step_end(self, args, state, control, **rest):
                if _agreed(time.monotonic() >= self.due, args.device) and state.global_step < state.max_steps:
                    self.asked = time.monotonic()
                    control.should_save = True

            def on_save(self, args, state, control, **rest):
                _agreed(True, args.device)  # wait: every process has written its part
                if state.is_world_process_zero:
                    checkpoints._note(f"checkpoint-{state.global_step}")
                took = time.monotonic() - self.asked
                self.due = time.monotonic() + max(checkpoints._every_seconds, took / MOST_SHARE)

        return Due()

    def remove(self) -> None:
        """When the training has ended: all that they left."""
        for folder in self._folder.glob("checkpoint-*"):
            shutil.rmtree(folder)
        for name in (_NOTE, "README.md"):  # a model card that trl writes with each checkpoint
            (self._folder / name).unlink(missing_ok=True)

    def _note(self, name: str) -> None:
        """The checkpoint of this name is whole: go on from it after a kill, and keep no other."""
        force_to_disk(self._folder / name)
        write_json(self._folder / _NOTE, {"identity": self._identity, "last": name, "seconds": self.seconds})
        for folder in self._folder.glob("checkpoint-*"):
            if folder.name != name:
                shutil.rmtree(folder)


def _agreed(answer: bool, device) -> bool:
    """The answer of the first process, to each process that trains; they wait for each other."""
    import torch
    import torch.distributed as group

    if not (group.is_available() and group.is_initialized()):
        return answer
    said = torch.tensor([int(answer and group.get_rank() == 0)], device=device)
    group.all_reduce(said)  # a sum, and not a broadcast: that one would let the first process go on alone
    return bool(said.item())
