"""Chess positions from random play, each with one question. Needs rust-chess: `pip install selfplay[chess]`.

One real row: prompt `4k3/... w - - 0 1 mate in 1?`, question "mate", difficulty 1. Positions come from the run's own seed
alone: none is taken from games or collections of others.

legal     is this move legal? Half of the moves are: chance is right in one of two, and metadata says so
position  what stands on the board after these moves, as a FEN
mate      a line that forces mate in so many moves
"""

import hashlib
import importlib.util
import random
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from tasks.errors import UserError
from tasks.references import ChessReference
from tasks.task import Task

Question = Literal["legal", "position", "mate"]
QUESTIONS: tuple[Question, ...] = ("legal", "position", "mate")
_START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
_LONGEST_GAME = 120  # moves of both sides
_MOST_MISSES = 20_000
_WORDS = {
    "legal": "In the chess position {fen}, is the move {moves} (in UCI notation) legal? Answer yes or no, after ####.",
    "position": "Chess: from the position {fen}, these moves are played: {moves}. Give the FEN of the position that "
    "follows, after ####.",
    "mate": "In the chess position {fen}, the side to move mates in {mate_in}. Give a line that forces it, such as "
    "1. Qh7+ Kf8 2. Qh8#, after ####.",
}


def chess(
    num_tasks: Annotated[int, Field(ge=1)] = 100,
    split: Literal["train", "test"] = "train",
    seed: int = 0,
    questions: tuple[Question, ...] = QUESTIONS,
    mate_in: tuple[Annotated[int, Field(ge=1, le=3)], ...] = (1,),
    plies: Annotated[int, Field(ge=1, le=40)] = 4,
    style: Literal["words", "compact"] = "words",
) -> Iterator[Task]:
    """Distinct tasks, each question as often as the others. `plies`: the most moves of a "position" task, of both sides.

    Mates in 2 and 3 take seconds each to find. The splits share no position: its own hash decides its split.
    """
    if importlib.util.find_spec("rust_chess") is None:
        raise UserError("the source chess needs rust-chess: pip install 'selfplay[chess]'")
    rng = _rng(f"chess/{seed}/{split}")
    seen: set[tuple[str, str, tuple[str, ...]]] = set()
    misses = 0
    while len(seen) < num_tasks:
        question = questions[len(seen) % len(questions)]
        reference = _MAKERS[question](rng, mate_in, plies)
        key = (question, reference.fen, reference.moves) if reference else ()
        if reference is None or key in seen or split_of(reference.fen) != split:
            misses += 1
            if misses > _MOST_MISSES:
                raise UserError(f"chess finds {len(seen)} tasks of {', '.join(questions)}; ask for fewer")
            continue
        misses = 0
        seen.add(_key(reference))
        yield _task(reference, split, style, len(seen) - 1)


def _key(reference: ChessReference) -> tuple[str, str, tuple[str, ...]]:
    return reference.question, reference.fen, reference.moves


def _task(reference: ChessReference, split: str, style: str, number: int) -> Task:
    moves = " ".join(reference.moves)
    words = _WORDS[reference.question].format(fen=reference.fen, moves=moves, mate_in=reference.mate_in)
    short = f"{reference.fen} {moves or f'mate in {reference.mate_in}'}?"
    return Task.make(
        "chess",
        words if style == "words" else short,
        reference,
        difficulty=reference.mate_in or len(reference.moves),
        question=reference.question,
        chance=0.5 if reference.question == "legal" else 0.0,
        split=split,
        number=number,
        license="none: generated",
    )


def split_of(fen: str) -> str:
    return ("train", "test")[hashlib.sha256(fen.encode()).digest()[0] % 2]


def _board(rng: random.Random, most: int = _LONGEST_GAME) -> Any:
    """A position of a random game that goes on."""
    import rust_chess

    board = rust_chess.Board.from_fen(_START)
    for _ in range(rng.randint(0, most)):
        moves = _moves(board)
        if not moves:
            break
        following = board.make_move_new(rng.choice(moves))
        if not _moves(following):
            break
        board = following
    return rust_chess.Board.from_fen(" ".join([*board.get_fen().split()[:4], "0", "1"]))


def _moves(board: Any) -> list[Any]:
    board.reset_move_generator()
    return sorted(board.generate_legal_moves(), key=lambda move: move.get_uci())


def _legal(rng: random.Random, mate_in: tuple[int, ...], plies: int) -> ChessReference | None:
    """A move that is legal, or one that the piece might make on another board."""
    board = _board(rng)
    legal = [move.get_uci() for move in _moves(board)]
    if rng.random() < 0.5:
        return ChessReference("legal", board.get_fen(), (rng.choice(legal),))
    source = rng.choice(legal)[:2]
    targets = [f"{file}{rank}" for file in "abcdefgh" for rank in range(1, 9) if f"{file}{rank}" != source]
    move = source + rng.choice(targets)
    return None if any(one.startswith(move) for one in legal) else ChessReference("legal", board.get_fen(), (move,))


def _position(rng: random.Random, mate_in: tuple[int, ...], plies: int) -> ChessReference | None:
    start = board = _board(rng, 40)
    moves: list[str] = []
    for _ in range(rng.randint(1, plies)):
        choice = _moves(board)
        if not choice:
            return None
        move = rng.choice(choice)
        moves.append(move.get_uci())
        board = board.make_move_new(move)
    return ChessReference("position", start.get_fen(), tuple(moves))


def _mate(rng: random.Random, mate_in: tuple[int, ...], plies: int) -> ChessReference | None:
    board, wanted = _board(rng), rng.choice(mate_in)
    if _shortest(board, wanted) != wanted:
        return None
    return ChessReference("mate", board.get_fen(), mate_in=wanted)


def _shortest(board: Any, most: int) -> int:
    """In how many moves the side to move forces mate; 0 if not in `most`."""
    return next((number for number in range(1, most + 1) if _forces(board, number)), 0)


def _forces(board: Any, mate_in: int) -> bool:
    for move in _moves(board):
        following = board.make_move_new(move)
        if following.is_checkmate():
            return True
        if mate_in > 1:
            replies = _moves(following)
            if replies and all(_forces(following.make_move_new(reply), mate_in - 1) for reply in replies):
                return True
    return False


_MAKERS = {"legal": _legal, "position": _position, "mate": _mate}


def _rng(name: str) -> random.Random:
    return random.Random(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]))
