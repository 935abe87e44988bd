"""Facts about checkpoints; no training."""
