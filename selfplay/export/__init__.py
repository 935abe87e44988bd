"""Rows that other trainers read, with a dataset card."""
