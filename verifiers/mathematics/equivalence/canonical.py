"""One form for answers of several parts: signs spelled out, names and values side by side, items in a list."""

from verifiers.mathematics.equivalence.relations import assigned
from verifiers.mathematics.equivalence.scalars import EXPRESSIONS
from verifiers.mathematics.parsing.tree import Node, contains, letters, neg, substituted, sym

_LEAVES = frozenset(["num", "sym", "const", "text"])
_SIGNED = frozenset(["pm"])


def arranged(node: Node) -> Node:
    """One form for lists: signs spelled out, (p, q) = (3, 2) as p = 3, q = 2, and x = 1, 2, 3 as its values."""
    if node.kind in _LEAVES:
        return node
    if contains(node, _SIGNED):
        node = _signs_spelled(node)
    if node.kind == "relation" and node.args[0] == ("=",):
        names, values = node.args[1:]
        if (
            names.kind == values.kind == "bracket"
            and names.args[:2] == values.args[:2]
            and len(names.args) == len(values.args)
        ):
            return Node(
                "list",
                tuple(Node("relation", (("=",), *pair)) for pair in zip(names.args[2:], values.args[2:], strict=False)),
            )
    if node.kind == "list":
        items = [arranged(item) for item in node.args]
        named = [assigned(item) for item in items]
        if named[0] and len(items) > 1 and not any(item.kind == "relation" for item in items[1:]):
            return Node("list", (named[0][1], *items[1:]))
        if all(named) and len({name for name, _ in named}) == 1 and len(items) > 1:
            return Node("list", tuple(value for _, value in named))
        if all(item.kind == "relation" and item.args[0] == ("in",) for item in items) and len(items) == 1:
            return items[0].args[2]
        return Node(
            "list",
            tuple(
                part for item in items for part in (item.args if item.kind == "list" and _from_signs(item) else (item,))
            ),
        )
    if node.kind == "set":
        items = [arranged(item) for item in node.args]
        return Node("set", tuple(part for item in items for part in (item.args if item.kind == "list" else (item,))))
    return node


def with_plain_letter(node: Node) -> Node:
    """k pi, k in Z with the letter n in place of k: which letter runs through the integers means nothing."""
    if node.kind == "builder":
        return _with_plain_bound(node)
    if node.kind != "list" or len(node.args) < 2:
        return node
    last = node.args[-1]
    if (
        last.kind != "relation"
        or last.args[0] != ("in",)
        or last.args[2].kind != "region"
        or last.args[1].kind != "sym"
    ):
        return node
    used = set().union(*(letters(item) for item in node.args[:-1]))
    if "n" in used or last.args[1].args[0] not in used:
        return node
    return _substituted_all(node, last.args[1], sym("n"))


def _with_plain_bound(node: Node) -> Node:
    """{x | ...} and {2k | k in Z} with one name for the letter that the braces bind."""
    for part in node.args:
        if part.kind == "relation" and part.args[0] == ("in",):
            part = part.args[1]
        if part.kind == "sym":
            return substituted(node, part, sym("bound"))
    return node


def _substituted_all(node: Node, letter: Node, value: Node) -> Node:
    """The tree with a letter replaced, also inside of relations and lists."""
    if node.kind == "relation":
        return Node("relation", (node.args[0], *(_substituted_all(side, letter, value) for side in node.args[1:])))
    if node.kind == "list":
        return Node("list", tuple(_substituted_all(item, letter, value) for item in node.args))
    return substituted(node, letter, value)


def _from_signs(item: Node) -> bool:
    return bool(item.args) and all(part.kind in EXPRESSIONS for part in item.args)


def _signs_spelled(node: Node) -> Node:
    """Each answer with a plus-minus sign as the list of its values; signs in one expression go together, mp opposite."""
    if node.kind in ("list", "set"):
        return Node(
            node.kind, tuple(_signs_spelled(item) if contains(item, frozenset(["pm"])) else item for item in node.args)
        )
    if node.kind == "relation" and node.args[0] == ("=",):
        name, values = (
            node.args[1],
            _signs_spelled(node.args[2]) if contains(node.args[2], frozenset(["pm"])) else node.args[2],
        )
        if values.kind == "list":
            return Node("list", tuple(Node("relation", (("=",), name, value)) for value in values.args))
        return node
    return Node("list", (_with_sign(node, 1), _with_sign(node, -1)))


def _with_sign(node: Node, sign: int) -> Node:
    if node.kind == "pm":
        value = _with_sign(node.args[0], sign)
        return value if node.args[1] * sign > 0 else neg(value)
    return Node(node.kind, tuple(_with_sign(part, sign) if isinstance(part, Node) else part for part in node.args))


def items(node: Node) -> list[Node]:
    return list(node.args) if node.kind in ("list", "set") else [node]


def conditions(node: Node) -> bool:
    """Whether a list is one of inequalities."""
    return node.kind == "list" and all(
        item.kind == "relation" and item.args[0][0] in ("<", ">", "<=", ">=", "!=", "in") for item in node.args
    )


def as_places(node: Node) -> tuple[tuple[Node, ...] | None, tuple[Node, ...]] | None:
    """(names, values) of a list of assignments, (None, values) of a tuple or a list of plain values, else None."""
    if node.kind == "list":
        named = [assigned(item) for item in node.args]
        if all(named):
            return tuple(name for name, _ in named), tuple(value for _, value in named)
        return None if any(item.kind == "relation" for item in node.args) else (None, node.args)
    if node.kind == "bracket" and node.args[:2] == ("(", ")"):
        return None, node.args[2:]
    return None


def point(node: Node) -> Node:
    """A(1, 2) as the tuple that it names."""
    if node.kind == "apply" and node.args[0][:1].isupper() and len(node.args) > 2:
        return Node("bracket", ("(", ")", *node.args[1:]))
    return node
