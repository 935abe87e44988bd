"""The gate: which proposals become tasks. One function a check, and GATE, in the order in which they are asked.

A check looks at one proposal and at what stands around it (seeds, pool, evaluation sets, limits), and returns the fault that it
finds, or "". It runs no program and asks no model, so that thousands pass a second. The first check that finds a fault refuses
the proposal and is counted as the reason. A gate before any reward decides whether self-play improves (Survive or Collapse,
arXiv 2605.22217): no later score makes good for a wrong reference.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from selfplay.proposals.families import family_of, problem_of, tokens_of
from selfplay.proposals.kind import Kind
from selfplay.proposals.near_misses import refuses_a_near_miss
from selfplay.proposals.proposal import ADMITTED, Proposal
from selfplay.selection.decontamination import Contamination
from selfplay.selection.dedup import KeptTraces, sketch_of
from selfplay.selection.languages import differs_in_language
from tasks import Task, reference_to_dict
from verifiers import Outcome, verifier_of, verify_answer

NEAR = 0.8  # similarity of two prompts (MinHash of five-word sequences) from which on one is a copy
LEAST_FAMILY = 3  # tasks of a family that pass whatever the cap
PROSE_WORDS = 8  # of the seeds on average, from which on a task is read as sentences
MOST_WORD = 60  # characters of a word
MAX_REPEATED = 0.3  # of a prompt's words that are its most frequent one

_INJECTION = re.compile(
    r"<\||\|>|\[/?INST\]|</?s>|<<SYS>>|</?(?:system|assistant|script|tool)\b|^\s*#{2,}\s*(?:response|instruction|system)\b"
    r"|^\s*(?:system|assistant|user|human)\s*:|\b(?:ignore|disregard|forget|override)\b[^.?!\n]{0,40}\b(?:instruction|prompt|rule|above|previous|prior)s?"
    r"|\bsystem prompt\b|\bas an ai\b|\byou are (?:now )?(?:chatgpt|an? (?:ai|language model|assistant))\b|\bjailbreak\b"
    r"|\b(?:always|just|simply|only)\s+(?:answer|reply|respond|output)\b|\b(?:the|dear|to) (?:grader|verifier)\b|https?://|data:text",
    re.I | re.M,
)
_PLACEHOLDER = re.compile(
    r"\[(?:number|name|insert|x|n|value|amount|object|item)[^\]]{0,30}\]|\{[a-z_]{1,20}\}|_{3,}|\bTODO\b|\bTBD\b|\blorem ipsum\b"
    r"|<(?:number|name|value|insert)[^>]{0,30}>|\?{3,}|\.{4,}",
    re.I,
)
_ASKS = re.compile(
    r"\?|\b(?:how (?:many|much|long|far|old)|what (?:is|are|was|will))\b|(?:^|[.!:;,\n])\s*(?:please\s+|now\s+)?(?:find|compute|calculate"
    r"|determine|evaluate|solve|simplify|prove|show that|give|state|write|express|factor|count|estimate|list)\b",
    re.I,
)
_STATED = re.compile(
    r"\b(?:answer|solution|result|total|sum|it)\b[^.?!\n]{0,25}?(?:\bis\b|\bequals?\b|=|:)\s*\$?(-?[\w.,/\\{}]+?)\$?(?=[.,;:!?)\]]*(?:\s|$))"
    r"|\\boxed\s*\{([^{}]*)\}|####\s*(\S+)|<answer>\s*([^<]*)</answer>|\b(?:hint|note|spoiler)\b[^\n]{0,20}?(-?\d[\d.,]*)",
    re.I,
)
_HIDDEN = ("Cc", "Cf", "Co", "Cs", "Cn")  # categories of characters that nobody sees
_CHOICE = re.compile(r"(?m)(?:^|\s)\(?[A-D][).:]\s+\S.*?(?:\s|\n)\(?B[).:]\s", re.S)
_FEW = frozenset({"yes", "no", "true", "false", "even", "odd", "greater", "less", "equal", "possible", "impossible"})
_NO_ANSWER = re.compile(
    r"^\W*(?:n/?a|none|null|nan|inf(?:inity)?|unknown|undefined|not enough \w+|cannot .*|it depends.*|\?+|\.+|)\W*$",
    re.I,
)


@dataclass
class Surroundings:
    """What a proposal is compared with. `admit` adds a task that passed."""

    kinds: dict[str, Kind]
    longest: dict[str, int]  # by kind: the largest form that passes
    most_of_family: int  # admitted tasks that differ in nothing but their numbers
    max_characters: int
    sample: str  # text of a few seeds, in whose language proposals are written; empty: any
    contamination: Contamination | None = None  # the evaluation sets
    is_prose: bool = True  # tasks are sentences that ask something
    texts: set[tuple[str, ...]] = field(default_factory=set)  # tokens of all prompts that are taken
    families: Counter[tuple[str, ...]] = field(default_factory=Counter)
    near: KeptTraces = field(default_factory=lambda: KeptTraces(NEAR))

    def take(self, text: str) -> None:
        """A prompt that no later proposal may copy."""
        self.texts.add(tokens_of(text))
        self.near.add(text, [sketch_of(text)])

    def admit(self, task: Task) -> None:
        text = problem_of(task)
        self.take(text)
        self.families[family_of(text)] += 1


Check = Callable[[Proposal, Surroundings], str]


def judged(proposal: Proposal, around: Surroundings) -> Proposal:
    """The proposal with the reason why it is refused, or `admitted`; an admitted one is added to its surroundings."""
    for name, check in GATE:
        if detail := check(proposal, around):
            return replace(proposal, reason=name, detail=detail)
    around.admit(proposal.task)
    return replace(proposal, reason=ADMITTED)


def surroundings(
    kinds: dict[str, Kind], seeds: Iterable[Task], taken: Iterable[Task], contamination: Contamination | None, **limits
) -> Surroundings:
    """Surroundings of a round. `seeds` and `taken` may not be copied; `seeds` also say what tasks look like.

    limits: longest, most_of_family and max_characters.
    """
    seeds = list(seeds)
    texts = [problem_of(task) for task in seeds]
    words = sum(len(text.split()) for text in texts) / max(1, len(texts))
    is_prose = words >= PROSE_WORDS
    around = Surroundings(
        kinds, sample=" ".join(texts[:20]) if is_prose else "", contamination=contamination, is_prose=is_prose, **limits
    )  # fmt: skip
    for text in [*texts, *(problem_of(task) for task in taken)]:
        around.take(text)
    return around


def unreadable(proposal: Proposal, around: Surroundings) -> str:
    """The completion holds no task."""
    return "" if proposal.reading.task else proposal.reading.fault or "no task"


def cost(proposal: Proposal, around: Surroundings) -> str:
    """Prompt or reference longer than the cap, or one endless word."""
    text = problem_of(proposal.task)
    size = max(len(text), len(str(reference_to_dict(proposal.task.reference))))
    if size > around.max_characters:
        return f"{size} characters"
    longest = max(map(len, text.split()), default=0)
    return f"a word of {longest} characters" if around.is_prose and longest > MOST_WORD else ""


def injection(proposal: Proposal, around: Surroundings) -> str:
    """Instructions to whoever reads the task, markup of a chat, characters that nobody sees."""
    text = problem_of(proposal.task)
    if found := _INJECTION.search(text):
        return found[0].strip()
    if text.replace("\n", " ").replace("\t", " ").isprintable():
        return ""
    hidden = next((sign for sign in text if unicodedata.category(sign) in _HIDDEN and sign not in "\n\t"), "")
    return f"U+{ord(hidden):04X}" if hidden else ""


def unasked(proposal: Proposal, around: Surroundings) -> str:
    """Nothing is asked, more than one thing is, or a blank was not filled in."""
    if not around.is_prose:
        return ""
    text = problem_of(proposal.task)
    if found := _PLACEHOLDER.search(text):
        return f"placeholder {found[0]}"
    words = tokens_of(text)
    if len(words) < 4:
        return f"{len(words)} words"
    if Counter(words).most_common(1)[0][1] > MAX_REPEATED * len(words):
        return "one word over and over"
    if text.count("?") > 1:
        return f"{text.count('?')} questions"
    return "" if _ASKS.search(text) else "no question"


def language(proposal: Proposal, around: Surroundings) -> str:
    """Another script or language than that of the seeds."""
    if not around.sample:
        return ""
    text = problem_of(proposal.task)
    if not text.isascii() and around.sample.isascii():
        letters = [sign for sign in text if sign.isalpha()]
        if sum(not sign.isascii() for sign in letters) > 0.2 * len(letters):
            return "another script"
    return "another language" if differs_in_language(text, around.sample) else ""


def copy(proposal: Proposal, around: Surroundings) -> str:
    """A seed, a task of the pool or an evaluation task, word for word or nearly."""
    text = problem_of(proposal.task)
    if tokens_of(text) in around.texts:
        return "of a task that is there"
    if len(around.near.of_like_tasks(text)):
        return "near one that is there"
    return around.contamination.match(text) if around.contamination else ""


def form(proposal: Proposal, around: Surroundings) -> str:
    """Longer than what is solved now and a little more."""
    name = proposal.ask.kind
    size = around.kinds[name].form(proposal.task)
    return f"{size}, above {around.longest[name]}" if size > around.longest[name] else ""


def family(proposal: Proposal, around: Surroundings) -> str:
    """One of too many that differ in their numbers alone."""
    count = around.families[family_of(problem_of(proposal.task))]
    return f"{count} of its family are there" if count >= max(LEAST_FAMILY, around.most_of_family) else ""


def answer_in_question(proposal: Proposal, around: Surroundings) -> str:
    """The prompt states its own answer."""
    task = proposal.task
    if not verifier_of(task.reference).has_answers:
        return ""
    for found in _STATED.finditer(problem_of(task)):
        stated = next(filter(None, found.groups()), "").rstrip(".,")
        if stated and verify_answer(task.reference, stated).outcome is Outcome.CORRECT:
            return found[0]
    return ""


def chance(proposal: Proposal, around: Surroundings) -> str:
    """A guess is right too often: two or a few possible answers."""
    reference = proposal.task.reference
    verifier = verifier_of(reference)
    own = (verifier.own_answer(reference) if verifier.has_answers else None) or ""
    if own.strip().strip("().").casefold() in _FEW:
        return f"the answer is {own}"
    if re.fullmatch(r"\W*[A-Ea-e]\W*", own) and _CHOICE.search(problem_of(proposal.task)):
        return "a choice of a few"
    return ""


def reference(proposal: Proposal, around: Surroundings) -> str:
    """Its own verifier does not accept the reference, or the prompt itself says that it is another."""
    task = proposal.task
    verifier = verifier_of(task.reference)
    if fault := verifier.fault(task.reference):
        return fault
    if verifier.has_answers and (own := verifier.own_answer(task.reference)) is not None:
        if _NO_ANSWER.match(own):
            return f"no answer: {own}"
        if verify_answer(task.reference, own).outcome is not Outcome.CORRECT:
            return "its verifier does not accept it"
    again = around.kinds[proposal.ask.kind].recomputed(task)
    if again is not None and again.reference != task.reference:
        return "computed again, it is another"
    return ""


def near_miss(proposal: Proposal, around: Surroundings) -> str:
    """Answers next to the right one pass as well."""
    return "" if refuses_a_near_miss(proposal.task) else "no wrong answer is refused"


GATE: list[tuple[str, Check]] = [
    ("unreadable", unreadable),
    ("cost", cost),
    ("injection", injection),
    ("unasked", unasked),
    ("language", language),
    ("form", form),
    ("copy", copy),
    ("family", family),
    ("chance", chance),
    ("reference", reference),
    ("answer_in_question", answer_in_question),
    ("near_miss", near_miss),
]
