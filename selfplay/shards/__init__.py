"""Traces at rest: Parquet files and their manifest."""
