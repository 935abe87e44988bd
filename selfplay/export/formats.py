"""The formats of an export: one Format object each, made of the traces of one task at a time.

To add a format, define its rows and a Format here; nobody else knows their names.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from selfplay.recipe.sections import ChatTemplate
from selfplay.records import ACCEPTED, Trace
from selfplay.samplers.prompts import join_contents, with_system
from selfplay.samplers.turns import TurnFormat
from selfplay.selection.step_checks import wrong_steps
from verifiers import Outcome, verifier_of

ROWS_AT_ONCE = 1000

Row = dict[str, Any]
Selected = tuple[Trace, str]  # a trace with its selection
Groups = Iterable[list[Selected]]  # the traces of one task and round at a time


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user chose, and how the samples were rendered."""

    plain: bool = False  # prompts as text, for a model without a chat template
    template: ChatTemplate = field(default_factory=ChatTemplate)
    turns: TurnFormat | None = None  # of the tokenizer, for a format that needs one
    is_own: bool = True  # that tokenizer is the sampled model's, so that its token ids are those of the samples


@dataclass(frozen=True, slots=True)
class Writer:
    """How rows become a file."""

    file: str
    write: Callable[[BinaryIO, Iterable[Row]], int]  # the number of rows


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its rows, and what the dataset card says about them."""

    name: str
    rows: Callable[[Groups, Choices], Iterator[Row]]
    described: str  # the columns and which traces they hold, in Markdown
    readers: str  # trainers that read the rows, and their settings; Markdown
    writer: Writer
    needs: str = "an accepted trace"  # of a task, or there is no row
    takes_plain: bool = False
    needs_tokenizer: bool = False


def write_lines(file: BinaryIO, rows: Iterable[Row]) -> int:
    """JSON Lines."""
    number = 0
    for number, row in enumerate(rows, 1):  # noqa: B007
        file.write((json.dumps(row) + "\n").encode())
    return number


def parquet(schema: pa.Schema) -> Writer:
    """A Parquet file with this schema."""

    def write(file: BinaryIO, rows: Iterable[Row]) -> int:
        number, held = 0, []
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for number, row in enumerate(rows, 1):  # noqa: B007
                held.append(row)
                if len(held) == ROWS_AT_ONCE:
                    writer.write_table(pa.Table.from_pylist(held, schema))
                    held = []
            writer.write_table(pa.Table.from_pylist(held, schema))
        return number

    return Writer("train.parquet", write)


LINES = Writer("train.jsonl", write_lines)


# ---- rows ------------------------------------------------------------------------------------------------------------


def sft_rows(groups: Groups, choices: Choices) -> Iterator[Row]:
    for trace in _accepted(groups):
        yield {"prompt": prompt_text(trace, choices), "completion": trace.sample.text}


def text_rows(groups: Groups, choices: Choices) -> Iterator[Row]:
    """The rendered prompt, its thinking opened, and what follows it up to the end token, as text."""
    for trace in _accepted(groups):
        prompt, completion = _turn(trace, choices)
        yield {"prompt": prompt.text, "completion": choices.turns.written(prompt, completion)}


def tokens_rows(groups: Groups, choices: Choices) -> Iterator[Row]:
    """The sampled tokens. `labels` repeats what the mask says: trl learns the prompt too if it finds no labels and is not
    told to heed the mask."""
    for trace in _accepted(groups):
        prompt, completion = _turn(trace, choices)
        num_prompt = len(prompt.token_ids)
        yield {
            "input_ids": prompt.token_ids + completion,
            "completion_mask": [0] * num_prompt + [1] * len(completion),
            "labels": [-100] * num_prompt + completion,
        }


def chat_rows(groups: Groups, choices: Choices) -> Iterator[Row]:
    for trace in _accepted(groups):
        yield {
            "messages": [*_messages(trace, choices), _answer(trace)],
            "task_id": trace.task.id,
            "source": trace.task.source,
        }


def openai_rows(groups: Groups, choices: Choices) -> Iterator[Row]:
    for trace in _accepted(groups):
        yield {"messages": [*_messages(trace, choices), _answer(trace)]}


def dpo_rows(groups: Groups, choices: Choices) -> Iterator[Row]:
    for group in groups:
        for chosen, rejected in pairs(_right(group), _wrong(group)):
            prompt = {"prompt": _prompt(chosen, choices)}
            yield prompt | {"chosen": _completion(chosen, choices), "rejected": _completion(rejected, choices)}


def kto_rows(groups: Groups, choices: Choices) -> Iterator[Row]:
    for group in groups:
        for trace in [*_right(group), *_wrong(group)]:
            yield {
                "prompt": _prompt(trace, choices),
                "completion": _completion(trace, choices),
                "label": trace.verdict.outcome is Outcome.CORRECT,
            }


def prm_rows(groups: Groups, choices: Choices) -> Iterator[Row]:
    """Steps are lines. A step is wrong if one of its equations is, and so is all that follows it; the last step is
    right only in a correct trace. A wrong trace whose steps show no mistake is left out: where it errs is not known."""
    for group in groups:
        for trace, _ in group:
            if trace.verdict.outcome is Outcome.UNDECIDED or not verifier_of(trace.task.reference).is_prose:
                continue
            steps, labels = step_labels(trace)
            correct = trace.verdict.outcome is Outcome.CORRECT
            if steps and (correct or not all(labels)):
                yield {"prompt": prompt_text(trace, choices), "completions": steps, "labels": labels}


def verl_rows(groups: Groups, choices: Choices) -> Iterator[Row]:
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
            "prompt": _messages(group[0][0], choices),
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


def prompt_text(trace: Trace, choices: Choices) -> str:
    """The prompt of a model without a chat template, as the samplers write it."""
    return join_contents(_messages(trace, choices))


def _turn(trace: Trace, choices: Choices):
    """The prompt and the completion's tokens of one trace."""
    sample = trace.sample
    tokens = sample.token_ids if choices.is_own else ()
    return choices.turns.turn(trace.task.prompt, sample.text, tokens, sample.finish_reason == "stop")


def _accepted(groups: Groups) -> Iterator[Trace]:
    return (trace for group in groups for trace, selection in group if selection == ACCEPTED)


def _right(group: list[Selected]) -> list[Trace]:
    return [trace for trace, selection in group if selection == ACCEPTED and trace.verdict.outcome is Outcome.CORRECT]


def _wrong(group: list[Selected]) -> list[Trace]:
    """Wrong traces with a text, each text once; undecided ones are neither right nor wrong."""
    texts = {
        trace.sample.text: trace
        for trace, _ in group
        if trace.verdict.outcome is Outcome.WRONG and trace.sample.text.strip()
    }
    return list(texts.values())


def _messages(trace: Trace, choices: Choices) -> list[Row]:
    return list(with_system(trace.task.prompt, choices.template))


def _prompt(trace: Trace, choices: Choices) -> str | list[Row]:
    return prompt_text(trace, choices) if choices.plain else _messages(trace, choices)


def _answer(trace: Trace) -> Row:
    return {"role": "assistant", "content": trace.sample.text}


def _completion(trace: Trace, choices: Choices) -> str | list[Row]:
    return trace.sample.text if choices.plain else [_answer(trace)]


def _length(trace: Trace) -> int:
    return trace.sample.completion_tokens or len(trace.sample.text)


# ---- formats ---------------------------------------------------------------------------------------------------------

_MESSAGES = (
    "These are messages, and a trainer renders them by its own template. Read what it then learns: many templates strip the thinking of"
    " finished turns (`<think>` ... `</think>`), and trainers differ in whether they learn the prompt too. To learn exactly what was sampled,"
    " export as `tokens` (the same model) or `text`.\n\n"
)
_FORMATS = (
    Format(
        "sft",
        sft_rows,
        "`prompt` and `completion`, as text without any template: accepted traces of a base model.",
        "For a model without a chat template; of a chat model export `tokens` or `text`.\n\n"
        "- trl: `SFTTrainer` as it is; it learns the completion and the tokenizer's end token.\n"
        "- axolotl: `type: {field_instruction: prompt, field_output: completion, format: '{instruction}', no_input_format: '{instruction}'}`.\n"
        "- LLaMA-Factory: `template: empty`, `columns: {prompt: prompt, response: completion}`; that template writes no end token, so append"
        " it to each completion, or the model does not learn to stop.",
        LINES,
    ),
    Format(
        "tokens",
        tokens_rows,
        "`input_ids`, `completion_mask` (1 for a token that is learnt) and `labels` (-100 for a token that is not): accepted traces, token for"
        " token as they were sampled, the prompt rendered and the end of the turn with them.",
        "For the tokenizer of the sampled model, or the one that `--tokenizer` named.\n\n"
        "- trl: `SFTTrainer` as it is; `max_length` must hold the longest row, or its end is cut.\n"
        "- verl, and trainers of your own: learn `labels`, shifted by one, as transformers does.\n"
        "- axolotl and LLaMA-Factory read three columns:\n\n"
        "```python\n"
        'rows = datasets.load_dataset(FOLDER, split="train")\n'
        'rows = rows.map(lambda row: {"attention_mask": [1] * len(row["input_ids"])}, remove_columns="completion_mask")\n'
        'rows.to_json("tokens.jsonl")  # axolotl: path: tokens.jsonl, ds_type: json, and an empty type:\n'
        'datasets.DatasetDict(train=rows).save_to_disk("tokens")  # LLaMA-Factory: tokenized_path: tokens\n'
        "```",
        parquet(
            pa.schema(
                [
                    ("input_ids", pa.list_(pa.int32())),
                    ("completion_mask", pa.list_(pa.int8())),
                    ("labels", pa.list_(pa.int32())),
                ]
            )
        ),
        needs_tokenizer=True,
    ),
    Format(
        "text",
        text_rows,
        "`prompt`, rendered by the chat template up to where the model began to write, and `completion`, with the token that ends the turn:"
        " accepted traces.",
        "A trainer must add no template, no begin and no end of its own.\n\n"
        "- trl: `SFTTrainer` with `SFTConfig(eos_token=...)` set to the token that the completions end with, or it appends the tokenizer's own end"
        " after it; if the prompts begin with the tokenizer's begin token, set `tokenizer.add_bos_token = False`. `tokens` needs neither.\n"
        "- axolotl: `type: input_output`, after a map to `segments: [{text: prompt, label: false}, {text: completion, label: true}]`.\n"
        "- LLaMA-Factory: `template: empty`, `columns: {prompt: prompt, response: completion}`; it adds no begin and no end of its own.",
        LINES,
        needs_tokenizer=True,
    ),
    Format(
        "chat",
        chat_rows,
        "`messages`, with `task_id` and `source`: accepted traces.",
        _MESSAGES
        + "- trl: `SFTTrainer` learns the prompt too and, by a template that strips it, no thinking; `assistant_only_loss=True` needs a template"
        " with `{% generation %}`.\n"
        "- axolotl: `type: chat_template`, `field_messages: messages`; it learns the assistant's turn alone.\n"
        "- LLaMA-Factory: `formatting: sharegpt`, `columns: {messages: messages}`, `tags: {role_tag: role, content_tag: content, user_tag: user,"
        " assistant_tag: assistant, system_tag: system}`; it learns the assistant's turn alone, by its own template.\n"
        "- verl: its SFT trainer with `data.messages_key=messages`, on Parquet; it renders message by message, and"
        " refuses rows that its template renders otherwise as a whole, such as those with thinking, unless `data.ignore_input_ids_mismatch=True`.",
        LINES,
    ),
    Format(
        "dpo",
        dpo_rows,
        "`prompt`, `chosen`, `rejected`: an accepted trace against a wrong one of the same task, the nearest in length.",
        "- trl: `DPOTrainer` as it is.\n- axolotl: `rl: dpo`, `type: chat_template.default`, `field_messages: prompt`.\n"
        "- LLaMA-Factory: written with `--plain`; `ranking: true`, `columns: {prompt: prompt, chosen: chosen, rejected: rejected}`.",
        LINES,
        needs="a right and a wrong trace of one task",
        takes_plain=True,
    ),
    Format(
        "kto",
        kto_rows,
        "`prompt`, `completion`, `label`: accepted traces (true) and wrong ones (false).",
        "- trl: `KTOTrainer` as it is.\n- axolotl: written with `--plain`; `rl: kto`, `type: {field_prompt: prompt, field_completion: completion,"
        " field_label: label, prompt_format: '{prompt}', completion_format: '{completion}'}`.\n"
        "- LLaMA-Factory: written with `--plain`; `columns: {prompt: prompt, response: completion, kto_tag: label}`.",
        LINES,
        takes_plain=True,
    ),
    Format(
        "prm",
        prm_rows,
        "`prompt`, `completions` (steps), `labels`: a step is false from the first wrong equation on.",
        "- axolotl: `type: stepwise_supervised`.\n- trl: its stepwise supervision rows.",
        LINES,
    ),
    Format(
        "verl",
        verl_rows,
        "`data_source`, `prompt`, `ability`, `reward_model.ground_truth`, `extra_info`: one row a task.",
        "- verl: `data.train_files=train.parquet`.",
        parquet(
            pa.schema(
                [
                    ("data_source", pa.string()),
                    ("prompt", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
                    ("ability", pa.string()),
                    ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
                    (
                        "extra_info",
                        pa.struct(
                            [
                                ("index", pa.int64()),
                                ("split", pa.string()),
                                ("task_id", pa.string()),
                                ("pass_rate", pa.float64()),
                                ("num_samples", pa.int64()),
                            ]
                        ),
                    ),
                ]
            )
        ),
    ),
    Format(
        "openai",
        openai_rows,
        "`messages`: accepted traces.",
        "- OpenAI's fine-tuning: upload the file; it learns the assistant's turn.\n- Others: as `chat`, without its further columns.",
        LINES,
    ),
)
FORMATS: dict[str, Format] = {format.name: format for format in _FORMATS}
