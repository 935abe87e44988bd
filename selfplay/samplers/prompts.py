"""Prompts as a model reads them: chat messages rendered by a chat template, or joined without one."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from jinja2 import TemplateError

from selfplay.recipe.sections import ChatTemplate
from tasks import UserError
from tasks.task import Message

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PLAIN = ChatTemplate()


def has_chat_template(tokenizer: "PreTrainedTokenizerBase") -> bool:
    return bool(getattr(tokenizer, "chat_template", None))


def with_system(messages: Sequence[Message], template: ChatTemplate) -> list[Message]:
    """The messages, after the system message that the recipe gives to prompts without one."""
    copies: list[Message] = [{"role": message["role"], "content": message["content"]} for message in messages]
    if template.system and not any(message["role"] == "system" for message in messages):
        copies.insert(0, {"role": "system", "content": template.system})
    return copies


def render_prompt(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], template: ChatTemplate = PLAIN
) -> str:
    """The prompt of a completion, as text.

    A tokenizer with a chat template renders the messages and opens the assistant's turn; a base model's tokenizer has
    none, and the contents are joined by newlines, with nothing added, so that a completion continues the last one.
    UserError if the template refuses the messages; many know no system role.
    """
    messages = with_system(messages, template)
    if not has_chat_template(tokenizer):
        return join_contents(messages)
    try:
        return render_chat(tokenizer, messages, template, add_generation_prompt=True)
    except TemplateError as error:
        roles = ", ".join(message["role"] for message in messages)
        raise UserError(
            f"the chat template of {tokenizer.name_or_path} refuses a prompt with the roles {roles}: {error}; "
            "give the task a prompt that it takes, such as one user message"
        ) from error


def render_chat(
    tokenizer: "PreTrainedTokenizerBase",
    messages: Sequence[Message],
    template: ChatTemplate = PLAIN,
    add_generation_prompt: bool = False,
) -> str:
    """The messages by the tokenizer's chat template; TemplateError if it refuses them.

    A template that writes today's date gets the recipe's: a prompt is the same on every day, so that a sample can be
    drawn again, and what is trained is what was sampled.
    """
    day = date.fromisoformat(template.date)
    return tokenizer.apply_chat_template(
        list(messages),
        tokenize=False,
        add_generation_prompt=add_generation_prompt,
        **{"strftime_now": day.strftime, **template.kwargs},
    )


def join_contents(messages: Sequence[Message]) -> str:
    return "\n".join(message["content"] for message in messages)


def encode_prompt(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[Message], template: ChatTemplate = PLAIN
) -> list[int]:
    """The token ids of the rendered prompt."""
    return encode_rendered(tokenizer, render_prompt(tokenizer, messages, template))


def encode_rendered(tokenizer: "PreTrainedTokenizerBase", prompt: str) -> list[int]:
    """The token ids of a prompt that is rendered already.

    A chat template writes the special tokens (such as <s>) itself, so the tokenizer adds them only without one. Half of a
    surrogate pair, as JSON can hold one and no tokenizer takes it, becomes U+FFFD, as in a shard.
    """
    text = prompt.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return tokenizer.encode(text, add_special_tokens=not has_chat_template(tokenizer))
