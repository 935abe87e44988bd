"""Pieces of the real line: intervals with exact ends, put in order, joined, met and complemented."""

from functools import cmp_to_key
from typing import NamedTuple

from verifiers.scalars import Scalars, infinite
from verifiers.tree import INFINITY, Node, neg, rational


class NotASet(Exception):
    """The answer is no set of real numbers that can be written as pieces."""


class Piece(NamedTuple):
    low: Node
    low_closed: bool
    high: Node
    high_closed: bool


class Pieces:
    """Arithmetic of sets of pieces; ends compare by value."""

    def __init__(self, scalars: Scalars):
        self.scalars = scalars

    def same(self, left: tuple[Piece, ...], right: tuple[Piece, ...]) -> bool | None:
        if len(left) != len(right):
            return False
        verdict: bool | None = True
        for a, b in zip(left, right, strict=False):
            if (a.low_closed, a.high_closed) != (b.low_closed, b.high_closed):
                return False
            for ends in ((a.low, b.low), (a.high, b.high)):
                same = self.scalars.same(*ends)
                if same is False:
                    return False
                verdict = verdict if same else None
        return verdict

    def _valid(self, piece: Piece) -> tuple[Piece, ...]:
        order = self._order(piece.low, piece.high)
        if order > 0:
            raise NotASet("an interval that runs backwards")
        if order == 0:
            return (piece,) if piece.low_closed and piece.high_closed else ()
        return (piece,)

    def _order(self, left: Node, right: Node) -> int:
        a, b = rational(left), rational(right)
        if a is not None and b is not None:
            return (a > b) - (a < b)
        a, b = self.scalars.value(left), self.scalars.value(right)
        if a is None or b is None:
            raise NotASet("an end that is no number")
        if a != b and (
            abs(a) == float("inf") or abs(b) == float("inf") or abs(a - b) > max(abs(a), abs(b)) * 2.0**-150
        ):
            return -1 if a < b else 1
        same = self.scalars.same(left, right)
        if same is None:
            raise NotASet("two ends too close to tell apart")
        return 0 if same else (-1 if a < b else 1)

    def _merged(self, pieces: list[Piece]) -> tuple[Piece, ...]:
        if len(pieces) > 60:
            raise NotASet("too many pieces")
        pieces = sorted(pieces, key=cmp_to_key(lambda a, b: self._order(a.low, b.low) or b.low_closed - a.low_closed))
        merged: list[Piece] = []
        for piece in pieces:
            if merged:
                last = merged[-1]
                touch = self._order(piece.low, last.high)
                if touch < 0 or (touch == 0 and (piece.low_closed or last.high_closed)):
                    further = self._order(piece.high, last.high)
                    high = piece if further > 0 else last
                    closed = high.high_closed if further else piece.high_closed or last.high_closed
                    merged[-1] = Piece(last.low, last.low_closed, high.high, closed)
                    continue
            merged.append(piece)
        return tuple(merged)

    def _meet(self, left: tuple[Piece, ...], right: tuple[Piece, ...]) -> tuple[Piece, ...]:
        found: list[Piece] = []
        for a in left:
            for b in right:
                low, high = self._order(a.low, b.low), self._order(a.high, b.high)
                lower = a if low > 0 else b
                upper = a if high < 0 else b
                piece = Piece(
                    lower.low, lower.low_closed if low else a.low_closed and b.low_closed,
                    upper.high, upper.high_closed if high else a.high_closed and b.high_closed,
                )  # fmt: skip
                order = self._order(piece.low, piece.high)
                if order < 0 or (order == 0 and piece.low_closed and piece.high_closed):
                    found.append(piece)
        return self._merged(found)

    @staticmethod
    def _complement(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
        low, closed, found = neg(INFINITY), False, []
        for piece in pieces:
            if not infinite(piece.low):
                found.append(Piece(low, closed, piece.low, not piece.low_closed))
            low, closed = piece.high, not piece.high_closed
        if not infinite(low) or low != INFINITY:
            found.append(Piece(low, closed and not infinite(low), INFINITY, False))
        return tuple(found)
