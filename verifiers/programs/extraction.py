"""The program in a completion: its last fenced block of Python, any fenced block, or the bare text where it is code."""

import ast
import re
import threading

from verifiers.thinking import spoken_part

_FENCE = re.compile(
    r"^[ \t]*(`{3,}+|~{3,}+)[ \t]*+([^\s`]*+)[^\n`]*$"
)  # what matched is never tried shorter: a line may be long
_parsing = threading.Lock()
_PYTHON = {"python", "py", "python3", "py3"}
_CODE_LINE = re.compile(r"^(def |class |import |from \w+ import |@|for .*:|while .*:|if .*:|print\(|\w+ *= *\S)", re.M)


def extract_program(completion: str, entry_point: str = "") -> str | None:
    """The source of the program that a completion gives; None where it gives none.

    Of several blocks the last one counts that defines the entry point, where one does: what follows it is often an example
    of use. A block that is never closed runs to the end of the text. A program within the model's thinking is no answer.
    """
    completion = spoken_part(completion) or ""
    blocks = _blocks(completion)
    if blocks:
        python = [text for language, text in blocks if language in _PYTHON] or [text for _, text in blocks]
        defining = [text for text in python if entry_point and _defines(text, entry_point)]
        return (defining or python)[-1]
    return completion if _is_code(completion) else None


def parse_program(text: str) -> ast.Module:
    """Python's own parser, one thread at a time: CPython 3.11 takes two at once for a fault (SystemError, cpython#106905).

    Raises SyntaxError, ValueError, RecursionError or MemoryError where the text is no program.
    """
    with _parsing:
        return ast.parse(text)


def _blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of every fenced block, in order."""
    blocks, fence, language, lines = [], "", "", []
    for line in text.splitlines(keepends=True):
        match = _FENCE.match(line.rstrip("\r\n"))
        if not fence and match:
            fence, language, lines = match[1], match[2].lower(), []
        elif fence and match and match[1].startswith(fence) and not match[2]:
            blocks.append((language, _dedent(lines)))
            fence = ""
        elif fence:
            lines.append(line)
    if fence:
        blocks.append((language, _dedent(lines)))
    return blocks


def _dedent(lines: list[str]) -> str:
    """A block inside a list is indented as a whole; take that away, and nothing else."""
    indents = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
    cut = min(indents, default=0)
    return "".join(line[cut:] if line.strip() else line.lstrip(" ") for line in lines)


def _defines(text: str, name: str) -> bool:
    return (
        re.search(
            rf"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+{re.escape(name)}\b|^{re.escape(name)}[ \t]*=", text, re.M
        )
        is not None
    )


def _is_code(text: str) -> bool:
    if not text.strip():
        return False
    try:
        body = parse_program(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _CODE_LINE.search(text) is not None and _CODE_LINE.match(text.lstrip()) is not None
    return any(not isinstance(line, ast.Expr) or isinstance(line.value, ast.Call) for line in body)  # prose may parse
