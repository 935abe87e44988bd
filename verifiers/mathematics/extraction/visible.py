"""The part of a completion that its reader sees: without thinking, end-of-text marks, comments and program code.

Thinking that never ends holds no answer; verifiers/thinking.py knows its formats.
"""

import re
from functools import lru_cache

from verifiers.thinking import spoken_part

_MAX_COMPLETION = 100_000  # characters; a longer completion is read from its end, where answers stand
_STOP_TOKEN = re.compile(
    r"<\|(?:im_end|im_start|endoftext|eot_id|end|end_of_text|eom_id|return|call|end_of_solution)\|>|</s>|<｜end▁of▁sentence｜>"
)
_BARE_CHANNEL = re.compile(r"\s*analysis(?=[A-Z])")  # gpt-oss where its special tokens were dropped
_BARE_FINAL = "assistantfinal"
_MANY_BLANKS = re.compile(r"[ \t\xa0]{3,}")
_MANY_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
_LATEX_COMMENT = re.compile(r"^[ \t]*%[^\n]*$", re.M)
_CODE_LANGUAGES = frozenset(
    [
        "python",
        "py",
        "python3",
        "cpp",
        "c++",
        "c",
        "java",
        "javascript",
        "js",
        "ts",
        "typescript",
        "bash",
        "sh",
        "shell",
        "sql",
        "matlab",
        "r",
        "julia",
        "rust",
        "go",
        "lean",
        "haskell",
        "sage",
    ]
)


@lru_cache(maxsize=4)  # a verdict may ask for the same completion again
def visible(completion: str) -> str | None:
    """What the reader sees, at most its last 100,000 characters; None where the reasoning never ended."""
    text: str | None = completion
    if "<" in completion and "<|channel|>" not in completion:  # in channels an end token ends a part, not the turn
        for stop in _STOP_TOKEN.finditer(completion):
            if completion[: stop.start()].strip():
                text = completion[: stop.start()]
                break
    if _BARE_CHANNEL.match(text):
        _, found, text = text.rpartition(_BARE_FINAL)
        if not found:
            return None
    text = spoken_part(text)
    if text is None:
        return None
    text = text[-_MAX_COMPLETION:]
    text = _without_code(_without_comments(text))
    text = _MANY_LINES.sub("\n\n", _MANY_BLANKS.sub("  ", text))
    return text if text.strip() else None


def _without_comments(text: str) -> str:
    """The text without <!-- ... --> and without lines of LaTeX comments."""
    if "<!--" in text:
        parts = text.split("<!--")
        text = parts[0] + "".join(part.partition("-->")[2] for part in parts[1:])
    return _LATEX_COMMENT.sub("", text) if "%" in text else text


def _without_code(text: str) -> str:
    """The text without fenced programs; without any fenced block where a box stands outside of them."""
    if "```" not in text:
        return text
    parts = text.split("```")  # odd parts are fenced
    outside = "\n".join(parts[0::2])
    if "\\boxed" in outside:
        return outside
    kept = [
        part
        for number, part in enumerate(parts)
        if number % 2 == 0 or part.partition("\n")[0].strip().lower() not in _CODE_LANGUAGES
    ]
    shown = "\n".join(kept)
    return shown if shown.strip() else text
