"""The rows of a shard: one explicit, versioned schema, and the way from a trace to a row and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple, TypedDict

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from selfplay.models.flops import Decoder
from selfplay.records import Sample, Trace
from selfplay.shards.provenance import Provenance
from tasks import Task
from verifiers import Verdict

SCHEMA_VERSION = 2
VERSION_KEY = "selfplay_schema_version"  # of the files' metadata

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


class Column(NamedTuple):
    """A column of a shard."""

    name: str
    type: pa.DataType
    since: int  # the first schema version that has it
    meaning: str  # with unit; for the README beside this file


COLUMNS = (
    Column("round", pa.int32(), 1, "number of the round, from 0"),
    Column("task_number", pa.int64(), 2, "place of the task among those of the round that have traces, from 0"),
    Column("task_id", pa.string(), 1, "hash of prompt and reference, 16 hexadecimal digits"),
    Column("source", pa.string(), 1, "source of the task, such as `gsm8k`"),
    Column("license", pa.string(), 2, "of the source; empty: the source names none"),
    Column("prompt", _MESSAGES, 1, "chat messages, as they were put to the model"),
    Column("reference", pa.string(), 1, "JSON: what the verifier checks against, as in `selfplay verify`"),
    Column("metadata", pa.string(), 1, "JSON: whatever else the source knows of the task, such as its difficulty"),
    Column("sample_index", pa.int32(), 1, "number of the sample of its task, from 0"),
    Column("completion", pa.string(), 1, "text that the model wrote; half of a surrogate pair is U+FFFD"),
    Column("finish_reason", pa.string(), 1, "`stop`; `length`: cut at max_tokens; `failed`: the engine drew no sample"),
    Column("prompt_tokens", pa.int32(), 1, "tokens of the prompt"),
    Column("cached_tokens", pa.int32(), 1, "those of them that the engine did not compute again"),
    Column("completion_tokens", pa.int32(), 1, "tokens of the completion"),
    Column("flops", pa.float64(), 2, "floating-point operations of the sample; null: the model's size is not known"),
    Column("token_ids", pa.list_(pa.int32()), 1, "tokens of the completion; empty: the engine does not return them"),
    Column("cumulative_logprob", pa.float64(), 1, "nats, under the distribution sampled from; null: not returned"),
    Column("seed", pa.int64(), 1, "of the sample"),
    Column("sampling", pa.string(), 2, "JSON: temperature, top_p, top_k, max_tokens, stop"),
    Column("model", pa.string(), 1, "path or name of the model that was sampled"),
    Column("model_digest", pa.string(), 2, "SHA-256 over its files; of a hub model or a server: by name"),
    Column("engine", pa.string(), 2, "`vllm`, `transformers`, `openai` or `replay`"),
    Column("engine_version", pa.string(), 2, "of the engine's package; empty: not installed where the run was played"),
    Column("recipe_digest", pa.string(), 2, "of every key of the recipe that decides a row"),
    Column("outcome", pa.string(), 1, "`correct`, `wrong`, or `undecided`: the checker failed, not the model"),
    Column("reason", pa.string(), 1, "of the verdict, such as `match`, `no_answer`, `timeout`"),
    Column("answer", pa.string(), 1, "final answer as extracted; of a program, what happened"),
    Column("verify_seconds", pa.float64(), 1, "wall time of the check"),
    Column("verifier", pa.string(), 1, "name@version, with the sandbox tier of a program's verifier"),
    Column(
        "selection", pa.string(), 1, "`accepted`, or why not, such as `duplicate`; in mixed shards, where a row is from"
    ),
)
SCHEMA = pa.schema([(column.name, column.type) for column in COLUMNS])


class ShardRow(TypedDict):
    """A row as `read_shards` yields it; COLUMNS says what each column means."""

    round: int
    task_number: int
    task_id: str
    source: str
    license: str
    prompt: list[dict[str, str]]
    reference: dict[str, Any]
    metadata: dict[str, Any]
    sample_index: int
    completion: str
    finish_reason: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    flops: float | None
    token_ids: list[int]
    cumulative_logprob: float | None
    seed: int
    sampling: str
    model: str
    model_digest: str
    engine: str
    engine_version: str
    recipe_digest: str
    outcome: str
    reason: str
    answer: str
    verify_seconds: float
    verifier: str
    selection: str


_PLACE = {name: number for number, name in enumerate(SCHEMA.names)}
_DISTINCT = {"completion", "token_ids", "seed", "cumulative_logprob", "verify_seconds", "prompt"}
# Leaf columns whose values repeat from row to row: Parquet stores each value once.
DICTIONARY_COLUMNS = [name for name in SCHEMA.names if name not in _DISTINCT] + [
    "prompt.list.element.role",
    "prompt.list.element.content",
]


def table_of(rows: list[tuple], provenance: Provenance) -> pa.Table:
    """A table of rows made by `row_of`, with the operations of each sample. Half of a surrogate pair, which no UTF-8 can hold, becomes U+FFFD."""
    columns = []
    for values, field in zip(zip(*rows, strict=True), SCHEMA, strict=True):
        try:
            columns.append(pa.array(values, field.type))
        except UnicodeEncodeError:
            columns.append(pa.array([_encodable(value) for value in values], field.type))
    tokens = [columns[_PLACE[f"{kind}_tokens"]].to_numpy() for kind in ("prompt", "cached", "completion")]
    flops = operations([row[_PLACE["model"]] for row in rows], tokens, provenance)
    columns[_PLACE["flops"]] = pa.array(flops, mask=np.isnan(flops))
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def operations(models: list[str], tokens: list[NDArray], provenance: Provenance) -> NDArray[np.float64]:
    """Floating-point operations of each sample, by the model that drew it; nan if that model's size is not known.

    tokens: of the prompt, of it cached, and of the completion, each an array [samples].
    """
    names = np.array([model if model in provenance.teachers else "" for model in models])
    found = np.full(len(models), np.nan)
    for name in set(names.tolist()):
        if decoder := _decoder(provenance.teachers.get(name) or asdict(provenance)):
            found[names == name] = decoder.sampling(*(column[names == name] for column in tokens))
    return found


def _decoder(model: Mapping[str, Any]) -> Decoder | None:
    """The decoder of a model, from its provenance."""
    if model["decoder"]:
        return Decoder.from_dict(model["decoder"])
    return Decoder(model["num_parameters"], 0, (), "parameters") if model["num_parameters"] else None


def task_columns(task: Task, number: int) -> tuple:
    """The columns that all traces of a task share, made once."""
    row = task.to_dict()
    return (
        number,
        task.id,
        task.source,
        str(task.metadata.get("license") or ""),
        row["prompt"],
        json.dumps(row["reference"], ensure_ascii=False),
        json.dumps(row["metadata"], ensure_ascii=False),
    )


def row_of(trace: Trace, selection: str, described: tuple, provenance: Provenance) -> tuple:
    """The values of SCHEMA, in its order."""
    sample, verdict = trace.sample, trace.verdict
    return (
        trace.round,
        *described,
        sample.index,
        sample.text,
        sample.finish_reason,
        sample.prompt_tokens,
        sample.cached_tokens,
        sample.completion_tokens,
        None,  # operations: table_of counts them for all rows at once
        sample.token_ids,
        sample.cumulative_logprob,
        sample.seed,
        provenance.sampling,
        sample.model,
        provenance.digest_of(sample.model),
        provenance.engine,
        provenance.engine_version,
        provenance.recipe_digest,
        verdict.outcome.value,
        verdict.reason.value,
        verdict.answer,
        verdict.seconds,
        verdict.verifier,
        selection,
    )


def task_of(row: dict[str, Any]) -> Task:
    return Task.from_dict(
        {
            "id": row["task_id"],
            "source": row["source"],
            "prompt": row["prompt"],
            "reference": json.loads(row["reference"]),
            "metadata": json.loads(row["metadata"]),
        }
    )


def trace_of(row: dict[str, Any], task: Task) -> Trace:
    sample = Sample(
        task_id=row["task_id"],
        index=row["sample_index"],
        text=row["completion"],
        finish_reason=row["finish_reason"],
        prompt_tokens=row["prompt_tokens"],
        cached_tokens=row["cached_tokens"],
        completion_tokens=row["completion_tokens"],
        token_ids=tuple(row["token_ids"]),
        cumulative_logprob=row["cumulative_logprob"],
        seed=row["seed"],
        model=row["model"],
    )
    verdict = Verdict.from_dict(
        {
            "outcome": row["outcome"],
            "reason": row["reason"],
            "answer": row["answer"],
            "seconds": row["verify_seconds"],
            "verifier": row["verifier"],
        }
    )
    return Trace(task, sample, verdict, row["round"])


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list | tuple):
        return [_encodable(part) for part in value]
    return {key: _encodable(part) for key, part in value.items()} if isinstance(value, dict) else value
