"""Reading the answers of servers that speak OpenAI's protocol, each in its own way.

| found at | an answer has |
|---|---|
| OpenRouter | status 200 with `error` in place of, or within, a choice |
| TGI, Together, Gemini | finish reasons `eos_token`, `eos`, `end`, `STOP`, null |
| Mistral | content in parts, its thinking one of them |
| SGLang, llama.cpp, DeepSeek; vllm | the reasoning split off, as `reasoning_content`; as `reasoning` |
| some gateways | no usage |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from verifiers.thinking import closing_of, leading_mark

# lower case; of all that is not here a server says itself that it is no sample: content_filter, tool_calls, error
_STOPPED = {"stop", "eos", "eos_token", "end", "end_turn", "end_of_turn", "stop_sequence", "stop_token", "complete",
            "completed", "finished", "finish", "done", "normal", "success", "", "none", "null"}  # fmt: skip
_CUT = {
    "length",
    "max_tokens",
    "max_output_tokens",
    "max_new_tokens",
    "max_length",
    "model_length",
    "max_completion_tokens",
}
_MARKS = ("<think>", "<thinking>", "[THINK]", "◁think▷", "<seed:think>")  # that chat templates open
_PASSING = (408, 409, 425, 429)  # statuses after which a call is tried again, and all from 500 on


class ServerError(Exception):
    """An error that a server put into an answer with status 200."""

    def __init__(self, status: int, message: str):
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Answer:
    """One completion, with the figures that the server reports."""

    text: str
    finish_reason: str  # "stop" or "length"
    token_ids: tuple[int, ...]  # empty: not reported
    prompt_tokens: int | None  # None: not reported
    cached_tokens: int
    completion_tokens: int | None


def passes(status: int) -> bool:
    """Whether a call may succeed when it is tried again after this status."""
    return status in _PASSING or status >= 500


def read_answer(answer: Any, max_tokens: int, opening: str = "") -> Answer:
    """The completion in an answer. `opening`: the end of the server's prompts that opens the model's thinking.

    ServerError if it holds an error instead; AttributeError, LookupError, TypeError or ValueError if it is not of the
    protocol's form, with words for the user.
    """
    if error := getattr(answer, "error", None):
        raise _error_of(error)
    choices = getattr(answer, "choices", None)
    if not choices:
        raise ValueError("no choices")
    choice = choices[0]
    if error := getattr(choice, "error", None):
        raise _error_of(error)
    prompt_tokens, cached_tokens, completion_tokens = _usage(answer)
    reason = str(choice.finish_reason or "").lower()
    if reason in _CUT or (not reason and completion_tokens and completion_tokens >= max_tokens):
        finish_reason = "length"
    elif reason in _STOPPED:
        finish_reason = "stop"
    else:
        raise ValueError(f"the server ended the sample with {choice.finish_reason!r}")
    text = _completion_text(choice, opening)
    token_ids = getattr(choice, "token_ids", None) or ()  # vllm, asked with return_token_ids = true
    return Answer(text, finish_reason, tuple(map(int, token_ids)), prompt_tokens, cached_tokens, completion_tokens)


def _error_of(error: Any) -> ServerError:
    fields = error if isinstance(error, Mapping) else {"message": error}
    code = fields.get("code") or fields.get("status")
    status = int(code) if str(code).isdigit() else 500
    return ServerError(status, str(fields.get("message") or error))


def _completion_text(choice: Any, opening: str) -> str:
    """The completion as the model wrote it: reasoning that the server split off goes back before it."""
    if not hasattr(choice, "message"):
        text = choice.text
        if not isinstance(text, str):
            raise TypeError("a completion that is no text")
        return text
    message = choice.message
    thinking, text = _parts(message.content)
    reasoning = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or thinking
    refusal = getattr(message, "refusal", None)
    if not text and isinstance(refusal, str):
        text = refusal
    if not isinstance(reasoning, str):
        reasoning = ""
    text = with_opening(text, opening) if not reasoning or _shows_thinking(text) else text
    if not reasoning or (leading_mark(text) and reasoning.strip() in text):  # some servers send the reasoning twice
        return text
    # a reasoning parser takes all that follows an opening mark for reasoning: without a text it was never closed
    start = opening or "<think>"
    return f"{start}{reasoning}{closing_of(leading_mark(start))}{text}" if text.strip() else start + reasoning


def with_opening(text: str, opening: str) -> str:
    """A text in which thinking is closed that is never opened, or that follows a prompt which opens it, with the opening."""
    if opening and not leading_mark(text):
        return opening + text
    if not opening:
        for mark in _MARKS:
            closing = closing_of(mark)
            if closing in text and mark not in text[: text.index(closing)]:
                return mark + text
    return text


def _shows_thinking(text: str) -> bool:
    return bool(leading_mark(text)) or any(closing_of(mark) in text for mark in _MARKS)


def _parts(content: Any) -> tuple[str, str]:
    """The thinking and the text of a message's content, which is a text or a list of parts."""
    if content is None or isinstance(content, str):
        return "", content or ""
    if not isinstance(content, list):
        raise TypeError("a completion that is no text")
    thinking = text = ""
    for part in content:
        fields = part if isinstance(part, Mapping) else vars(part) if hasattr(part, "__dict__") else {"text": part}
        inner = fields.get("thinking") or fields.get("reasoning")
        if inner:
            thinking += _parts(inner)[1]
        elif isinstance(fields.get("text"), str):
            text += fields["text"]
        else:
            raise TypeError(f"a part of a completion without a text: {part!r:.100}")
    return thinking, text


def _usage(answer: Any) -> tuple[int | None, int, int | None]:
    """Tokens of the prompt, of these from the cache, and of the completion; None for those that are not reported."""
    usage = getattr(answer, "usage", None)
    if usage is None:
        return None, 0, None
    details = getattr(usage, "prompt_tokens_details", None)
    cached = getattr(details, "cached_tokens", 0) or 0
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    return int(prompt) if prompt else None, int(cached), int(completion) if completion else None
