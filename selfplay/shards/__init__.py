"""Traces at rest: Parquet files and their manifest. README.md beside this file lists their columns."""

from selfplay.shards.files import Shard, read_in_order, read_rows, read_shards, read_traces, write_shards
from selfplay.shards.schema import COLUMNS, SCHEMA, SCHEMA_VERSION, ShardRow

__all__ = [
    "COLUMNS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "Shard",
    "ShardRow",
    "read_in_order",
    "read_rows",
    "read_shards",
    "read_traces",
    "write_shards",
]
