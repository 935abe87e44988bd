"""Reading brackets, matrices, sums and integrals; the lower half of the parser whose upper half is expressions.py."""

from verifiers.cursor import Cursor
from verifiers.latex import Token, Unreadable
from verifiers.tree import ONE, I, Node, call, contains, neg, substituted, sym, times
from verifiers.vocabulary import CLOSING, MATRICES, OPENING

_CONDITION_WORDS = frozenset(["if", "for", "when", "where"])


class Brackets(Cursor):
    """What stands between an opening and a closing sign."""

    def _bracketed(self, opening: str, keep: bool = False) -> Node:
        """What stands in brackets; with `keep`, always a bracket node, its contents from the third argument on."""
        self.at += 1
        saved, self.bars = self.bars, 0
        builder, self.builder = self.builder, opening == "lset"
        if self.kind in ("sign", "command") and self.value in CLOSING:
            items: list[Node] = []
        else:
            items = self.items()
        if opening == "lset" and (self.take("|") or self.take(":")):
            conditions = self.items()
            self.bars, self.builder = saved, builder
            self.expect("rset")
            return Node("builder", (items[0] if len(items) == 1 else Node("list", tuple(items)), *conditions))
        self.bars, self.builder = saved, builder
        closing = self.value
        if self.kind not in ("sign", "command") or closing not in CLOSING:
            raise Unreadable(f"{closing or 'the end'!r} where a bracket should close")
        if closing != OPENING[opening] and {opening, closing} - {"(", ")", "[", "]"}:
            raise Unreadable(f"{opening} closed by {closing}")
        self.at += 1
        if opening == "langle":
            opening, closing = "(", ")"
        return self._closed(opening, closing, items, keep)

    def _closed(self, opening: str, closing: str, items: list[Node], keep: bool) -> Node:
        if opening == "lset":
            return Node("set", tuple(items)) if items else Node("empty", ())
        if opening in ("lfloor", "lceil"):
            if len(items) != 1:
                raise Unreadable("a list between floor signs")
            return call("floor" if opening == "lfloor" else "ceil", items[0])
        if opening == "{":
            if len(items) == 1:
                return items[0]
            if not items:
                raise Unreadable("an empty group")
            return Node("list", tuple(items))
        if not items and not keep:
            raise Unreadable("an empty bracket")
        if keep or len(items) > 1 or opening == "[" or closing == "]":
            if not keep and len(items) == 1 and (opening, closing) == ("[", "]"):
                return items[0]
            return Node("bracket", (opening, closing, *items))
        held = items[0]
        return self._based_group(held) if self.value == "_" and held.kind == "num" else held

    def _based_group(self, held: Node) -> Node:
        return self._based(Token("number", str(held.args[0])))

    def items(self) -> list[Node]:
        """Items with commas between, inside of brackets."""
        found = [self.relation()]
        while self.take(",", ";") or self.connector():
            self.connector()
            found.append(self.relation())
        return found

    def connector(self) -> bool:
        """Moves past "and" or "or" between items."""
        found = self.kind in ("word", "command") and self.value in ("and", "or")
        self.at += found
        return found

    def _absolute(self) -> Node:
        self.at += 1
        self.bars += 1
        held = self.sum()
        self.bars -= 1
        self.expect("|")
        return call("abs", held)

    def _environment(self) -> Node:
        self.expect("{")
        name = self.value
        self.at += 1
        if self.take("}") and name == "cases":
            return self._cases()
        if self.tokens[self.at - 1].value != "}" or name not in MATRICES:
            raise Unreadable(f"the environment {name!r}")
        if name == "array" and self.take("{"):
            while not self.take("}"):
                if self.kind == "end":
                    raise Unreadable("an array without an end")
                self.at += 1
        rows: list[tuple[Node, ...]] = []
        cells: list[Node] = []
        while not self.take("end"):
            if self.take("newline"):
                rows, cells = [*rows, tuple(cells)] if cells else rows, []
            elif self.take("&"):
                continue
            else:
                cells.append(self.sum())
        rows += [tuple(cells)] if cells else []
        self.expect("{")
        if self.value != name:
            raise Unreadable(f"{name} closed by {self.value}")
        self.at += 1
        self.expect("}")
        if not rows or len({len(row) for row in rows}) != 1:
            raise Unreadable("rows of unequal length")
        return call("det", Node("matrix", tuple(rows))) if name == "vmatrix" else Node("matrix", tuple(rows))

    def _cases(self) -> Node:
        """Rows of value & condition, or a system: its rows as a list."""
        rows: list[list[Node]] = [[]]
        while not self.take("end"):
            if self.take("newline"):
                rows.append([])
                continue
            while self.take(",", "&", ".", ";") or (self.kind == "word" and self.value in _CONDITION_WORDS):
                self.at += self.kind == "word" and self.value in _CONDITION_WORDS
            if self.value not in ("newline", "end"):
                rows[-1].append(self._otherwise() or self.relation())
        self.expect("{")
        if self.value != "cases":
            raise Unreadable(f"cases closed by {self.value}")
        self.at += 1
        self.expect("}")
        rows = [row for row in rows if row]
        if rows and all(len(row) == 1 for row in rows):
            return Node("list", tuple(row[0] for row in rows))
        if not rows or any(len(row) != 2 for row in rows):
            raise Unreadable("cases of another form than value and condition")
        return Node("cases", tuple(Node("list", tuple(row)) for row in rows))

    def _otherwise(self) -> Node | None:
        if self.kind == "word" and self.value in ("otherwise", "else"):
            self.at += 1
            return Node("text", ("otherwise",))
        return None

    def _integral(self) -> Node:
        """\\int_a^b body dx: the body ends in the letter d and the letter of integration."""
        self.expect("_")
        low = neg(self.atom()) if self.take("-") else self.atom()
        self.expect("^")
        high = self.exponent()
        factors = _factors(self.sum())
        if len(factors) < 2 or factors[-2] != sym("d") or factors[-1].kind != "sym":
            raise Unreadable("an integral without dx")
        body = ONE
        for factor in factors[:-2]:
            body = times(body, factor)
        return Node("integral", (factors[-1], low, high, body))

    def _limit(self) -> Node:
        """\\lim_{x \\to a^+} body: the body is a product; the side is "+", "-" or "+-"."""
        self.expect("_")
        self.expect("{")
        variable = self.atom()
        self.expect("to")
        side = self._side()
        point = self.sum()
        self.expect("}")
        if variable.kind != "sym":
            raise Unreadable("a limit over something that is no letter")
        return Node("limit", (variable, point, self.product(), side))

    def _side(self) -> str:
        """The side that a limit comes from, its sign taken out of the tokens: a^+, a^{-}."""
        end, depth = self.at, 0
        while depth >= 0:
            if self.tokens[end].kind == "end":
                raise Unreadable("a limit without an end")
            depth += {"{": 1, "}": -1}.get(self.tokens[end].value, 0)
            end += 1
        end -= 1  # the brace that closes the limit's index
        for length in (2, 4):
            signs = [token.value for token in self.tokens[end - length : end]]
            if signs in (["^", "+"], ["^", "-"], ["^", "{", "+", "}"], ["^", "{", "-", "}"]):
                del self.tokens[end - length : end]
                return signs[-1] if length == 2 else signs[2]
        return "+-"

    def _series(self, name: str) -> Node:
        """\\sum_{k=1}^{n} body: the body is a product."""
        self.expect("_")
        self.expect("{")
        variable = self.atom()
        self.expect("=")
        low = self.sum()
        self.expect("}")
        self.expect("^")
        high = self.exponent()
        if variable.kind not in ("sym", "const"):
            raise Unreadable("a sum over something that is no letter")
        body = self.product()
        if variable == I:  # here the letter i counts, and is no imaginary unit
            index = sym("index i")
            variable, body = index, substituted(body, I, index)
        if contains(body, frozenset(["list", "bracket"])):
            raise Unreadable("a sum of lists")
        return Node(name, (variable, low, high, body))


def _factors(node: Node) -> list[Node]:
    return [part for factor in node.args for part in _factors(factor)] if node.kind == "mul" else [node]
