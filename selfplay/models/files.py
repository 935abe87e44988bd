"""Facts about a checkpoint on disk: its digest and its number of parameters."""

import hashlib
import json
import math
import struct
from pathlib import Path


def count_parameters(model: str) -> int:
    """Parameters of a model folder, from the heads of its safetensors files; 0 if there are none."""
    total = 0
    for path in sorted(Path(model).glob("*.safetensors")) if model else []:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            head = json.loads(file.read(length))
        total += sum(math.prod(tensor["shape"]) for name, tensor in head.items() if name != "__metadata__")
    return total


def model_digest(model: str) -> str:
    """SHA-256 over the names and contents of a model folder's files; a hub name stands for itself."""
    folder = Path(model)
    if not folder.is_dir():
        return f"hub:{model}"
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors", ".bin", ".model", ".txt", ".jinja"):
            whole.update(path.name.encode())
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
    return "sha256:" + whole.hexdigest()
