"""Games whose answers are checked by their rules alone."""
