"""The words and signs that expressions are made of."""

from verifiers.mathematics.parsing.tree import INFINITY, PI
from verifiers.mathematics.parsing.units import SYMBOL_UNITS, UNITS

RELATIONS = {"=": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "le": "<=", "ge": ">=", "ne": "!=", "!=": "!=", "in": "in",
             "notin": "notin", "approx": "~", "equiv": "equiv", "=>": ">="}  # fmt: skip
SET_OPERATIONS = {"cup": "union", "cap": "meet", "setminus": "minus"}
FUNCTIONS = {
    "sin": "sin", "cos": "cos", "tan": "tan", "cot": "cot", "sec": "sec", "csc": "csc", "cosec": "csc", "arcsin": "arcsin",
    "arccos": "arccos", "arctan": "arctan", "arccot": "arccot", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "sinh": "sinh",
    "cosh": "cosh", "tanh": "tanh", "coth": "coth", "ln": "ln", "lg": "lg", "log": "log", "exp": "exp", "sqrt": "sqrt", "abs": "abs",
    "floor": "floor", "ceil": "ceil", "ceiling": "ceil", "max": "max", "min": "min", "gcd": "gcd", "lcm": "lcm", "binom": "binom",
    "binomial": "binom", "factorial": "factorial", "Gamma": "gamma", "cbrt": "cbrt", "sgn": "sign", "arcsec": "arcsec", "arccsc": "arccsc",
    "arcsinh": "arcsinh", "arccosh": "arccosh", "arctanh": "arctanh", "det": "det", "Re": "re", "Im": "im", "comb": "binom", "Pr": "Pr", "cis": "cis",
}  # fmt: skip
INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot", "sec": "arcsec", "csc": "arccsc", "sinh": "arcsinh",
            "cosh": "arccosh", "tanh": "arctanh"}  # fmt: skip
GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "rho",
        "sigma",
        "tau",
        "upsilon",
        "phi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Xi",
        "Pi",
        "Sigma",
        "Phi",
        "Psi",
        "Omega",
        "ell",
        "hbar",
        "aleph",
        "nabla",
        "partial",
        "triangle",
        "angle",
    ]
)
CONSTANTS = {"pi": PI, "infty": INFINITY, "infinity": INFINITY, "inf": INFINITY, "oo": INFINITY}
BASE_WORDS = {
    word: value
    for value, word in enumerate(
        ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"], 2
    )
} | {"sixteen": 16}
UNKNOWN_FUNCTIONS = frozenset(["f", "g", "h", "F", "G", "H", "P", "Q"])
MATRICES = frozenset(["pmatrix", "bmatrix", "vmatrix", "Bmatrix", "Vmatrix", "matrix", "smallmatrix", "array"])
_SPOKEN = frozenset(
    [
        "and",
        "or",
        "mod",
        "if",
        "for",
        "is",
        "in",
        "to",
        "not",
        "no",
        "yes",
        "per",
        "only",
        "with",
        "an",
        "the",
        "pm",
        "am",
    ]
)
_SHORT_WORDS = frozenset(
    [
        "one",
        "two",
        "six",
        "ten",
        "odd",
        "yes",
        "all",
        "any",
        "not",
        "the",
        "sum",
        "day",
        "may",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "oct",
        "nov",
        "dec",
        "red",
        "sun",
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
        "sat",
        "boy",
        "men",
        "man",
        "dog",
        "cat",
        "pen",
        "car",
        "box",
        "set",
        "ago",
        "age",
        "old",
        "new",
        "win",
        "lie",
        "are",
        "was",
        "has",
        "had",
        "for",
        "and",
        "but",
        "nor",
        "out",
        "off",
        "top",
        "max",
        "min",
        "gcd",
        "lcm",
        "mod",
        "ans",
        "end",
        "per",
        "pay",
        "get",
        "let",
        "var",
        "use",
    ]
)
OPENING = {"(": ")", "[": "]", "lset": "rset", "langle": "rangle", "lfloor": "rfloor", "lceil": "rceil", "{": "}"}
CLOSING = frozenset([")", "]", "rset", "rangle", "rfloor", "rceil", "}"])


def is_unit(word: str) -> bool:
    return word in UNITS or (len(word) > 1 and (word in SYMBOL_UNITS or (word.lower() in UNITS and len(word) > 2)))


def pronounceable(word: str) -> bool:
    """Whether three letters look like a word (odd, two) and not like letters side by side (xyz, abc)."""
    return any(vowel in word for vowel in "aeiou") and word not in ("abc", "bca", "cab", "acb", "abd", "abx", "aby")


def are_letters(word: str) -> bool:
    """Whether three small letters that look like a word may be a product where signs of mathematics stand beside: bad / c."""
    return (
        len(word) == 3
        and word.isascii()
        and word.islower()
        and word not in FUNCTIONS
        and not is_unit(word)
        and word not in _SHORT_WORDS
    )


def is_math_word(word: str) -> bool:
    """Whether a run of letters is mathematics: a function, a constant, a letter, letters side by side."""
    if (
        word in ("OR", "AND")
        or word in _SPOKEN
        or (word[:1].isupper() and word[1:].islower() and word.lower() in _SPOKEN)
    ):
        return False
    return (
        (len(word) <= 2 and word.isascii())
        or word in FUNCTIONS
        or word in CONSTANTS
        or word in GREEK
        or (len(word) == 3 and word.isascii() and not is_unit(word) and not pronounceable(word))
    )
