"""Second chances for a task that no sample solved: its prompt with a hint, or with a failed program and what was wrong with it.

A hinted sample (rationalization: Zelikman et al. 2022, "STaR") is learnt under the prompt without the hint, so nothing of it
may show. Both rules here reject too much rather than too little, since a trace that is lost costs less than one that teaches a
model to know its answer before its steps:

- mentions_hint: the text says that it was told an answer, or repeats the hint's own words
- steps_do_not_lead: its equations do not lead from the numbers of the task to the answer (step_checks.results)
"""

import re
from dataclasses import replace

from selfplay.records import Trace
from selfplay.selection.step_checks import results, values_of
from tasks import Task
from verifiers import Verdict, verifier_of

RATIONALIZED, REPAIRED = "rationalized", "repaired"  # `selection` of a row that was made so
RUN_OF_WORDS = 4  # as many words in a row of the hint, and not of the task, are the hint's

_WORD = re.compile(r"[^\W_]+")
_ANSWER = r"(?:final |right |correct )*(?:answer|solution|result|value|total)"
_TOLD = (
    r"(?:given|provided|supplied|stated|told|known|expected|mentioned|indicated|suggested|reference|hinted|claimed|target|desired"
    r"|required|intended)"
)
_MENTIONS = [
    re.compile(pattern, re.I)
    for pattern in (
        r"\bhint(?:s|ed)?\b",
        rf"\b{_TOLD}\s+(?:\w+\s+){{0,2}}?{_ANSWER}\b",
        rf"\b{_ANSWER}\s+(?:\w+\s+){{0,3}}?{_TOLD}\b",
        rf"\b(?:we|i|you|already)\s+(?:already\s+|do\s+)?(?:know|knew|have|had|were|are|gave|said|told|mentioned|provided)\b[^.\n]{{0,30}}\b{_ANSWER}\b",
        r"\bas (?:you |was |were |it was )?(?:given|stated|told|mentioned|provided|said|hinted|indicated)\b",
        rf"\b(?:since|because|knowing that|given that|if) (?:we know )?(?:that )?(?:the|its|your) {_ANSWER} (?:is|must be|should be|has to be)\b",
        rf"\b{_ANSWER} (?:should|must|has to|is supposed to|needs to) (?:be|equal|come|match)\b",
        rf"\b(?:match(?:es|ing)?|agree(?:s|ing)?|consistent|confirm(?:s|ing|ed)?|verif(?:y|ies|ied)|get|reach|arrive)\b[^.\n]{{0,20}}\b(?:the|your|that) (?:\w+ )?{_ANSWER}\b",
        rf"\bwork(?:ing|ed)? back(?:wards?)?\b|\bbackwards? from\b|\breverse[- ]engineer|\bjustif(?:y|ies|ied|ication)\b[^.\n]{{0,20}}\b{_ANSWER}\b",
    )
]


def hinted(task: Task, hint: str) -> Task | None:
    """The task with the reference's answer in its prompt; None if the steps to such an answer could not be checked."""
    answer = verifier_of(task.reference).own_answer(task.reference)
    if answer is None or not values_of(answer):
        return None
    return _with_last(task, f"{task.prompt[-1]['content']}\n\n{hint.replace('{answer}', answer)}")


def hint_fault(trace: Trace, hint: str) -> str:
    """Why a hinted sample may not be learnt: mentions_hint or steps_do_not_lead; empty if it may. `trace` has its task without
    the hint."""
    text, prompt = trace.sample.text, "\n".join(message["content"] for message in trace.task.prompt)
    if any(pattern.search(text) for pattern in _MENTIONS) or _runs(text) & (_runs(hint) - _runs(prompt)):
        return "mentions_hint"
    answer = verifier_of(trace.task.reference).own_answer(trace.task.reference) or ""
    leads = bool(values_of(answer) & results(text, trace.task.prompt[-1]["content"]))
    return "" if leads else "steps_do_not_lead"


def can_repair(task: Task) -> bool:
    """Whether the verifier's account says what to change: of programs and proofs, and of no answer in prose."""
    return not verifier_of(task.reference).is_prose


def repaired(task: Task, text: str, verdict: Verdict) -> Task:
    """The task as a conversation: the failed text, and what the verifier said of it. Its id stays."""
    account = f"{verdict.reason.value}: {verdict.answer}".strip(": \n")
    request = f"This does not pass the check ({account}). Write the whole solution again, corrected."
    turns = ({"role": "assistant", "content": text}, {"role": "user", "content": request})
    return replace(task, prompt=(*task.prompt, *turns))


def _with_last(task: Task, content: str) -> Task:
    last = {**task.prompt[-1], "content": content}
    return replace(task, prompt=(*task.prompt[:-1], last))


def _runs(text: str) -> set[tuple[str, ...]]:
    """Every RUN_OF_WORDS words in a row."""
    words = _WORD.findall(text.lower())
    return set(zip(*(words[start:] for start in range(RUN_OF_WORDS)), strict=False))
