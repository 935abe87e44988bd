"""Reading a completion: from all that a model wrote to the text of its final answer.

The last committed answer counts. What commits, wherever it stands: a box, `#### x`, `<answer>x</answer>`, a line `A: x`,
"the (final) answer is x". Only where none of these stands is the closing sentence read, and only if it states one value
(`... = 13.`, `so it costs **5**`, `the total is 34`); nothing is chosen because it fits the reference, which is not known
here.
"""

import re

from verifiers.mathematics.extraction.boxes import BOX, boxes, joined, truncated_box, unboxed
from verifiers.mathematics.extraction.sentences import (
    CONCLUDING,
    FOREIGN,
    HYPOTHESIS,
    MATH_SPAN,
    closing_value,
    held_together,
    inside_of,
    split_sentences,
    tidy,
    value_of_sentence,
)
from verifiers.thinking import spoken_part

_MAX_COMPLETION = 100_000  # characters; a longer completion is read from its end, where answers stand
_MAX_WORDS = 100  # characters of an answer in words, such as "all real numbers"
_STOP_TOKEN = re.compile(
    r"<\|(?:im_end|im_start|endoftext|eot_id|end|end_of_text|eom_id)\|>|</s>|<｜end▁of▁sentence｜>"
)
_ANSWER_TAG = re.compile(
    r"(?:<(?:final_)?answer>|\[answer\])((?:(?!<(?:final_)?answer>|\[answer\]).){0,4000}?)(?:</(?:final_)?answer>|\[/answer\])",
    re.I | re.S,
)
_ANSWER_FIELD = re.compile(
    r'"(?:final_?)?answer"\s*:\s*(?:"([^"\n]{0,500})"|([^",}\n]{1,500}))', re.I
)  # {"answer": "5"}
_HASHES = re.compile(r"####[ \t]*([^\n]*)")
_A_LINE = re.compile(r"^[ \t]*(?:A|Answer)[ \t]*:[ \t]*(\S[^\n]*)$", re.M)
_PHRASE = re.compile(
    r"(?:\bfinal\s+answer|\banswer|\bréponse|\brespuesta|\bAntwort|\bresposta|\brisposta|\bresult|\bsolution(?=\s*:)|\bcorrection(?=\s*:)|最终答案|答案|答えは|答|정답은|답은|الجواب هو|الإجابة هي|उत्तर|ответ)[\"\**]*\s*"
    r"(?:(?:\\?\*)*\s*(?::|：|=|→|⇒|\bis\b\s*:?|\bwould\s+be\b|\bwill\s+be\b|\bmust\s+be\b|\best\b|\bes\b|\bist\b|\bé\b|\bè\b|是|为)\**"
    r"|(?=\s*(?:\$|\\\[|\\\())|(?<=[는은は])|(?<=هو)|(?<=هي)|(?=\n+[ \t]*-?\d))\s*",
    re.I,
)
_WORDED_EQUATION = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{4,}(?![}\w]).*=")  # "adding up, 40 + 2 = 42"
_SUPPOSED = re.compile(
    r"\b(?:suppose|supposing|assume|assuming|if|whether|unless|says?|said|claims?|claimed)\s+(?:that\s+)?"
    r"(?:(?:the|this|our|my|your)\s+)?(?:correct\s+|right\s+)?$",
    re.I,
)
_ADVERB = re.compile(
    r"(?:actually|simply|indeed|clearly|therefore|thus|equal to|given by|(?:option|choice)(?=\s+\(?[A-J]\b))\s+", re.I
)
_REASON = re.compile(  # "17 because ...", "A, not B": what follows is no answer
    r",?\s+(?:because|since|which|as it|rather than|instead of)\b|,\s+(?:and\s+)?not\b"
)
_POLITE_VERB = re.compile(r"(?:です|でした|입니다|이다)\s*[。.]?$")
_SHORT_SENTENCE = re.compile(r"[A-Z][a-z']*(?: [a-z']+)+ .*\d.*\.")  # "It costs $4."
_YES_OR_NO = re.compile(r"\W*(Yes|No)\b\**[,.]")  # "Yes, it is."
_QUESTION = re.compile(r"[^.!?\n]{0,100}\?")
_ALTERNATIVE = re.compile(r"\s*,?\s*(?:or|and|times|plus|minus|divided|more|less|fewer)\s+(?=\S)")


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
        r"\\(?:text|mathrm|mbox|textbf)\s*\{[^{}]*\}|\\[A-Za-z]+|_\{[^{}]*\}", " ", MATH_SPAN.sub(" 1 ", text[:4000])
    )
    if FOREIGN.search(outside):
        return True
    return len(re.findall(r"[^\W\d_]{2,}", outside)) >= 3


def final_text(answer: str) -> str:
    """An answer as it was given; where that is a whole text after all, the answer that it commits to."""
    if "\\boxed" in answer or "**" in answer or "\n" in answer.strip() or looks_like_prose(answer):
        return extract(answer) or answer
    return answer


def _visible(completion: str) -> str | None:
    """The completion without its thinking and without what follows its end; None if the thinking never ended."""
    text = completion
    if "<" in text and "<|channel|>" not in text:  # in channels an end token ends a part, not the turn
        for stop in _STOP_TOKEN.finditer(text):
            if text[: stop.start()].strip():
                text = text[: stop.start()]
                break
    spoken = spoken_part(text)
    return spoken[-_MAX_COMPLETION:] if spoken and spoken.strip() else None


def _last_commitment(text: str) -> str | None:
    """The commitment that stands last, each with where it begins."""
    found: list[tuple[int, str]] = []
    boxed = boxes(text)
    if boxed:
        found.append((boxed[-1][0], joined(text, boxed)))
    tags = list(_ANSWER_TAG.finditer(text)) if "<" in text or "[" in text else []
    if tags:
        found.append((tags[-1].start(), unboxed(tags[-1][1])))
    fields = list(_ANSWER_FIELD.finditer(text)) if '"' in text else []
    if fields:
        found.append((fields[-1].start(), unboxed(fields[-1][1] or fields[-1][2] or "")))
    hashes = list(_HASHES.finditer(text))
    if hashes:
        found.append((hashes[-1].start(), tidy(hashes[-1][1])))
    lines = list(_A_LINE.finditer(text))
    if lines and not boxed:
        found.append((lines[-1].start(), _after_phrase(lines[-1][1]) or tidy(lines[-1][1])))
    for phrase in reversed(list(_PHRASE.finditer(text))):
        inside = boxed and boxed[-1][0] < phrase.start() < boxed[-1][1]
        if (
            inside
            or _QUESTION.match(text, phrase.end())
            or _SUPPOSED.search(text[max(0, phrase.start() - 60) : phrase.start()])
        ):
            continue
        value = _after_phrase(text[phrase.end() :])
        late = found and phrase.start() > max(found)[0] and re.search(r"\d|\$|\\", value or "")
        if value and (not found or (late and ("final" in phrase[0].lower() or " is" in phrase[0].lower()))):
            found.append((phrase.start(), value))
            break
    return max(found)[1] if found else None


def _after_phrase(rest: str) -> str | None:
    """What follows "the answer is": a span of mathematics, or the text up to the end of the sentence."""
    rest = rest.partition("</answer>")[0].lstrip(" \t*:}")
    rest = rest[adverb.end() :] if (adverb := _ADVERB.match(rest)) else rest
    if BOX.search(rest[:12]):
        return None  # a box speaks for itself
    span = MATH_SPAN.match(rest.lstrip())
    if span:
        tail = split_sentences(rest.lstrip()[span.end() :].split("\n")[0] or " ")[0]
        held = inside_of(span)
        if _ALTERNATIVE.match(tail):
            return tidy(held + tail.replace("$", " "))
        return held if len(re.findall(r"\w+", tail)) > 4 or "$" in tail else tidy(held + _unit_tail(tail))
    sentence = next((part for part in split_sentences(rest.lstrip()) if part.strip()), "")
    sentence = _POLITE_VERB.sub("", _REASON.split(sentence)[0] or sentence)
    if looks_like_prose(sentence):
        return value_of_sentence(sentence) or tidy(sentence)
    return tidy(sentence)


def _unit_tail(tail: str) -> str:
    """A unit that stands outside of the dollars: `$5$ cm`; other words after a value are dropped."""
    word = re.match(r"\s*(%|[a-zA-Z]{1,12}(?:\s+per\s+[a-z]+)?)\s*$", tail.rstrip(". "))
    return r"\text{ " + word[1].replace("%", r"\%") + "}" if word else ""


def _whole_or_closing(text: str) -> str | None:
    """A bare answer is its own text; prose states its answer in its closing sentence, or nowhere."""
    stripped = text.strip()
    if not looks_like_prose(stripped) and "\n" not in stripped and not re.search(r"\*\*\s*$|=\s*\*\*", stripped):
        spans = list(MATH_SPAN.finditer(stripped))
        if len(spans) == 1 and spans[0].end() >= len(stripped.rstrip(". ")) and spans[0].start() > 0:
            outside = stripped[: spans[0].start()].strip()
            if HYPOTHESIS.fullmatch(outside):
                return None
            if re.fullmatch(r"(?:[^\W\d_]+[:,\s]*)+", outside) and (len(outside) > 5 or CONCLUDING.search(outside)):
                return inside_of(spans[0])
        if len(spans) > 1 and CONCLUDING.fullmatch(stripped[: spans[0].start()].strip(" ,:")):
            return held_together(stripped, spans)
        return (
            closing_value(stripped) or stripped
            if (_WORDED_EQUATION.search(stripped) or _SHORT_SENTENCE.fullmatch(stripped[:_MAX_WORDS]))
            and " where " not in stripped
            else stripped
        )
    stated = closing_value(stripped)
    agreed = _YES_OR_NO.match(stripped)
    if agreed and (
        stated is None
        or (not re.search(r"\d", stated) and len([part for part in split_sentences(stripped) if part.strip()]) == 1)
    ):
        return agreed[1]
    if stated is None and len(stripped) <= _MAX_WORDS and "\n" not in stripped:
        return stripped
    return stated
