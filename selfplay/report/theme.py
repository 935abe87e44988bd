"""The style sheet of a report, and the part of it that a lone SVG needs."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent


def asset(name: str) -> str:
    """The text of a file in this folder."""
    return (FOLDER / name).read_text(encoding="utf-8")


def svg_style() -> str:
    """A style element with the colours of theme.css, for light and for dark."""
    colors = re.sub(r"\s*\n\s*", "", asset("theme.css")).replace("}", "}\n").strip()
    return f"<style>\n{colors}\nsvg{{font-family:system-ui,sans-serif}}\n</style>"
