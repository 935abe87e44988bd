"""Programs with tests: honest, hostile and tricky ones."""
