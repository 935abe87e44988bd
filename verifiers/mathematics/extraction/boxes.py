"""Boxes in a completion: \\boxed{...} and its kin, closed or not, one or several side by side."""

import re

BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![A-Za-z])\s*")
_JOINT = re.compile(
    r"(?:[\s,;$&]|\\[()\[\],;:!]|\\q?quad|\\(?:text|mbox|textrm)\s*\{\s*(?:and|or|,)?\s*\}|and\b|or\b|\\\\)*"
)
_LABELLED_JOINT = re.compile(r"\s+[a-z]{2,12}\s+and\s+")  # "\boxed{1} papers and \boxed{2} bins"
_GROUP_OR_SIGN = r"\s*(?:\{[^{}]*\}|\w)"
_BARE = re.compile(
    rf"\\[dt]?frac{_GROUP_OR_SIGN}{_GROUP_OR_SIGN}|\\sqrt{_GROUP_OR_SIGN}|" r"\\?[A-Za-z]+|[-−]?[\d.,]*\d|\S"
)
_BRACE = re.compile(r"\\.|[{}]", re.S)
_FORMULA_END = re.compile(r"(?<!\\)\$|\\\]|\\\)|\n")
_REJECTED = re.compile(
    r"\s*\$?\s*(?:is|was)(?:\s+(?:not|wrong|incorrect|false)\b|n't\b)"
)  # "\boxed{5} is not the answer"
_SIGN_BEFORE = re.compile(r"(?:^|=|≈|:|\$|\\\[|\\\()\s*([-−])\s*$")  # "= -\boxed{5}"
_POWER_BEHIND = re.compile(r"\s*(?:\\(?:times|cdot)|[×*])\s*10\s*\^\s*(?:\{[^{}]*\}|\d)|\s*\^\s*(?:\d|\{-?\d+\})")
_MAX_BOXES = 400
_MAX_UNCLOSED = 2_000  # characters of a box without a closing brace


def unboxed(text: str) -> str:
    """An answer without the box around it: what `\\boxed{...}` holds, or the text itself."""
    if "box" not in text:
        return text
    found = boxes(text)
    return joined(text, found) if found else text


def boxes(text: str) -> list[tuple[int, int, str]]:
    """The outermost boxes, the last hundreds at most: where each begins, where it ends, what it holds."""
    starts = list(BOX.finditer(text))[-_MAX_BOXES:]
    if not starts:
        return []
    closing = _closing_braces(text, starts[0].start())
    found: list[tuple[int, int, str]] = []
    for match in starts:
        if found and match.start() < found[-1][1]:
            continue  # inside of the box before
        start = match.end()
        if text[start : start + 1] == "{":
            end = closing.get(start)
            forced = _forced_end(text, start) if end is None else None
            if end is not None:
                if not _REJECTED.match(text, end + 1):
                    found.append((match.start(), end + 1, text[start + 1 : end]))
            elif forced is not None:
                found.append((match.start(), forced, text[start + 1 : forced]))
        else:
            bare = _BARE.match(text, start)
            if bare:
                found.append((match.start(), bare.end(), bare[0]))
    return found


def _closing_braces(text: str, start: int) -> dict[int, int]:
    """Where each brace from `start` on closes."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    for brace in _BRACE.finditer(text, start):
        if brace[0] == "{":
            opened.append(brace.start())
        elif brace[0] == "}" and opened:
            closing[opened.pop()] = brace.start()
    return closing


def _forced_end(text: str, start: int) -> int | None:
    """The end of a box whose brace never closes: the end of its formula. A box that merely runs to the end of the text
    was cut off, and may have held more."""
    end = _FORMULA_END.search(text, start, start + _MAX_UNCLOSED)
    if end is None:
        return None
    held = text[start : end.start()]
    return end.start() if held.count("{") == 1 + held.count("}") else None


def truncated_box(text: str) -> bool:
    """Whether the text ends inside of a box."""
    return bool(BOX.search(text)) and not boxes(text)


def joined(text: str, found: list[tuple[int, int, str]]) -> str:
    """What the last box holds; with boxes that stand side by side, all that they hold: a list, never a choice."""
    held, only_or = [_operand(text, found[-1])], True
    for (_, end, content), (start, _, _) in zip(reversed(found[:-1]), reversed(found), strict=False):
        between = text[end:start]
        if not (_JOINT.fullmatch(between) or _LABELLED_JOINT.fullmatch(between)):
            break
        held.insert(0, content)
        only_or &= bool(re.search(r"\bor\b", between))
    inner = [unboxed(part) for part in held]
    distinct = list(dict.fromkeys(part.strip() for part in inner))
    return distinct[0] if len(distinct) == 1 else (" or " if only_or else ", ").join(inner)


def _operand(text: str, box: tuple[int, int, str]) -> str:
    """What a box holds, with the minus sign before it or the power behind it: -\\boxed{5}, \\boxed{5}^2."""
    start, end, held = box
    sign, power = _SIGN_BEFORE.search(text[max(0, start - 20) : start]), _POWER_BEHIND.match(text, end)
    if not sign and not power:
        return held
    return f"{'-' if sign else ''}({held}){power[0] if power else ''}"
