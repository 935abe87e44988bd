"""Chess: is a move legal, what stands after these moves, and is this line a forced mate? Needs `pip install selfplay[chess]`.

A mate is proven by search over all replies, so that any mating move counts and none needs an engine's word. Every claim
that a trace makes about a move, in the notation that it is written in, can be checked: that it is legal, takes (`x`), gives
check (`+`) or mate (`#`).
"""

import importlib.util
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from tasks import ChessReference, Task
from verifiers.answers import AnswerVerifier
from verifiers.kinds import Part
from verifiers.verdict import Reason

CURE = "pip install 'selfplay[chess]', which brings rust-chess"
_SAN = re.compile(
    r"(?P<piece>[KQRBN])?(?P<file>[a-h])?(?P<rank>[1-8])?(?P<takes>[x×:])?(?P<target>[a-h][1-8])(?:=?\(?(?P<into>[QRBN])\)?)?"
    r"(?P<claim>\+\+|\+|#|\u2021)?[!?]{0,2}\Z"
)
_UCI = re.compile(r"(?P<source>[a-h][1-8])[-]?(?P<target>[a-h][1-8])(?P<into>[qrbn])?(?P<claim>\+|#)?\Z")
_CASTLING = re.compile(r"(?P<side>[O0o]-[O0o](?:-[O0o])?)(?P<claim>\+|#)?[!?]{0,2}\Z")
_NUMBER = re.compile(r"\d+\.(?:\.\.|…)?|…|\.\.\.")
_FIRST = re.compile(r"(?<![\w.])1\.")
_YES, _NO = {"yes", "legal", "true", "it is legal"}, {"no", "illegal", "false", "not legal", "it is not legal"}
_FIELDS = 4  # of a FEN that count: pieces, side to move, castling, en passant; the clocks do not
_LETTERS = "PNBRQK"


class NoMove(Exception):
    """The text is no legal move of its position, or claims of it what does not hold."""


class ChessVerifier(AnswerVerifier):
    """Questions about chess positions."""

    version = "chess@1"
    ability = "chess"
    is_prose = False
    canary = (ChessReference("legal", "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1", ("e2e4",)), "#### yes")

    def compare(self, reference: ChessReference, answer: str) -> Reason:
        if not is_installed():
            return Reason.UNSUPPORTED
        board = board_of(reference.fen)
        if reference.question == "legal":
            word = answer.strip().strip(".!").lower()
            if word not in _YES | _NO:
                return Reason.MISMATCH
            return Reason.MATCH if (word in _YES) == is_legal(board, reference.moves[0]) else Reason.MISMATCH
        if reference.question == "position":
            return Reason.MATCH if _same_position(after(board, reference.moves), answer) else Reason.MISMATCH
        return Reason.MATCH if is_mating_line(board, answer, reference.mate_in) else Reason.MISMATCH

    def own_answer(self, reference: ChessReference) -> str | None:
        if not is_installed():
            return None
        board = board_of(reference.fen)
        if reference.question == "legal":
            return "yes" if is_legal(board, reference.moves[0]) else "no"
        if reference.question == "position":
            return after(board, reference.moves).get_fen()
        return " ".join(mating_line(board, reference.mate_in))

    def own_solution(self, task: Task) -> str | None:
        solution = super().own_solution(task)
        return f"#### {solution}" if solution else None

    def ground_truth(self, reference: ChessReference) -> str:
        return self.own_answer(reference) or super().ground_truth(reference)

    def false_claims(self, reference: ChessReference, completion: str) -> list[str]:
        return false_claims(board_of(reference.fen), completion) if is_installed() else []

    def obstacles(self, references: Sequence[Any], unsafe: bool = False) -> Iterator[str]:
        if not is_installed():
            yield f"rust-chess is not installed; {CURE}"

    def parts(self) -> Iterator[Part]:
        yield Part("chess", is_installed(), "rust-chess" if is_installed() else "rust-chess is not installed", CURE)


def is_installed() -> bool:
    return importlib.util.find_spec("rust_chess") is not None


def board_of(fen: str) -> Any:
    """The position of a FEN; ValueError where it is none. Its clocks start anew: they would tell of moves that the board does
    not know, at which rust-chess panics.
    """
    import rust_chess

    fields = fen.split()[:_FIELDS]
    return rust_chess.Board.from_fen(" ".join([*fields, *["w", "-", "-"][len(fields) - 1 :], "0", "1"]))


def moves_of(board: Any) -> list[Any]:
    """All legal moves."""
    board.reset_move_generator()
    return list(board.generate_legal_moves())


def is_legal(board: Any, text: str) -> bool:
    try:
        read_move(board, text)
    except NoMove:
        return False
    return True


def read_move(board: Any, text: str) -> Any:
    """The legal move that a text in SAN or UCI means; NoMove where it means none or several, or claims what does not hold.

    A sign that is left out is no claim: Nf3 may give check.
    """
    match = _UCI.match(text) or _SAN.match(text) or _CASTLING.match(text)
    if not match:
        raise NoMove(f"{text!r:.20} is no move")
    said = match.groupdict()
    fitting = [move for move in moves_of(board) if _fits(board, move, said)]
    if len(fitting) != 1:
        raise NoMove(f"{text} is {'several legal moves' if fitting else 'no legal move'}")
    if said.get("takes") and not board.is_capture(fitting[0]):
        raise NoMove(f"{text} takes nothing")
    claim = said.get("claim")
    if claim:
        following = board.make_move_new(fitting[0])
        if claim in ("#", "‡") and not following.is_checkmate():
            raise NoMove(f"{text} is no mate")
        if claim.startswith("+") and not following.is_check():
            raise NoMove(f"{text} gives no check")
    return fitting[0]


def _fits(board: Any, move: Any, said: dict[str, str | None]) -> bool:
    uci = move.get_uci()
    source, target, into = uci[:2], uci[2:4], uci[4:]
    castles = board.is_castling(move)
    if said.get("side"):
        return castles and (target[0] == ("c" if len(said["side"]) == 5 else "g"))
    if said["target"] != target or (said["into"] or "").lower() != into:
        return False
    if said.get("source"):
        return said["source"] == source
    letter = str(board.get_piece_type_on(move.source)).upper()[:1]
    return (
        not castles
        and letter == (said["piece"] or "P")
        and said["file"] in (None, source[0])
        and said["rank"] in (None, source[1])
    )


def after(board: Any, moves: Sequence[str]) -> Any:
    """The position after moves; NoMove where one of them is not legal."""
    for text in moves:
        board = board.make_move_new(read_move(board, text))
    return board


def line_of(text: str) -> list[str]:
    """The moves of a line, without its numbers and dots."""
    return _NUMBER.sub(" ", text.replace(",", " ")).split()


def is_mating_line(board: Any, text: str, mate_in: int) -> bool:
    """Whether a line of at most `mate_in` moves of its side ends in mate, and each of these moves forces it in time."""
    words = line_of(text)
    if not words or len(words) % 2 == 0 or len(words) > 2 * mate_in - 1:
        return False
    for number, word in enumerate(words):
        try:
            board = board.make_move_new(read_move(board, word))
        except NoMove:
            return False
        left = mate_in - number // 2 - 1  # moves that the mating side has after its own
        if number % 2 == 0 and not _is_lost(board, left):
            return False
    return bool(board.is_checkmate())


def forces_mate(board: Any, mate_in: int) -> bool:
    """Whether the side to move mates in at most so many moves, against every defence."""
    return any(_is_lost(board.make_move_new(move), mate_in - 1) for move in moves_of(board))


def _is_lost(board: Any, mate_in: int) -> bool:
    """Whether the side to move is mate, or is mated in at most so many moves after each of its own."""
    if board.is_checkmate():
        return True
    if mate_in <= 0 or board.is_insufficient_material():
        return False
    replies = moves_of(board)
    return bool(replies) and all(forces_mate(board.make_move_new(reply), mate_in) for reply in replies)


def mating_line(board: Any, mate_in: int) -> list[str]:
    """A forced mate as UCI moves, with the first defence that lasts longest; empty where there is none."""
    for move in moves_of(board):
        following = board.make_move_new(move)
        if not _is_lost(following, mate_in - 1):
            continue
        line = [move.get_uci()]
        if following.is_checkmate():
            return line
        replies = moves_of(following)
        slow = next((r for r in replies if not forces_mate(following.make_move_new(r), mate_in - 2)), replies[0])
        return [*line, slow.get_uci(), *mating_line(following.make_move_new(slow), mate_in - 1)]
    return []


def false_claims(board: Any, text: str) -> list[str]:
    """What does not hold of the lines in a text: each runs from `1.` in the given position, up to a word that is no move."""
    found = []
    starts = [match.start() for match in _FIRST.finditer(text)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        line, position = text[start:end].partition("\n\n")[0], board
        for word in line_of(line):
            word = word.rstrip(".")
            if not (_SAN.match(word) or _UCI.match(word) or _CASTLING.match(word)):
                break
            try:
                position = position.make_move_new(read_move(position, word))
            except NoMove as error:
                found.append(str(error))
                break
    return found


@lru_cache(maxsize=64)
def _known(fen: str) -> tuple[str, ...]:
    return tuple(fen.split()[:_FIELDS])


def _same_position(board: Any, text: str) -> bool:
    """Whether a text is the position's FEN: its first field at least, and what follows as far as it is written."""
    fields = text.strip().strip("`").split()
    wanted = _known(board.get_fen())
    if not fields or len(fields) > 6 or fields[0] != wanted[0]:
        return False
    castling = [set(fields[2]), set(wanted[2])] if len(fields) > 2 else [set(), set()]
    return (len(fields) < 2 or fields[1] == wanted[1]) and castling[0] == castling[1]
