"""Writes runs/README.md: every section and key of a recipe, from the sections themselves.

python -m selfplay.recipe.reference > runs/README.md
"""

import ast
import inspect
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from selfplay.recipe.sections import FREE, Recipe
from selfplay.recipe.toml import inline

HEAD = """# Recipes

A recipe is a TOML file that holds everything a run needs to know; `selfplay run RECIPE` plays it. This page is generated
from `selfplay/recipe/sections.py` by `python -m selfplay.recipe.reference`, and a test holds it up to date.

- `selfplay run RECIPE --check` prints the recipe with all defaults, and lists every mistake in it at once.
- `--set section.key=value` overrides a key. `--set section=` leaves a section out.
- A key without a default is required. A section without one is left out by default.
- Every `path` is relative to the recipe's file, or else to the folder in which the command runs.
- A run that has begun refuses another recipe. These may change when it is resumed: {free}.
- What a run writes lies in its `output` folder: in this folder by default, ignored by git.

| recipe here | |
|---|---|
| [quickstart.toml](quickstart.toml) | a small model learns sums from its own verified attempts, on a CPU; [quickstart.sh](quickstart.sh) runs it |
| [gsm8k_replay.toml](gsm8k_replay.toml) | verifies and selects stored completions of grade-school problems |
| [gsm8k_vllm.toml](gsm8k_vllm.toml) | a language model on grade-school problems, sampled by vLLM on a GPU |
| [flywheel.toml](flywheel.toml) | a small model writes its own tasks, each round a little longer ones, on a CPU |
| [countdown.toml](countdown.toml) | a small model searches for expressions of given numbers, on a CPU |
| [proofs.toml](proofs.toml) | a small model proves propositions and list lemmas in Rocq, on a CPU; needs coqc |
| [chess.toml](chess.toml) | a small model says which moves are legal, on a CPU; needs the extra `chess` |
| [families.toml](families.toml) | a small model on two of reasoning-gym's families, on a CPU; needs the extra `families` |
"""


def reference() -> str:
    """The whole page."""
    free = [f"[{name}]" if name in ("ray", "stop") else f"`{name}`" for name, keys in FREE.items() if keys is True]
    free += [f"`{section}.{key}`" for section, keys in FREE.items() if isinstance(keys, set) for key in sorted(keys)]
    parts = [HEAD.format(free=", ".join(free)), *_section(Recipe, "", {})]
    return "\n".join(parts)


def _section(model: type[BaseModel], name: str, known: dict[type[BaseModel], str]) -> Iterator[str]:
    """A section's heading, text and table of keys, and then the sections within it; each is described once."""
    title, _, text = re.sub(r"\s+", " ", inspect.getdoc(model) or "").partition(": ")
    if not text:
        title, text = "Top of the file", title
    known[model] = title
    yield f"## {title}\n\n{text[0].upper()}{text[1:]}\n"
    comments = _comments(model)
    rows, below = [], []
    for key, field in model.model_fields.items():
        inner, form = _table(field.annotation)
        place = form.format(f"{name}.{key}".lstrip("."))
        if inner and inner not in known:
            known[inner] = place
            below.append((inner, place.strip("[]")))
        if name or not inner:  # the sections of the file's top follow anyway
            same = f", with the keys of {known[inner]}" if inner and known[inner] != place else ""
            value = f"section {place}{same}" if inner else _values(field.annotation, field.metadata)
            rows.append(
                f"| `{key}` | {value} | {_default(field)} | {comments.get(key, '').replace('|', chr(92) + '|')} |"
            )
    if rows:
        yield "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *rows]) + "\n"
    for inner, place in below:
        yield from _section(inner, place, known)


def _table(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The section that a key holds, if it holds one, and how its heading is written."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, "[{}]"
    forms: dict[Any, str] = {list: "[[{}]]", dict: "[{}.NAME]"}
    for part in get_args(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part, forms.get(get_origin(annotation), "[{}]")
    return None, "[{}]"


def _comments(model: type[BaseModel]) -> dict[str, str]:
    """The comment of each key: behind it, or on the lines before it."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        source = textwrap.dedent(inspect.getsource(owner))
        comments = {
            token.start[0]: (token.string[1:].strip(), token.line.strip() == token.string)
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT
        }
        (definition,) = ast.parse(source).body
        assert isinstance(definition, ast.ClassDef)
        for statement in definition.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
                texts = [comments[line][0] for line in lines if line in comments]
                line = statement.lineno - 1
                while not texts and comments.get(line, ("", False))[1]:
                    line -= 1
                above = [comments[number][0] for number in range(line + 1, statement.lineno) if number in comments]
                found[statement.target.id] = " ".join(texts or above)
    return found


def _values(kind: Any, metadata: list[Any]) -> str:
    """The allowed values of a type, in words."""
    if get_origin(kind) is Annotated:
        kind, *extra = get_args(kind)
        metadata = [limit for part in extra for limit in getattr(part, "metadata", [part])]
    origin, inner = get_origin(kind), [part for part in get_args(kind) if part is not NoneType]
    if origin is Literal:
        return ", ".join(f"`{value!r}`".replace("'", '"') for value in inner)
    if origin is list:
        return f"list, each: {_values(inner[0], [])}"
    if origin is dict:
        return "table"
    if kind is bool:
        return "`true`, `false`"
    words = {int: "integer", float: "number", str: "text"}.get(kind, "any")
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [
        f"{sign} {getattr(limit, name):g}" for limit in metadata for name, sign in signs.items() if hasattr(limit, name)
    ]
    patterns = [f"like `{pattern}`" for limit in metadata if (pattern := getattr(limit, "pattern", None))]
    return " ".join([words, ", ".join(limits + patterns)]).strip()


def _default(field: FieldInfo) -> str:
    if field.is_required() or field.default is None or _table(field.annotation)[0]:
        return ""
    return f"`{inline(field.default)}`"


if __name__ == "__main__":
    print(reference(), end="")
