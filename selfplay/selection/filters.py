"""Filters reject a correct trace for faults of its text that the verdict does not see. One function a filter, and FILTERS.

The filters about reasoning read prose. The reasoning of a program is the program, and its tests decide.
"""

import functools
import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from selfplay.parallel import in_order
from selfplay.records import Trace, normalised
from selfplay.selection.languages import differs_in_language
from selfplay.selection.step_checks import wrong_steps
from verifiers import Outcome, verifier_of

CHUNK_TRACES = 256
WORTH_TRACES = 50_000  # fewer are read before further processes have started
MOST_PROCESSES = 4  # the process that hands out traces keeps no more busy
DIED = "rules_died"  # reason of a trace whose text killed the process that read it
# by trace of a task the filter that rejects it, or ""; seconds of each filter
Found = tuple[list[str], dict[str, float]]


def filter_texts(
    groups: Iterable[list[Trace]], reject: Iterable[str], each_text_once: bool, num_processes: int
) -> Iterator[tuple[list[Trace], Found]]:
    """Run the filters named in `reject` over correct traces, in parallel with `num_processes` above 1.

    Yields the traces of each task with what was found, in order. `each_text_once`: read only the first of equal texts.
    """
    names = tuple(name for name in FILTERS if name in reject)
    work = functools.partial(_read, names=names, each_text_once=each_text_once)
    return in_order(work, _chunks(groups), num_processes if names else 1, lambda group: ([DIED] * len(group), {}))


def processes_for(num_traces: int) -> int:
    """How many processes pay for so many traces."""
    return min(MOST_PROCESSES, os.cpu_count() or 1) if num_traces >= WORTH_TRACES else 1


def _read(groups: list[list[Trace]], names: tuple[str, ...], each_text_once: bool) -> list[Found]:
    return [_read_task(group, names, each_text_once) for group in groups]


def _read_task(traces: list[Trace], names: tuple[str, ...], each_text_once: bool) -> Found:
    faults: list[str] = []
    seconds: dict[str, float] = defaultdict(float)
    seen: set[str] = set()
    for trace in traces:
        text = normalised(trace.sample.text)
        read = trace.verdict.outcome is Outcome.CORRECT and not (each_text_once and text in seen)
        faults.append(_fault(trace, names, seconds) if read else "")
        if read:
            seen.add(text)
    return faults, seconds


def _fault(trace: Trace, names: tuple[str, ...], seconds: dict[str, float]) -> str:
    """The first filter that rejects a trace."""
    for name in names:
        started = time.perf_counter()
        broken = FILTERS[name](trace)
        seconds[name] += time.perf_counter() - started
        if broken:
            return name
    return ""


def _chunks(groups: Iterable[list[Trace]]) -> Iterator[list[list[Trace]]]:
    chunk: list[list[Trace]] = []
    size = 0
    for group in groups:
        chunk.append(group)
        size += len(group)
        if size >= CHUNK_TRACES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


MAX_TAIL = 100  # characters after a box
MIN_WORDS = 30  # a shorter text is too short to repeat itself
NGRAM = 8
MAX_REPEATED = 0.3  # of a text's n-grams
_LATEST = 8  # numbers before an answer that one more step may have used
_BOX_END = re.compile(r"\\(?:boxed|fbox)\s*\{")
_FIGURE = re.compile(r"\[asy\].*?\[/asy\]", re.S)
_LINE_MARKER = re.compile(r"####[^\n]*|^[ \t]*(?:A|Answer)[ \t]*:[ \t]*\S[^\n]*|</answer>", re.M)
_NUMBER = re.compile(r"(?<![\d.])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|(?<!\d)\.\d+")
_PLAIN_ANSWER = re.compile(r"[-+]?\$?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[-+]?\$?\.\d+")
_FRACTION = re.compile(r"(\d+)\s*/\s*(\d+)|\\[dt]?frac\s*\{(\d+)\}\s*\{(\d+)\}")
_NUMBER_WORDS = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
]  # fmt: skip


def unfinished(trace: Trace) -> bool:
    """The engine cut the completion at its token limit."""
    return trace.sample.finish_reason == "length"


def wrong_step(trace: Trace) -> bool:
    """An equation or a calculator annotation of the reasoning does not hold."""
    return _is_prose(trace) and bool(wrong_steps(trace.sample.text, _prompt(trace)))


def repetition(trace: Trace) -> bool:
    """More than 30% of its eight-word sequences occur earlier in the text (of characters, in a script without spaces)."""
    text = trace.sample.text
    words = text.split()
    if len(words) < MIN_WORDS and len(text) > 20 * max(1, len(words)):
        words = list(text)  # no spaces: a long text is read character by character
    num_ngrams = len(words) - NGRAM + 1
    if len(words) < MIN_WORDS or not _is_prose(trace):
        return False
    if len(words) - len(set(words)) < MAX_REPEATED * num_ngrams:
        return False  # each repeated n-gram begins with a repeated word
    return (
        num_ngrams - len(set(zip(*(words[start:] for start in range(NGRAM)), strict=False))) > MAX_REPEATED * num_ngrams
    )


def text_after_answer(trace: Trace) -> bool:
    """The text goes on after its final answer: past the line of `#### 5`, `A: 5` or `</answer>`, or 100 characters past a box."""
    if not _is_prose(trace):
        return False
    text = trace.sample.text
    start, end = _commitment(text)
    if end is None:
        return False
    tail = _FIGURE.sub("", text[end:]).strip(" \t\n.$*!)]}\\")
    return len(tail) > (MAX_TAIL if text[start] == "\\" else 0)


def answer_from_nowhere(trace: Trace) -> bool:
    """The reasoning has equations, and the answer, a plain number, appears neither in it nor in the task."""
    if not _is_prose(trace) or not _PLAIN_ANSWER.fullmatch(trace.verdict.answer.strip()):
        return False
    text = trace.sample.text
    start, end = _commitment(text)
    if end is None:
        return False
    before = text[:start]
    if "=" not in before or before.rstrip(" $*\n(\\").endswith("="):
        return False  # no steps to stand in, or the last step ends in the answer
    known = f"{before}\n{_prompt(trace)}"
    digits = trace.verdict.answer.strip().lstrip("+-$")
    if _stands(digits, known):
        return False
    answer = _value(digits)
    numbers = [_value(number) for number in _NUMBER.findall(known)]
    if any(
        _near(answer, number * scale) for number in numbers for scale in (1, 100, 0.01)
    ):  # dollars and cents, percent
        return False
    if any(_near(answer, int(a or c) / int(b or d)) for a, b, c, d in _FRACTION.findall(known) if int(b or d)):
        return False
    if "<<" not in text and _one_step(answer, [_value(number) for number in _NUMBER.findall(before)[-_LATEST:]]):
        return False
    return not (answer in range(len(_NUMBER_WORDS)) and _NUMBER_WORDS[int(answer)] in known.lower())


def language(trace: Trace) -> bool:
    """The completion is written in another script or language than its task."""
    return differs_in_language(trace.sample.text, _prompt(trace))


def false_claim(trace: Trace) -> bool:
    """A claim on the way to the answer does not hold by the rules of the task: a move that is illegal, or gives no check."""
    return bool(verifier_of(trace.task.reference).false_claims(trace.task.reference, trace.sample.text))


FILTERS: dict[str, Callable[[Trace], bool]] = {
    filter.__name__: filter
    for filter in (unfinished, language, text_after_answer, answer_from_nowhere, repetition, wrong_step, false_claim)
}


def _is_prose(trace: Trace) -> bool:
    return verifier_of(trace.task.reference).is_prose


def _prompt(trace: Trace) -> str:
    return trace.task.prompt[-1]["content"]


def _commitment(text: str) -> tuple[int, int | None]:
    """Where the last marked answer begins and ends; (0, None) if none is marked."""
    found = None
    if "####" in text or ":" in text or "</answer>" in text:
        for match in _LINE_MARKER.finditer(text):
            found = match.span()
    if "\\boxed" in text or "\\fbox" in text:
        for match in _BOX_END.finditer(text):
            if not found or match.start() > found[1]:
                found = (match.start(), _closing(text, match.end()))
    return found or (0, None)


def _closing(text: str, start: int) -> int:
    """The end of the brace that closes the one before `start`; the end of the text if none does."""
    depth = 1
    for brace in re.finditer(r"[{}]", text[start:]):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return start + brace.end()
    return len(text)


def _value(number: str) -> float:
    return float(number.replace(",", "").replace("$", "").lstrip("+-"))


def _stands(digits: str, text: str) -> bool:
    """Whether a number appears in a text by itself, as it is written."""
    at = text.find(digits)
    while at >= 0:
        if not (at and text[at - 1] in "0123456789.,") and not text[at + len(digits) : at + len(digits) + 1].isdigit():
            return True
        at = text.find(digits, at + 1)
    return False


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-9 * abs(a)


def _one_step(answer: float, numbers: list[float]) -> bool:
    """Whether one operation on two of the numbers, or on one of them and 1, 2 or 100, gives the answer."""
    for a in numbers:
        for b in (*numbers, 1.0, 2.0, 100.0):
            if (
                _near(answer, a + b)
                or _near(answer, a * b)
                or _near(answer, abs(a - b))
                or (b and _near(answer, a / b))
            ):
                return True
    return False
