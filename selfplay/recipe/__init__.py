"""A recipe: everything that a run is told."""
