"""Writes the README beside this file: every column of a shard, from the schema itself.

python -m selfplay.shards.reference > selfplay/shards/README.md
"""

import pyarrow as pa

from selfplay.shards.schema import COLUMNS, SCHEMA_VERSION, VERSION_KEY

HEAD = """# Shards

The traces of a round as Parquet files, one row a trace, in `RUN/round_000/shards/`. This page is generated from
`selfplay/shards/schema.py` by `python -m selfplay.shards.reference`, and a test holds it up to date.

| file | rows |
|---|---|
| `accepted-00000.parquet` ... | what selection kept: the training data |
| `rejected-00000.parquet` ... | all others, each with the reason in `selection` |
| `mixed-00000.parquet` ... | what else the round trained on, if the recipe has [selection.mix] |

- Rows stand in the order of tasks and samples. The same journal gives the same bytes, so a lost shard can be made again:
  `selfplay shards rebuild RUN`.
- `RUN/round_000/manifest.json` lists every file with its size and SHA-256; `selfplay shards check RUN` compares them.
- The files are compressed with zstd. Their metadata holds `{key}`, the version of the schema, which is {version} now.
  This selfplay reads that version alone; `selfplay shards check` takes any.

```python
from selfplay import read_shards

for row in read_shards("runs/quickstart"):  # accepted traces of all finished rounds; kind="rejected" for the others
    print(row["prompt"][-1]["content"], row["completion"], row["verifier"])
```

Any reader of Parquet does as well, such as `duckdb -c "select reason, count(*) from 'RUN/round_*/shards/*.parquet' group by 1"`.
There `reference` and `metadata` are JSON texts; `read_shards` parses them.

## Columns

| column | type | since | meaning |
|---|---|---|---|
"""

VERSIONS = """
## Versions

| version | change |
|---|---|
| 2 | `task_number`, `license`, `flops`, `sampling`, `model_digest`, `engine`, `engine_version`, `recipe_digest` are new |
| 1 | the first |
"""


def reference() -> str:
    """The whole page."""
    rows = [f"| `{column.name}` | {_type(column.type)} | {column.since} | {column.meaning} |\n" for column in COLUMNS]
    return HEAD.format(key=VERSION_KEY, version=SCHEMA_VERSION) + "".join(rows) + VERSIONS


def _type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_type(kind.value_type)}"
    if pa.types.is_struct(kind):
        return "{" + ", ".join(f"{part.name}: {_type(part.type)}" for part in kind) + "}"
    return "float64" if kind == pa.float64() else str(kind)


if __name__ == "__main__":
    print(reference(), end="")
