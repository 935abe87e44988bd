"""Read a Rocq script before any prover sees it: split it into sentences and refuse every command and hand-made recursion.

Comments, strings, bullets and braces are those of Rocq's own lexer. Wherever the two could differ, this one sees more
places at which a sentence may begin, so that it may refuse an honest script but passes no command.

Recursion by hand (`fix`, `cofix`) is refused because Rocq before 9.3 accepts a proof of False by it, in the kernel and in
coqchk alike (rocq#20455). `induction` and library functions are not touched.
"""

import re
from dataclasses import dataclass

from verifiers.proofs.prover import Refused, Rejected

_BLANKS = " \t\n\r"
_WORD = re.compile(r"[^\W\d][\w']*")
_FORBIDDEN = {
    "fix": "recursion by hand",
    "cofix": "recursion by hand",
    "Fix": "recursion by hand",
    "CoFix": "recursion by hand",
    "ltac2": "Ltac2, which can build unchecked terms",
    "Unsafe": "a term that Ltac2 does not check",
    "elpi": "Elpi, which runs programs",
}
_SELECTOR = re.compile(r"(?:!|all|par|\[\s*[\w']+\s*\]|\d+(?:\s*-\s*\d+)?(?:\s*,\s*\d+(?:\s*-\s*\d+)?)*)\s*:(?!=)")
_QUALIFIED = re.compile(r"[A-Z][\w']*\.[^\W\d]")  # Z.order: no command's word is followed by a field
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\ud800-\udfff]")
_HEADER = re.compile(
    r"(?:Theorem|Lemma|Example|Fact|Remark|Corollary|Proposition|Property|Goal)\b(?P<rest>.*)\.\Z", re.S
)
_NAME = re.compile(r"\s*[^\W\d][\w']*\s*:(?!=)")


@dataclass(frozen=True, slots=True)
class Script:
    """The tactics of a proof, ready to stand between `Proof.` and `Qed.`."""

    opening: str  # `Proof.`, or `Proof with tactic.`
    text: str


def read_script(text: str, statement: str, imports: str = "") -> Script:
    """The script of a completion's text. Its own statement and imports, where it repeats them, must be the task's.

    Raises Refused or Rejected, with the reason.
    """
    text = text.replace("\r\n", "\n")
    if match := _CONTROL.search(text):
        raise Refused(f"the character {match[0]!r}")
    sentences = split(text)
    sentences = _without_imports(sentences, imports)
    sentences = _without_statement(sentences, statement)
    opening = "Proof."
    if sentences and re.match(r"Proof\b", sentences[0].bare):
        opening = _opening(sentences[0].bare)
        sentences = sentences[1:]
    if sentences and re.fullmatch(r"(?:Qed|Defined)\s*\.", sentences[-1].bare):
        sentences = sentences[:-1]
    for sentence in sentences:
        _check(sentence)
    _check_words(opening)
    body = "\n".join(sentence.code for sentence in sentences).strip()
    if not body:
        raise Rejected("the script is empty")
    if not re.search(r"[.}]\s*\Z", body):
        raise Rejected("the script's last sentence has no full stop")
    return Script(opening, body)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with the bullets and braces before it; comments are blanks, strings stand as they are."""

    code: str
    bare: str  # without bullets, braces and goal selectors before it
    words: str  # the code with the content of its strings taken out


def split(text: str) -> list[Sentence]:
    """The sentences of a script. Raises Rejected where a comment or string is not closed."""
    found, code, words = [], [], []
    position = 0
    while position < len(text):
        char = text[position]
        if text.startswith("(*", position):
            position = _comment_end(text, position)
            code.append(" ")
            words.append(" ")
        elif char == '"':
            end = _string_end(text, position)
            code.append(text[position:end])
            words.append('""')
            position = end
        else:
            code.append(char)
            words.append(char)
            position += 1
            if char == "." and not _goes_on(text, position):
                while text.startswith(".", position):  # `...` ends a sentence too
                    code.append(".")
                    words.append(".")
                    position += 1
                found.append(_sentence(code, words))
                code, words = [], []
    if "".join(code).strip():
        found.append(_sentence(code, words))
    return found


def normal(text: str) -> str:
    """Text without comments, each run of blanks as one: how statements are compared."""
    return " ".join(" ".join(sentence.code for sentence in split(text)).split())


def _goes_on(text: str, position: int) -> bool:
    """Whether a name goes on after a full stop: `Nat.add`. Rocq wants a blank after the end of a sentence."""
    return position < len(text) and (text[position].isalpha() or text[position] == "_" or ord(text[position]) > 127)


def _comment_end(text: str, position: int) -> int:
    depth = 0
    while position < len(text):
        if text.startswith("(*", position):
            depth, position = depth + 1, position + 2
        elif text.startswith("*)", position):
            depth, position = depth - 1, position + 2
            if not depth:
                return position
        elif text[position] == '"':
            position = _string_end(text, position)
        else:
            position += 1
    raise Rejected("a comment is not closed")


def _string_end(text: str, position: int) -> int:
    position += 1
    while (position := text.find('"', position)) >= 0:
        if not text.startswith('""', position):
            return position + 1
        position += 2
    raise Rejected("a string is not closed")


def _sentence(code: list[str], words: list[str]) -> Sentence:
    whole = "".join(code)
    return Sentence(whole.strip(), _bare(whole), "".join(words))


def _bare(text: str) -> str:
    """Text behind its bullets, braces and goal selectors."""
    while True:
        stripped = text.lstrip(_BLANKS + "-+*{}")
        match = _SELECTOR.match(stripped)
        if match:
            stripped = stripped[match.end() :]
        if stripped == text:
            return text
        text = stripped


def _check(sentence: Sentence) -> None:
    if re.search(r"(?<![\w'.])par\s*:(?!=)", sentence.words):
        raise Refused("the goal selector par:, which starts processes")
    _check_words(sentence.words)
    first = sentence.bare[:1]
    if first == "#":
        raise Refused("an attribute")
    if first.isupper() and not _QUALIFIED.match(sentence.bare):
        raise Refused(f"a command: {sentence.bare.split()[0]:.60}")


def _check_words(words: str) -> None:
    for word in _WORD.findall(words):
        reason = _FORBIDDEN.get(word)
        if reason:
            raise Refused(f"{reason}: {word}")


def _without_imports(sentences: list[Sentence], imports: str) -> list[Sentence]:
    """Take away sentences at the start that the task's own imports hold, word for word."""
    known = {normal(sentence.code) for sentence in split(imports)}
    while sentences and re.match(r"(?:From|Require|Import|Open)\b", sentences[0].bare):
        if normal(sentences[0].code) not in known:
            raise Refused(f"an import that the task does not have: {sentences[0].bare:.60}")
        sentences = sentences[1:]
    return sentences


def _without_statement(sentences: list[Sentence], statement: str) -> list[Sentence]:
    match = _HEADER.fullmatch(sentences[0].bare) if sentences else None
    if not match:
        return sentences
    rest = match["rest"]
    if not sentences[0].bare.startswith("Goal"):
        named = _NAME.match(rest)
        if not named:
            raise Rejected("the restated theorem has binders; it must be the task's statement, word for word")
        rest = rest[named.end() :]
    if _same_statement(rest) != _same_statement(statement):
        raise Rejected(f"another statement: {' '.join(rest.split()):.120}")
    return sentences[1:]


def _same_statement(text: str) -> str:
    """A statement without blanks that say nothing: `(n:nat),` is `(n : nat),`."""
    tokens = re.findall(r'"(?:[^"]|"")*"|[\w\']+|\s+|[^\w\s\'"]+', normal(text))
    kept = []
    for number, token in enumerate(tokens):
        if not token.isspace():
            kept.append(token)
        elif 0 < number < len(tokens) - 1 and _joined(tokens[number - 1], tokens[number + 1]):
            kept.append(" ")
    return "".join(kept)


def _joined(before: str, after: str) -> bool:
    """Whether two tokens without the blank between them would read as one."""
    word, sign = re.compile(r"[\w']"), re.compile(r"[^\w\s'(),]")
    return bool(
        (word.match(before[-1]) and word.match(after[0])) or (sign.match(before[-1]) and sign.match(after[0]))
        or before[-1] == "." or after[0] == "."
    )  # fmt: skip


def _opening(bare: str) -> str:
    match = re.fullmatch(r"Proof(?:\s+using\b[^.]*|(?P<with>\s+with\s+(?!.*\busing\b).+))?\.", bare, re.S)
    if not match:
        raise Refused(f"a command: {bare:.60}")
    return f"Proof{match['with'] or ''}."
