"""Whether lists, sets and tuples hold the same: in any order, in their order, or by the names of their parts."""

from verifiers.arrangement import as_places, conditions, items
from verifiers.scalars import EXPRESSIONS, Scalars
from verifiers.tree import Node

_MAX_ITEMS = 200


class Listings:
    """The part of a comparison that pairs the items of two answers; `same` compares two items."""

    scalars: Scalars

    def _collection(self, left: Node, right: Node) -> bool | None:
        """Lists and sets, in any order, unless dots stand in them or names give the places."""
        first, second = as_places(left), as_places(right)
        if first and second and first[0] is not None and second[0] is not None:
            return self._named(first, second)
        if first and second and (first[0] is not None or second[0] is not None):
            return self._placed(left, right, first, second)
        if left.kind == "bracket" or right.kind == "bracket":
            return self._list_against_tuple(left, right)
        if left.kind == "matrix" or right.kind == "matrix":
            return False
        a, b = items(left), items(right)
        if conditions(left) or conditions(right):
            verdict = self._sets(left, right, relations=True)
            if verdict is not None:
                return verdict
        if any(item.kind == "dots" for item in (*a, *b)):
            return len(a) == len(b) and self._all(zip(a, b, strict=False))
        if left.kind == "set" or right.kind == "set":
            a, b = self._distinct(a), self._distinct(b)
        return self._paired(a, b)

    def _list_against_tuple(self, left: Node, right: Node) -> bool | None:
        """3, 4, 5 against (3, 4, 5): the same in order. Two in brackets may be an interval, so there brackets count."""
        listed, held = (left, right) if left.kind != "bracket" else (right, left)
        items = held.args[2:]
        if listed.kind == "list" and held.args[:2] == ("(", ")") and len(items) == len(listed.args) > 2:
            return self._all(zip(items, listed.args, strict=False))
        if (listed.kind == "set" and len(listed.args) == 1) or (listed.kind == "list" and len(listed.args) == 1):
            return self.same(listed.args[0], held)
        return False

    def _named(self, first: tuple, second: tuple) -> bool | None:
        """x = 1, y = 2 against y = 2, x = 1."""
        a, b = dict(zip(*first, strict=False)), dict(zip(*second, strict=False))
        if a.keys() != b.keys() or len(a) != len(first[0]):
            return False
        return self._all((a[name], b[name]) for name in a)

    def _placed(self, left: Node, right: Node, first: tuple, second: tuple) -> bool | None:
        """x = 1, y = 2 against (1, 2), in the order of the letters; against a bare list 1, 2, in the order written."""
        named, plain = (first, second) if first[0] is not None else (second, first)
        other = right if first[0] is not None else left
        if len(named[1]) != len(plain[1]):
            return False
        pairs = list(zip(named[0], named[1], strict=False))
        if other.kind == "bracket" and all(name.kind == "sym" and len(name.args[0]) == 1 for name in named[0]):
            pairs.sort(key=lambda pair: pair[0].args[0])
        return self._all(zip([value for _, value in pairs], plain[1], strict=False))

    def _tuples(self, left: Node, right: Node) -> bool | None:
        if left.kind != right.kind or left.args[:2] != right.args[:2] or len(left.args) != len(right.args):
            return False
        return self._all(zip(left.args[2:], right.args[2:], strict=False))

    def _distinct(self, items: list[Node]) -> list[Node]:
        found: dict[object, Node] = {}
        for item in items:
            found.setdefault(self.scalars.key(item) if item.kind in EXPRESSIONS else item, item)
        return list(found.values())

    def _paired(self, left: list[Node], right: list[Node]) -> bool | None:
        """Whether items pair off, one to one, in any order."""
        if len(left) != len(right):
            return False
        if len(left) > _MAX_ITEMS:
            return None if left != right else True
        rest = list(right)
        open_items: list[Node] = []
        keys = {}
        for item in rest:
            keys.setdefault(self._item_key(item), []).append(item)
        for item in left:
            same_key = keys.get(self._item_key(item))
            if same_key and self.same(same_key[0], item):
                rest.remove(same_key.pop(0))
            else:
                open_items.append(item)
        if len(open_items) > 24:
            return None
        verdict: bool | None = True
        for item in open_items:
            verdicts = [self.same(item, other) for other in rest]
            if True in verdicts:
                rest.pop(verdicts.index(True))
            elif None in verdicts:
                verdict = None
            else:
                return False
        if verdict is None and any(all(self.same(item, other) is False for item in left) for other in rest):
            return False  # seen from the other side: an item that nothing here may equal
        return verdict

    def _item_key(self, item: Node) -> object:
        return self.scalars.key(item) if item.kind in EXPRESSIONS else item
