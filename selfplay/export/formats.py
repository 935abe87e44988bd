"""The rows of each export format, made of the traces of one task at a time.

| format | row | made for |
|---|---|---|
| sft    | prompt, completion (text)                         | trl SFTTrainer, axolotl, LLaMA-Factory |
| chat   | messages                                          | trl SFTTrainer and others with a chat template |
| dpo    | prompt, chosen, rejected                          | trl DPOTrainer: right against wrong of one task, alike in length |
| kto    | prompt, completion, label                         | trl KTOTrainer |
| prm    | prompt, completions (steps), labels               | process reward models, trl's stepwise supervision |
| verl   | data_source, prompt, reward_model.ground_truth, ... | verl's RL trainers (Parquet) |
| openai | messages, nothing else                            | OpenAI's fine-tuning |
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from selfplay.records import ACCEPTED, Trace
from selfplay.selection.step_checks import wrong_steps
from tasks import Task
from verifiers import Outcome, verifier_of

Row = dict[str, Any]
Selected = tuple[Trace, str]  # a trace with its selection


def sft(groups: Iterable[list[Selected]], plain: bool) -> Iterator[Row]:
    for trace in _accepted(groups):
        yield {"prompt": prompt_text(trace.task), "completion": trace.sample.text}


def chat(groups: Iterable[list[Selected]], plain: bool) -> Iterator[Row]:
    for trace in _accepted(groups):
        yield {
            "messages": [*_messages(trace.task), _answer(trace)],
            "task_id": trace.task.id,
            "source": trace.task.source,
        }


def openai(groups: Iterable[list[Selected]], plain: bool) -> Iterator[Row]:
    for trace in _accepted(groups):
        yield {"messages": [*_messages(trace.task), _answer(trace)]}


def dpo(groups: Iterable[list[Selected]], plain: bool) -> Iterator[Row]:
    for group in groups:
        right = [
            trace for trace, selection in group if selection == ACCEPTED and trace.verdict.outcome is Outcome.CORRECT
        ]
        for chosen, rejected in pairs(right, _wrong(group)):
            prompt = {"prompt": prompt_text(chosen.task) if plain else _messages(chosen.task)}
            yield prompt | {"chosen": _completion(chosen, plain), "rejected": _completion(rejected, plain)}


def kto(groups: Iterable[list[Selected]], plain: bool) -> Iterator[Row]:
    for group in groups:
        right = [
            trace for trace, selection in group if selection == ACCEPTED and trace.verdict.outcome is Outcome.CORRECT
        ]
        for trace in [*right, *_wrong(group)]:
            prompt = prompt_text(trace.task) if plain else _messages(trace.task)
            yield {
                "prompt": prompt,
                "completion": _completion(trace, plain),
                "label": trace.verdict.outcome is Outcome.CORRECT,
            }


def prm(groups: Iterable[list[Selected]], plain: bool) -> Iterator[Row]:
    """Steps are lines. A step is wrong where one of its equations is, and so is all that follows it; the last step is
    right only in a correct trace. A wrong trace whose steps show no mistake is left out: where it errs is not known."""
    for group in groups:
        for trace, _ in group:
            if trace.verdict.outcome is Outcome.UNDECIDED or not verifier_of(trace.task.reference).is_prose:
                continue
            steps, labels = step_labels(trace)
            correct = trace.verdict.outcome is Outcome.CORRECT
            if steps and (correct or not all(labels)):
                yield {"prompt": prompt_text(trace.task), "completions": steps, "labels": labels}


def verl(groups: Iterable[list[Selected]], plain: bool) -> Iterator[Row]:
    """One row a task, solved or not, with the pass rate that this run saw; tasks are not repeated between rounds."""
    seen: set[str] = set()
    for group in groups:
        task = group[0][0].task
        if task.id in seen:
            continue
        seen.add(task.id)
        decided = [trace.verdict.outcome for trace, _ in group if trace.verdict.outcome is not Outcome.UNDECIDED]
        verifier = verifier_of(task.reference)
        yield {
            "data_source": task.source,
            "prompt": _messages(task),
            "ability": verifier.ability,
            "reward_model": {"style": "rule", "ground_truth": verifier.ground_truth(task.reference)},
            "extra_info": {
                "index": len(seen) - 1,
                "split": "train",
                "task_id": task.id,
                "pass_rate": decided.count(Outcome.CORRECT) / len(decided) if decided else None,
                "num_samples": len(decided),
            },
        }


FORMATS: dict[str, Callable[[Iterable[list[Selected]], bool], Iterator[Row]]] = {
    function.__name__: function for function in (sft, chat, dpo, kto, prm, verl, openai)
}


PLAIN = ("dpo", "kto")  # whose prompts are messages or, for models without a chat template, text


def pairs(right: list[Trace], wrong: list[Trace]) -> list[tuple[Trace, Trace]]:
    """Each right trace with the wrong one, used once, that is nearest to it in length, so that length tells nothing."""
    left = list(wrong)
    found = []
    for chosen in sorted(right, key=_length):
        if not left:
            break
        nearest = min(left, key=lambda trace: (abs(_length(trace) - _length(chosen)), trace.sample.index))
        left.remove(nearest)
        found.append((chosen, nearest))
    return found


def step_labels(trace: Trace) -> tuple[list[str], list[bool]]:
    """The steps of a trace and whether each still stands."""
    steps = [line for line in trace.sample.text.split("\n") if line.strip()]
    prompt = trace.task.prompt[-1]["content"]
    sound = [not wrong_steps(step, "" if number else prompt) for number, step in enumerate(steps)]
    labels = [all(sound[: number + 1]) for number in range(len(sound))]
    return steps, labels


def prompt_text(task: Task) -> str:
    """The prompt of a model without a chat template, as the samplers write it."""
    return "\n".join(message["content"] for message in task.prompt)


def _accepted(groups: Iterable[list[Selected]]) -> Iterator[Trace]:
    return (trace for group in groups for trace, selection in group if selection == ACCEPTED)


def _wrong(group: list[Selected]) -> list[Trace]:
    """Wrong traces with a text, each text once; undecided ones are neither right nor wrong."""
    texts = {
        trace.sample.text: trace
        for trace, _ in group
        if trace.verdict.outcome is Outcome.WRONG and trace.sample.text.strip()
    }
    return list(texts.values())


def _messages(task: Task) -> list[Row]:
    return [{"role": message["role"], "content": message["content"]} for message in task.prompt]


def _answer(trace: Trace) -> Row:
    return {"role": "assistant", "content": trace.sample.text}


def _completion(trace: Trace, plain: bool) -> str | list[Row]:
    return trace.sample.text if plain else [_answer(trace)]


def _length(trace: Trace) -> int:
    return trace.sample.completion_tokens or len(trace.sample.text)
