"""Proofs with the verdict that each must get, and why."""
