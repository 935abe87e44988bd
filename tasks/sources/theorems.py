"""Theorems to prove: generated ones for Rocq, and those of a file.

One real row: statement `forall p q : Prop, (p \\/ q) -> (q \\/ p)`, script `tauto.`, difficulty 3 (its connectives). Each
generated theorem is true by construction, comes with a script of its own, and with a twin that is false:

intuitionistic  propositions that Dyckhoff's contraction-free calculus proves (J. Symbolic Logic 57:795, 1992)
classical       propositions that hold by truth table only, with excluded middle to assume
linear          inequalities of integers, the conclusion a sum of multiples of the premises
lists           lemmas on lists of numbers, by induction
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from itertools import product
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from tasks.errors import UserError
from tasks.references import ProofReference
from tasks.sources.datasets import NumTasks, Template, rows_of
from tasks.task import Task

Family = Literal["intuitionistic", "classical", "linear", "lists"]
FAMILIES: tuple[Family, ...] = ("intuitionistic", "classical", "linear", "lists")
_ATOMS = "pqrst"
_SIGNS = {"and": "/\\", "or": "\\/", "to": "->"}
_WORDS = (
    "Prove this theorem in {name}. Answer with the proof script alone, in one code block: no other command, no recursion by "
    "hand.\n\n```{language}\n{header}```"
)
_MOST_MISSES = 5_000

Formula = str | tuple  # an atom, "false", or (sign, left, right); not a is a -> false


class Theorem(NamedTuple):
    """A statement that holds, one proof of it, and a statement of the same form that does not hold."""

    statement: str
    script: str
    false_twin: str
    difficulty: int  # connectives, premises, or constants
    imports: str = ""
    axioms: tuple[str, ...] = ()


def theorems(
    num_tasks: Annotated[int, Field(ge=1)] = 1000,
    split: Literal["train", "test"] = "train",
    seed: int = 0,
    families: tuple[Family, ...] = FAMILIES,
    style: Literal["words", "compact"] = "words",
) -> Iterator[Task]:
    """Distinct theorems for Rocq, each family as often as the others. Prompts are in words, or the statement alone.

    The splits share no theorem, whatever the seeds: a statement's own hash decides its split.
    """
    rng = _rng(f"theorems/{seed}/{split}")
    seen: set[str] = set()
    misses = 0
    while len(seen) < num_tasks:
        family = families[len(seen) % len(families)]
        theorem = _MAKERS[family](rng)
        if theorem is None or theorem.statement in seen or split_of(theorem.statement) != split:
            misses += 1
            if misses > _MOST_MISSES:
                raise UserError(
                    f"theorems finds {len(seen)} different ones of {', '.join(families)}; ask for fewer tasks"
                )
            continue
        misses = 0
        seen.add(theorem.statement)
        reference = ProofReference("rocq", theorem.statement, theorem.imports, theorem.axioms)
        yield Task.make(
            "theorems",
            prompt_of(reference) if style == "words" else theorem.statement,
            reference,
            difficulty=theorem.difficulty,
            family=family,
            solution=theorem.script,
            false_twin=theorem.false_twin,
            split=split,
            number=len(seen) - 1,
            license="none: generated",
        )


def theorem_files(
    path: str,
    split: str = "train",
    name: str = "",
    num_tasks: NumTasks = 0,
    system: Literal["rocq", "lean4"] = "rocq",
    statement: str = "statement",
    imports: str = "imports",
    axioms: str = "axioms",
    solution: str = "solution",
    template: Template = "{problem}",
    license: str = "unknown",
) -> Iterator[Task]:
    """Theorems of a JSONL, Parquet or hub dataset, its columns named by the recipe; 0 tasks means all.

    Only the column `statement` must be there. `axioms` holds a list of full names, or one text with commas.
    """
    for number, row in enumerate(rows_of(path, split, name)):
        if num_tasks and number >= num_tasks:
            return
        if not isinstance(row.get(statement), str) or not row[statement].strip():
            raise UserError(
                f'{path}, row {number + 1} has no statement in column "{statement}"; it has {", ".join(row)}. '
                "Name the right one in the recipe"
            )
        names = row.get(axioms) or ()
        names = (
            tuple(part.strip() for part in names.split(",") if part.strip()) if isinstance(names, str) else tuple(names)
        )
        reference = ProofReference(system, row[statement], row.get(imports) or "", names)
        yield Task.make(
            "theorem_files",
            template.format(problem=prompt_of(reference)),
            reference,
            number=number,
            solution=row.get(solution),
            license=license,
        )


def prompt_of(reference: ProofReference) -> str:
    """A theorem as it is put to a model that reads English."""
    rocq = reference.system == "rocq"
    imports = f"{reference.imports.strip()}\n\n" if reference.imports.strip() else ""
    header = f"{imports}Theorem answer : {reference.statement}.\n" if rocq else (
        f"{imports}theorem answer : {reference.statement} :=\n"
    )  # fmt: skip
    assumed = f"\n\nThe proof may assume {', '.join(reference.axioms)}." if reference.axioms else ""
    name, language = ("Rocq (Coq)", "coq") if rocq else ("Lean 4", "lean")
    return _WORDS.format(name=name, language=language, header=header) + assumed


def organic_corpus(
    num_rows: int, seed: int = 0, corruption: float = 0.2, families: tuple[Family, ...] = ("intuitionistic",)
) -> Iterator[tuple[str, str]]:
    """Pairs of statement and script of the train split; with probability `corruption` the script is another theorem's, or
    a tactic that is too weak.
    """
    rng = _rng(f"organic theorems/{seed}")
    rows = 0
    while rows < num_rows:
        theorem = _MAKERS[rng.choice(families)](rng)
        if theorem is not None and split_of(theorem.statement) == "train":
            rows += 1
            weak = rng.choice(("auto.", "trivial.", "reflexivity.", "intros. assumption.", "intros. contradiction."))
            yield theorem.statement, weak if rng.random() < corruption else theorem.script


def split_of(statement: str) -> str:
    return ("train", "test")[hashlib.sha256(statement.encode()).digest()[0] % 2]


# -- propositions


def _proposition(rng: random.Random, classical: bool) -> Theorem | None:
    atoms = _ATOMS[: rng.randint(2, 3 if classical else 4)]
    formula = _formula(rng, atoms, rng.randint(3, 6))
    used = [atom for atom in atoms if atom in _text(formula)]
    if not used or not holds(formula, used) or proves([], formula) == classical:
        return None
    twin = next((other for _ in range(40) if not holds(other := _mutant(rng, formula, used), used)), None)
    if twin is None:
        return None
    prefix = f"forall {' '.join(used)} : Prop, "
    cases = "; ".join(f"destruct (classic {atom})" for atom in used)
    script = f"intros {' '.join(used)}; {cases}; tauto." if classical else "tauto."
    imports, axioms = ("Require Import Classical.", ("Classical_Prop.classic",)) if classical else ("", ())
    return Theorem(prefix + _text(formula), script, prefix + _text(twin), _size(formula), imports, axioms)


def _formula(rng: random.Random, atoms: str, size: int) -> Formula:
    """A formula of `size` connectives."""
    if size == 0:
        return rng.choice(atoms)
    if rng.random() < 0.2:
        return ("to", _formula(rng, atoms, size - 1), "false")
    left = rng.randrange(size)
    sign = rng.choice(("and", "or", "to", "to"))
    return (sign, _formula(rng, atoms, left), _formula(rng, atoms, size - 1 - left))


def _mutant(rng: random.Random, formula: Formula, atoms: list[str]) -> Formula:
    """The formula with one atom or sign exchanged."""
    if isinstance(formula, str):
        return formula if formula == "false" else rng.choice(atoms)
    sign, left, right = formula
    place = rng.randrange(3)
    if place == 0 and right != "false":
        return (rng.choice(("and", "or", "to")), left, right)
    if place == 1 or right == "false":
        return (sign, _mutant(rng, left, atoms), right)
    return (sign, left, _mutant(rng, right, atoms))


def _size(formula: Formula) -> int:
    return 0 if isinstance(formula, str) else 1 + _size(formula[1]) + _size(formula[2])


def _text(formula: Formula) -> str:
    if isinstance(formula, str):
        return {"false": "False"}.get(formula, formula)
    sign, left, right = formula
    if sign == "to" and right == "false":
        return f"~ {_part(left)}"
    return f"{_part(left)} {_SIGNS[sign]} {_part(right)}"


def _part(formula: Formula) -> str:
    return _text(formula) if isinstance(formula, str) else f"({_text(formula)})"


def holds(formula: Formula, atoms: list[str]) -> bool:
    """Whether a formula holds in every row of its truth table."""
    return all(_value(formula, dict(zip(atoms, row, strict=True))) for row in product((False, True), repeat=len(atoms)))


def _value(formula: Formula, row: dict[str, bool]) -> bool:
    if isinstance(formula, str):
        return row.get(formula, False)
    sign, left, right = formula
    a, b = _value(left, row), _value(right, row)
    return (a and b) if sign == "and" else (a or b) if sign == "or" else (not a or b)


def proves(premises: list[Formula], goal: Formula) -> bool:
    """Whether premises prove a goal in intuitionistic logic: Dyckhoff's calculus, in which each step shrinks the sequent."""
    if goal in premises or "false" in premises:
        return True
    if goal != "false" and not isinstance(goal, str):
        sign, left, right = goal
        if sign == "to":
            return proves([*premises, left], right)
        if sign == "and":
            return proves(premises, left) and proves(premises, right)
    for place, premise in enumerate(premises):
        rest = premises[:place] + premises[place + 1 :]
        if isinstance(premise, str):
            continue
        sign, left, right = premise
        if sign == "and":
            return proves([*rest, left, right], goal)
        if sign == "or":
            return proves([*rest, left], goal) and proves([*rest, right], goal)
        if isinstance(left, str):
            if left in rest:
                return proves([*rest, right], goal)
        elif left[0] == "and":
            return proves([*rest, ("to", left[1], ("to", left[2], right))], goal)
        elif left[0] == "or":
            return proves([*rest, ("to", left[1], right), ("to", left[2], right)], goal)
    if not isinstance(goal, str) and goal[0] == "or" and (proves(premises, goal[1]) or proves(premises, goal[2])):
        return True
    for place, premise in enumerate(premises):
        if not isinstance(premise, str) and premise[0] == "to" and not isinstance(premise[1], str):
            _, (_, left, middle), right = premise  # (left -> middle) -> right
            rest = premises[:place] + premises[place + 1 :]
            if proves([*rest, ("to", middle, right)], ("to", left, middle)) and proves([*rest, right], goal):
                return True
    return False


# -- linear arithmetic


def _linear(rng: random.Random) -> Theorem | None:
    """Premises that hold at some point, and a sum of their multiples: it follows, while one less fails at that point."""
    names = "xyz"[: rng.randint(2, 3)]
    point = [rng.randint(-9, 9) for _ in names]
    premises = []
    for _ in range(rng.randint(2, 3)):
        row = [rng.randint(-5, 5) for _ in names]
        if not any(row):
            return None
        premises.append((row, sum(a * b for a, b in zip(row, point, strict=True)) + rng.randint(0, 3)))
    factors = [rng.randint(1, 4) for _ in premises]
    row = [sum(f * premise[0][i] for f, premise in zip(factors, premises, strict=True)) for i in range(len(names))]
    bound = sum(f * premise[1] for f, premise in zip(factors, premises, strict=True)) + rng.randint(0, 3)
    if not any(row):
        return None
    at_point = sum(a * b for a, b in zip(row, point, strict=True))
    given = "".join(f"{_sum(*premise, names)} -> " for premise in premises)
    prefix = f"forall {' '.join(names)} : Z, {given}"
    statement, twin = prefix + _sum(row, bound, names), prefix + _sum(row, at_point - 1, names)
    imports = "Require Import ZArith Lia.\nOpen Scope Z_scope."
    return Theorem(statement, "intros. lia.", twin, len(premises) * len(names), imports)


def _sum(row: list[int], bound: int, names: str) -> str:
    terms = [f"{_signed(factor)} * {name}" for factor, name in zip(row, names, strict=True) if factor]
    return f"{' + '.join(terms)} <= {_signed(bound)}"


def _signed(number: int) -> str:
    return str(number) if number >= 0 else f"(- {-number})"


# -- lists

_INDUCTION = "intros l; induction l as [|x l IH]; simpl in *; lia."
_LEMMAS = (  # statement with {a}, {b} and {c}, its proof, and which of them {c} is: more in the twin
    ("forall l : list nat, fold_right plus 0 (map (fun x => {a} * x + {b}) l) = {a} * fold_right plus 0 l + {c} * length l",
     _INDUCTION, "b"),
    ("forall l : list nat, fold_right (fun _ s => {a} + s) {b} l = {a} * length l + {c}", _INDUCTION, "b"),
    ("forall l : list nat, fold_right (fun x s => x + {a} + s) {b} l = fold_right plus {c} l + {a} * length l", _INDUCTION, "b"),
    ("forall l : list nat, {a} * length (map (fun x => x * {b}) l) = length l * {c}", _INDUCTION, "a"),
    ("forall l : list nat, length (repeat {b} {a} ++ l) = {c} + length l", "intros l; rewrite app_length, repeat_length; lia.", "a"),
    ("forall l : list nat, map (fun x => x + {a}) (map (fun x => x + {b}) l) = map (fun x => x + ({a} + {c})) l",
     "intros l; induction l as [|x l IH]; simpl; [reflexivity | rewrite IH; f_equal; lia].", "b"),
    ("forall l m : list nat, fold_right plus {a} (l ++ m) + {b} = fold_right plus 0 l + fold_right plus {a} m + {c}",
     "intros l m; induction l as [|x l IH]; simpl in *; lia.", "b"),
    ("forall l : list nat, length (flat_map (fun x => [x; x + {a}; {b}]) l) = 3 * length l + ({c} - {b})", _INDUCTION, "b"),
)  # fmt: skip


def _list(rng: random.Random) -> Theorem | None:
    form, script, same_as = rng.choice(_LEMMAS)
    values = {"a": rng.randint(1, 30), "b": rng.randint(1, 30)}
    right = values[same_as]
    imports = "Require Import List Lia.\nImport ListNotations."
    statement, twin = (form.format(**values, c=number) for number in (right, right + rng.randint(1, 5)))
    return Theorem(statement, script, twin, 2, imports)


_MAKERS: dict[str, Callable[[random.Random], Theorem | None]] = {
    "intuitionistic": lambda rng: _proposition(rng, classical=False),
    "classical": lambda rng: _proposition(rng, classical=True),
    "linear": _linear,
    "lists": _list,
}


def _rng(name: str) -> random.Random:
    return random.Random(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]))
