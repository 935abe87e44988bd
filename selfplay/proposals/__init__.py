"""Tasks that a model writes: proposed, let in by a gate, scored by how often they are solved."""
