"""Stronger tests from a reference program: grown inputs, its outputs, and how often a wrong program still passes.

Seven to 29% of the programs that pass a benchmark's own tests are wrong (Liu et al. 2023, EvalPlus). Inputs are grown from
the given ones by type (input_growth.py); the reference program decides their outputs; an input counts as valid where the
program returns the same plain value twice. Of many, those are kept that tell small changes of the program apart
(mutants.py). Half of the grown cases are held back: a source must never show them.
"""

import ast
import math
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from tasks import AssertTests, FunctionTests, Reference, UserError
from verifiers.programs import verify_program
from verifiers.programs.assertions import Call, simple_calls
from verifiers.programs.comparison import value_from_json, value_to_json
from verifiers.programs.input_growth import grow_inputs
from verifiers.programs.mutants import mutants
from verifiers.programs.probe import Called, cpu_seconds_of, program_of, recorded_inputs
from verifiers.sandbox.inside import wire

_NUM_GROWN_TO_CHOOSE_FROM = 160
_NUM_MUTANTS = 60  # half choose the cases, half measure what passes them
_CPU_SECONDS, _MUTANT_WALL_SECONDS = 2, 1.0
_SHARE = 0.9  # CPU time that grown cases may add, as a share of what the given ones take
_MARGIN = 1e-6  # relative, of a float that the reference program gives


@dataclass(frozen=True, slots=True)
class Report:
    """What growing did to one task's tests."""

    num_given: int  # calls that the tests made
    num_grown: int  # cases added
    num_held_back: int  # of these, never to be shown
    num_invalid: int  # grown inputs on which the program failed or wavered
    num_wrong: int  # changed programs, of those not used to choose, that some input tells from the reference
    num_past_given: int  # of these, those that pass the given tests
    num_past_grown: int  # of these, those that pass the strengthened tests
    note: str = ""  # why nothing was grown


@dataclass(frozen=True, slots=True)
class Strengthened:
    """A reference with more cases."""

    reference: FunctionTests | AssertTests
    held_back: tuple[str, ...]  # calls of `reference` that a prompt must not show, as source
    report: Report


def can_grow(reference: Reference) -> TypeGuard[FunctionTests | AssertTests]:
    """Whether a reference is of a kind whose tests can grow: calls of one function."""
    return isinstance(reference, FunctionTests | AssertTests)


def strengthen(
    reference: FunctionTests | AssertTests, solution: str, num_cases: int, seed: int = 0, prompt: str = ""
) -> Strengthened:
    """The reference with up to `num_cases` grown cases; unchanged, with a note, where they cannot be grown.

    A case whose call the `prompt` shows is not among those held back.
    Raises UserError where the solution fails the given tests, SandboxError where the sandbox fails.
    """
    program = program_of(solution)
    verdict = verify_program(reference, program)
    if verdict.outcome != "correct":
        raise UserError(
            f"the solution does not pass its own tests ({verdict.reason}: {verdict.answer:.100}); mend one of them"
        )
    name, given, note = _given(reference, program)
    if note:
        return Strengthened(reference, (), Report(len(given), 0, 0, 0, 0, 0, 0, note))
    called = Called.of(name, reference)
    grown = grow_inputs(given, _NUM_GROWN_TO_CHOOSE_FROM, seed)
    inputs, outputs = _valid(program, called, grown, reference)
    if not inputs:
        note = "no grown input has an output that a case can hold"
        return Strengthened(reference, (), Report(len(given), 0, 0, len(grown), 0, 0, 0, note))
    others = mutants(program, name, _NUM_MUTANTS, seed)
    kept, report = _choose(program, called, given, inputs, others, num_cases)
    calls = [Call(name, inputs[index], {}, outputs[index]) for index in kept]
    held_back = tuple(_source(call, call.name) for call in calls[1::2] if _call_text(call, call.name) not in prompt)
    report = replace(report, num_grown=len(calls), num_held_back=len(held_back), num_invalid=len(grown) - len(inputs))
    return Strengthened(_extended(reference, calls), held_back, report)


def _given(reference, program: str) -> tuple[str, list[list], str]:
    """The function's name, the arguments of the given calls, and why none can be grown from them."""
    if isinstance(reference, FunctionTests):
        return reference.entry_point, [value_from_json(case["args"]) for case in reference.cases], ""
    calls = simple_calls(reference.code, reference.entry_point)
    if calls:
        names = {call.name for call in calls}
        note = (
            "the tests call several functions or use keywords" if len(names) > 1 or any(c.kwargs for c in calls) else ""
        )
        return calls[0].name, [call.args for call in calls], note
    given = recorded_inputs(reference, program, _CPU_SECONDS) if reference.entry_point else None
    if not given:
        return reference.entry_point, [], "the tests' calls cannot be recorded"
    return reference.entry_point, given, _open_answer(reference, program, given)


def _open_answer(reference: AssertTests, program: str, given: list[list]) -> str:
    """Why tests that compute leave more than one answer right, so that the reference program's is not the only one."""
    name = reference.entry_point
    values = [
        wire.decode(one[1])
        for one in Called.of(name, reference).outcomes(program, given, _CPU_SECONDS, 15.0)
        if one and one[0] == "value"
    ]
    if any(type(value) is float for value in values):
        return "the tests compute with a float: several may be right"
    if any(type(value) in (list, tuple) and value[::-1] != value for value in values):
        turned = f"\n_given = {name}\ndef {name}(*args):\n    return _given(*args)[::-1]\n"
        if verify_program(reference, program + turned).outcome == "correct":
            return "the tests take the answer in any order"
    return ""


def _valid(program: str, called: Called, grown: list[list], reference) -> tuple[list[list], list[Any]]:
    """The grown inputs on which the program gives one plain output, twice the same; and the outputs."""
    first = _all_outcomes(program, called, grown)
    second = _all_outcomes(program, called, grown)
    inputs, outputs = [], []
    for args, one, two in zip(grown, first, second, strict=True):
        if one is None or one != two or one[0] != "value":
            continue
        output = wire.decode(one[1])
        if _can_stand(args) and _can_stand(output) and not _floats_inside(output, reference):
            inputs.append(args)
            outputs.append(output)
    return inputs, outputs


def _all_outcomes(program: str, called: Called, inputs: list[list]) -> list:
    """Outcomes of all inputs, past those on which the program does not return."""
    outcomes: list = []
    for _ in range(4):
        rest = inputs[len(outcomes) :]
        if not rest:
            break
        found = called.outcomes(program, rest, _CPU_SECONDS, 15.0)
        done = next((index for index, outcome in enumerate(found) if outcome is None), len(found))
        outcomes += found[: done + 1]
    return outcomes + [None] * (len(inputs) - len(outcomes))


def _can_stand(value: Any) -> bool:
    """Whether a value can be written as a literal that is the value again."""
    try:
        return ast.literal_eval(repr(value)) == value and len(repr(value)) < 4000
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False


def _floats_inside(output: Any, reference) -> bool:
    """Floats that no margin can be put on: inside a container, or with function_tests that set no tolerance."""
    if type(output) is float:
        return isinstance(reference, FunctionTests) and not reference.tolerance
    if isinstance(output, dict):
        output = [*output.keys(), *output.values()]
    if isinstance(output, (list, tuple, set, frozenset)):
        tolerant = isinstance(reference, FunctionTests) and reference.tolerance > 0
        return any((type(item) is float and not tolerant) or _floats_inside(item, reference) for item in output)
    return False


def _choose(program, called: Called, given, inputs, others, num_cases) -> tuple[list[int], Report]:
    """Indices of the inputs that tell most changed programs apart that the given ones do not; then others in turn.

    Every second changed program chooses, the others measure.
    """
    tried = given + inputs
    wanted = _all_outcomes(program, called, tried)
    kills = [_killers(other, called, tried, wanted) for other in others]
    judges, measured = _past(kills[::2], len(given)), _past(kills[1::2], len(given))
    order: list[int] = []
    alive = judges
    while alive:
        best = max(range(len(inputs)), key=lambda index: sum(index in killers for killers in alive))
        order.append(best)
        alive = [killers for killers in alive if best not in killers]
    order += [index for index in range(len(inputs)) if index not in order]
    kept = _affordable(program, called, given, inputs, order, num_cases)
    past_grown = sum(not killers & set(kept) for killers in measured)
    return kept, Report(len(given), 0, 0, 0, sum(map(bool, kills[1::2])), len(measured), past_grown)


def _affordable(program, called: Called, given, inputs, order: list[int], num_cases: int) -> list[int]:
    """The first `num_cases` of an order whose calls together take no more CPU time than a check of the given ones."""
    before = cpu_seconds_of(program, called, given, _CPU_SECONDS)
    kept = order[:num_cases]
    if (
        cpu_seconds_of(program, called, given + [inputs[index] for index in kept], _CPU_SECONDS)
        <= (1 + _SHARE) * before
    ):
        return kept
    empty, left, kept = cpu_seconds_of(program, called, [], _CPU_SECONDS), _SHARE * before, []
    for index in order[: 3 * num_cases]:  # some call is dear: one by one
        cost = max(0.0, cpu_seconds_of(program, called, [inputs[index]], _CPU_SECONDS) - empty)
        if cost <= left:
            kept.append(index)
            left -= cost
        if len(kept) == num_cases:
            break
    return kept


def _past(kills: list[set[int]], num_given: int) -> list[set[int]]:
    """Of each changed program that passes the given inputs and is wrong: the grown inputs that tell."""
    return [{index - num_given for index in killers} for killers in kills if killers and min(killers) >= num_given]


def _killers(program: str, called: Called, inputs: list[list], wanted: list) -> set[int]:
    """The inputs on which a changed program does otherwise; where it stops, the input that stopped it."""
    got = called.outcomes(program, inputs, _CPU_SECONDS, _MUTANT_WALL_SECONDS)
    end = next((index for index, outcome in enumerate(got) if outcome is None), len(got))
    return {index for index in range(min(end + 1, len(got))) if not _same(wanted[index], got[index])}


def _same(one, other) -> bool:
    if one is None or other is None or one[0] != other[0] or one[0] != "value":
        return one is not None and other is not None and one[0] == other[0] == "raised" and one[1] == other[1]
    if one[1] == other[1]:
        return True
    first, second = wire.decode(one[1]), wire.decode(other[1])
    numbers = all(type(value) in (int, float) for value in (first, second))
    return (
        math.isclose(first, second, rel_tol=_MARGIN, abs_tol=_MARGIN)
        if numbers and float in map(type, (first, second))
        else first == second
    )


def _extended(reference, calls: list[Call]) -> FunctionTests | AssertTests:
    if isinstance(reference, FunctionTests):
        cases = tuple({"args": value_to_json(call.args), "expected": value_to_json(call.expected)} for call in calls)
        return replace(reference, cases=(*reference.cases, *cases))
    if not reference.entry_point:
        return replace(
            reference, code="\n".join([reference.code, *(_source(call, call.name) for call in calls)]) + "\n"
        )
    given = simple_calls(reference.code, reference.entry_point)
    if given:
        head, body = "", [_source(call, "candidate") for call in given]
    else:
        head, body = reference.code.rstrip() + "\n\n\n_given_check = check\n\n\n", ["_given_check(candidate)"]
    body += [_source(call, "candidate") for call in calls]
    return replace(reference, code=head + "def check(candidate):\n" + "".join(f"    {line}\n" for line in body))


def _source(call: Call, name: str) -> str:
    """The assertion of a call."""
    text = _call_text(call, name)
    margin = call.margin or (_MARGIN * max(1.0, abs(call.expected)) if type(call.expected) is float else 0.0)
    if margin and math.isfinite(call.expected):
        return f"assert abs({text} - {call.expected!r}) <= {margin!r}"
    return f"assert {text} == {call.expected!r}"


def _call_text(call: Call, name: str) -> str:
    arguments = [repr(arg) for arg in call.args] + [f"{key}={value!r}" for key, value in call.kwargs.items()]
    return f"{name}({', '.join(arguments)})"
