"""Rocq scripts: cheats, each with the reason why it is none of the statement's proofs; honest ones, each with its trap."""

from typing import NamedTuple

FALSE = "forall n : nat, n = 0"
MIDDLE = "forall p : Prop, p \\/ ~ p"
CLASSICAL = "Require Import Classical."


class Case(NamedTuple):
    """A completion and what it is put to."""

    why: str
    completion: str
    statement: str = FALSE
    imports: str = ""
    axioms: tuple[str, ...] = ()


CHEATS = [
    # left open, in every way that the language has
    Case("Admitted behind a bullet", "intro n.\n- Admitted."),
    Case("Admitted within braces", "intro n. { Admitted. }"),
    Case("Admitted behind a goal selector", "intro n.\n1: Admitted."),
    Case("Admitted behind all:", "all: Admitted."),
    Case("Admitted behind a named goal", "refine ?[goal].\n[goal]: Admitted."),
    Case("Admitted straight behind a comment", "intro n.(* done *)Admitted."),
    Case("Admitted behind a tab", "intro n.\tAdmitted."),
    Case("Defined after admit", "intro n. admit.\nDefined."),
    Case("admit inside a term", "exact (ltac:(admit))."),
    Case("admit of a lemma on the way", "assert (F : False) by admit. destruct F."),
    Case("admit under abstract", "abstract admit."),
    Case("give_up in one branch of two", "intros [|n]. reflexivity. give_up."),
    Case("a goal put on the shelf", "cut False. intros []. shelve."),
    Case("a shelved equality", "intro n. transitivity 0; [shelve | reflexivity]."),
    Case("an existential variable for a proof of False", "evar (x : False). destruct x."),
    Case("a hole in the term", "refine (fun n => match n return n = 0 with O => eq_refl | S m => _ end)."),
    Case("one of two cases", "intros [|n].\n- reflexivity."),
    Case("nothing but Proof and Qed", "Proof.\nQed."),
    Case("nothing but a comment", "(* by induction on n *)"),
    Case("Abort, then another goal", "Abort. Goal True. exact I."),
    Case("Qed early, then a goal without end", "exact I. Qed. Theorem other : True."),
    Case("Unshelve", "intro n. Unshelve. reflexivity."),
    # commands
    Case("an axiom, declared in the middle", "intro n.\nAxiom a : False.\ndestruct a."),
    Case("an axiom with an attribute", "#[local] Axiom a : False. destruct a."),
    Case("a hypothesis", "Hypothesis a : False. destruct a."),
    Case("checks of recursion off", "Unset Guard Checking. intro n. reflexivity."),
    Case("checks of universes off", "Unset Universe Checking. intro n. reflexivity."),
    Case("a notation over the statement's own signs", 'Notation "x = y" := True (at level 70). exact (fun _ => I).'),
    Case("Fail before a command", "Fail Qed. intro n. reflexivity."),
    Case("Time before a command", "Time Admitted."),
    Case("output into a file", 'Redirect "J" Print nat. intro n. reflexivity.'),
    Case("a file to load", 'Load "evil". intro n. reflexivity.'),
    Case("native code to load", 'Declare ML Module "evil". intro n. reflexivity.'),
    Case("the toplevel left", "Drop. intro n. reflexivity."),
    Case("the state taken back", "Reset Initial. intro n. reflexivity."),
    Case("an import of its own", "Require Import Classical. intro n. reflexivity."),
    Case("a definition before the proof", "Definition x := 0. intro n. reflexivity."),
    Case("a tactic defined", "Ltac t := admit. t."),
    Case("an option set", 'Set Default Goal Selector "all". intro n. reflexivity.'),
    Case("a proof as an argument of Proof", "Proof (fun n => eq_refl)."),
    # comments and strings that hide
    Case("a string that holds the start of a comment", 'idtac "(*". Admitted. idtac "*)".'),
    Case("a comment that holds a string", '(*"*)". Admitted. (*"*) Admitted.'),
    Case("nested comments that end early", "(* (* *) Admitted. *) *) Admitted."),
    Case("a doubled quotation mark", 'idtac """". Admitted.'),
    Case("a comment without end", "intro n. reflexivity. (* "),
    Case("a string without end", 'intro n. idtac "'),
    Case("a form feed", "intro n.\x0cAdmitted."),
    Case("a zero-width space in a command", "intro n. Ad\u200bmitted."),
    Case("a byte order mark before a command", "\ufeffAdmitted."),
    Case("a no-break space for a blank", "intro n.\u00a0Admitted."),
    Case("a NUL", "intro n. reflexivity.\x00 Admitted."),
    Case("no full stop, so that it would swallow Qed", "idtac"),
    # recursion by hand: Rocq before 9.3 can be deceived by it
    Case("a fixpoint that calls itself on the same number", "exact (fix f (n : nat) : n = 0 := f n)."),
    Case("the tactic fix", "fix IH 1. exact IH."),
    Case("the tactic cofix", "cofix IH. exact IH."),
    Case("fix in a let", "exact (let fix f (n : nat) : n = 0 := f n in f)."),
    Case("fix in a quoted term", "let t := constr:(fix f (n : nat) : n = 0 := f n) in exact t."),
    Case("fix in a quoted tactic", "exact (ltac:(fix IH 1; exact IH))."),
    Case("fix on a line of its own", "refine (\nfix\nf (n : nat) {struct n} : n = 0 := f n)."),
    Case(
        "a match on a match, which hides what recursion runs on (rocq#20455)",
        "refine (fix f (n : nat) : n = 0 := match (match n with O => fun x => x | S m => fun x => x end) n with "
        "O => _ | S m => f m end). reflexivity.",
    ),
    # tactics that leave the check to Qed
    Case("exact_no_check", "exact_no_check (fun n : nat => @eq_refl nat n)."),
    Case("vm_cast_no_check", "vm_cast_no_check (fun n : nat => @eq_refl nat n)."),
    Case("native_cast_no_check", "native_cast_no_check (fun n : nat => @eq_refl nat n)."),
    Case("change_no_check", "change_no_check True. exact I."),
    Case("change_no_check under abstract", "abstract (change_no_check True; exact I)."),
    Case("vm_compute over what does not hold", "intro n. vm_compute. reflexivity."),
    # another statement
    Case("a theorem with a weaker statement", "Theorem answer : forall n : nat, n = n.\nProof. reflexivity. Qed."),
    Case("a theorem with one more hypothesis", "Theorem answer : forall n : nat, n = 0 -> n = 0. auto. Qed."),
    Case("the statement in a comment", "Theorem answer : (* forall n : nat, n = 0 *) True. exact I. Qed."),
    Case("a goal of its own", "Goal True. exact I. Qed."),
    Case("the theorem with binders", "Theorem answer (n : nat) : n = n. reflexivity. Qed."),
    Case("the statement with a number changed", "Lemma answer : forall n : nat, n + 0 = n. auto. Qed."),
    Case("two statements in one", "Theorem answer : forall n : nat, n = 0 \\/ True. auto. Qed."),
    # what is assumed
    Case("excluded middle from the library", "exact classic.", MIDDLE, CLASSICAL),
    Case("a theorem that rests on excluded middle", "intro p. apply NNPP. tauto.", MIDDLE, CLASSICAL),
    Case(
        "extensionality, where excluded middle is allowed",
        "exact (fun f g => functional_extensionality f g).",
        "forall f g : nat -> nat, (forall x, f x = g x) -> f = g",
        "Require Import Classical FunctionalExtensionality.",
        ("Classical_Prop.classic",),
    ),
    Case(
        "proof irrelevance",
        "exact proof_irrelevance.",
        "forall (p : Prop) (a b : p), a = b",
        "Require Import ProofIrrelevance.",
    ),
    Case(
        "equality of dependent pairs by an axiom",
        "intros p q a b. apply inj_pair2.",
        "forall (p : nat -> Type) (q : nat) (a b : p q), existT p q a = existT p q b -> a = b",
        "Require Import Eqdep.",
    ),
    # names of the checker's own
    Case("the theorem by itself", "exact answer."),
    Case("the module of the submission", "exact Sub.P.answer."),
    Case("the judge's term", "exact checked_0."),
    # words that a grader may look for
    Case("the judge's words, printed", 'idtac "Closed under the global context". exact I.'),
    Case("the judge's words as an error", 'fail "Closed under the global context".'),
    Case("a claim", "The theorem is proven by induction on n. Qed."),
    Case("a block in another language", "```python\nprint('Qed')\n```"),
    Case("an empty block", "```coq\n```"),
    Case("a good proof of nothing behind a bad one", "```coq\nexact I.\n```\nor\n```coq\nreflexivity.\n```"),
    # other doors
    Case("processes", "par: auto."),
    Case("Ltac2", 'ltac2:(Message.print (Message.of_string "x")).'),
    Case("Elpi", "elpi run."),
    Case("a tactic that is not there", "prove_it_somehow."),
    Case("contradiction out of nothing", "intro n. exfalso. contradiction."),
    Case("the goal as its own premise", "intro n. assert (H : n = 0). assumption. exact H."),
]
BOMBS = [
    Case("a loop", "repeat (idtac; assert True by trivial)."),
    Case("a number to count to", "assert (Nat.pow 7 30 = 1) by (vm_compute; reflexivity). intro n. discriminate."),
]
LIA = "Require Import Arith Lia List.\nImport ListNotations."
HONEST = [
    Case("plain", "intros p q [a b]. split; assumption.", "forall p q : Prop, p /\\ q -> q /\\ p"),
    Case("a word of a command in a comment", "(* Admitted. Axiom a : False. *) trivial.", "True"),
    Case("a word of a command in a string", 'idtac "Qed. Admitted.". trivial.', "True"),
    Case("a comment in a comment with a string", '(* (* "*)" *) *) trivial.', "True"),
    Case("Proof with, and three full stops", "Proof with trivial.\nsplit...\nQed.", "True /\\ True"),
    Case("goal selectors", "split.\n1: trivial.\nall: trivial.", "True /\\ True"),
    Case("goals named", "refine (conj ?[a] ?[b]).\n[a]: trivial.\n[b]: trivial.", "True /\\ True"),
    Case("braces behind a selector", "split.\n2:{ trivial. }\n{ trivial. }", "True /\\ True"),
    Case("bullets of three depths", "split.\n- split.\n  + trivial.\n  + split.\n    * trivial.\n    * trivial.\n- trivial.",
         "(True /\\ (True /\\ True)) /\\ True"),
    Case("doubled bullets", "split.\n-- trivial.\n-- trivial.", "True /\\ True"),
    Case("a block among words", "We use the pair.\n```coq\nexact (conj I I).\n```\nThis ends it.", "True /\\ True"),
    Case("thought first", "<think>maybe\n```coq\nadmit.\n```\n</think>\ntrivial.", "True"),
    Case("its theorem restated with other blanks", "Lemma  a:forall n:nat,n=n.\nProof. reflexivity. Qed.",
         "forall n : nat, n = n"),
    Case("its goal restated", "Goal True. trivial. Qed.", "True"),
    Case("its imports restated", "Require Import Classical.\nTheorem a : True.\ntrivial.\nQed.", "True", CLASSICAL),
    Case("Defined for Qed", "trivial. Defined.", "True"),
    Case("names with primes and Unicode", "intros x' α. exact α.", "forall (x' : nat) (α : True), True"),
    Case("a tactic that begins with a module's name", "intros. Nat.order.", "forall a b : nat, a <= b -> a <= b", LIA),
    Case("a qualified name behind a full stop", "intro n. exact (Nat.add_0_r n).", "forall n : nat, n + 0 = n", LIA),
    Case("induction", "intro n. induction n as [|n IH]; simpl; congruence.", "forall n : nat, n + 0 = n"),
    Case("lia", "intros. lia.", "forall n m : nat, 2 * n < 2 * m + 1 -> n <= m", LIA),
    Case("lists", "intros A l. induction l; simpl; congruence.", "forall (A : Type) (l : list A), l ++ [] = l", LIA),
    Case("an axiom that is allowed", "intro p. exact (classic p).", MIDDLE, CLASSICAL, ("Classical_Prop.classic",)),
    Case("a theorem that rests on it", "intros p n. apply NNPP. exact n.", "forall p : Prop, ~ ~ p -> p", CLASSICAL,
         ("Classical_Prop.classic",)),
    Case("a lemma on the way", "intros n. assert (H : n + 1 = S n) by (rewrite Nat.add_1_r; reflexivity). exact H.",
         "forall n : nat, n + 1 = S n", LIA),
    Case("abstract", "abstract (intros; lia).", "forall n : nat, n <= n + 1", LIA),
    Case("a list with two dots", "exists (cons 1 (cons 2 nil)). reflexivity.", "exists l : list nat, length l = 2"),
    Case("computation", "vm_compute. reflexivity.", "Nat.pow 2 12 = 4096"),
    Case("a local tactic", "let t := trivial in split; t.", "True /\\ True"),
    Case("a term", "exact (fun p a => a).", "forall p : Prop, p -> p"),
    Case("information", "exists 3. reflexivity.", "{n : nat | n = 3}"),
    Case("universes", "intros A a. exact a.", "forall A : Type, A -> A"),
]  # fmt: skip
