"""What a reference asks for beyond equal values."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Conventions:
    """The options of a math reference that change what counts as equal."""

    ordered: bool = False  # the items of a list stand in the reference's order
    relative: Fraction = Fraction(0)  # largest relative error of a number
    absolute: Fraction = Fraction(0)  # largest absolute error of a number

    @classmethod
    def of(cls, ordered: bool, relative: float | str, absolute: float | str) -> "Conventions":
        """From a reference's options, numbers as they are written: 0.1 is one tenth."""
        return cls(ordered, Fraction(str(relative)), Fraction(str(absolute)))

    def written(self) -> list[bool | str]:
        """As JSON holds them; `of` reads them back."""
        return [self.ordered, str(self.relative), str(self.absolute)]


PLAIN = Conventions()
