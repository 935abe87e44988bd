"""Whether a program printed what was wanted: line by line or token by token, exactly or within a tolerance."""

import math


def same_output(output: bytes, wanted: bytes, tolerance: float = 0.0, compare: str = "lines") -> bool:
    """Whether two outputs are the same.

    With "lines", blanks at the end of a line and blank lines at the end do not count. With "tokens", blanks and line ends
    only separate. A tolerance (largest absolute or relative error) holds for tokens that are decimal numbers; two integers
    have to be equal.
    """
    if compare == "tokens":
        return _same_tokens(output.split(), wanted.split(), tolerance)
    output, wanted = output.rstrip(), wanted.rstrip()
    if output.count(b"\n") != wanted.count(b"\n"):
        return False
    pairs = zip(output.split(b"\n"), wanted.split(b"\n"), strict=True)
    if not tolerance:
        return all(one.rstrip() == other.rstrip() for one, other in pairs)
    return all(_same_tokens(one.split(), other.split(), tolerance) for one, other in pairs)


def _same_tokens(output: list[bytes], wanted: list[bytes], tolerance: float) -> bool:
    return len(output) == len(wanted) and all(
        one == other or (tolerance > 0 and _near(one, other, tolerance))
        for one, other in zip(output, wanted, strict=True)
    )


def _near(one: bytes, other: bytes, tolerance: float) -> bool:
    if len(one) > 100 or len(other) > 100 or b"_" in one + other:
        return False
    if _is_integer(one) and _is_integer(other):
        return int(one) == int(other)
    try:
        got, wanted = float(one), float(other)
    except ValueError:
        return False
    return math.isfinite(wanted) and math.isclose(got, wanted, rel_tol=tolerance, abs_tol=tolerance)


def _is_integer(token: bytes) -> bool:
    return token.lstrip(b"+-").isdigit()
