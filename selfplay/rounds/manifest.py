"""The manifest of a round: written last, so that its presence means that the round is complete."""

from dataclasses import asdict, dataclass
from pathlib import Path

from selfplay.layout import MANIFEST, round_folder
from selfplay.records import ACCEPTED
from selfplay.shards.files import MIXED, Shard
from selfplay.storage import read_json, write_json


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a complete round sampled, made and trained."""

    index: int
    model: str  # path or hub name of the model that was sampled
    model_digest: str
    next_model: str  # what the next round samples; the same as `model` if nothing was trained, or only a student
    recipe_digest: str
    shards: list[Shard]
    metrics: str  # file name of the figures
    schema_version: int  # of the shards
    parents: list[str]  # SHA-256 of the shards that the sampled model was trained on; empty for the first model
    student: str = ""  # what this round trained, if it is another model than what is sampled

    def write(self, folder: Path) -> None:
        """Write it into the folder of its round."""
        write_json(folder / MANIFEST, asdict(self))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a complete round."""
    content = read_json(folder / MANIFEST)
    return Manifest(**content | {"shards": [Shard(**shard) for shard in content["shards"]]})


def parents_of(run: Path, index: int) -> list[str]:
    """SHA-256 of the shards that the model of round `index` was trained on; empty for the first model."""
    if not index:
        return []
    before = read_manifest(round_folder(run, index - 1))
    if before.next_model == before.model:
        return []
    return [shard.sha256 for shard in before.shards if shard.kind in (ACCEPTED, MIXED)]
