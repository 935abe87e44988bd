"""The provenance of a round's samples: models, engine and sampling parameters, which every row of its shards repeats."""

import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from selfplay.models.files import count_parameters, model_digest
from selfplay.models.flops import decoder_of
from selfplay.recipe.sections import Recipe, Sampling
from selfplay.samplers import sampler_class
from selfplay.storage import read_json, write_json
from tasks import UserError

PROVENANCE = "provenance.json"
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
    teachers: dict[str, dict[str, Any]] = field(
        default_factory=dict
    )  # name -> the three of each further model that samples

    def digest_of(self, model: str) -> str:
        """The digest of the model that a sample names: a teacher's, else that of the round's model."""
        teacher = self.teachers.get(model)
        return teacher["model_digest"] if teacher else self.model_digest


def provenance_of(recipe: Recipe, model: str, folder: Path, teachers: Sequence[str] = ()) -> Provenance:
    """The provenance in a round's folder, written first if the folder holds none.

    `teachers` are the further models that the round samples, each by the name that its samples carry.
    """
    path = folder / PROVENANCE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        engine = recipe.sampling.engine
        others = {name: _described(name) for name in teachers if name != model}
        own = _described(model)
        if len(others) == len(teachers) > 1:  # the round's model is all of them
            digests = json.dumps([facts["model_digest"] for facts in others.values()])
            own["model_digest"] = f"teachers:{hashlib.sha256(digests.encode()).hexdigest()}"
        write_json(
            path,
            asdict(
                Provenance(
                    recipe_digest=recipe.digest,
                    engine=engine,
                    engine_version=_version(engine),
                    sampling=json.dumps(_sampling(recipe.sampling), ensure_ascii=False),
                    teachers=others,
                    **own,
                )
            ),
        )
    return read_provenance(folder)


def _sampling(settings: Sampling) -> dict[str, Any]:
    """The parameters of sampling: the usual ones, and of the rarer ones those that are not at their default."""
    rare = {name: getattr(settings, name).model_dump(exclude_defaults=True) for name in ("chat_template", "more")}
    return {name: getattr(settings, name) for name in _SAMPLING} | {name: keys for name, keys in rare.items() if keys}


def read_provenance(folder: Path) -> Provenance:
    """UserError if the round has none, or one of another version: then its shards cannot be made again."""
    path = folder / PROVENANCE
    try:
        return Provenance(**read_json(path))
    except (OSError, ValueError, TypeError) as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise UserError(
            f"{path} {what}: another version of selfplay began this round. Its shards can be checked and exported as they are; "
            "to make them again, use the selfplay that wrote them"
        ) from None


def _described(model: str) -> dict[str, Any]:
    decoder = decoder_of(model)
    return {
        "model_digest": model_digest(model),
        "num_parameters": count_parameters(model),
        "decoder": asdict(decoder) if decoder else None,
    }


def _version(engine: str) -> str:
    for name in sampler_class(engine).distributions:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""
