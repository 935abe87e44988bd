"""The program in a completion: a fenced block, a tagged one, code between prose, or the bare text where it is code.

Thinking is left out. Of several blocks the last one counts that defines the function asked for, with those earlier ones
whose names it needs.
"""

import ast
import builtins
import html
import re
import textwrap
import threading

from verifiers.thinking import spoken_part

_FENCE = re.compile(
    r"^[ \t]*(`{3,}+|~{3,}+)[ \t]*+([^\s`]*+)[^\n`]*$"
)  # what matched is never tried shorter: a line may be long
_INLINE_FENCE = re.compile(r"```[ \t]*(?:(python3?|py|c\+\+|cpp)[ \t\n])?([^`]++)```")
_TAGS = re.compile(r"<(code|pre|python)\b[^>]{0,200}>|\[(BEGIN|PYTHON)\]", re.I)
_ENDS = {"code": ("</code>",), "pre": ("</pre>",), "python": ("</python>", "[/python]"), "begin": ("[done]", "[end]")}
_OPEN_TAG = re.compile(r"\[(?:BEGIN|PYTHON)\]", re.I)
_parsing = threading.Lock()
_LANGUAGES = {"python": {"python", "py", "python3", "py3"}, "cpp": {"cpp", "c++", "cc", "cxx", "c"}}
_CODE_LINE = re.compile(r"^(def |class |import |from \w+ import |@|for .*:|while .*:|if .*:|print\(|\w+ *= *\S)", re.M)
_CODE_START = re.compile(
    r"(?:async )?(?:def|class)\s+\w|import \w|from [\w.]+ import |@\w|#|(?:for|while|if|elif|with|try|else|except|finally)\b.*:"
    r"|print\(|return\b|pass$|\"\"\"|'''|[)\]}]|[\w.\[\]'\", ]+?(?:[-+*/%|&^]|//|\*\*|<<|>>)?= ?\S|[\w.]+\(.*\)\s*(?:#.*)?$"
)
_MAX_TEXT = 2**20  # characters of a completion in which code between prose is looked for


def extract_program(completion: str, entry_point: str = "", language: str = "python") -> str | None:
    """The source of the program that a completion gives; None where it gives none.

    A fence that is never closed runs to the end of the text. A program within the thinking is no answer.
    """
    text = spoken_part(completion.removeprefix("\ufeff"))
    if text is None:
        return None
    blocks = [(name, content) for name, content in _blocks(text) if content.strip()] or _tagged(text)
    if blocks:
        known = _LANGUAGES[language]
        bare = [content for name, content in blocks if not name]
        chosen = [content for name, content in blocks if name in known] or bare or [content for _, content in blocks]
        return _together(list(map(_without_prompts, chosen)), entry_point) if language == "python" else chosen[-1]
    if language != "python" or _is_code(text):
        return text if text.strip() else None
    if len(text) > _MAX_TEXT:
        return None
    if text.lstrip().startswith(">>>"):
        return _without_prompts(text)
    regions = _code_between_prose(text)
    return _together(regions, entry_point) if regions else _boxed(text)


def is_body(text: str) -> bool:
    """Whether a text is the body of a function without its head: every line is indented."""
    lines = [line for line in text.splitlines() if line.strip()]
    return bool(lines) and all(line[0] in " \t" for line in lines)


def completed(head: str, program: str, name: str) -> str:
    """A program after the code that it goes on from; indented where it is the body of the function `name` that ends `head`.

    A fenced body comes without its indent: it does not define the function, and `head` gives that no body but a docstring.
    """
    head = closed(head)
    tree = None if not name or _defines(program, name) else _parsed(head)
    last = tree.body[-1] if tree and tree.body else None
    if not isinstance(last, (ast.FunctionDef, ast.AsyncFunctionDef)) or last.name != name or not _is_empty(last.body):
        return f"{head}\n\n{program}"
    return head.rstrip() + "\n" + textwrap.indent(program, "    ")


def closed(head: str) -> str:
    """Starter code as a module of its own: one that ends with the head of a function gets a body for it."""
    if _parsed(head) is None and _parsed(whole := f"{head.rstrip()}\n    pass\n") is not None:
        return whole
    return head


def _is_empty(body: list[ast.stmt]) -> bool:
    return all(isinstance(line, ast.Pass) or _is_text(line) for line in body)


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


def parse_program(text: str) -> ast.Module:
    """Python's own parser, one thread at a time: CPython 3.11 takes two at once for a fault (SystemError, cpython#106905).

    Raises SyntaxError, ValueError, RecursionError or MemoryError where the text is no program.
    """
    with _parsing:
        return ast.parse(text)


def _parsed(text: str) -> ast.Module | None:
    try:
        return parse_program(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _blocks(text: str) -> list[tuple[str, str]]:
    """(language, content) of every fenced block, in order. A fence inside a text in triple quotes closes nothing."""
    blocks, fence, language, lines, num_quotes = [], "", "", [], 0
    first_end = None  # where the block would have ended, had its quotes not been open
    for line in text.splitlines(keepends=True):
        match = _FENCE.match(line.rstrip("\r\n"))
        if not fence and match:
            fence, language, lines, num_quotes, first_end = match[1], match[2].lower().strip("{}."), [], 0, None
        elif fence and match and match[1].startswith(fence) and not match[2] and num_quotes % 2 == 0:
            blocks.append((language, _dedent(lines)))
            fence = ""
        elif fence:
            if match and match[1].startswith(fence) and not match[2] and first_end is None:
                first_end = len(lines)
            lines.append(line)
            num_quotes += line.count('"""') + line.count("'''")
    if fence:
        blocks.append((language, _dedent(lines if first_end is None else lines[:first_end])))
    return blocks


def _tagged(text: str) -> list[tuple[str, str]]:
    """Blocks in tags, or in fences on one line."""
    if "```" in text:
        found = [(match[1] or "", match[2].strip()) for match in _INLINE_FENCE.finditer(text)]
        if found:
            return found
    if "<" not in text and "[" not in text:
        return []
    found, lower, position = [], text.lower(), 0
    unclosed = set()  # an end that is not found once is not looked for again
    while match := _TAGS.search(text, position):
        position = match.end()
        name = (match[1] or match[2]).lower()
        if name == "pre" and _TAGS.match(text, position):
            continue  # the tag of the code follows
        ends = [at for end in _ENDS[name] if end not in unclosed and (at := lower.find(end, position)) >= 0]
        if not ends:
            unclosed.update(_ENDS[name])
            continue
        content = text[position : min(ends)]
        found.append(("", _dedent((html.unescape(content) if match[1] else content).splitlines(keepends=True))))
        position = min(ends)
    if not found:
        opened = list(_OPEN_TAG.finditer(text))
        found = [("", text[opened[-1].end() :])] if opened else []
    return [(name, content) for name, content in found if content.strip()]


def _dedent(lines: list[str]) -> str:
    """A block inside a list is indented as a whole; take that away, and nothing else."""
    indents = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
    cut = min(indents, default=0)
    return "".join(line[cut:] if line.strip() else line.lstrip(" ") for line in lines)


def _without_prompts(text: str) -> str:
    """The code of an interactive session; any other text as it is."""
    lines = text.splitlines()
    if not any(line.startswith(">>>") for line in lines) or _parsed(text) is not None:
        return text
    return "".join(f"{line[4:]}\n" for line in lines if line.startswith((">>>", "...")))


def _together(blocks: list[str], entry_point: str) -> str:
    """The last block that defines the entry point, or the last one, after those earlier ones whose names it needs."""
    name = entry_point.partition(".")[0].removesuffix("()")
    defining = [number for number, text in enumerate(blocks) if name and _defines(text, name)]
    chosen = defining[-1] if defining else len(blocks) - 1
    if len(blocks) == 1:
        return blocks[chosen]
    tree = _parsed(blocks[chosen])
    if tree is None:
        return blocks[chosen]
    needed, kept = _used(tree) - _bound(tree), [blocks[chosen]]
    for text in reversed(blocks[:chosen]):
        other = _parsed(text) if needed else None
        if other is None or (name and _defines(text, name)):
            continue
        given = _bound(other)
        if given & needed:
            kept.insert(0, text)
            needed = (needed - given) | (_used(other) - given)
    return "\n".join(kept)


def _used(tree: ast.Module) -> set[str]:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return {name for name in names if not hasattr(builtins, name)}


def _bound(tree: ast.Module) -> set[str]:
    """The names that a program binds anywhere; of star imports nothing is known."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found


def _code_between_prose(text: str) -> list[str]:
    """Runs of lines that are code and parse as a program, in order."""
    regions, lines = [], []
    for line in [*text.splitlines(), None]:
        indented = line is not None and (not line.strip() or line[0] in " \t")
        if line is not None and ((indented and lines) or _CODE_START.match(line)):
            lines.append(line)
            continue
        region = "\n".join(lines).rstrip()
        if region and _is_code(region) and _parsed(region) is not None:
            regions.append(region + "\n")
        lines = []
    return [region for region in regions if not all(line.startswith("#") or not line for line in region.splitlines())]


def _boxed(text: str) -> str | None:
    """A program in \\boxed{..}."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth, begin = 0, start + len("\\boxed")
    for position in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            content = text[begin + 1 : position]
            return content if _is_code(content) and _parsed(content) is not None else None
    return None


def _defines(text: str, name: str) -> bool:
    return (
        re.search(
            rf"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+{re.escape(name)}\b|^{re.escape(name)}[ \t]*=", text, re.M
        )
        is not None
    )


def _is_code(text: str) -> bool:
    if not text.strip():
        return False
    tree = _parsed(text)
    if tree is None:
        return _CODE_LINE.search(text) is not None and _CODE_LINE.match(text.lstrip()) is not None
    return any(
        not isinstance(line, ast.Expr) or isinstance(line.value, ast.Call) for line in tree.body
    )  # prose may parse
