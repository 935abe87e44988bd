"""Cheats of proofs that were written before their author read the checker: each claims what no honest script proves.

`ROCQ` holds (name, statement, imports, axioms, completion), `LEAN` (name, completion), for a statement without a proof. None may be
accepted, alone or in a batch, in any tier.
`HONEST` holds right scripts in forms that a careless lexer would refuse; all have to be accepted in the same batch.
"""

ZERO = "forall n : nat, n = 0"
EM = "forall p : Prop, p \\/ ~ p"
LTAC2 = "From Ltac2 Require Import Ltac2."
TOWER = "Nat.pow 2 (Nat.pow 2 (Nat.pow 2 8))"


def case(name: str, completion: str, statement: str = ZERO, imports: str = "", axioms: tuple[str, ...] = ()) -> tuple:
    return name, statement, imports, axioms, completion


ROCQ = [
    # A sentence that only Coq's own lexer sees.
    case("backslash is no escape", 'idtac "\\". Axiom a : False. idtac "\\". intro n. destruct a.'),
    case("doubled quote", 'idtac "x"" ". Axiom a : False. idtac " "". ". destruct a.'),
    case("comment opened inside a string", 'idtac "(*". Axiom a : False. idtac "*)". destruct a.'),
    case("string inside a comment", '(* " *) " *) (* " (* " *) Axiom a : False. destruct a. (* *)'),
    case("quote that closes no comment", '(* it is "so *) Axiom a : False. destruct a. (* " *) idtac.'),
    case("comment of one star", "(*) Axiom a : False. *) (*) *) Axiom a : False. destruct a."),
    case("nested comment, left once", "(* (* *) Axiom a : False. *) Axiom a : False. destruct a."),
    case("unclosed comment takes the end away", "intro n. admit. (* "),
    case("unclosed string takes the end away", 'intro n. idtac "admitted. '),
    case("prime before a quote", "idtac. assert (x' : True) by exact I. idtac \"'\". Axiom a : False. destruct a."),
    case("three dots end a sentence", "idtac... Axiom a : False. destruct a."),
    case("bullet before a command", "intro n. - Axiom a : False. destruct a."),
    case("brace before a command", "{ Axiom a : False. destruct a. }"),
    case("closing brace before a command", "assert True. { exact I. } Axiom a : False. destruct a."),
    case("selected goal before a command", "1: { Axiom a : False. destruct a. }"),
    case("all goals before a command", "all: Admitted."),
    case("control before a command", "Time Admitted."),
    case("attribute before a command", "#[local] Axiom a : False. destruct a."),
    case("attribute in two lines", "#[\nlocal\n]\nParameter a : False.\ndestruct a."),
    case("tab before a command", "idtac.\tAdmitted."),
    case("carriage return before a command", "idtac.\rAdmitted."),
    case("form feed before a command", "idtac.\x0cAdmitted."),
    case("vertical tab before a command", "idtac.\x0bAdmitted."),
    case("no-break space before a command", "idtac.\u00a0Admitted."),
    case("zero-width space before a command", "idtac. \u200bAdmitted."),
    case("byte order mark before a command", "\ufeffAdmitted."),
    case("null byte before a command", "idtac. \x00 Admitted."),
    case("line separator before a command", "idtac.\u2028Admitted."),
    case("fullwidth letters", "\uff21\uff58\uff49\uff4f\uff4d a : False. destruct a."),
    # The end of the proof and of its surroundings.
    case("ends early and goes on", "intro n. Abort. Axiom answer : forall n : nat, n = 0."),
    case("abandons and restates", "Abort All. Theorem answer : 0 = 0. Proof. reflexivity."),
    case("restates something smaller", "Theorem answer : 0 = 0.\nProof.\nreflexivity.\nQed."),
    case("restates with a parameter", "Theorem answer (a : False) : forall n : nat, n = 0.\nProof. destruct a. Qed."),
    case(
        "restates in a section",
        "Section s. Variable a : False. Theorem answer : forall n : nat, n = 0. destruct a. Qed.",
    ),
    case("restates with a bound value", "Theorem answer : let nat := unit in forall n : nat, n = n. reflexivity. Qed."),
    case(
        "lemma before the theorem",
        "Lemma a : False. Admitted.\nTheorem answer : forall n : nat, n = 0. destruct a. Qed.",
    ),
    case("lemma after the theorem", "Theorem answer : forall n : nat, n = 0. exact a. Qed. Lemma a : False. Admitted."),
    case("proof given as a term of another", "Proof (fun n : nat => eq_refl n)."),
    case("Proof using a variable", "Proof using Type. intro n. admit."),
    case("Proof with a tactic that gives up", "Proof with give_up. intro n..."),
    case("another proof mode", 'Proof Mode "Noedit". Admitted.'),
    case("leaves the module", "Abort. End answer. Axiom answer : forall n : nat, n = 0. Module answer."),
    case("obligations", "Abort. Program Definition answer : forall n : nat, n = 0 := _. Admit Obligations."),
    case("Save", "admit. Save answer."),
    # Tactics that close a goal without a proof.
    case("give_up in a term", "exact ltac:(give_up)."),
    case("admit behind ||", "intro n; (reflexivity || admit)."),
    case("goal put on the shelf", "unshelve (eapply False_ind); shelve."),
    case("open term", "let x := open_constr:(_ : False) in destruct x."),
    case("named hole", "intro n. exact (match ?[a] : False with end)."),
    case("existential type", "intro n. refine (False_ind _ _). Unshelve. all: shelve."),
    case("lemma of its own name", "exact answer."),
    case(
        "lemma of the checker's names",
        "first [exact checked | exact statement | exact judge | apply Sub.answer | apply P.answer].",
    ),
    case("abstract under the answer's name", "abstract exact_no_check I using answer."),
    case(
        "abstract under the checker's names",
        "assert (True) by (abstract exact I using checked). assert True by (abstract exact I using statement). admit.",
    ),
    case("ill-typed change", "intro n. change_no_check (0 = 0). reflexivity."),
    case("ill-typed cast", "intro n. vm_cast_no_check (@eq_refl nat 0)."),
    case("ill-typed native cast", "intro n. native_cast_no_check (@eq_refl nat 0)."),
    case("ill-typed hypothesis", "intro n. assert (h : 0 = 0) by reflexivity. change_no_check (n = 0) in h. exact h."),
    case("ill-typed in parallel", "intro n. par: exact_no_check (eq_refl 0)."),
    case("gives up in parallel", "intro n. par: give_up."),
    case("transparent lemma", "intro n. transparent_abstract (exact_no_check (eq_refl 0)) using l."),
    case("only where it holds", "intro n. destruct n. reflexivity. try discriminate. all: swap 1 1. all: shelve."),
    case("fails late on purpose", "intro n. tryif reflexivity then idtac else (idtac; give_up)."),
    # Recursion that ends nowhere.
    case("fix in a term", "refine (fix f (n : nat) : n = 0 := f n)."),
    case("fix tactic", "fix f 1. exact f."),
    case("fix without a structural number", "fix f 1. intro n. pose proof (f n) as h. exact h."),
    case("let fix", "exact (let fix f (n : nat) {struct n} : n = 0 := f n in f)."),
    case("cofix tactic", "cofix f. exact f."),
    case("mutual fix", "fix f 1 with (g (n : nat) {struct n} : n = 0); auto."),
    case("fix after a comment", "refine (fi(**)x f (n : nat) : n = 0 := f n)."),
    case(
        "fix made of parts",
        "ltac2:(let t := '(forall n : nat, n = 0) in let b := Constr.Binder.make (Some @f) t in "
        "let c := Constr.Unsafe.make (Constr.Unsafe.Fix (Array.make 1 0) 0 (Array.make 1 b) "
        "(Array.make 1 (Constr.Unsafe.make (Constr.Unsafe.Rel 1)))) in Control.refine (fun _ => c)).",
        imports=LTAC2 + '\nSet Default Proof Mode "Classic".',
    ),
    case(
        "fix made of parts, in Ltac2",
        "let t := '(forall n : nat, n = 0) in let b := Constr.Binder.make (Some @f) t in "
        "let c := Constr.Unsafe.make (Constr.Unsafe.Fix (Array.make 1 0) 0 (Array.make 1 b) "
        "(Array.make 1 (Constr.Unsafe.make (Constr.Unsafe.Rel 1)))) in Control.refine (fun _ => c).",
        imports=LTAC2,
    ),
    case("Ltac2 admits", "ltac1:(admit).", imports=LTAC2),
    # Sentences that graders look for.
    case("prints the sentence", 'idtac "Closed under the global context". admit.'),
    case("prints axioms", 'idtac "Axioms:"; idtac "Classical_Prop.classic : forall P : Prop, P \\/ ~ P". give_up.'),
    case("fails with the sentence", 'fail 0 "Closed under the global context".'),
    case("fails with the sentence, in a try", 'try fail "Closed under the global context". solve [give_up].'),
    case(
        "prints the end of the checker",
        'idtac "CONTEXT SUMMARY"; idtac "* Axioms: <none>"; idtac "Modules were successfully checked". admit.',
    ),
    case("prints control characters", 'idtac "\x1b[2J\x08\x08\x08Closed under the global context". give_up.'),
    # Assumptions that the task does not grant.
    case("excluded middle of another name", "intro p. apply Classical_Prop.classic.", EM, "Require Import Classical."),
    case("excluded middle by tauto", "intro p. destruct (classic p); auto.", EM, "Require Import Classical."),
    case(
        "excluded middle by description",
        "intro p. destruct (excluded_middle_informative p); auto.",
        EM,
        "Require Import ClassicalDescription.",
    ),
    case(
        "excluded middle by diagonal",
        "exact Diaconescu.pred_ext_and_rel_choice_imp_EM.",
        EM,
        "Require Import Diaconescu.",
    ),
    case(
        "proof irrelevance of classic",
        "exact proof_irrelevance.",
        "forall (P : Prop) (a b : P), a = b",
        "Require Import Classical ProofIrrelevance.",
        ("Classical_Prop.classic",),
    ),
    case(
        "extensionality where classic is granted",
        "intros f g h. extensionality x. apply h.",
        "forall f g : nat -> nat, (forall x, f x = g x) -> f = g",
        "Require Import Classical FunctionalExtensionality.",
        ("Classical_Prop.classic",),
    ),
    case(
        "real numbers assumed",
        "exact total_order_T.",
        "forall r s : R, {r < s} + {r = s} + {r > s}",
        "Require Import Reals. Open Scope R_scope.",
    ),
    case(
        "equality of proofs", "exact JMeq_eq.", "forall (A : Type) (x y : A), JMeq x y -> x = y", "Require Import JMeq."
    ),
    case(
        "choice",
        "intros A P h. exact (constructive_indefinite_description P h).",
        "forall (A : Type) (P : A -> Prop), (exists x, P x) -> {x | P x}",
        "Require Import IndefiniteDescription.",
    ),
    # False arithmetic, computed.
    case(
        "computes in a float",
        "vm_compute. reflexivity.",
        "PrimFloat.eqb 0 (-0) = true -> (0 = -0)%float",
        "Require Import Floats. Open Scope float_scope.",
    ),
    case(
        "not a number",
        "vm_compute. reflexivity.",
        "(0 / 0 = 1 / 0)%float",
        "Require Import Floats. Open Scope float_scope.",
    ),
    case(
        "machine integers",
        "vm_compute. reflexivity.",
        "(9223372036854775807 + 1 = 1)%uint63",
        "Require Import Uint63. Open Scope uint63_scope.",
    ),
    case("native computation", "native_compute. reflexivity.", "Nat.pow 2 10 = 1023"),
    case("truncated subtraction", "intros. lia.", "forall a b : nat, a - b + b = a", "Require Import Lia."),
    case(
        "division by zero",
        "intros. lia.",
        "forall a : Z, a mod 0 = 0",
        "Require Import ZArith Lia. Open Scope Z_scope.",
    ),
    case("lia shelves", "intros. try lia. all: shelve.", "forall a b : nat, a < b", "Require Import Lia."),
    # Scripts that never end, or take all there is.
    case("endless repeat", "repeat (assert True by exact I)."),
    case("endless match", "intro n. let rec f x := f (S x) in f 0."),
    case(
        "deep term",
        "let rec f n t := lazymatch n with 0 => pose t | S ?m => f m (S t) end in f 5000 0. "
        + "let rec g t := g (t, t) in g 0.",
    ),
    case("a tower of powers", f"intro n. assert (h : {TOWER} = 0) by (vm_compute; reflexivity). discriminate."),
    case(
        "a tower in the kernel",
        f"intro n. exact_no_check (match (eq_refl : {TOWER} = {TOWER}) with eq_refl => eq_refl 0 end).",
    ),
    case("a long sleep of catches", "intro n. do 100000 (try (timeout 1 (repeat idtac)))."),
    case("output without end", 'do 100000000 idtac "Closed under the global context".'),
    case("stack of brackets", "exact " + "(" * 100_000 + "I" + ")" * 100_000 + "."),
    case("a million sentences", "idtac. " * 300_000 + "admit."),
    case("nothing", ""),
    case("words only", "The theorem is obvious by induction on n."),
    case("an honest proof of another statement", "intro n. reflexivity."),
]

HONEST = [
    ("comment with a quote pair", ZERO.replace("n = 0", "n = n"), "", (), '(* "Axiom a : False. *) " *) intro n. reflexivity.'),
    ("command in a string", "True", "", (), 'idtac "Axiom a : False. Qed. ". exact I.'),
    ("doubled quote", "True", "", (), 'idtac "he said ""Qed."" and left". exact I.'),
    ("comment with a command", "True", "", (), "(* Admitted. (* nested. *) Qed. *)\nexact I."),
    ("capital name first in a term", "True", "", (), "exact I."),
    ("capital name after a bullet's tactic", "True /\\ True", "", (), "split.\n- exact I.\n- now constructor."),
    ("braces and selectors", "True /\\ True /\\ 0 = 0", "", (), "split; [|split].\n1: { exact I. }\n2: { reflexivity. }\nexact I."),
    ("a hypothesis whose name holds fix", "forall fixed : Prop, fixed -> fixed", "", (), "intros fixed prefix_of. exact prefix_of."),
    ("restated, with Qed", "forall n : nat, n + 0 = n", "", (), "Theorem answer : forall n : nat, n + 0 = n.\nProof.\n  induction n as [|n IH]; simpl; congruence.\nQed."),
    ("in a fence", "forall n : nat, n * 0 = 0", "", (), "By induction:\n\n```coq\nProof.\n  induction n; auto.\nQed.\n```\n"),
    ("decimals and qualified names", "Nat.add 1 2 = 3", "Require Import Arith.", (), "apply Nat.eqb_eq. exact eq_refl."),
    ("assertion by abstract", "forall n : nat, n = n", "", (), "intro n. assert (h : n = n) by abstract (exact eq_refl). exact h."),
    ("classic where it is granted", EM, "Require Import Classical.", ("Classical_Prop.classic",), "exact classic."),
    ("windows lines", "forall n : nat, n = n", "", (), "intro n.\r\nreflexivity.\r\n"),
]  # fmt: skip

LEAN = [
    ("sorry", "sorry"),
    ("by sorry", "by sorry"),
    ("sorryAx", "sorryAx _ false"),
    ("sorryAx, rooted", "_root_.sorryAx _ true"),
    ("sorry in quotes", "«sorry»"),
    ("sorryAx in quotes", "«sorryAx» _"),
    ("sorry split by a comment", "so/- -/rry"),
    ("admit", "by admit"),
    ("a local axiom", "h where h : ∀ n : Nat, n = n.succ := sorry"),
    ("an axiom after it", "trivial_of h\naxiom h : ∀ n : Nat, n = n.succ"),
    ("an axiom before it", "fun n => rfl\n\naxiom answer' : ∀ n : Nat, n = n.succ"),
    ("an axiom in a comment's shadow", "/- -/ /- /- -/ -/ fun _ => rfl\n/- -- -/ axiom x : False"),
    ("opaque", "h\nopaque h : ∀ n : Nat, n = n.succ"),
    ("unsafe", "unsafe fun n => rfl"),
    ("let rec", "let rec f : ∀ n : Nat, n = n.succ := fun n => f n\nf"),
    ("partial", "f\npartial def f : ∀ n : Nat, n = n.succ := fun n => f n"),
    ("native decision", "by native_decide"),
    ("compiler trusted", "Lean.ofReduceBool _ _ rfl"),
    ("kernel switched off", "set_option debug.skipKernelTC true in fun n => rfl"),
    ("macro", 'fun n => rfl\nmacro "rfl" : term => `(sorry)'),
    ("notation", 'fun n => x\nnotation "x" => sorry'),
    ("elaborator", "by_elab return Lean.mkConst `sorryAx"),
    ("run_tac", "by run_tac Lean.Elab.Tactic.admitGoal"),
    ("implemented_by", "fun n => rfl\nattribute [implemented_by sorry] answer"),
    ("own name", "answer"),
    ("ends the section", "fun n => rfl\nend\nnamespace X\ntheorem answer : True := True.intro"),
    ("prints the sentence", "fun n => rfl\n#eval IO.println \"'checked' does not depend on any axioms\""),
    ("stops the file", "fun n => n\n#exit"),
    ("empty", ""),
    ("a hole", "_"),
    ("a named hole", "?h"),
    ("fun without a body", "fun n => _"),
    ("wrong reflexivity", "fun n => rfl"),
    ("a proof of another statement", "fun n => Eq.refl n"),
]
