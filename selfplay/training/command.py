"""Training by a command of the user's."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from tasks import UserError


def fit_by_command(
    command: str, model: str, shards: str, out: Path, checkpoint: Path, address: str = "", num_gpus: float = 0
) -> float:
    """Run the user's trainer, which leaves a model in {out}; the wall time in seconds. Its placeholders:

    {model}       the model to start from: a path or a hub name
    {shards}      a pattern of Parquet files: the accepted traces, and the rows that [selection.mix] adds
    {out}         an empty folder for the model
    {checkpoint}  a folder that a killed command finds as it left it, to go on from
    {address}     the address of the Ray cluster, which the command's environment also holds as RAY_ADDRESS; empty without one
    {num_gpus}    GPUs that are free for it, also as SELFPLAY_NUM_GPUS: those of the run, since the engines made room
    """
    started = time.monotonic()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    checkpoint.mkdir(exist_ok=True)
    values = {"model": model, "shards": shards, "out": out, "checkpoint": checkpoint, "address": address}
    filled = command
    for name, value in (values | {"num_gpus": f"{num_gpus:g}"}).items():
        filled = filled.replace(f"{{{name}}}", str(value))
    variables = {"SELFPLAY_NUM_GPUS": f"{num_gpus:g}"} | ({"RAY_ADDRESS": address} if address else {})
    finished = subprocess.run(filled, shell=True, env=os.environ | variables)
    if finished.returncode:
        raise UserError(f"the training command ended with status {finished.returncode}: {filled}")
    if not (out / "config.json").exists():
        raise UserError(f"the training command left no model (config.json) in {{out}}: {filled}")
    return time.monotonic() - started
