"""Sentences in which a model states its answer: the value behind the last verb, the last formula, the only number.

extract.py finds the sentence that counts; here it is read. A value that a sentence denies, supposes, doubts or only bounds is
none.
"""

import re

_MAX_SENTENCE = 1_500  # characters of a sentence that is read, its last ones
_MAX_COPULAS = 12
_MAX_TAIL = 60  # characters of a value that a sentence ends with
_POLITE = re.compile(r"\s*I hope (?:it|this) (?:is correct|helps)[.!]?\s*$", re.I)
MATH_SPAN = re.compile(  # no span holds the sign that opens it, so that a row of openings costs nothing
    r"\$\$((?:(?!\$\$).){1,4000}?)\$\$|\\\[((?:(?!\\\[).){1,4000}?)\\\]|\\\(((?:(?!\\\().){1,4000}?)\\\)"
    r"|(\\begin\{(?:align|aligned|equation|gather|split|multline)\*?\}(?:(?!\\begin|\\end).){1,4000}\\end\{[a-z]+\*?\})"
    r"|(?<!\\)\$((?:\\.|[^$\\\n]|\n(?![ \t]*\n)){1,4000}?)(?<!\\)\$(?!\d)",  # "$2 each, $18 in all" holds no formula
    re.S,
)
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_SENTENCE_END = re.compile(r"(?<!\\)[.!?](?=\s|$|\*)|[。！？।؟]|\n")
CONCLUDING = re.compile(
    r"\b(?:so|thus|hence|therefore|altogether|in total|finally|consequently|donc|also|por lo tanto|así que)\b"
    r"|所以|因此|总共|一共|共有|共计|结论|故|إذن|لذا|لذلك|इसलिए|अतः|поэтому|итого",
    re.I,
)
_HEDGE = re.compile(
    r"\b(?:or|maybe|perhaps|not sure|don't know|do not know|unsure|guess|either|one of|(?:it|this|answer|he|she|they) (?:could|might|may))\b",
    re.I,
)
_DENIED = re.compile(  # what stands right before a value that is ruled out, or merely supposed
    r"(?:\b(?:not|cannot|never|unlikely)|n't)(?:\s+(?:be|equal|exactly))?(?:\s+to)?\s*[:$]*\s*$", re.I
)
_UNSETTLED = re.compile(r"\b(?:not|never|cannot|wrong|seems?|started|began|initially|originally)\b|n't\b", re.I)
_NO_ANSWER = re.compile(
    r"\b(?:impossible|not possible|no such|not (?:provided|given|enough)|insufficient|unable to|can(?:not|'t) (?:be )?(?:determined?|found|find|answer(?:ed)?|solved?))\b",
    re.I,
)
_WORKING = re.compile(
    r"^\W*now\b|\bnow,|\b(?:next|then|must|let|divide|multiply|add|subtract|check|hmm|wait|first|if|suppose)\b", re.I
)
HYPOTHESIS = re.compile(r"\s*(?:suppose|assume|let|if|consider|try)\b[^,]*", re.I)  # a sentence that only supposes
_BOUND = re.compile(
    r"\b(?:least|most|than|up to|nearly|almost|over|under|below|above|between|within|half of|times)\s*$", re.I
)
_CONTINUED = re.compile(r"\s*(?:[\^!²³√π/+×÷*]|\\|or\s|[-−]\s*\d|times\b)|[a-zA-Z](?![A-Za-z])(?<![msghkLCF])")
_LABEL = re.compile(r"[A-Za-z][A-Za-z ]{2,30}:\s*(?=\S)")  # "Total: 26"
_COPULA = re.compile(
    r"\b(?:is|are|was|were|equals|be|gives|get|it's|est de|est|es|ist|é|è|becomes)\b|(?<![<>!=])[=≈](?!=)|\blà\b|\badalah\b|\bwynosi\b|\bjest\b|คือ|είναι|[为是]|:(?!\s?\d)|(?<!\d)(?<!\d\s):",
    re.I,
)
_VALUE = r"(?:\d+(?:\s?:\s?\d+){1,3}(?:\s?[AaPp]\.?[Mm]\b)?|[-+−–]?\s*[$€£¥]?\s*(?:\d+ \d+/\d+|\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s*/\s*\d+)?)"
_LONE_VALUE = re.compile(
    rf"(?<![\w.,^/*+])({_VALUE}\s*(?:%|°|(?:hundred|thousand|million|billion|trillion|dozen)\b)?)", re.ASCII
)
_RESULT = re.compile(rf"=\s*\$?({_VALUE})", re.ASCII)
_CALCULATED = re.compile(rf"[\d)%]\s*=\s*\**({_VALUE})(?!\s*[-+*/×÷^=.]?\s*\d)", re.ASCII)  # 12 - 3 = 9
_GOES_ON = re.compile(r"\b(?:and|but|so|then|thus|hence|therefore|giving|leaving|is|are|equals)\b|=|;", re.I)
_REPEATED = re.compile(  # a sentence that repeats the question
    r"\W*(?:first(?:ly)?\b|initially\b|at first\b|(?:we|i) (?:know|see|have) that\b|we are given\b|given\b|it is given\b|according to\b|recall\b"
    r"|(?:in )?the (?:problem|question)\b|step \d+:|check(?:ing)?\b|verif(?:y|ication)\b)",
    re.I,
)
_DIVIDED = re.compile(
    r"\s+(?:when|if)\s+(?:it is |\w+ is )?divided by\s+\$?[\w.]+\$?$", re.I
)  # "is 8 when divided by 9"
_RATHER = re.compile(r",\s+(?:and\s+)?not\s+\$?\d[^,;]*$")  # "is 24 kg, not 42 kg"
_STATE = re.compile(r"[a-z]+ed|left(?: over)?|remaining|possible|available|enough|there", re.I)  # "24 bags are needed"
_SO = re.compile(r",\s*(?:and\s+)?(?:so|thus|hence|therefore|which leaves|leaving)\b", re.I)
_COMPOUND = re.compile(r"\$?\d[\d.,]*\s+[a-z]+\s+and\s+\d[\d.]*\s+[a-z]+", re.I)  # 3 dollars and 75 cents
_GIVEN = re.compile(  # of a sentence that repeats what was given, or that works towards an answer
    r"\b(?:had|was|were|did|started|began|bought|gave|ate|lost|found|took|made|sold|spent|went|came|left behind|initially|originally"
    r"|know|knows|known|given|says?|problem|question|first|second|step|section|see|figure|table|equation|page|chapter|example|each of|out of|than|when|while"
    r"|because|since|to find|we|i|you|means?|using|formula|method|called)\b|\b[a-z]{2,}ed\b|\b(?:flew|ran|drove|read|wrote|drank|threw|broke|grew|caught|swam|rode)\b|^\W*(?:to|after|before|for|with|by|in order)\b",
    re.I,
)
_MAX_SHORT = (
    600  # characters of a completion whose closing sentence is taken for its answer if it states a single number
)
_MAX_SHORT_SENTENCES = 8
FOREIGN = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\u0900-\u097f\u0600-\u065f\u066e-\u06ef\u0e00-\u0e7f\u0590-\u05ff]{2}"
)
_MONEY = ("$", "€", "£", "¥")
_OPERATORS = re.compile(r"[<>≤≥≠√^]|\\(?:le|ge|ne|sqrt|frac|lt|gt)")  # of a value that is more than a number
_BARE_FRACTION = re.compile(r"\((\\[a-z]?frac\{[^{}]*\}\{[^{}]*\})\)")
_THE_ANSWER = re.compile(r"(?:the|our|my)\s+(?:final\s+|correct\s+|right\s+)?answer", re.I)
_OPTION_BEFORE = re.compile(r"^\W*(?:[Oo]ption\s+|[Cc]hoice\s+)?\(?([A-J])\)?\s*$")
_LETTER = re.compile(
    r"(?:\b(?:[Oo]ption|[Cc]hoice|it's|is|it is|answer|[Ss]o|[Tt]hus|[Hh]ence|[Tt]herefore|choose|pick|select),?|选)\s*[:：]?\s*\**\(?([A-J])\)?\**(?:\s+is\s+(?:correct|right|the\s+answer))?\s*$"
)
_AGREED = re.compile(r"(?:\W*(?:so|thus|hence|therefore)\b)?\W*(yes|no)\W*", re.I)
_UNSOLVABLE = re.compile(r"\b(?:has|have|there (?:is|are))\s+(no (?:real |integer )?solutions?)\W*$", re.I)
_CODE = re.compile(r"\w\(|[\[\]{}_]|['\"]\s*[*)]|\*\*\d")


def closing_value(text: str) -> str | None:
    """The one value that the closing sentence of a prose text states, or None."""
    text = (text[:-200] + _POLITE.sub("", text[-200:])).strip()
    if (
        not text
        or text.endswith("?")
        or (_CODE.search(MATH_SPAN.sub("", text)) and "\n" not in text and " " not in text.strip())
    ):
        return None
    sentences = [part for part in split_sentences(text[-6000:]) if re.search(r"\w", part)]
    if not sentences:
        return None
    before = text[: text.rfind(sentences[-1])]
    stated = value_of_sentence(sentences[-1], before)
    is_short = len(text) <= _MAX_SHORT and len(sentences) <= _MAX_SHORT_SENTENCES and text[-1] in ".!)"
    return stated if stated is not None or not is_short else _asserted(sentences[-1])


def value_of_sentence(sentence: str, before: str = "") -> str | None:
    """The value that a sentence states: behind its last verb or equals sign, its last formula, or its only number, where
    the sentence concludes, names a sum of money, or repeats what the text `before` it has computed."""
    sentence = _DIVIDED.sub("", _RATHER.sub("", sentence.strip().rstrip(".。।!")[-_MAX_SENTENCE:]))
    if _REPEATED.match(sentence):
        return None
    matches = list(MATH_SPAN.finditer(sentence))
    if _NO_ANSWER.search(sentence) and re.search(r"\d", sentence):
        return None
    if _HEDGE.search(MATH_SPAN.sub("", sentence)) or HYPOTHESIS.fullmatch(sentence):
        return None
    if matches:
        if _denied(sentence, matches[-1].start()):
            return None
        tail = sentence[matches[-1].end() :]
        stated = _COPULA.search(tail)
        values = _values(tail[stated.end() :]) if stated else []
        if values and _denied(tail, stated.start()):
            return None
        return values[0] if len(values) == 1 else held_together(sentence, matches)
    letter = _LETTER.search(sentence)
    if letter:
        return letter[1]
    worded = _AGREED.fullmatch(sentence) or _UNSOLVABLE.search(sentence)
    if worded:
        return worded[1]
    bold = _BOLD.findall(sentence)
    if bold and re.search(r"\d", bold[-1]):
        return tidy(_LABEL.sub("", bold[-1], count=1))
    plain = sentence.replace("**", "")
    fractions = _BARE_FRACTION.findall(plain)
    if fractions:
        return fractions[-1] if len(set(fractions)) == 1 else None
    calculated = _calculated(plain)
    if calculated:
        return calculated
    for stated in reversed(list(_COPULA.finditer(plain))[-_MAX_COPULAS:]):
        tail = plain[stated.end() :].strip()
        if _THE_ANSWER.fullmatch(tail):  # "5 is the answer"
            subjects = _values(plain[: stated.start()]) or _OPTION_BEFORE.findall(plain[: stated.start()])
            return subjects[0] or None if len(subjects) == 1 else None
        if _denied(plain, stated.start()):
            return None
        words = re.findall(r"[^\W\d_]{2,}", tail)
        if (
            tail
            and not _STATE.fullmatch(tail)
            and not FOREIGN.search(tail)
            and len(tail) <= _MAX_TAIL
            and (len(words) <= 2 or _COMPOUND.fullmatch(tail))
            and (words or re.search(r"[\d\\]", tail))
        ):
            return _named(plain[: stated.start()], stated[0], tail)
        if _OPERATORS.search(tail):
            return None
        values = set(_values(tail))
        if values:
            return values.pop() or None if len(values) == 1 else None
    concluded = plain[last.end() :] if (last := next(reversed(list(_SO.finditer(plain))), None)) else ""
    values = _values(plain)
    if len(values) > 1 and len(_values(concluded)) == 1 and not _GIVEN.search(concluded):
        return _values(concluded)[0] or None
    money = [value for value in values if value[:1] in _MONEY]
    single = len(values) == 1
    values = money if len(money) == 1 else values
    if len(values) != 1 or not values[0] or _OPERATORS.search(plain) or _UNSETTLED.search(plain):
        return None
    repeats = (single and money) or values[0].strip("$€£¥%, ") in _computed(before)
    return values[0] if CONCLUDING.search(plain) or (repeats and not _WORKING.search(plain)) else None


def _calculated(plain: str) -> str | None:
    """The result of the last calculation of a sentence that names other numbers after it: "9*60 = 540 meters in 1 week"."""
    results = list(_CALCULATED.finditer(plain))
    value = results[-1][1].rstrip(",") if results else ""
    tail = plain[results[-1].start(1) + len(value) :] if results else ""
    if not re.search(r"\d", tail) or _GOES_ON.search(tail.partition(", which")[0]) or _CONTINUED.match(tail):
        return None
    return value.strip()


def _asserted(sentence: str) -> str | None:
    """The number that a plain sentence in the present tense asserts: its only one, "Lena has 13 books now", or its only
    sum of money, "He pays $64 for 16 glasses"."""
    plain = sentence.replace("**", "").strip()
    values = _values(plain)
    money = [value for value in values if value[:1] in _MONEY]
    if len(values) != 1 and len(money) != 1:
        return None
    values = money if len(money) == 1 else values
    if not values[0] or (not money and re.search(r"\d", plain.replace(values[0], " ", 1))):
        return None
    doubtful = (_OPERATORS, _UNSETTLED, _WORKING, _GIVEN, _HEDGE, _NO_ANSWER, HYPOTHESIS)
    if any(pattern.search(plain) for pattern in doubtful[:-1]) or HYPOTHESIS.fullmatch(plain) or "?" in plain:
        return None
    return values[0] if re.search(r"[^\W\d_]{2,}\s+[^\W\d_]{2,}|[^\W\d_]{2,}.*\d", plain) else None


def _denied(text: str, position: int) -> bool:
    """Whether the value that begins at a position, with its verb, is ruled out by the words before it."""
    return bool(_DENIED.search(text[max(0, position - 40) : position]))


def _values(text: str) -> list[str]:
    """The numbers of a text; an empty text for one that is a bound ("at least 4") or a part of something (4x, 4^2)."""
    return [
        ""
        if _BOUND.search(text[max(0, value.start() - 20) : value.start()]) or _CONTINUED.match(text, value.end(1))
        else value[0].strip()
        for value in _LONE_VALUE.finditer(text)
    ]


def _computed(text: str) -> set[str]:
    """The results of the last calculations of a text: what stands behind their equals signs, as _LONE_VALUE shows it."""
    return set(_RESULT.findall(text[-2000:]))


def _named(before: str, stated: str, tail: str) -> str:
    """A value behind an equals sign with the single letter that it belongs to: x = 7."""
    letter = re.search(r"(?<![\w\\])([A-Za-z])\s*$", before) if stated == "=" else None
    return f"{letter[1]} = {tail}" if letter else tail


def held_together(sentence: str, spans: list[re.Match[str]]) -> str:
    """The last formula, with those before it where only commas or "and" stand between: $1$ and $2$."""
    held = [inside_of(spans[-1])]
    for earlier, later in zip(reversed(spans[:-1]), reversed(spans), strict=False):
        between = sentence[earlier.end() : later.start()]
        if not re.fullmatch(r"\s*(?:,|and|or|,\s*and|,\s*or)\s*", between):
            break
        held.insert(0, inside_of(earlier))
    return ", ".join(held)


def inside_of(span: re.Match[str]) -> str:
    """What a formula's dollars or brackets hold."""
    return next(group for group in span.groups() if group is not None).strip()


def split_sentences(text: str) -> list[str]:
    """Sentences of a text; a stop inside of mathematics or of a number ends none."""
    spans = [match.span() for match in MATH_SPAN.finditer(text)]
    parts, start, at = [], 0, 0
    for end in _SENTENCE_END.finditer(text):
        while at < len(spans) and spans[at][1] <= end.start():
            at += 1
        if at < len(spans) and spans[at][0] <= end.start():
            continue
        parts.append(text[start : end.start()])
        start = end.end()
    parts.append(text[start:])
    return parts


def tidy(text: str) -> str:
    """A value without the marks around it."""
    text = text.replace("**", "").strip().strip("*").strip()
    return re.sub(r"(?<=[^.\s])[.。]\s*$", "", text).rstrip("*").strip()
