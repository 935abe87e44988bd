"""The rules of the house: which way imports run, what may be imported late, and how rooms are kept.

A room is a package or module directly in selfplay/. It imports only rooms that stand before it in ROOMS.
"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from selfplay.allocation import RULES, Allocation, Allocator, make_allocator
from selfplay.proposals.kinds import KINDS
from selfplay.recipe.sections import ENGINES, Filter, ProposalKind, Sampling, Selection
from selfplay.samplers import SAMPLERS
from selfplay.selection.filters import FILTERS
from selfplay.selection.selection import select
from tests.factories import trace_of
from verifiers import Outcome

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("tasks", "verifiers", "selfplay")  # each imports only those before it
ROOMS = [
    "layout", "storage", "seeds", "progress", "parallel", "records", "grading", "models", "estimators",
    "allocation", "recipe", "samplers", "journal", "driver", "selection", "shards", "training", "export", "metrics",
    "proposals", "rounds", "planning", "report", "audit", "cli", "__init__", "__main__",
]  # fmt: skip
HEAVY = {  # packages worth an import within a function: each takes from a tenth of a second to some ten seconds
    "datasets", "huggingface_hub", "matplotlib", "mpmath", "openai", "peft", "pyarrow", "ray", "sympy", "tokenizers",
    "torch", "transformers", "trl", "typer", "vllm",
}  # fmt: skip
MOST_FILES = 10

# Processes inside the sandbox: the fork server imports what its children share, and a child the one side that it plays.
IN_THE_SANDBOX = {"verifiers.sandbox.inside.forkserver", "verifiers.sandbox.inside.runner"}


@cache
def modules() -> dict[str, Path]:
    """All our modules by their dotted names."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports_of(name: str) -> tuple[tuple[str, bool], ...]:
    """What a module imports, ours by the module's name and others by their package's: with whether it does so late, that
    is, within a function or for the type checker alone."""
    path = modules()[name]
    tree = ast.parse(path.read_text())
    at_once = {id(statement) for statement in tree.body}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join(base + ([node.module] if node.module else []))
            targets = [f"{start}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {(_known(target), id(node) not in at_once) for target in targets}
    return tuple(sorted((target, late) for target, late in found if target != name))


def _known(target: str) -> str:
    """The module that holds what a dotted name names; of a package that is not ours, its first part."""
    if target.split(".")[0] not in PACKAGES:
        return target.split(".")[0]
    while target not in modules():
        target = target.rpartition(".")[0]
    return target


@cache
def brings_in(name: str) -> frozenset[str]:
    """The heavy packages that importing one of our modules imports at once."""
    seen, waiting, heavy = {name}, [name], set()
    while waiting:
        for target, late in imports_of(waiting.pop()):
            if late or target in seen:
                continue
            seen.add(target)
            if target in modules():
                waiting.append(target)
            elif target in HEAVY:
                heavy.add(target)
    return frozenset(heavy)


def _room(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def test_imports_run_one_way():
    pairs = [(name, target) for name in modules() for target, _ in imports_of(name) if target in modules()]
    upward = []
    for name, target in pairs:
        packages = [PACKAGES.index(module.split(".")[0]) for module in (name, target)]
        rooms = [ROOMS.index(_room(module)) for module in (name, target) if module.split(".")[0] == "selfplay"]
        if packages[0] < packages[1] or (len(rooms) == 2 and rooms[0] < rooms[1]):
            upward.append((name, target))
    assert upward == []


def test_every_room_has_its_place():
    assert {_room(name) for name in modules() if name.startswith("selfplay")} <= set(ROOMS)


def test_no_import_goes_in_a_circle():
    """Neither at once nor late: what needs each other is one module, or there is a third that both need."""
    needs = {name: {target for target, _ in imports_of(name) if target in modules()} for name in modules()}
    while free := {name for name, targets in needs.items() if not targets}:
        needs = {name: targets - free for name, targets in needs.items() if name not in free}
    above = set(needs)  # the circles, and all that reaches one
    while free := {name for name in above if not any(name in needs[other] for other in above)}:
        above -= free
    assert above == set()


def test_only_heavy_packages_are_imported_late():
    """A module of ours is imported within a function only where it brings a heavy package that is not there yet, so that
    the order of the rooms is plain at the top of each file. The command line and the public faces alone import a thing
    when it is used."""
    late = {
        name
        for name in modules()
        for target, is_late in imports_of(name)
        if is_late and target in modules() and not brings_in(target) - brings_in(name)
    }
    assert {
        name for name in late if name not in ("selfplay", "tasks") and not name.startswith("selfplay.cli")
    } == IN_THE_SANDBOX


def test_every_module_says_what_it_is():
    assert [name for name, path in modules().items() if not ast.get_docstring(ast.parse(path.read_text()))] == []


@pytest.mark.parametrize("package", ["selfplay", "verifiers"])
def test_a_package_shows_few_files(package):
    files = [path.name for path in (ROOT / package).iterdir() if path.is_file() and path.name != "py.typed"]
    assert len(files) <= MOST_FILES, files


def test_the_readme_lists_the_rooms_in_their_order_and_names_files_that_exist():
    text = (ROOT / "selfplay" / "README.md").read_text()
    floors = re.findall(r"^\| `(\w+)` \|", text[text.index("## Floors") : text.index("## The path")], re.MULTILINE)
    assert floors == [room for room in ROOMS if not room.startswith("__")]
    for name in re.findall(r"`([\w/]+\.py)`", text):
        assert (ROOT / name).exists() or (ROOT / "selfplay" / name).exists(), name


def test_registries_and_recipes_name_the_same():
    """A component is a row in the registry of its room and, if recipes may name it, a value of one key."""
    assert list(get_args(Allocation.model_fields["rule"].annotation)) == list(RULES)
    assert list(get_args(Filter)) == list(FILTERS)
    assert list(get_args(ProposalKind)) == list(KINDS)
    assert list(get_args(Sampling.model_fields["engine"].annotation)) == list(SAMPLERS) == list(ENGINES)


def test_no_test_imports_from_another_test_file():
    pattern = re.compile(r"^from tests\.(?:\w+\.)*(test_\w+) import", re.MULTILINE)
    found = {(path.stem, name) for path in (ROOT / "tests").rglob("*.py") for name in pattern.findall(path.read_text())}
    assert {(importer, name) for importer, name in found if importer != name} == set()


def test_a_rule_is_one_class_and_one_row(monkeypatch):
    """Its name in recipes is the third and last place."""

    class Once(Allocator):
        keys = frozenset()

        @property
        def rule(self):
            return {"rule": "once"}

        def _needed(self, state):
            return 1 - state.granted

        def _complete(self, state):
            return state.granted == 1

    monkeypatch.setitem(RULES, "once", Once)
    allocator = make_allocator(Allocation.model_construct(rule="once"))
    allocator.add("a task")
    assert allocator.next(9) == [("a task", (0,))]
    assert allocator.observe("a task", 0, Outcome.WRONG, 5) == ["a task"]


def test_a_filter_is_one_function_and_one_row(monkeypatch):
    monkeypatch.setitem(FILTERS, "shouting", lambda trace: trace.sample.text.isupper())
    traces = [trace_of("####12", index=0), trace_of("IT IS ####12", index=1)]
    settings = Selection.model_construct(reject=["shouting"])
    assert [reason for _, reason in select(traces, settings)] == ["accepted", "shouting"]
