"""Chat messages of a row: read, checked, and brought to the one form that a task has."""

from collections.abc import Mapping
from typing import Any

from tasks.errors import UserError
from tasks.task import Message

ROLES = ("system", "developer", "user", "assistant", "tool")
_OTHER_NAMES = {"from": "role", "value": "content"}  # keys and roles of ShareGPT's rows
_OTHER_ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}


def prompt_of(value: Any) -> str | list[Message]:
    """The prompt that a column holds: text, or chat messages. UserError for anything else, in words that lack the place."""
    if isinstance(value, str):
        if not value.strip():
            raise UserError("is empty; give the task a prompt, or take the row out")
        return value
    if not isinstance(value, list):
        raise UserError(f"holds {value!r:.60}; a prompt is text, or a list of chat messages")
    if not value:
        raise UserError("holds no message; give the task a prompt, or take the row out")
    messages = [_message_of(message, number) for number, message in enumerate(value, 1)]
    if not any(message["content"].strip() for message in messages):
        raise UserError("holds messages without text; give the task a prompt, or take the row out")
    if messages[-1]["role"] == "assistant":
        raise UserError(
            "ends with a message of the assistant, which is what the model has to write; take that message out"
        )
    return messages


def _message_of(value: Any, number: int) -> Message:
    if not isinstance(value, Mapping):
        raise UserError(
            f"holds {value!r:.60} as message {number}; a message is an object with role and content, and a single text is a "
            "prompt without the list around it"
        )
    for name in ("role", "content"):
        if name not in value:
            other = next((key for key in value if _OTHER_NAMES.get(key) == name), "")
            cure = f'rename "{other}" to "{name}"' if other else 'a message is {"role": "user", "content": "..."}'
            raise UserError(f'holds a message without "{name}" (message {number}); {cure}')
    role = value["role"]
    if role not in ROLES:
        near = _OTHER_ROLES.get(role, "") if isinstance(role, str) else ""
        cure = f'write "{near}"' if near else f"the roles are {', '.join(ROLES)}"
        raise UserError(f"holds a message with the role {role!r:.40} (message {number}); {cure}")
    return {**value, "content": _content_of(value["content"], number)}


def _content_of(value: Any, number: int) -> str:
    """Text, or OpenAI's parts of text joined."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(part, Mapping) and _is_text(part) for part in value):
        return "".join(part["text"] for part in value)
    raise UserError(f"holds the content {value!r:.60} (message {number}); content is text, or a list of parts of text")


def _is_text(part: Mapping[str, Any]) -> bool:
    return part.get("type", "text") == "text" and isinstance(part.get("text"), str)
