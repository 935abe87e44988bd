"""Figures read from the files of a run."""
