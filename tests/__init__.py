"""Tests of the whole project, and benchmarks."""
