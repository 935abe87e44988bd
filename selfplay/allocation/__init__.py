"""Allocation: how many samples each task gets. One file a rule."""
