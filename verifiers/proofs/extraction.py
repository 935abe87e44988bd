"""The script in a completion: its last fenced block in the prover's language, else its last block, else the whole text."""

import re

from verifiers.thinking import spoken_part

_FENCE = re.compile(r"^[ \t]*(`{3,}+|~{3,}+)[ \t]*+([^\s`]*+)[^\n`]*$")


def extract_script(completion: str, languages: frozenset[str]) -> str | None:
    """The text of the proof; None if there is none. A block that is never closed runs to the end of the text.

    A script within the model's thinking is no answer.
    """
    text = spoken_part(completion) or ""
    blocks = _blocks(text)
    ours = [content for language, content in blocks if language in languages] or [content for _, content in blocks]
    script = ours[-1] if ours else text
    return script if script.strip() else None


def _blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of every fenced block, in order."""
    blocks: list[tuple[str, str]] = []
    fence, language, lines = "", "", []
    for line in text.splitlines(keepends=True):
        match = _FENCE.match(line.rstrip("\r\n"))
        if not fence and match:
            fence, language, lines = match[1], match[2].lower(), []
        elif fence and match and match[1].startswith(fence) and not match[2]:
            blocks.append((language, "".join(lines)))
            fence = ""
        elif fence:
            lines.append(line)
    if fence:
        blocks.append((language, "".join(lines)))
    return blocks
