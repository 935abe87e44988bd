"""A position in a list of tokens."""

from verifiers.latex import Token, Unreadable


class Cursor:
    """The tokens of a text, where the reader stands in them, and what is open there."""

    def __init__(self, found: list[Token]):
        self.tokens = found
        self.at = 0
        self.depth = 0
        self.bars = 0  # open |...|
        self.builder = 0  # open { ... | ... }: there a bar or a colon separates

    @property
    def value(self) -> str:
        return self.tokens[self.at].value

    @property
    def kind(self) -> str:
        return self.tokens[self.at].kind

    def take(self, *values: str) -> bool:
        token = self.tokens[self.at]
        if token.value in values and token.kind in ("sign", "command"):
            self.at += 1
            return True
        return False

    def expect(self, *values: str) -> str:
        value = self.value
        if not self.take(*values):
            raise Unreadable(f"{value or 'the end'!r} where {' or '.join(values)} should stand")
        return value
