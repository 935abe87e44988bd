"""The loop: sample, verify, select, train, measure."""
