"""Reading a completion: from all that a model wrote to the text of its final answer.

The last committed answer counts. What commits, wherever it stands: a box, `#### x`, `<answer>x</answer>`, a line `A: x`,
"the (final) answer is x". Only where none of these stands is the closing sentence read, and only if it states one value
(`... = 13.`, `so it costs **5**`, `the total is 34`); nothing is chosen because it fits the reference, which is not known
here.
"""

import re

from verifiers.boxes import BOX, boxes, joined, truncated_box, unboxed

_MAX_COMPLETION = 100_000  # characters; a longer completion is read from its end, where answers stand
_MAX_TAIL = 60  # characters of a value that a sentence ends with
_MAX_WORDS = 100  # characters of an answer in words, such as "all real numbers"
_STOP_TOKEN = re.compile(
    r"<\|(?:im_end|im_start|endoftext|eot_id|end|end_of_text|eom_id)\|>|</s>|<｜end▁of▁sentence｜>"
)
_THINK_OPEN = re.compile(r"<(think|thinking|thought|reasoning|scratchpad)>", re.I)
_THINK_CLOSE = re.compile(r"</(think|thinking|thought|reasoning|scratchpad)>", re.I)
_ANSWER_TAG = re.compile(r"<answer>((?:(?!<answer>).){0,4000}?)</answer>", re.I | re.S)
_HASHES = re.compile(r"####[ \t]*([^\n]*)")
_A_LINE = re.compile(r"^[ \t]*(?:A|Answer)[ \t]*:[ \t]*(\S[^\n]*)$", re.M)
_PHRASE = re.compile(
    r"(?:\bfinal\s+answer|\banswer|\bréponse|\brespuesta|\bAntwort|\bresult|\bsolution(?=\s*:)|最终答案|答案|答えは|答|정답은|답은|الجواب هو|الإجابة هي|उत्तर|ответ)[\"\**]*\s*"
    r"(?:(?:\\?\*)*\s*(?::|：|=|\bis\b\s*:?|\bwould\s+be\b|\bwill\s+be\b|\bmust\s+be\b|\best\b|\bes\b|\bist\b|是|为)\**"
    r"|(?=\s*(?:\$|\\\[|\\\())|(?<=[는은は])|(?<=هو)|(?<=هي)|(?=\n+[ \t]*-?\d))\s*",
    re.I,
)
_POLITE = re.compile(r"\s*I hope (?:it|this) (?:is correct|helps)[.!]?\s*$", re.I)
_MATH_SPAN = re.compile(  # no span holds the sign that opens it, so that a row of openings costs nothing
    r"\$\$((?:(?!\$\$).){1,4000}?)\$\$|\\\[((?:(?!\\\[).){1,4000}?)\\\]|\\\(((?:(?!\\\().){1,4000}?)\\\)"
    r"|(?<!\\)\$((?:\\.|[^$\\\n]|\n(?![ \t]*\n)){1,4000}?)(?<!\\)\$(?!\d)",  # "$2 each, $18 in all" holds no formula
    re.S,
)
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_SENTENCE_END = re.compile(r"(?<!\\)[.!?](?=\s|$|\*)|[。！？।؟]|\n")
_CONCLUDING = re.compile(
    r"\b(?:so|thus|hence|therefore|altogether|in total|finally|consequently|donc|also|por lo tanto|así que)\b"
    r"|所以|因此|总共|一共|结论|故|إذن|لذا|لذلك|इसलिए|अतः|поэтому|итого",
    re.I,
)
_WORDED_EQUATION = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{4,}(?![}\w]).*=")  # "adding up, 40 + 2 = 42"
_HEDGE = re.compile(
    r"\b(?:or|maybe|perhaps|not sure|don't know|do not know|unsure|guess|either|one of|(?:it|this|answer|he|she|they) (?:could|might|may))\b",
    re.I,
)
_DENIED = re.compile(  # what stands right before a value that is ruled out, or merely supposed
    r"(?:\b(?:not|cannot|never|unlikely)|n't)(?:\s+(?:be|equal|exactly))?(?:\s+to)?\s*[:$]*\s*$", re.I
)
_SUPPOSED = re.compile(
    r"\b(?:suppose|supposing|assume|assuming|if|whether|unless|says?|said|claims?|claimed)\s+(?:that\s+)?"
    r"(?:(?:the|this|our|my|your)\s+)?(?:correct\s+|right\s+)?$",
    re.I,
)
_ADVERB = re.compile(
    r"(?:actually|simply|indeed|clearly|therefore|thus|equal to|given by|(?:option|choice)(?=\s+\(?[A-J]\b))\s+", re.I
)
_REASON = re.compile(r",?\s+(?:because|since|which|as it)\b")  # "17 because ...": what follows is no answer
_UNSETTLED = re.compile(r"\b(?:not|never|cannot|wrong|seems?|started|began|initially|originally)\b|n't\b", re.I)
_WORKING = re.compile(
    r"\b(?:now|next|then|must|needs?|let|divide|multiply|add|subtract|check|hmm|wait|first|if|suppose)\b", re.I
)
_HYPOTHESIS = re.compile(r"\s*(?:suppose|assume|let|if|when|consider|try)\b[^,]*", re.I)  # a sentence that only supposes
_SHORT_SENTENCE = re.compile(r"[A-Z][a-z']*(?: [a-z']+)+ .*\d.*\.")  # "It costs $4."
_BOUND = re.compile(
    r"\b(?:least|most|than|up to|nearly|almost|over|under|below|above|between|within|half of|times)\s*$", re.I
)
_CONTINUED = re.compile(r"\s*(?:[\^!²³√π/+×÷*]|\\|or\s|[-−]\s*\d|times\b)|[a-zA-Z](?![A-Za-z])(?<![msghkLCF])")
_ALTERNATIVE = re.compile(r"\s*,?\s*(?:or|and|times|plus|minus|divided|more|less|fewer)\s+(?=\S)")
_LABEL = re.compile(r"[A-Za-z][A-Za-z ]{2,30}:\s*(?=\S)")  # "Total: 26"
_COPULA = re.compile(
    r"\b(?:is|are|was|were|equals|be|gives|get|it's|est de|est|es|ist|becomes)\b|(?<![<>!=])[=≈](?!=)|[为是]|:", re.I
)
_VALUE = r"[-+−–]?\s*[$€£¥]?\s*(?:\d+ \d+/\d+|\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s*/\s*\d+)?"
_LONE_VALUE = re.compile(
    rf"(?<![\w.,^/*+])({_VALUE}\s*(?:%|°|(?:hundred|thousand|million|billion|trillion|dozen)\b)?)", re.ASCII
)
_RESULT = re.compile(rf"=\s*\$?({_VALUE})", re.ASCII)
_FOREIGN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\u0900-\u097f\u0600-\u065f\u066e-\u06ef]{2}")
_OPERATORS = re.compile(r"[<>≤≥≠√^]|\\(?:le|ge|ne|sqrt|frac|lt|gt)")  # of a value that is more than a number
_BARE_FRACTION = re.compile(r"\((\\[a-z]?frac\{[^{}]*\}\{[^{}]*\})\)")
_LETTER = re.compile(
    r"(?:option|choice|it's|is|it is|answer)\s*:?\s*\**\(?([A-J])\)?\**(?:\s+is\s+(?:correct|right|the\s+answer))?\s*$"
)
_CODE = re.compile(r"\w\(|[\[\]{}_]|['\"]\s*[*)]|\*\*\d")


def extract(completion: str) -> str | None:
    """The text of the final answer, or None where a completion commits to none."""
    text = _visible(completion)
    if text is None:
        return None
    committed = _last_commitment(text)
    if committed is not None:
        return committed.strip() or None
    return None if truncated_box(text) else _whole_or_closing(text)


def looks_like_prose(text: str) -> bool:
    """Whether a text is sentences rather than one value: several words outside of mathematics."""
    outside = re.sub(
        r"\\(?:text|mathrm|mbox|textbf)\s*\{[^{}]*\}|\\[A-Za-z]+|_\{[^{}]*\}", " ", _MATH_SPAN.sub(" 1 ", text[:4000])
    )
    if _FOREIGN.search(outside):
        return True
    return len(re.findall(r"[^\W\d_]{2,}", outside)) >= 3


def final_text(answer: str) -> str:
    """An answer as it was given; where that is a whole text after all, the answer that it commits to."""
    if "\\boxed" in answer or "**" in answer or "\n" in answer.strip() or looks_like_prose(answer):
        return extract(answer) or answer
    return answer


def closing_value(text: str) -> str | None:
    """The one value that the closing sentence of a prose text states, or None."""
    text = _POLITE.sub("", text).strip()
    if not text or text.endswith("?") or _CODE.search(_MATH_SPAN.sub("", text)) and "\n" not in text and " " not in text.strip():
        return None
    sentences = [part for part in _split_sentences(text[-6000:]) if re.search(r"\w", part)]
    if not sentences:
        return None
    return _value_of_sentence(sentences[-1], text[: text.rfind(sentences[-1])])


def _visible(completion: str) -> str | None:
    """The completion without its thinking and without what follows its end; None where the thinking never ended."""
    text = completion[-_MAX_COMPLETION:]
    if "<" in text:
        for stop in _STOP_TOKEN.finditer(text):
            if text[: stop.start()].strip():
                text = text[: stop.start()]
                break
        closes = list(_THINK_CLOSE.finditer(text))
        if closes:
            text = text[closes[-1].end() :]
        if _THINK_OPEN.search(text):
            return None
    return text if text.strip() else None


def _last_commitment(text: str) -> str | None:
    """The commitment that stands last, each with where it begins."""
    found: list[tuple[int, str]] = []
    boxed = boxes(text)
    if boxed:
        found.append((boxed[-1][0], joined(text, boxed)))
    tags = list(_ANSWER_TAG.finditer(text))
    if tags:
        found.append((tags[-1].start(), unboxed(tags[-1][1])))
    hashes = list(_HASHES.finditer(text))
    if hashes:
        found.append((hashes[-1].start(), _tidy(hashes[-1][1])))
    lines = list(_A_LINE.finditer(text))
    if lines and not boxed:
        found.append((lines[-1].start(), _after_phrase(lines[-1][1]) or _tidy(lines[-1][1])))
    for phrase in reversed(list(_PHRASE.finditer(text))):
        inside = boxed and boxed[-1][0] < phrase.start() < boxed[-1][1]
        if inside or _SUPPOSED.search(text[max(0, phrase.start() - 60) : phrase.start()]):
            continue
        value = _after_phrase(text[phrase.end() :])
        late = found and phrase.start() > max(found)[0] and re.search(r"\d|\$|\\", value or "")
        if value and (not found or late and ("final" in phrase[0].lower() or " is" in phrase[0].lower())):
            found.append((phrase.start(), value))
            break
    return max(found)[1] if found else None


def _after_phrase(rest: str) -> str | None:
    """What follows "the answer is": a span of mathematics, or the text up to the end of the sentence."""
    rest = rest.partition("</answer>")[0].lstrip(" \t*:}")
    rest = rest[adverb.end() :] if (adverb := _ADVERB.match(rest)) else rest
    if BOX.search(rest[:12]):
        return None  # a box speaks for itself
    span = _MATH_SPAN.match(rest.lstrip())
    if span:
        tail = _split_sentences(rest.lstrip()[span.end() :].split("\n")[0] or " ")[0]
        held = _held(span)
        if _ALTERNATIVE.match(tail):
            return _tidy(held + tail.replace("$", " "))
        return held if len(re.findall(r"\w+", tail)) > 4 or "$" in tail else _tidy(held + _unit_tail(tail))
    sentence = next((part for part in _split_sentences(rest.lstrip()) if part.strip()), "")
    sentence = _REASON.split(sentence)[0] or sentence
    if looks_like_prose(sentence):
        return _value_of_sentence(sentence) or _tidy(sentence)
    return _tidy(sentence)


def _unit_tail(tail: str) -> str:
    """A unit that stands outside of the dollars: `$5$ cm`; other words after a value are dropped."""
    word = re.match(r"\s*(%|[a-zA-Z]{1,12}(?:\s+per\s+[a-z]+)?)\s*$", tail.rstrip(". "))
    return r"\text{ " + word[1].replace("%", r"\%") + "}" if word else ""


def _whole_or_closing(text: str) -> str | None:
    """A bare answer is its own text; prose states its answer in its closing sentence, or nowhere."""
    stripped = text.strip()
    if not looks_like_prose(stripped) and "\n" not in stripped and not re.search(r"\*\*\s*$|=\s*\*\*", stripped):
        spans = list(_MATH_SPAN.finditer(stripped))
        if len(spans) == 1 and spans[0].end() >= len(stripped.rstrip(". ")) and spans[0].start() > 0:
            outside = stripped[: spans[0].start()].strip()
            if _HYPOTHESIS.fullmatch(outside):
                return None
            if re.fullmatch(r"(?:[^\W\d_]+[:,\s]*)+", outside) and (len(outside) > 5 or _CONCLUDING.search(outside)):
                return _held(spans[0])
        return (
            closing_value(stripped) or stripped
            if (_WORDED_EQUATION.search(stripped) or _SHORT_SENTENCE.fullmatch(stripped[:_MAX_WORDS])) and " where " not in stripped
            else stripped
        )
    stated = closing_value(stripped)
    if stated is None and len(stripped) <= _MAX_WORDS and "\n" not in stripped:
        return stripped
    return stated


def _value_of_sentence(sentence: str, before: str = "") -> str | None:
    """The value that a sentence states: behind its last verb or equals sign, its last formula, or its only number, where
    the sentence concludes, names a sum of money, or repeats what the text `before` it has computed."""
    sentence = sentence.strip().rstrip(".。।!")
    matches = list(_MATH_SPAN.finditer(sentence))
    if _HEDGE.search(_MATH_SPAN.sub("", sentence)) or _HYPOTHESIS.fullmatch(sentence):
        return None
    if matches:
        if _denied(sentence, matches[-1].start()):
            return None
        tail = sentence[matches[-1].end() :]
        stated = _COPULA.search(tail)
        values = _values(tail[stated.end() :]) if stated else []
        if values and _denied(tail, stated.start()):
            return None
        return values[0] if len(values) == 1 else _held_together(sentence, matches)
    letter = _LETTER.search(sentence)
    if letter:
        return letter[1]
    bold = _BOLD.findall(sentence)
    if bold and re.search(r"\d", bold[-1]):
        return _tidy(_LABEL.sub("", bold[-1], count=1))
    plain = sentence.replace("**", "")
    fractions = _BARE_FRACTION.findall(plain)
    if fractions:
        return fractions[-1] if len(set(fractions)) == 1 else None
    for stated in reversed(list(_COPULA.finditer(plain))):
        tail = plain[stated.end() :].strip()
        if _denied(plain, stated.start()):
            return None
        words = re.findall(r"[^\W\d_]{2,}", tail)
        if (
            tail
            and not _FOREIGN.search(tail)
            and len(tail) <= _MAX_TAIL
            and len(words) <= 2
            and (words or re.search(r"[\d\\]", tail))
        ):
            return _named(plain[: stated.start()], stated[0], tail)
        if _OPERATORS.search(tail):
            return None
        values = set(_values(tail))
        if values:
            return values.pop() or None if len(values) == 1 else None
    values = _values(plain)
    money = [value for value in values if value[:1] in ("$", "€", "£", "¥")]
    single = len(values) == 1
    values = money if len(money) == 1 else values
    if len(values) != 1 or not values[0] or _OPERATORS.search(plain) or _UNSETTLED.search(plain):
        return None
    repeats = single and money or values[0].strip("$€£¥%, ") in _computed(before)
    return values[0] if _CONCLUDING.search(plain) or repeats and not _WORKING.search(plain) else None


def _denied(text: str, position: int) -> bool:
    """Whether the value that begins at a position, with its verb, is ruled out by the words before it."""
    return bool(_DENIED.search(text[max(0, position - 40) : position]))


def _values(text: str) -> list[str]:
    """The numbers of a text; an empty text for one that is a bound ("at least 4") or a part of something (4x, 4^2)."""
    return [
        "" if _BOUND.search(text[max(0, value.start() - 20) : value.start()]) or _CONTINUED.match(text, value.end(1)) else value[0].strip()
        for value in _LONE_VALUE.finditer(text)
    ]


def _computed(text: str) -> set[str]:
    """The results of the last calculations of a text: what stands behind their equals signs, as _LONE_VALUE shows it."""
    return set(_RESULT.findall(text[-2000:]))


def _named(before: str, stated: str, tail: str) -> str:
    """A value behind an equals sign with the single letter that it belongs to: x = 7."""
    letter = re.search(r"(?<![\w\\])([A-Za-z])\s*$", before) if stated == "=" else None
    return f"{letter[1]} = {tail}" if letter else tail


def _held_together(sentence: str, spans: list[re.Match[str]]) -> str:
    """The last formula, with those before it where only commas or "and" stand between: $1$ and $2$."""
    held = [_held(spans[-1])]
    for earlier, later in zip(reversed(spans[:-1]), reversed(spans)):
        between = sentence[earlier.end() : later.start()]
        if not re.fullmatch(r"\s*(?:,|and|or|,\s*and|,\s*or)\s*", between):
            break
        held.insert(0, _held(earlier))
    return ", ".join(held)


def _held(span: re.Match[str]) -> str:
    """What a formula's dollars or brackets hold."""
    return next(group for group in span.groups() if group is not None).strip()


def _split_sentences(text: str) -> list[str]:
    """Sentences of a text; a stop inside of mathematics or of a number ends none."""
    spans = [match.span() for match in _MATH_SPAN.finditer(text)]
    parts, start = [], 0
    for end in _SENTENCE_END.finditer(text):
        if any(a <= end.start() < b for a, b in spans):
            continue
        parts.append(text[start : end.start()])
        start = end.end()
    parts.append(text[start:])
    return parts


def _tidy(text: str) -> str:
    """A value without the marks around it."""
    text = text.replace("**", "").strip().strip("*").strip()
    return re.sub(r"(?<=[^.\s])[.。]\s*$", "", text).rstrip("*").strip()
