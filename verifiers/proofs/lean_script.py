"""Read a Lean proof before any prover sees it: no word of a command, an attribute or metaprogramming may stand in it.

Lean's grammar grows with its imports, so no lexer of ours can split it into commands. Instead every word counts, wherever it
stands; comments are taken out only where no quotation mark can make text look like one.
"""

import re

from verifiers.proofs.prover import Refused, Rejected

BANNED = {
    "abbrev", "add_decl_doc", "admit", "attribute", "axiom", "binder_predicate", "builtin_dsimproc",
    "builtin_initialize", "builtin_simproc", "by_elab", "class", "coinductive", "compile_inductive", "decl_name",
    "declare_syntax_cat", "decreasing_by", "def", "deriving", "dsimproc", "elab", "elab_rules", "end", "eval",
    "example", "export", "extends", "extern", "grind_pattern", "implemented_by", "import", "include", "inductive",
    "infix", "infixl", "infixr", "init_quot", "initialize", "instance", "irreducible_def", "lemma", "local", "macro",
    "macro_rules", "meta", "module", "mutual", "namespace", "native_decide", "noncomputable", "nonrec", "notation",
    "notation3", "omit", "opaque", "open", "opens", "partial", "partial_fixpoint", "postfix", "prefix", "prelude",
    "private", "protected", "public", "register_builtin", "register_option", "register_simp_attr", "run_cmd",
    "run_elab", "run_meta", "run_tac", "run_term", "scoped", "seal", "section", "set_option", "simproc", "sorry",
    "stop", "structure", "suffices_by", "syntax", "termination_by", "theorem", "unif_hint", "universe", "universes",
    "unsafe", "unseal", "variable", "variables", "where",
}  # fmt: skip
_PARTS = {  # of a name, at any place in it
    "CommandElabM", "Elab", "IO", "Lean", "Meta", "MetaM", "Syntax", "TacticM", "dbgTrace", "implemented_by",
    "lcErased", "lcProof", "lcUnreachable", "native_decide", "ofReduceBool", "ofReduceNat", "ptrAddrUnsafe",
    "reduceBool", "reduceNat", "skipKernelTC", "sorryAx", "trustCompiler", "unsafeCast",
}  # fmt: skip
_NAME = re.compile(r"[^\W\d][\w'!?\u2080-\u209c]*(?:\.[^\W\d][\w'!?\u2080-\u209c]*)*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\ud800-\udfff]")
_HEADER = re.compile(r"\s*(?:theorem|lemma|example)\b(?P<rest>.*)", re.S)


def read_script(text: str, statement: str, imports: str = "") -> str:
    """The term, perhaps `by ...`, that is to prove a statement. Its own imports and theorem, where it repeats them, must be
    the task's. Raises Refused or Rejected, with the reason.
    """
    if match := _CONTROL.search(text):
        raise Refused(f"the character {match[0]!r}")
    text = _without_comments(text)
    text = _without_imports(text, imports)
    text = _without_statement(text, statement)
    if not text.strip():
        raise Rejected("the proof is empty")
    _check(text)
    return text.strip("\n")


def _check(text: str) -> None:
    if match := re.search("[«»]", text):
        raise Refused(f"a quoted name: {match[0]}")
    if match := re.search(r"(?<![\w\]])#[^\W\d]\w*|@\[|`\(|``?[^\W\d]|%\[|\$\(", text):
        raise Refused(f"a command, an attribute or quoted syntax: {match[0]}")
    for name in _NAME.findall(text):
        parts = name.split(".")
        if name in BANNED or parts[0] in BANNED or _PARTS.intersection(parts):
            raise Refused(f"the word {name}")


def _without_comments(text: str) -> str:
    """Comments as blanks; a text with quotation marks stays as it is, since only Lean's grammar knows what they enclose."""
    if '"' in text:
        return text
    out, position, depth = [], 0, 0
    while position < len(text):
        two = text[position : position + 2]
        if two == "/-":
            depth, position = depth + 1, position + 2
        elif two == "-/" and depth:
            depth, position = depth - 1, position + 2
            out.append("" if depth else " ")
        elif two == "--" and not depth:
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        else:
            if not depth:
                out.append(text[position])
            position += 1
    if depth:
        raise Rejected("a comment is not closed")
    return "".join(out)


def _without_imports(text: str, imports: str) -> str:
    """Take away lines at the start that the task's own imports hold, word for word."""
    known = {" ".join(line.split()) for line in imports.splitlines() if line.strip()}
    lines = text.split("\n")
    while lines and (not lines[0].strip() or " ".join(lines[0].split()) in known):
        lines = lines[1:]
    return "\n".join(lines)


def _without_statement(text: str, statement: str) -> str:
    """What stands behind `:=` of a restated theorem, or the text itself."""
    match = _HEADER.fullmatch(text)
    if not match:
        return text.lstrip()[2:] if text.lstrip().startswith(":=") else text
    found = " ".join(match["rest"].split())
    wanted = " ".join(_without_comments(statement).split())
    place = re.match(rf"(?:[^\W\d][\w'.]*\s*)?:\s*{re.escape(wanted)}\s*:=", found)
    if not place:
        raise Rejected(f"another statement, or none: {found:.120}")
    words = len(found[: place.end()].removesuffix(":=").split())
    behind = re.match(rf"\s*(?:\S+\s+){{{words - 1}}}\S+?\s*:=", match["rest"])
    if not behind:
        raise Rejected("the proof does not follow its statement")
    return match["rest"][behind.end() :]
