"""Lines of a tasks file that make no task, each with words of what is said of it."""

import json
from typing import Any

BAD: list[tuple[Any, str]] = [
    ('{"prompt": "2+2=", "answer": "4"', "not JSON"),
    ("[1, 2]", "a JSON object is needed, not [1, 2]"),
    ("null", "a JSON object is needed, not null"),
    (b'{"prompt": "caf\xe9", "answer": "4"}', "not UTF-8 (byte 16)"),
    ("[" * 100_000, "not JSON"),
    ('{"prompt": "2+2=", "answer": ' + "4" * 5000 + "}", "not JSON"),
    ({"question": "2+2=", "answer": "4"}, 'no column "prompt"; it has question, answer'),
    ({"prompt": None, "answer": "4"}, 'column "prompt" is null; fill it'),
    ({"prompt": " \n", "answer": "4"}, 'column "prompt" is empty; give the task a prompt'),
    ({"prompt": 22, "answer": "4"}, 'column "prompt" holds 22; a prompt is text'),
    ({"prompt": [], "answer": "4"}, "holds no message"),
    ({"prompt": ["2+2="], "answer": "4"}, "a single text is a prompt without the list"),
    ({"prompt": [{"content": "2+2="}], "answer": "4"}, 'without "role" (message 1)'),
    ({"prompt": [{"from": "human", "value": "2+2="}], "answer": "4"}, 'rename "from" to "role"'),
    ({"prompt": [{"role": "human", "content": "2+2="}], "answer": "4"}, "the role 'human' (message 1); write \"user\""),
    ({"prompt": [{"role": ["user"], "content": "2+2="}], "answer": "4"}, "the roles are system, developer, user"),
    ({"prompt": [{"role": "user", "content": None}], "answer": "4"}, "the content None (message 1)"),
    ({"prompt": [{"role": "user", "content": 7}], "answer": "4"}, "the content 7 (message 1)"),
    (
        {"prompt": [{"role": "user", "content": [{"type": "image", "url": "x"}]}], "answer": "4"},
        "list of parts of text",
    ),
    ({"prompt": [{"role": "user", "content": " "}], "answer": "4"}, "messages without text"),
    (
        {"prompt": [{"role": "user", "content": "2+2="}, {"role": "assistant", "content": "4"}], "answer": "4"},
        "take that message out",
    ),
    ({"prompt": "2+2="}, 'no column "answer"'),
    ({"prompt": "2+2=", "answer": None}, 'column "answer" is null'),
    ({"prompt": "2+2=", "answer": ""}, 'column "answer" is empty; give the task an answer'),
    ({"prompt": "2+2=", "answer": ["4"]}, "is it a `reference`?"),
    ({"prompt": "2+2=", "answer": float("nan")}, "holds nan, which is no number"),
    ({"prompt": "2+2=", "answer": float("inf")}, "holds inf, which is no number"),
    ({"prompt": "2+2=", "answer": "\ud83d"}, "half of a surrogate pair"),
    ({"prompt": "What is \ud83d?", "answer": "4"}, "half of a surrogate pair"),
    ({"prompt": "2+2=", "reference": {"kind": "maths", "answer": "4"}}, 'did you mean "math"'),
    ({"prompt": "2+2=", "reference": '{"kind": "math"'}, "row 2: "),
    ({"prompt": "2+2=", "reference": {"kind": "math", "answer": 4}}, "answer = 4"),
    ({"prompt": "2+2=", "answer": "4", "level": float("nan")}, 'column "level" holds nan, which cannot be kept'),
    (
        {"id": "a", "source": 1, "prompt": "2+2=", "metadata": {}, "reference": {"kind": "math", "answer": "4"}},
        '"source" must be a text',
    ),
]


def line_of(row: Any) -> bytes:
    """A row as a line of a file, without its end."""
    return row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode()
