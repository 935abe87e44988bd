"""Boxes in a completion: \\boxed{...} and its kin, closed or not, one or several side by side."""

import re

BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![A-Za-z])\s*")
_JOINT = re.compile(
    r"(?:[\s,;$&]|\\[()\[\],;:!]|\\q?quad|\\(?:text|mbox|textrm)\s*\{\s*(?:and|or|,)?\s*\}|and\b|or\b|\\\\)*"
)
_LABELLED_JOINT = re.compile(r"\s+[a-z]{2,12}\s+and\s+")  # "\boxed{1} papers and \boxed{2} bins"


def unboxed(text: str) -> str:
    """An answer without the box around it: what `\\boxed{...}` holds, or the text itself."""
    if "box" not in text:
        return text
    found = boxes(text)
    return joined(text, found) if found else text


def boxes(text: str) -> list[tuple[int, int, str]]:
    """Every outermost box: where it begins, where it ends, what it holds."""
    found, position = [], 0
    while match := BOX.search(text, position):
        start = match.end()
        if text[start : start + 1] == "{":
            end = _closing_brace(text, start)
            if end is None:
                end = _forced_end(text, start)
                if end is None:
                    position = start
                    continue
                found.append((match.start(), end, text[start + 1 : end]))
            else:
                found.append((match.start(), end + 1, text[start + 1 : end]))
            position = found[-1][1]
        else:
            bare = re.match(r"\\?[A-Za-z]+|[-−]?[\d.,]*\d|\S", text[start:])
            if bare:
                found.append((match.start(), start + bare.end(), bare[0]))
            position = start + (bare.end() if bare else 1)
    return found


def _closing_brace(text: str, start: int) -> int | None:
    """Where the brace that opens at `start` closes."""
    depth = 0
    for brace in re.finditer(r"\\.|[{}]", text[start:], re.S):
        if brace[0] == "{":
            depth += 1
        elif brace[0] == "}":
            depth -= 1
            if depth == 0:
                return start + brace.start()
    return None


def _forced_end(text: str, start: int) -> int | None:
    """The end of a box whose brace never closes: the end of its formula. A box that merely runs to the end of the text
    was cut off, and may have held more."""
    end = re.search(r"(?<!\\)\$|\\\]|\\\)|\n", text[start:])
    return (
        start + end.start()
        if end and text[start : start + end.start()].count("{") == 1 + text[start : start + end.start()].count("}")
        else None
    )


def truncated_box(text: str) -> bool:
    """Whether the text ends inside of a box."""
    return bool(BOX.search(text)) and not boxes(text)


def joined(text: str, found: list[tuple[int, int, str]]) -> str:
    """What the last box holds; with boxes that stand side by side, all that they hold: a list, never a choice."""
    held, only_or = [found[-1][2]], True
    for (_, end, content), (start, _, _) in zip(reversed(found[:-1]), reversed(found)):
        between = text[end:start]
        if not (_JOINT.fullmatch(between) or _LABELLED_JOINT.fullmatch(between)):
            break
        held.insert(0, content)
        only_or &= bool(re.search(r"\bor\b", between))
    inner = [unboxed(part) for part in held]
    distinct = list(dict.fromkeys(part.strip() for part in inner))
    return distinct[0] if len(distinct) == 1 else (" or " if only_or else ", ").join(inner)
