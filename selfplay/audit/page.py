"""The audit's page: one offline file in which a person labels the drawn traces, by keyboard alone if they like."""

import json
import re
from html import escape
from pathlib import Path

from selfplay.audit.drawing import Draw
from selfplay.layout import AUDIT
from selfplay.report.page import policy_for
from selfplay.report.theme import asset
from tasks import UserError
from verifiers.kinds import verifier_of_kind

PAGE = "audit.html"
HERE = Path(__file__).parent
_SHOWN = (
    "key", "prompt", "completion", "answer", "reference", "outcome", "reason", "verifier", "selection", "doubts",
)  # fmt: skip


def write_page(draw: Draw, run: Path) -> Path:
    """Write RUN/audit/audit.html. It asks for nothing over a network, and nothing that a model wrote is parsed as HTML."""
    script = _script(draw)
    rows = [{name: row[name] for name in _SHOWN} | {"has_answer": _has_answer(row)} for row in draw.rows]
    values = {
        "policy": policy_for(script),
        "title": escape(f"Audit of {draw.run}"),
        "about": escape(
            f"{len(draw.rows)} traces, drawn at random with known chances. Judge each answer yourself; the verdict shows once "
            "you have. Labels stay in this browser until you save them as a file."
        ),
        "style": asset("theme.css") + asset("page.css") + _own("audit.css"),
        "draw": _inert(json.dumps({"id": draw.id, "rows": rows}, ensure_ascii=False)),
        "script": script,
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda match: values[match.group(1)], _own("audit.html"))
    out = run / AUDIT / PAGE
    temporary = out.with_name(f".{out.name}.tmp")
    try:
        temporary.write_text(page.encode("utf-8", "replace").decode(), encoding="utf-8", newline="\n")
        temporary.rename(out)
    except OSError as error:
        raise UserError(f"cannot write the audit's page {out}: {error.strerror}") from None
    return out


def _own(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _script(draw: Draw) -> str:
    """KaTeX, with its licence, if there are formulas; the report's rendering of model text; the audit itself."""
    has_latex = any("\\" in row["completion"] or "$" in row["completion"] for row in draw.rows)
    katex = f"/*! KaTeX\n{asset('katex.LICENSE')}*/\n{asset('katex.min.js')}\n" if has_latex else ""
    return katex + '"use strict";\n' + asset("text.js") + _own("audit.js")


def _has_answer(row: dict) -> bool:
    return verifier_of_kind(json.loads(row["reference"])["kind"]).has_answers


def _inert(text: str) -> str:
    """JSON that no HTML parser can leave: every "<" is written as an escape."""
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
