"""Sources of tasks: one file each, and one row each in the registry."""
