"""Reading a completion: from all that a model wrote to the text of its final answer.

The last committed answer counts. What commits, wherever it stands: a box, `#### x`, `<answer>x</answer>`, a line `A: x`,
"the (final) answer is x". Only where none of these stands is the closing sentence read, and only if it states one value
(`... = 13.`, `so it costs **5**`, `the total is 34`); nothing is chosen because it fits the reference, which is not known
here.
"""

import re
from collections.abc import Iterator

from verifiers.mathematics.extraction.boxes import BOX, boxes, joined, truncated_box, unboxed
from verifiers.mathematics.extraction.conclusion import last_equation_of
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
from verifiers.mathematics.extraction.visible import visible

_MAX_WORDS = 100  # characters of an answer in words, such as "all real numbers"
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
    r"(?:\bfinal\s+answer|(?<![^\W_])answer|\bréponse|\brespuesta|\bAntwort|\bresposta|\brisposta|\bresult|\bsolution(?=\s*:)|\bcorrection(?=\s*:)"
    r"|最终答案|答案|答えは|答|정답은|답은|الجواب هو|الإجابة هي|उत्तर|ответ)[\"*_]{0,6}\s{0,9}"
    r"(?:\\?\*){0,6}\s{0,9}(?:(?::|：|=|→|⇒|\bis\b\s{0,9}:?|\bwould\s+be\b|\bwill\s+be\b|\bmust\s+be\b|\best\b|\bes\b|\bist\b|\bé\b|\bè\b|是|为)\*{0,6}"
    r"|(?=\s{0,9}(?:\$|\\\[|\\\())|(?<=[는은は])|(?<=هو)|(?<=هي)|(?=\n{1,9}[ \t]{0,9}-?\d))\s{0,9}"
    r"|(?:\bđáp\s+(?:án|số)|\bjawaban(?:nya)?|\bhasil(?:nya)?|\bcevap|\bsonuç|\bodpowiedź|\bwynik|\bodpověď|คำตอบ|उत्तर|الجواب|الإجابة|الناتج|الاجابة|جواب"
    r"|\bвідповідь|\bответ|\bsvar(?:et)?|\bantwoord|\bvastaus|απάντηση|תשובה|উত্তর|پاسخ|\brăspuns(?:ul)?|\bválasz|\bodpoveď|\bodgovor|\bjawapan(?:nya)?|\bsagot|\bjibu|பதில்|సమాధానం)[\"*]{0,6}\s{0,9}(?:(?:cuối cùng|của bài toán|akhir(?:nya)?|końcowa|ostateczna|النهائية|النهائي|สุดท้าย|अंतिम)\s{0,9})?"
    r"(?:(?::|：|=|\blà\b|\badalah\b|\bto\b|\bjest\b|\bwynosi\b|\bje\b|\bär\b|\bis\b|\bon\b|คือ|है|هي|هو|είναι|היא|হল|হলো|হচ্ছে|است|\bni\b|\bay\b|\beste\b|\bialah\b)\s{0,9}:?\s{0,9}\*{0,6}\s{0,9}|(?=[-−]?[\d$]))",
    re.I,
)
_PHRASE_WORDS = [
    "answer",
    "réponse",
    "respuesta",
    "antwort",
    "resposta",
    "risposta",
    "result",
    "solution",
    "correction",
    "最终答案",
    "答案",
    "答えは",
    "答",
    "정답은",
    "답은",
    "उत्तर",
    "ответ",
    "đáp",
    "jawaban",
    "hasil",
    "cevap",
    "sonuç",
    "odpowiedź",
    "wynik",
    "odpověď",
    "คำตอบ",
    "الناتج",
    "الاجابة",
    "جواب",
    "الجواب",
    "الإجابة",
    "відповідь",
    "svar",
    "antwoord",
    "vastaus",
    "απάντηση",
    "תשובה",
    "উত্তর",
    "پاسخ",
    "răspuns",
    "válasz",
    "odpoveď",
    "odgovor",
    "jawapan",
    "sagot",
    "jibu",
    "பதில்",
    "సమాధానం",
]
_ASCII_WORDS = list(filter(str.isascii, _PHRASE_WORDS))
_RETRACTED = re.compile(  # behind a box: "Hmm, that is wrong", "Actually, it should be 6"
    r"[\s$.}\])*]{0,9}(?:(?:wait|hmm+|actually|no|but|however|oops|sorry|hold on|correction)\b[^.?\n]{0,80}?\b|,\s*(?:but\s+)?)?"
    r"(?:(?<!if )(?:this|that|it|which|(?:the|my) answer)\s*(?:is|was|'s|can't be|cannot be)\s+(?:clearly\s+|obviously\s+)?"
    r"(?:wrong|incorrect|not (?:right|correct|possible)|impossible|right\b(?=\?)|a mistake|an error|a contradiction)\b"
    r"|(?:this|that|it|which)\s+(?:contradicts|(?:doesn't|does not|can't|cannot)\s+(?:satisfy|work|hold|match|make sense|be right|be correct))\b|I\s+(?:miscounted|misread|miscalculated|made an? (?:mistake|error)|was wrong)\b"
    r"|(?:this|that|it|answer)\s+should\s+(?:be|have been)\s+(?:[$\\-]?[\d\\(]|[A-J]\b))",
    re.I,
)
_SHOULD_BE = re.compile(r"should\s+be\s+\(?([A-J])\)?(?![A-Za-z])")
_FINAL = re.compile(r"\bfinal\s{1,5}$", re.I)
_WORDED_EQUATION = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{4,}(?![}\w]).*=")  # "adding up, 40 + 2 = 42"
_SUPPOSED = re.compile(
    r"\b(?:suppose|supposing|assume|assuming|if|whether|unless|says?|said|claims?|claimed)\s+(?:that\s+)?"
    r"(?:(?:the|this|our|my|your)\s+)?(?:correct\s+|right\s+)?$",
    re.I,
)
_ADVERB = re.compile(
    r"(?:actually|simply|indeed|clearly|therefore|thus|equal to|given by|(?:option|choice)(?=\s+\(?(?:[A-J]|\d+)\b))\s+",
    re.I,
)
_DECIMAL_COMMA = re.compile(r"[-−]?\d+,(?:\d\d?|\d{4,})")
_WITH_DECIMAL_COMMA = re.compile(  # "Die Antwort ist 2,5": languages that write numbers so
    r"réponse|respuesta|antwort|resposta|risposta|ответ|odpov|wynik|cevap|sonuç|svar|antwoord|jawaban|hasil|đáp|відповідь|vastaus"
    r"|răspuns|válasz|odgovor|απάντηση",
    re.I,
)
_NO_IDEA = re.compile(  # a text that says that it holds no answer
    r"(?:(?:sorry|hmm+|um+|well)\W+)?(?:(?:but\s+)?i\s+(?:really\s+)?(?:(?:don't|do not)\s+(?:know|understand|remember)|have no (?:idea|clue)|am not sure|give up"
    r"|(?:can't|cannot|can not|could not|couldn't|am unable to|am not able to)\s+(?:solve|answer|determine|find|help|figure|do))\b[^\d=\\]*"
    r"|no (?:idea|clue|answer)|not sure|idk|i'm not sure[^\d=\\]*|n/a|unsure|pass|skip)\W*",
    re.I,
)
_CHOSEN = re.compile(r"(?:I(?:'d| would| will|'ll)?\s+(?:choose|pick|select|go with))\s+(?:option\s+)?\(?([A-J])\)?\.?")
_CONCLUDING_WORD = re.compile(
    r"(?:so|thus|hence|therefore|in conclusion|finally|in total)[,:]?\s+(?=[$-]?\d[\d.,/%]*\Z)", re.I
)
_SPOKEN_EQUATION = re.compile(
    r"[\d.]+(?:\s*(?:[-+*/×÷]|plus|minus|times|divided by)\s*[\d.]+)+\s+(?:is|equals|makes|gives)\s+[-$]?[\d.,]*\d\.?"
)
_OPTION_LINE = re.compile(  # "The correct choice is:", then a line "C. 1/2"
    r"\b(?:answer|choice|option|correct)\b[^\n]{0,60}:\**\s*\n\s*(\**\(?[A-J][.):]\)?\s+\S[^\n]{0,200}|\**\(?[A-J]\)?\**)\s*\Z",
    re.I,
)
_HEADING = re.compile(r"#{1,6}[ \t]+(?=\S)")
_PARTS = re.compile(r"\(a\)\s*\S.{0,200}\n\s*\(b\)\s*\S.{0,300}", re.S)  # the parts of an answer, line by line
_REASON = re.compile(  # "17 because ...", "A, not B": what follows is no answer
    r",?\s+(?:because|since|which|as it|rather than|instead of)\b|,\s+(?:and\s+)?not\b"
)
_POLITE_VERB = re.compile(r"(?:です|でした|입니다|이다|\s*है|\s*होगा|\s*dir|\s*'?[td][iıuü]r|\s*ครับ|\s*ค่ะ)\s*[。.।]?$")
_SHORT_SENTENCE = re.compile(r"[A-Z][a-z']*(?: [a-z']+)+ .*\d.*\.")  # "It costs $4."
_YES_OR_NO = re.compile(r"\W*(Yes|No)\b\**[,.]")  # "Yes, it is."
_QUESTION = re.compile(r"[^.!?\n]{0,100}\?")
_GLUED = re.compile(r"\(?(?:[Tt]he|[Mm]y|[Oo]ur)\s+(?:final\s+)?answer\s")  # "30The answer is 30"
_NEXT_SPAN = re.compile(r"\s{0,3}(?:[,;]\s*(?:and\b|or\b)?|and\b|or\b|OR\b)\s{0,3}")
_BULLETS = re.compile(r"\s*(?:[-*•][ \t]+\S[^\n]*(?:\n\s*|$)){2,12}")
_BULLET = re.compile(r"^\s*[-*•]\s+(?=\$|\\\()")
_ANSWER_LINE = re.compile(r"^[ \t]*\**(?:Final )?Answer:?\**:?[ \t]*\**\(?([A-J])\)?\**[ \t]*\.?$", re.M)
_MAX_STATEMENT = 3_000  # characters that are read behind "the answer is"
_MAX_SENTENCE = 1_000  # characters of a sentence without a formula at its start
_MAX_PHRASES = 12  # of one completion, the last ones
_ALTERNATIVE = re.compile(r"\s*,?\s*(?:or|and|times|plus|minus|divided|more|less|fewer)\s+(?=\S)")


def extract(completion: str) -> str | None:
    """The text of the final answer, or None where a completion commits to none."""
    text = visible(completion)
    if text is None:
        return None
    committed = _last_commitment(text)
    if committed is not None:
        return committed.strip() or None
    return None if truncated_box(text) else _whole_or_closing(text)


def committed(text: str) -> str | None:
    """What a text commits to in a box, behind "####" or behind "the answer is"; None for other texts."""
    return _last_commitment(text) if re.search(r"\\boxed|####|\banswer\b", text, re.I) else None


def closing_side(completion: str, answer: str) -> str | None:
    """What a closing sentence states last: of several equations the last one, of "therefore, 2x = -4" the last side.

    None for an answer that stands in a commitment, or is the whole completion.
    """
    text = visible(completion)
    if text is None or answer in ((_last_commitment(text) or "").strip(), text.strip()):
        return None
    last = last_equation_of(answer)
    if last != answer:
        return last
    sentences = [part for part in split_sentences(text[-_MAX_SENTENCE:]) if re.search(r"\w", part)]
    side = answer.rpartition("=")[2].strip()
    return side if side != "0" and sentences and CONCLUDING.match(sentences[-1].lstrip(" $*")) else None


def statements(completion: str) -> list[str]:
    """All that follows "the answer is" up to the end of its line, and up to the end of the completion."""
    text = visible(completion)
    if text is None:
        return []
    phrases = _phrases(text)
    found = []
    for phrase in phrases[:1] + phrases[-3:]:
        rest = text[phrase.end() : phrase.end() + _MAX_STATEMENT]
        if len(text) - phrase.end() <= _MAX_STATEMENT:
            found.append(rest)
    if phrases:
        found.append(text[phrases[-1].end() :].partition("\n")[0][:_MAX_STATEMENT])
    return found


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
    letters = list(_ANSWER_LINE.finditer(text))
    if letters:
        found.append((letters[-1].start(), letters[-1][1]))
    if lines and not boxed:
        found.append((lines[-1].start(), _after_phrase(lines[-1][1]) or tidy(lines[-1][1])))
    if boxed and boxed[-1][0] == max(found)[0] and _RETRACTED.match(text, boxed[-1][1]):
        return _after_retraction(text[boxed[-1][1] :])
    start = max(found)[0] if found else 0
    start = boxed[-1][1] if boxed and start == boxed[-1][0] else start  # nothing inside of the box speaks about it
    for phrase in reversed(_phrases(text, start)[-_MAX_PHRASES:]):
        if _QUESTION.match(text, phrase.end()) or _SUPPOSED.search(text[max(0, phrase.start() - 60) : phrase.start()]):
            continue
        value = _after_phrase(text[phrase.end() : phrase.end() + _MAX_STATEMENT])
        if value and _DECIMAL_COMMA.fullmatch(value) and _WITH_DECIMAL_COMMA.search(phrase[0]):
            value = value.replace(",", ".")
        late = found and re.search(r"\d|\$|\\", value or "")
        if value and not found and (taken_back := _RETRACTED.match(text, text.find(".", phrase.end()) + 1)):
            return _after_retraction(text[taken_back.start() :])
        if value and (not found or (late and ("final" in phrase[0].lower() or " is" in phrase[0].lower()))):
            found.append((phrase.start(), value))
            break
    return max(found)[1] if found else None


def _after_retraction(rest: str) -> str:
    """What a text states after it took back an answer; empty where it states nothing."""
    chosen = _SHOULD_BE.search(rest)
    if chosen:
        return chosen[1]
    later = [part for part in split_sentences(rest[:_MAX_SENTENCE]) if re.search(r"\w", part)]
    return value_of_sentence(later[-1]) or ""


def _phrases(text: str, start: int = 0) -> list[re.Match[str]]:
    """Where a text says "the answer is", from `start` on. The pattern is only tried where one of its words stands."""
    lowered = text[start:].lower()
    if len(lowered) != len(text) - start:  # a sign whose small form is longer
        return list(_PHRASE.finditer(text, start))
    words = _ASCII_WORDS if lowered.isascii() else _PHRASE_WORDS
    found, last = [], start
    for place in sorted(start + place for word in words for place in _places(lowered, word)):
        final = _FINAL.search(text, max(0, place - 15), place)
        match = _PHRASE.match(text, final.start()) if final else _PHRASE.match(text, place)
        if match and match.start() >= last:
            found.append(match)
            last = match.end()
    return found


def _places(text: str, word: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + len(word))


def _after_phrase(rest: str) -> str | None:
    """What follows "the answer is": a span of mathematics, or the text up to the end of the sentence."""
    rest = rest.partition("</answer>")[0].lstrip(" \t*:}")
    rest = _GLUED.split(rest)[0]
    rest = rest[adverb.end() :] if (adverb := _ADVERB.match(rest)) else rest
    if BOX.search(rest[:12]):
        return None  # a box speaks for itself
    bullets = _BULLETS.match(rest)
    if bullets:
        return ", ".join(tidy(line.strip().lstrip("-*• ")) for line in bullets[0].split("\n") if line.strip())
    rest = _BULLET.sub("", rest)
    span = MATH_SPAN.match(rest.lstrip())
    if span:
        rest = rest.lstrip()
        held, only_or, end = [inside_of(span)], True, span.end()
        while (joint := _NEXT_SPAN.match(rest, end)) and (span := MATH_SPAN.match(rest, joint.end())):
            held.append(inside_of(span))
            only_or &= "or" in joint[0].lower()
            end = span.end()
        if len(held) > 1:
            return (" or " if only_or else ", ").join(held)
        tail = split_sentences(rest[end : end + _MAX_SENTENCE].split("\n")[0] or " ")[0]
        if _ALTERNATIVE.match(tail):
            return tidy(held[0] + tail.replace("$", " "))
        return held[0] if len(re.findall(r"\w+", tail)) > 4 or "$" in tail else tidy(held[0] + _unit_tail(tail))
    sentence = next((part for part in split_sentences(rest.lstrip()[:_MAX_SENTENCE]) if part.strip()), "")
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
    if len(stripped) <= _MAX_WORDS and _NO_IDEA.fullmatch(stripped):
        return None
    if "\n" not in stripped:
        for opening in (_HEADING, _CONCLUDING_WORD):
            stripped = stripped[match.end() :] if (match := opening.match(stripped)) else stripped
        if chosen := _CHOSEN.fullmatch(stripped):
            return chosen[1]
    elif _PARTS.fullmatch(stripped) and not looks_like_prose(stripped):
        return stripped
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
            if (
                _SPOKEN_EQUATION.fullmatch(stripped[:_MAX_WORDS])
                or _WORDED_EQUATION.search(stripped[:500])
                or _SHORT_SENTENCE.fullmatch(stripped[:_MAX_WORDS])
            )
            and " where " not in stripped
            else stripped
        )
    option = _OPTION_LINE.search(stripped)
    if option:
        return option[1].replace("**", "")
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
