"""Kinds of proposals by name: one class each, one row in KINDS. Nobody else asks which kind it is.

To add a kind, write its class, add its row here and its name to `ProposalKind` in recipe/sections.py.
"""

from selfplay.proposals.kind import Kind
from selfplay.proposals.language import Evolve, Instruct
from selfplay.proposals.procedural import Begin, Draw, GoOn
from selfplay.proposals.programs import Program, Template

KINDS: dict[str, type[Kind]] = {
    "begin": Begin,
    "go_on": GoOn,
    "draw": Draw,
    "instruct": Instruct,
    "evolve": Evolve,
    "template": Template,
    "program": Program,
}


def make_kind(name: str, source: str) -> Kind:
    """The kind of this name for seeds of this source. UserError if the source does not offer what it needs."""
    return KINDS[name](name, source)
