"""Chess: forced mates are proven whoever found them, other lines are not, and claims about moves are checked."""

import random

import pytest

from selfplay.records import Trace
from selfplay.selection.filters import FILTERS
from tasks import ChessReference, Task, load
from tests.factories import sample_of
from verifiers import Outcome, Reason, verify, verify_answer
from verifiers.validation import validate

pytest.importorskip("rust_chess", reason="no rust-chess (pip install selfplay[chess])")

from verifiers.games.chess import board_of, false_claims, is_mating_line, mating_line, moves_of

START = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
BACK_RANK = "6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1"
MORPHY = "kbK5/pp6/1P6/8/8/8/8/R7 w - - 0 1"  # Ra6, and either answer is mated
CASES = [
    (ChessReference("mate", BACK_RANK, mate_in=1), "1. Ra8#", True, "as books write it"),
    (ChessReference("mate", BACK_RANK, mate_in=1), "a1a8", True, "UCI"),
    (ChessReference("mate", BACK_RANK, mate_in=1), "Ra8", True, "a sign left out is no claim"),
    (ChessReference("mate", BACK_RANK, mate_in=1), "Ra8+", True, "a mate is a check"),
    (ChessReference("mate", BACK_RANK, mate_in=2), "Ra8#", True, "sooner than asked"),
    (ChessReference("mate", BACK_RANK, mate_in=1), "Rxa8#", False, "nothing is taken"),
    (ChessReference("mate", BACK_RANK, mate_in=1), "Ra7#", False, "no mate"),
    (ChessReference("mate", BACK_RANK, mate_in=1), "Ra8# Kh8", False, "it goes on behind mate"),
    (ChessReference("mate", BACK_RANK, mate_in=1), "Ra8 or Ra7", False, "two answers"),
    (ChessReference("mate", BACK_RANK, mate_in=1), "", False, "nothing"),
    (ChessReference("mate", MORPHY, mate_in=2), "1. Ra6 bxa6 2. b7#", True, "one defence"),
    (ChessReference("mate", MORPHY, mate_in=2), "1. Ra6! B moves 2. Rxa7#", False, "a word for a move"),
    (ChessReference("mate", MORPHY, mate_in=2), "1. Ra6 Bc7 2. Rxa7#", True, "the other defence"),
    (ChessReference("mate", MORPHY, mate_in=2), "1. Ra6 bxa6", False, "it stops before mate"),
    (ChessReference("mate", MORPHY, mate_in=2), "1. bxa7 Bxa7 2. Rxa7#", False, "no mate"),
    (ChessReference("mate", MORPHY, mate_in=2), "1. Ra6 Kxb8 2. b7#", False, "an illegal defence"),
    (ChessReference("legal", START, ("e2e4",)), "yes", True, ""),
    (ChessReference("legal", START, ("e2e4",)), "no", False, ""),
    (ChessReference("legal", START, ("e2e5",)), "No.", True, ""),
    (ChessReference("legal", START, ("O-O",)), "no", True, "castling through pieces"),
    (ChessReference("legal", START, ("e2e4",)), "yes or no", False, "both"),
    (ChessReference("position", START, ("e4", "c5")), "rnbqkbnr/pp1ppppp/8/2p5/4P3/8/PPPP1PPP/RNBQKBNR", True, "pieces"),
    (ChessReference("position", START, ("e4", "c5")), "rnbqkbnr/pp1ppppp/8/2p5/4P3/8/PPPP1PPP/RNBQKBNR b", False, "turn"),
    (ChessReference("position", START, ("e4",)), START, False, "before the move"),
]  # fmt: skip


@pytest.mark.parametrize("reference, answer, right, why", CASES)
def test_answers_count_for_their_meaning(reference, answer, right, why):
    verdict = verify(reference, f"I think.\n#### {answer}")
    assert (verdict.outcome is Outcome.CORRECT) == right, (why, verdict)


def test_every_task_is_valid_and_splits_share_none():
    tasks = [
        list(load("chess", num_tasks=45, split=split, seed=seed)) for split in ("train", "test") for seed in (0, 1)
    ]
    assert all(validate(task).valid for some in tasks for task in some)
    train, test = ({task.id for some in pair for task in some} for pair in (tasks[:2], tasks[2:]))
    assert not train & test


def test_changed_lines_are_refused_unless_they_mate_too():
    rng = random.Random(0)
    tasks = load("chess", num_tasks=12, questions=["mate"], mate_in=[1, 2])
    for task in tasks:
        board = board_of(task.reference.fen)
        line = mating_line(board, task.reference.mate_in)
        for _ in range(20):
            move = rng.choice(moves_of(board)).get_uci()
            changed = [move, *line[1:]]
            found = verify_answer(task.reference, " ".join(changed)).reason is Reason.MATCH
            assert found == is_mating_line(board, " ".join(changed), task.reference.mate_in)
            if found:
                assert (
                    board.make_move_new(next(m for m in moves_of(board) if m.get_uci() == move)).is_check()
                    or len(line) > 1
                )


def test_false_claims_are_found():
    board = board_of(START)
    assert false_claims(board, "After 1. e4 e5 2. Qh5 Nc6 3. Bc4 Nf6 4. Qxf7# it is over.") == []
    assert false_claims(board, "1. e4 e5 2. Qh5+ Nc6") == ["Qh5+ gives no check"]
    assert false_claims(board, "Either 1. e4 e5 2. Nf3 or 1. e5 d5") == ["e5 is no legal move"]
    assert false_claims(board, "Version 1.5 of 11. Nf3") == []


def test_a_false_claim_on_the_way_to_a_right_answer_is_a_reason_of_its_own():
    task = Task.make("made", "?", ChessReference("legal", START, ("e2e4",)))
    for text, is_false in (("1. e4 e5. So #### yes", False), ("1. e4+ wins. So #### yes", True)):
        trace = Trace(task, sample_of(task, text), verify(task, text), 0)
        assert trace.verdict.outcome is Outcome.CORRECT and FILTERS["false_claim"](trace) is is_false
