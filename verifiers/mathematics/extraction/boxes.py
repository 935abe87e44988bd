"""Boxes in a completion: \\boxed{...} and its kin, closed or not, one or several side by side."""

import re

from verifiers.mathematics.parsing.units import MAGNITUDES, SYMBOL_UNITS
from verifiers.mathematics.parsing.vocabulary import is_unit

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
_DENIED = re.compile(r"(?<![A-Za-z])(?:[Nn]ot|NOT)\s+\$?\s*\Z")  # "not \boxed{5}"
_LEFT_END = re.compile(  # what ends an operand before a box, read from the right
    r"[=≈:$&\n,;<>→⇒]|\\\[|\\\(|\\\\|\\(?:approx|equiv|in|leq?|geq?|to|implies|(?:Long)?[Rr]ightarrow|therefore|because|q?quad|neq?|sim|cong)(?![A-Za-z])"
)
_RIGHT_END = re.compile(
    r"[=≈$&\n,;<>→⇒{}]|\.(?!\d)|\\\]|\\\)|\\\\|\\(?:approx|equiv|q?quad|tag|label|square|blacksquare|qed|checkmark|p?mod|bmod|to|implies|(?:Long)?[Rr]ightarrow)(?![A-Za-z])|\(\s*(?:\\bmod|mod|\\text)"
)
_SHOWN = re.compile(
    r"\\(?:displaystyle|[lL]arge|huge|Huge|bf|left|right|color\s*\{\w*\}|[,;:! ])|~"
)  # shapes, not values
_TEXT_WORDS = re.compile(r"\\(?:text|mathrm|mbox|textrm)\s*\{\s*([A-Za-z%\\ ./^\d]*?)\s*\}")
_OPERAND = re.compile(r"(?:\\[A-Za-z]+|[\d.,\s(){}^_*/+\-−!|\[\]°%]|\\%|(?<![A-Za-z])[A-Za-z](?![A-Za-z]))+")
_ADJACENT_BEFORE = re.compile(r"(?:^|[\s(*:=$])([-−]?(?:\d[\d,]*\.?|\.)|[-−]|(?<=\s)[-−]?\d*\.)\Z")
_ADJACENT_BEHIND = re.compile(r"\\?%|\^\s*(?:\d|\{[^{}]*\})|\\sqrt\s*(?:\{[^{}]*\}|\d)|\\pi(?![A-Za-z])|°|\^?\\circ")
_POWER_BEHIND = re.compile(r"\s*(?:\\(?:times|cdot)|[×*])\s*10\s*\^\s*(?:\{[^{}]*\}|\d)|\s*\^\s*(?:\d|\{-?\d+\})")
_WORD_BEHIND = re.compile(r"\s*(?:\$|\\\)|\\\])?\s*(?:\\(?:text|mathrm)\s*\{\s*~?\s*)?(\\?%|[A-Za-z]+(?:/[A-Za-z]+)?)")
_SENTENCE_END = re.compile(r"[.!?](?:\s|\Z)")
_SPACED_NUMBER = re.compile(r"\s+[\d.]")
_MAX_OPERAND = 60  # characters beside a box
_PART = r"(?:\(?(?:[a-h]|i{1,3}|iv|\d)\)|[Pp]art\s+\(?[A-Da-d\d]\)?|[a-d]\.)"
_PART_JOINT = re.compile(rf"[\s$.;,*]*{_PART}[\s$*:.]*(?:\\\[|\\\()?\s*")
_PART_BEFORE = re.compile(rf"(?:^|[\s*]){_PART}[\s$*:.]*(?:\\\[|\\\()?\s*$")
_LETTER_BEFORE = re.compile(r"\(([a-h])\)[\s$*:.]*(?:\\\[|\\\()?\s*\Z")
_ABOUT = re.compile(  # "\\boxed{14/3} or about \\boxed{4.67}"
    r"[\s$,.(]*(?:\\\)|\\\])?[\s,(]*(?:or|which is|that is|i\.e\.,?)?\s*(?:about|approximately|roughly|\$?\s*\\approx|≈)[\s$]*(?:\\\(|\\\[)?\s*"
)
_STEP = re.compile(
    r"\\(?:Rightarrow|implies|therefore)(?![A-Za-z])|⇒|\.\s*$|\\text\s*\{[^{}]*[A-Za-z]+ [a-z]+ [^{}]*\}|\\begin\{align"
)
_NAME_BEFORE = re.compile(r"(?<![A-Za-z\\_^+\-*/=])([A-Za-z](?:_\{?\w\}?)?)\s*=\s*\Z")
_MAX_NAME = 20  # characters of a name and its equals sign
_COEFFICIENT = re.compile(r"(?:.*[^\\A-Za-z])?[A-Za-z]\s*", re.S)  # x\boxed{5} is a product
_OPEN_COMMAND = re.compile(r"\\(?:[dt]?frac|sqrt)\s*(?:\{[^{}]*\}\s*)?\{[^{}$\\]*\Z")  # \frac{\boxed{5}}{2}
_CLOSED_COMMAND = re.compile(r"[^{}$\\]{0,40}\}(?:\s*\{[^{}]{0,60}\})?")
_MAX_NESTED = 8
_MAX_BOXES = 400
_MAX_UNCLOSED = 2_000  # characters of a box without a closing brace


def unboxed(text: str, depth: int = 0) -> str:
    """An answer without the box around it: what `\\boxed{...}` holds, or the text itself. Boxes in boxes go down to 8."""
    if "box" not in text or depth > _MAX_NESTED:
        return text
    found = boxes(text)
    return joined(text, found, depth) if found else text


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
                denied = _DENIED.search(text, max(0, match.start() - 12), match.start())
                if not denied and not _REJECTED.match(text, end + 1):
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


def joined(text: str, found: list[tuple[int, int, str]], depth: int = 0) -> str:
    """What the last box holds; with boxes that stand side by side, all that they hold: a list, never a choice.

    Boxes before the last one that hold steps of a derivation are left out.
    """
    named = _within_command(text, found[-1]) or _named_boxes(text, found)
    if named:
        return named
    if len(found) > 1 and _ABOUT.fullmatch(text, found[-2][1], found[-1][0]):
        return rf"{unboxed(found[-2][2], depth + 1)} \approx {found[-1][2]}"
    held, only_or, parts = [_operand(text, found[-1])], True, None
    for (_, end, content), (start, _, _) in zip(reversed(found[:-1]), reversed(found), strict=False):
        between = text[end:start]
        is_part = bool(_PART_JOINT.fullmatch(between))
        if not (is_part or _JOINT.fullmatch(between) or _LABELLED_JOINT.fullmatch(between)):
            break
        if not is_part and not between.strip(" \n\\&$[]()") and (_STEP.search(content) or _is_chain(content)):
            break
        parts = start if is_part else parts
        held.insert(0, content)
        only_or &= bool(re.search(r"\bor\b", between))
    first = len(found) - len(held)
    lettered = [_LETTER_BEFORE.search(text, max(0, start - 20), start) for start, _, _ in found[first:]]
    if parts is not None and [label and label[1] for label in lettered] == list("abcdefgh"[: len(held)]):
        return " ".join(
            f"({letter}) {unboxed(part, depth + 1)}" for letter, part in zip("abcdefgh", held, strict=False)
        )
    if parts is not None and not _PART_BEFORE.search(text[max(0, found[first][0] - 20) : found[first][0]]):
        held, only_or = held[-1:], True
    inner = [unboxed(part, depth + 1) for part in held]
    distinct = list(dict.fromkeys(part.strip() for part in inner))
    return distinct[0] if len(distinct) == 1 else (" or " if only_or else ", ").join(inner)


def _within_command(text: str, box: tuple[int, int, str]) -> str | None:
    """The fraction or the root in which a box stands: \\frac{\\boxed{5}}{2}."""
    start, end, held = box
    opened, closed = _OPEN_COMMAND.search(text, max(0, start - _MAX_OPERAND), start), _CLOSED_COMMAND.match(text, end)
    return f"{opened[0]}{held}{closed[0]}" if opened and closed else None


def _named_boxes(text: str, found: list[tuple[int, int, str]]) -> str | None:
    """The names with the values of boxes side by side that each have one: $p = \\boxed{2}$ and $q = \\boxed{3}$."""
    pairs: list[str] = []
    for number in range(len(found) - 1, -1, -1):
        start, _, content = found[number]
        name = _NAME_BEFORE.search(text, max(0, start - _MAX_NAME), start)
        if not name or "=" in content:
            return None
        pairs.insert(0, f"{name[1]} = {content}")
        between = text[found[number - 1][1] : name.start(1)] if number else ""
        if not number or not _JOINT.fullmatch(between):
            break
    names = {pair.partition("=")[0] for pair in pairs}
    if len(pairs) < 2 or 1 < len(names) < len(pairs):
        return None
    return ", ".join(pairs if len(names) > 1 else [pair.partition("= ")[2] for pair in pairs])


def _is_chain(held: str) -> bool:
    """Whether a box holds a calculation: an equation whose left side is more than a name."""
    left, sign, _ = held.partition("=")
    return bool(sign) and bool(re.search(r"\d|[+*/]|\\(?:times|cdot|frac)", left))


def _operand(text: str, box: tuple[int, int, str]) -> str:
    """What a box holds, with the factors, signs, powers and magnitudes that stand right beside it: 2\\boxed{5}, \\boxed{5} million."""
    start, end, held = box
    if not held.strip() or re.search(r"[=<>,]|\\(?:text|boxed|begin|approx|[gl]e)", held):
        return held
    before, behind = text[max(0, start - _MAX_OPERAND) : start], text[end : end + _MAX_OPERAND]
    stops = list(_LEFT_END.finditer(before))
    in_formula = bool(stops) and stops[-1][0] not in (":", "\n", ",", ";")
    if in_formula:
        left = _factor(_adjoining(before[stops[-1].end() :]))
        right = _factor(behind[: _right_end(behind)])
        if _SPACED_NUMBER.match(right and behind):
            right = ""
    else:
        adjacent, power = _ADJACENT_BEFORE.search(before), _POWER_BEHIND.match(behind)
        left = adjacent[1] if adjacent else ""
        beside = power or _ADJACENT_BEHIND.match(behind)
        right = beside[0] if beside else ""
    glued = re.match(r"\d+", behind)
    if glued and held.isdigit():
        return f"{left}{held}{glued[0]}"
    left = left if left.count("{") == left.count("}") and left.count("(") == left.count(")") else ""
    right = right if right.count("{") == right.count("}") and right.count("(") == right.count(")") else ""
    word = None if right else _WORD_BEHIND.match(behind)
    if word and (word[1].lstrip("\\") == "%" or word[1].lower() in MAGNITUDES or is_unit(word[1])):
        right = word[1] if word[1][0] in "\\%" else rf"\text{{ {word[1]}}}"
    if not left and not right:
        return held
    if left.endswith(".") and held.isdigit():
        return f"{left}{held}{right}"
    if _COEFFICIENT.fullmatch(left):
        return f"{left} \\cdot ({held}){right}"
    plain = re.fullmatch(r"\w+|\\frac\{\w+\}\{\w+\}", held.strip()) and not re.search(r"[\dA-Za-z]\s*$", left)
    return f"{left}{held if plain else f'({held})'}{right}"


def _adjoining(before: str) -> str:
    """Of a formula before a box, the operand: nothing behind the end of a sentence, nor a number or a letter that a space
    parts from the box, since "9-4=5 \\boxed{5}" and "9-4=5. So \\boxed{5}" say 5 twice."""
    if _SENTENCE_END.search(before) and not re.fullmatch(r"\s*[-−]?\d*\.", before):
        return ""
    return "" if re.search(r"(?:[\d.]|(?<![A-Za-z\\])[A-Za-z])\s+\Z", before) else before


def _right_end(behind: str) -> int:
    """Where the operand behind a box ends: at a sign that parts, or at a brace that was opened before the box."""
    depth = 0
    for stop in _RIGHT_END.finditer(behind):
        depth += (stop[0] == "{") - (stop[0] == "}")
        if depth < 0 or (depth == 0 and stop[0] not in "{}"):
            return stop.start()
    return len(behind)


def _factor(beside: str) -> str:
    """An operand beside a box, as far as it is mathematics; a unit as text."""
    beside = _SHOWN.sub(" ", beside).strip()
    unit = _TEXT_WORDS.fullmatch(beside)
    word = unit[1] if unit else beside
    if word and word.replace(" ", "").isalpha():
        known = all(is_unit(part) or part.lower() in MAGNITUDES for part in word.split())
        if known or (word in SYMBOL_UNITS):
            return rf"\text{{ {word}}}"
        return beside if len(word) == 1 and not unit else ""
    if "box" in beside or beside in ("!", ".") or not _OPERAND.fullmatch(beside):
        return ""
    return beside.rstrip("!")
