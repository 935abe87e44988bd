"""Figures of any shape as rows of a table."""

from typing import Any

from selfplay.report.charts import number


def leaves(figures: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """The leaves of nested figures by their dotted name, numbers in words a table can hold; lists are joined."""
    found: dict[str, str] = {}
    for key, value in figures.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, dict):
            found |= leaves(value, f"{name}, ")
        elif isinstance(value, list):
            found[name] = ", ".join(map(_cell, value))
        else:
            found[name] = _cell(value)
    return found


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return f"{value:.3g}" if value and not 1e-3 <= abs(value) < 1e9 else number(value)
