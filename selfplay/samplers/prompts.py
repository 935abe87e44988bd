"""From chat messages to the text that a model continues; sampling and training must render it alike."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jinja2 import TemplateError

from tasks import UserError
from tasks.task import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def has_chat_template(tokenizer: "PreTrainedTokenizerBase") -> bool:
    return bool(getattr(tokenizer, "chat_template", None))


def render_prompt(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message]) -> str:
    """The prompt of a completion, as text.

    A tokenizer with a chat template renders the messages and opens the assistant's turn; a base model's tokenizer has
    none, and the contents are joined by newlines, with nothing added, so that a completion continues the last one.
    UserError where the template refuses the messages; many know no system role.
    """
    if not has_chat_template(tokenizer):
        return join_contents(messages)
    try:
        return tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=True
        )
    except TemplateError as error:
        roles = ", ".join(message["role"] for message in messages)
        raise UserError(
            f"the chat template of {tokenizer.name_or_path} refuses a prompt with the roles {roles}: {error}; "
            "give the task a prompt that it takes, such as one user message"
        ) from error


def join_contents(messages: Sequence[Message]) -> str:
    return "\n".join(message["content"] for message in messages)


def encode_prompt(tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message]) -> list[int]:
    """The token ids of the rendered prompt.

    A chat template writes the special tokens (such as <s>) itself, so the tokenizer adds them only without one. Half of a
    surrogate pair, as JSON can hold one and no tokenizer takes it, becomes U+FFFD, as in a shard.
    """
    text = render_prompt(tokenizer, messages).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return tokenizer.encode(text, add_special_tokens=not has_chat_template(tokenizer))
