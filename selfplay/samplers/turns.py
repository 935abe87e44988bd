"""The turn of a model as one sequence of tokens: what is sampled, judged, exported and learnt is the same.

    tokens of the prompt (its end may open the model's thinking) | tokens of the completion | end token

A chat template may end a prompt within the model's thinking, as in `<|im_start|>assistant\\n<think>\\n`. The template
writes that opening and not the model; it belongs to the text of the sample all the same, since without it no reader of
the text can tell thinking from an answer.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from jinja2 import TemplateError

from selfplay.recipe.sections import ChatTemplate, Sampling
from selfplay.samplers.prompts import (
    PLAIN,
    encode_rendered,
    has_chat_template,
    render_chat,
    render_prompt,
    with_system,
)
from tasks import UserError
from tasks.task import Message
from verifiers.thinking import closing_of, is_mark, is_open, leading_mark, opening_at_end, opening_within

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PROBE: Message = {"role": "user", "content": "Hello"}
_ANSWER = "selfplay asks how a turn is written"  # a text that no template holds
_CUT_TAG = re.compile(r"[<\[◁][/|]?\w*$")
_HARMONY = {"<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|call|>", "<|end|>"}  # gpt-oss


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt."""

    text: str
    token_ids: list[int]
    opening: str  # the end of `text` that opens the model's thinking; empty if it opens none


class TurnFormat:
    """How one tokenizer writes a turn.

    `own_ends`: end tokens that the model's files name; those of the tokenizer and of the chat template are added.
    `special_tokens`: which special tokens a completion's text keeps: "reasoning", those that mark its parts, "all" or
    "none"; the end of the turn is never in the text.
    """

    def __init__(
        self,
        tokenizer: "PreTrainedTokenizerBase",
        template: ChatTemplate = PLAIN,
        own_ends: Iterable[int] = (),
        special_tokens: str = "reasoning",
    ) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self._opening = self._unthought = ""  # as the template opens thinking, and as it skips it
        self.end: int | None = tokenizer.eos_token_id  # the token that the template writes at a turn's end
        if has_chat_template(tokenizer):
            self._probe()
        self.ends = frozenset(token for token in (*own_ends, tokenizer.eos_token_id, self.end) if token is not None)
        special = {token: str(added) for token, added in tokenizer.added_tokens_decoder.items() if added.special}
        special |= dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
        marks = {leading_mark(self._opening), closing_of(leading_mark(self._opening))}
        marks |= _HARMONY if "<|channel|>" in special.values() else set()
        self._dropped = {
            token
            for token, text in special.items()
            if special_tokens == "none" or (special_tokens == "reasoning" and not is_mark(text) and text not in marks)
        }

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        """The prompt of one task; UserError if the template refuses the messages."""
        text = render_prompt(self.tokenizer, messages, self.template)
        is_own = self._opening and text.endswith(self._opening)
        return Prompt(text, encode_rendered(self.tokenizer, text), self._opening if is_own else opening_at_end(text))

    def text_of(
        self, prompt: Prompt, token_ids: Sequence[int], stops: Sequence[str] = (), stop_token_ids: Sequence[int] = ()
    ) -> str:
        """The text of a sample: the opening, and what the model wrote up to its end, stop text or stop token."""
        ends = bool(token_ids) and (token_ids[-1] in self.ends or token_ids[-1] in stop_token_ids)
        text = self._decode(prompt, token_ids[:-1] if ends else token_ids)
        for stop in stops:
            text = text.partition(stop)[0]
        return prompt.opening + text

    def turn(
        self, messages: Sequence[Message], text: str, token_ids: Sequence[int] = (), ended: bool = True
    ) -> tuple[Prompt, list[int]]:
        """The prompt and the completion's tokens that teach one sample.

        With `token_ids` of this tokenizer, these, up to where a stop text was cut off `text`; without, the text in this
        tokenizer's own form. A turn that `ended` and does not stop within its thinking closes with an end token.
        """
        prompt = self.prompt(messages)
        if token_ids:
            completion = self._up_to(prompt, text.removeprefix(prompt.opening), list(token_ids))
        else:
            completion = self._encode(self._own_form(text, prompt.opening))
        if ended and self.end is not None and not (completion and completion[-1] in self.ends) and not is_open(text):
            completion.append(self.end)
        return prompt, completion

    def written(self, prompt: Prompt, completion: Sequence[int]) -> str:
        """The text of a completion's tokens with all its special tokens, its end included."""
        return self._decode(prompt, completion, keep_all=True)

    def _probe(self) -> None:
        """Learn from the template itself how it opens, skips and ends a turn."""
        prompt_messages = with_system([_PROBE], self.template)
        try:
            prompt = render_prompt(self.tokenizer, [_PROBE], self.template)
            answered = [*prompt_messages, {"role": "assistant", "content": _ANSWER}]
            turn = render_chat(self.tokenizer, answered, self.template)
        except (TemplateError, UserError):
            return  # each prompt's end still shows a mark of a known form
        head, found, tail = turn.partition(_ANSWER)
        if not found:
            return
        first = self._encode(tail)[:1]
        if first and first[0] in self.tokenizer.added_tokens_decoder:
            self.end = first[0]
        header = prompt[: sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(prompt, head, strict=False)))]
        between = head[len(header) :]
        if header == prompt:  # a finished turn goes on as the prompt ends: it opens thinking if the turn then closes it
            opening = opening_within(prompt[-200:])
            closing = closing_of(leading_mark(opening))
            if closing and closing in between:
                self._opening, self._unthought = opening, between
            return
        cut = _CUT_TAG.search(header)
        self._opening = opening_within(prompt[cut.start() if cut else len(header) :])
        if self._opening:
            self._unthought = f"{closing_of(leading_mark(self._opening))}\n\n"

    def _own_form(self, text: str, opening: str) -> str:
        """What follows a prompt that ends in `opening`, for a text that another template's model may have written."""
        if not opening or text.startswith(opening):
            return text.removeprefix(opening)
        theirs, own = leading_mark(text), leading_mark(opening)
        if not theirs:
            return self._unthought + text
        rest = text.lstrip()[len(theirs) :].lstrip("\n")
        return rest.replace(closing_of(theirs), closing_of(own), 1)

    def _up_to(self, prompt: Prompt, text: str, token_ids: list[int]) -> list[int]:
        """The tokens that make up a text which was cut, with the text of a token that lies across the cut."""
        if token_ids[-1] in self.ends:
            return token_ids
        whole = self._decode(prompt, token_ids)
        if whole == text or not whole.startswith(text):
            return token_ids
        for length in range(len(token_ids) - 1, -1, -1):
            part = self._decode(prompt, token_ids[:length])
            if text.startswith(part):
                return token_ids[:length] + self._encode(text[len(part) :])
        return token_ids

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False) if text else []

    def _decode(self, prompt: Prompt, token_ids: Sequence[int], keep_all: bool = False) -> str:
        """The text of tokens that follow a prompt: some tokenizers drop the space before the first token of a text."""
        kept = [token for token in token_ids if keep_all or token not in self._dropped]
        before = prompt.token_ids[-1:]
        head, text = (
            self.tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)
            for tokens in (before, before + kept)
        )
        if text.startswith(head):
            return text[len(head) :]
        return self.tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def load_turn_format(model: str, sampling: Sampling) -> TurnFormat:
    """The turn format of the model at `model`, a path or a hub name, as [sampling] has it. UserError if there is no tokenizer."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(model)
    except (OSError, ValueError) as error:
        raise UserError(f"no tokenizer can be loaded from {model!r}: {error}") from error
    return TurnFormat(tokenizer, sampling.chat_template, end_tokens_of(model), sampling.more.special_tokens)


def refusals(model: str, sampling: Sampling) -> Callable[[Sequence[Message]], str]:
    """A function that says why a prompt cannot be rendered for the model at `model`; it says nothing of one that can."""
    turns = load_turn_format(model, sampling)

    def refusal(messages: Sequence[Message]) -> str:
        try:
            turns.prompt(messages)
        except UserError as error:
            return str(error)
        return ""

    return refusal


def end_tokens_of(model: str) -> list[int]:
    """The end tokens that the files of a model name."""
    from transformers import AutoConfig, GenerationConfig

    try:
        ends = GenerationConfig.from_pretrained(model).eos_token_id
    except OSError:
        try:
            ends = AutoConfig.from_pretrained(model).eos_token_id
        except (OSError, ValueError):
            ends = None
    return [] if ends is None else [ends] if isinstance(ends, int) else list(ends)
