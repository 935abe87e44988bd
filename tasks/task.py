"""A task: one problem, as it is put to a model, with the reference that its verifier checks against."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.references import Reference, reference_from_dict, reference_to_dict

Message = Mapping[str, str]  # {"role": "system" | "user" | "assistant", "content": text}


@dataclass(frozen=True, slots=True)
class Task:
    """One problem with its reference."""

    id: str  # hash of prompt and reference, 16 hexadecimal digits
    source: str  # name of the source that it came from
    prompt: tuple[Message, ...]  # chat messages
    reference: Reference
    metadata: Mapping[str, Any] = field(default_factory=dict)  # difficulty, subject, licence: whatever the source knows

    @classmethod
    def make(cls, source: str, prompt: str | list[Message], reference: Reference, **metadata: Any) -> "Task":
        """A task with its id; a plain prompt becomes one user message."""
        messages = ({"role": "user", "content": prompt},) if isinstance(prompt, str) else tuple(prompt)
        content = json.dumps([messages, reference_to_dict(reference)], sort_keys=True, ensure_ascii=False)
        return cls(hashlib.sha256(content.encode()).hexdigest()[:16], source, messages, reference, metadata)

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "source": self.source,
            "prompt": [dict(message) for message in self.prompt],
            "reference": reference_to_dict(self.reference),
            "metadata": dict(self.metadata),
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "Task":
        return cls(
            row["id"], row["source"], tuple(row["prompt"]), reference_from_dict(row["reference"]), dict(row["metadata"])
        )
