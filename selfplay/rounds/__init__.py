"""A run: its rounds, from sampling to the next model."""
