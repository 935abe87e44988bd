"""Whether an answer is written out: 7, and not 3+4. For tasks that ask to compute, where a value alone would be too little."""

from math import gcd

from verifiers.mathematics.parsing.answers import readings
from verifiers.mathematics.parsing.tree import MINUS_ONE, Node

_MEASURED = frozenset(["quantity", "percent", "degree"])
_SEVERAL = {"list": 0, "set": 0, "either": 0, "bracket": 2}  # kind -> where its items begin
_STATED = frozenset(["relation", "approx"])  # 3+4 = 7: what stands last is the answer


def is_written_out(answer: str) -> bool:
    """An integer, a decimal, a fraction of integers in lowest terms, or several of these; units may stand beside."""
    return any(_written_out(node) for node in readings(answer))


def _written_out(node: Node) -> bool:
    if node.kind in _MEASURED:
        return _written_out(node.args[0])
    if node.kind in _STATED:
        return _written_out(node.args[-1])
    if node.kind in _SEVERAL:
        return all(_written_out(item) for item in node.args[_SEVERAL[node.kind] :])
    return node.kind == "num" or _is_fraction(node)


def _is_fraction(node: Node) -> bool:
    if node.kind != "mul" or len(node.args) != 2:
        return False
    top, bottom = node.args
    if top == MINUS_ONE and bottom.kind == "mul":
        return _is_fraction(bottom)
    if top.kind != "num" or bottom.kind != "pow" or bottom.args[0].kind != "num" or bottom.args[1] != MINUS_ONE:
        return False
    above, below = top.args[0], bottom.args[0].args[0]
    return above.denominator == below.denominator == 1 and below > 1 and gcd(above.numerator, below.numerator) == 1
