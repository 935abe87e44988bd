"""Letters that an answer is free to choose: the integer of a period, a constant of integration, the class of a remainder."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations
from typing import NamedTuple

from verifiers.mathematics.equivalence.normal_form import Forms
from verifiers.mathematics.equivalence.polynomials import ONE, TooBig, Undefined
from verifiers.mathematics.equivalence.relations import is_name
from verifiers.mathematics.parsing.tree import Node, letters, rational, substituted, sym

_INTEGERS = frozenset(["k", "n", "m", "l", "j", "t", "p", "q", "r", "s", "ell"])
_CLASS_LETTERS = frozenset(["k", "m", "l", "j", "t"])
_CONSTANTS = frozenset(
    ["C", "c", "K", "A", "B", "D", "C_1", "C_2", "C_3", "c_1", "c_2", "c_3", "C_0", "c_0", "A_0", "k_1", "k_2", "k"]
)
_DECLARED = frozenset(["Z", "N", "R", "Q"])


class Residues(NamedTuple):
    """Whole numbers of some classes modulo a number; `name` is the letter that they belong to, if one is written."""

    modulus: int
    classes: frozenset[Fraction]
    name: str | None
    congruent: bool  # written as a congruence


def declared(node: Node) -> tuple[Node, dict[str, str]]:
    """(answer, letters) of "n pi, n in Z": what is stated, and which numbers a letter is said to run through ("" if it is
    said in words)."""
    if node.kind == "where":
        core, found = declared(node.args[0])
        return core, found or dict.fromkeys(_free(core), "")
    if node.kind == "list" and len(node.args) > 1:
        kept, found = [], {}
        for item in node.args:
            if item.kind == "relation" and item.args[0] == ("in",) and item.args[2].kind == "region":
                names = item.args[1].args if item.args[1].kind == "list" else item.args[1:2]
                if kept and all(name.kind == "sym" for name in names) and item.args[2].args[0] in _DECLARED:
                    found.update({name.args[0]: item.args[2].args[0] for name in names})
                    continue
            kept.append(item)
        while found and len(kept) > 1 and kept[-1].kind == "sym" and kept[-1].args[0] in _free(kept[0]):
            found[kept.pop().args[0]] = next(iter(found.values()))  # a, b in R
        if set(found) & _free(node) and kept:
            return (kept[0] if len(kept) == 1 else Node("list", tuple(kept))), found
    return node, {}


def _free(node: Node) -> set[str]:
    """The letters of an answer, those inside of relations and lists too."""
    return letters(node)


def may_be_renamed(left: Node, right: Node) -> bool:
    """Whether two answers hold other letters, or several constants: else no other name makes them the same."""
    first, second = _free(left), _free(right)
    return first != second or len(first & _CONSTANTS) > 1


def renaming(left: Node, right: Node, said: set[str], whole: bool = False) -> Node | None:
    """`right` with its free letter named as in `left`, if only that letter differs and may be chosen; else None.

    A letter may be chosen if it is said to run through numbers, if it is the integer of a period (k pi), or if it is a
    constant (x^2 + C, C e^x) under one of the usual names of constants. `whole`: both sides say n = ..., so that a letter of
    _CLASS_LETTERS runs through the integers.
    """
    first = _free(left)
    second = _free(right) if first else first
    ours, theirs = first - second, second - first
    if len(ours) != 1 or len(theirs) != 1:
        return None
    mine, other = ours.pop(), theirs.pop()
    if left == sym(mine) or right == sym(other):
        return None
    integers = {mine, other} <= _INTEGERS and (_is_period(left, mine) and _is_period(right, other))
    classes = whole and {mine, other} <= _CLASS_LETTERS
    constants = {mine, other} <= _CONSTANTS and _is_constant(left, mine) and _is_constant(right, other)
    if not (integers or classes or constants or ({mine, other} & said and len(mine) == len(other) == 1)):
        return None
    return substituted(right, sym(other), sym(mine))


def constants_renamed(left: Node, right: Node) -> Iterator[Node]:
    """`right` with its constants in every order under the names of those in `left`: A e^x + B e^{-x} for C_1 e^x + C_2 e^{-x}.

    Nothing where the two do not hold as many constants, from two to three.
    """
    ours = sorted(_free(left) & _CONSTANTS)
    theirs = sorted(_free(right) & _CONSTANTS) if 2 <= len(ours) <= 3 else []
    if not theirs or len(ours) != len(theirs) or _free(left) - set(ours) != _free(right) - set(theirs):
        return
    if set(ours) == set(theirs) and not all("_" in name for name in ours):
        return  # A x + B is not B x + A: such letters may be given
    if not _free(left) - set(ours) or not all(_is_constant(left, name) for name in ours):
        return
    apart = right
    for name in theirs:
        apart = substituted(apart, sym(name), sym(name + " apart"))
    for order in permutations(ours):
        named = apart
        for name, mine in zip(theirs, order, strict=True):
            named = substituted(named, sym(name + " apart"), sym(mine))
        yield named


def _is_period(node: Node, letter: str) -> bool:
    """Whether a letter stands only in products with pi, such as 2 k pi."""
    if node.kind == "mul":
        factors = _factors(node)
        if sym(letter) in factors:
            return any(factor == Node("const", ("pi",)) for factor in factors) and not any(
                letter in letters(factor) for factor in factors if factor != sym(letter)
            )
    if node == sym(letter):
        return False
    return all(_is_period(part, letter) for part in node.args if isinstance(part, Node))


def _is_constant(node: Node, letter: str) -> bool:
    """Whether a letter stands beside terms or factors of other letters: x^2 + C, C e^x."""
    if letters(node) == {letter}:
        return False
    if node.kind in ("relation", "list", "bracket"):
        parts = [part for part in node.args if isinstance(part, Node)]
        return all(letter not in letters(part) or _is_constant(part, letter) for part in parts)
    return node.kind in ("add", "mul")


def _factors(node: Node) -> list[Node]:
    return [part for factor in node.args for part in _factors(factor)] if node.kind == "mul" else [node]


def residues(node: Node) -> Residues | None:
    """n = 4k + 1 or n = 4k + 3, n = 1, 3 (mod 4), and 4k + 1: the classes that they name, or None."""
    items = list(node.args) if node.kind in ("list", "either") else [node]
    moduli, classes, names, congruent = set(), set(), set(), False
    shared = items[-1]
    modulus = shared.args[-1] if shared.kind == "relation" else shared
    common = modulus.args[2] if modulus.kind == "call" and modulus.args[0] == "mod" else None
    for item in items:
        name, value = None, item
        if item.kind == "relation" and item.args[0] in (("=",), ("equiv",)) and is_name(item.args[1]):
            congruent |= item.args[0] == ("equiv",)
            name, value = item.args[1], item.args[2]
        names |= {name.args[0]} if name is not None and name.kind == "sym" else set()
        if value.kind == "call" and value.args[0] == "mod":
            found = rational(value.args[1]), rational(value.args[2])
        elif common is not None and (rational(value) is not None):
            found = rational(value), rational(common)
        else:
            found = _linear(value)
        if found is None or None in found or found[1].denominator != 1 or found[1] < 2:
            return None
        congruent |= common is not None
        moduli.add(found[1])
        classes.add(found[0] % found[1])
    if len(moduli) != 1 or len(names) > 1:
        return None
    return Residues(int(moduli.pop()), frozenset(classes), names.pop() if names else None, congruent)


def _linear(node: Node) -> tuple[Fraction, Fraction] | None:
    """(b, a) of a k + b with one integer letter and whole coefficients."""
    names = letters(node)
    if len(names) != 1 or not names <= _INTEGERS:
        return None
    try:
        top, bottom = Forms().of(node)
    except (TooBig, Undefined):
        return None
    key = ((f"x:{names.pop()}", 1),)
    if bottom != ONE or set(top) - {(), key} or key not in top:
        return None
    return top.get((), Fraction(0)), abs(top[key])
