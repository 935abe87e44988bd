"""Estimators: pure functions of numbers, with the sources of their formulas."""
