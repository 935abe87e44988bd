"""A recipe: everything that a run is told, checked before anything starts."""

import difflib
import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks import UserError

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Sampling(Section):
    """[sampling]: the engine and how it samples."""

    engine: Literal["transformers", "vllm", "openai", "replay"] = "transformers"
    samples_per_task: Count = 4
    temperature: Annotated[float, Field(ge=0)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0  # 0: all tokens
    max_tokens: Count = 1024
    stop: list[str] = []
    batch_size: Count = 256  # transformers: sequences at once
    engine_options: dict[str, Any] = {}  # vllm: arguments of AsyncEngineArgs; transformers: of from_pretrained
    logprobs: bool = True  # vllm: give each sample its cumulative log-probability
    base_url: str = ""  # openai
    endpoint: Literal["chat", "completions"] = "chat"  # openai: "completions" for a base model without a chat template
    api_key_env: str = "OPENAI_API_KEY"  # openai: environment variable that holds the key
    max_retries: Annotated[int, Field(ge=0)] = 8  # openai: a request, with exponential back-off
    max_concurrency: Count = 64  # openai: requests at once
    timeout_seconds: Annotated[float, Field(gt=0)] = 600.0  # openai: a request
    path: str = ""  # replay: a JSONL file of completions
