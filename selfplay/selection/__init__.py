"""Selection: which traces become training data."""
