"""Properties of meaning: rewritten equal forms are equal, perturbed ones are not, and order of sides never matters."""

from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from verifiers.mathematics.equivalence.answers import compare
from verifiers.verdict import Reason

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

RIGHT = (Reason.MATCH, Reason.ROUNDED)
INTEGERS = st.integers(-999, 999)
POSITIVE = st.integers(1, 60)
LETTERS = st.sampled_from("xyzabt")


def equal(left: str, right: str) -> bool:
    there, back = compare(left, right) in RIGHT, compare(right, left) in RIGHT
    assert there == back, f"{left} and {right} swapped give another verdict"
    return there


@st.composite
def expressions(draw, depth: int = 3) -> str:
    """A random expression over letters, integers, roots, powers and functions that has a value almost everywhere."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(
            st.one_of(
                LETTERS,
                st.integers(1, 30).map(str),
                st.just(r"\pi"),
                st.integers(2, 30).map(lambda n: rf"\sqrt{{{n}}}"),
            )
        )
    left, right = draw(expressions(depth=depth - 1)), draw(expressions(depth=depth - 1))
    form = draw(st.sampled_from(["sum", "difference", "product", "quotient", "power", "sin", "exp"]))
    return {
        "sum": rf"\left({left}+{right}\right)",
        "difference": rf"\left({left}-{right}\right)",
        "product": rf"{left}\cdot {right}",
        "quotient": rf"\frac{{{left}}}{{{right}+7}}",
        "power": rf"\left({left}\right)^{{{draw(st.integers(2, 3))}}}",
        "sin": rf"\sin\left({left}\right)",
        "exp": rf"e^{{{draw(LETTERS)}}}",
    }[form]


REWRITES = [
    lambda e, n: rf"{n}+{e}-{n}",
    lambda e, n: rf"\frac{{{n}\cdot\left({e}\right)}}{{{n}}}",
    lambda e, n: rf"-\left(-\left({e}\right)\right)",
    lambda e, n: rf"\left({e}\right)\cdot\sqrt{{{n * n}}}\cdot {n}^{{-1}}",
    lambda e, n: rf"\frac12\left({e}\right)+\frac{{{e}}}{{2}}",
    lambda e, n: rf"\left({e}\right)\left(\sin^2 u+\cos^2 u\right)",
    lambda e, n: rf"\left({e}\right)^{{1}}+0\cdot {n}",
]
PERTURBATIONS = [
    lambda e, n: rf"{e}+\frac{{1}}{{{n * 10**12}}}",
    lambda e, n: rf"{e}-{n}",
    lambda e, n: rf"\left({e}\right)+10^{{-60}}",
    lambda e, n: rf"{e}+{n}\cdot w",
    lambda e, n: rf"{e}+\sqrt{{{n}}}",
]


@settings(max_examples=120)
@given(expressions(), POSITIVE, st.sampled_from(REWRITES))
def test_rewritten_expressions_are_equal(expression, number, rewrite):
    verdict = compare(expression, rewrite(expression, number))
    assert verdict in (*RIGHT, Reason.UNSUPPORTED, Reason.CHECKER_TIMEOUT), verdict


@settings(max_examples=120)
@given(expressions(depth=2), POSITIVE, st.sampled_from(REWRITES))
def test_rewritten_small_expressions_are_decided(expression, number, rewrite):
    assert equal(expression, rewrite(expression, number))


@settings(max_examples=200)
@given(expressions(), POSITIVE, st.sampled_from(PERTURBATIONS))
def test_perturbed_expressions_are_never_equal(expression, number, perturb):
    assert not equal(expression, perturb(expression, number))


@given(INTEGERS, POSITIVE)
def test_a_fraction_equals_every_way_to_write_it(top, bottom):
    value = Fraction(top, bottom)
    for text in (
        f"{top}/{bottom}",
        rf"\dfrac{{{2 * top}}}{{{2 * bottom}}}",
        rf"\tfrac {{{-top}}} {{{-bottom}}}",
        f"({top}) \\div {bottom}",
    ):
        assert equal(rf"\frac{{{top}}}{{{bottom}}}", text)
    whole, rest = divmod(abs(value), 1)
    if whole and rest:
        sign = "-" if value < 0 else ""
        assert equal(rf"\frac{{{top}}}{{{bottom}}}", rf"{sign}{whole}\frac{{{rest.numerator}}}{{{rest.denominator}}}")


@given(INTEGERS, POSITIVE, st.integers(1, 9))
def test_a_rounded_fraction_is_not_the_fraction(top, bottom, places):
    value = Fraction(top, bottom)
    rounded = f"{float(value):.{places}f}"
    assert equal(rf"\frac{{{top}}}{{{bottom}}}", rounded) == (Fraction(rounded) == value)


@given(st.integers(1000, 10**12), st.sampled_from([",", "{,}", r"\,", " ", r",\!"]))
def test_groups_of_thousands_change_no_number(number, separator):
    assert equal(str(number), f"{number:,}".replace(",", separator))
    assert not equal(str(number + 1), f"{number:,}".replace(",", separator))


@given(st.lists(INTEGERS, min_size=2, max_size=6, unique=True), st.randoms(use_true_random=False))
def test_order_counts_in_tuples_and_not_in_lists(values, chance):
    shuffled = values[:]
    chance.shuffle(shuffled)
    listed, again = ", ".join(map(str, values)), ", ".join(map(str, shuffled))
    assert equal(listed, again)
    assert equal(rf"\{{{listed}\}}", rf"\{{{again}\}}")
    assert equal(f"({listed})", f"({again})") == (values == shuffled)
    assert not equal(listed, ", ".join(map(str, values[:-1])))


@given(INTEGERS, INTEGERS, st.sampled_from("()[]"), st.sampled_from("()[]"))
def test_ends_of_intervals_count(low, high, first, second):
    assume(low < high)
    for one in "([":
        for other in ")]":
            left = f"{one}{low}, {high}{other}"
            relation = (
                f"{low} {'<' if one == '(' else chr(92) + 'le'} x {'<' if other == ')' else chr(92) + 'le'} {high}"
            )
            assert equal(left, relation)
            right = f"{'(' if first in '()' else '['}{low}, {high}{')' if second in '()' else ']'}"
            assert equal(left, right) == (left == right)


@given(st.tuples(INTEGERS, INTEGERS, INTEGERS), st.integers(-9, 9))
def test_an_equation_times_a_number_stays_the_equation(coefficients, factor):
    a, b, c = coefficients
    assume(a and b and factor)
    line = f"{a}x + {b}y = {c}"
    assert equal(line, f"{factor * a}x + {factor * b}y - ({factor * c}) = 0")
    assert not equal(line, f"{factor * a}x + {factor * b}y = {factor * (c + 1)}")


@given(st.integers(-500, 500), st.integers(1, 50), st.sampled_from(["cm", "km", "kg", "hours", "dollars"]))
def test_a_unit_may_be_left_out_but_not_be_another(top, bottom, unit):
    other = {"cm": "m", "km": "cm", "kg": "g", "hours": "minutes", "dollars": "cents"}[unit]
    amount = rf"\frac{{{top}}}{{{bottom}}}"
    assert equal(rf"{amount}\text{{ {unit}}}", amount)
    assert equal(rf"{amount}\text{{ {unit}}}", rf"{amount} {unit}")
    assert equal(rf"{amount}\text{{ {unit}}}", rf"{amount}\text{{ {other}}}") == (top == 0)


@settings(max_examples=300)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_two_texts_compare_without_an_exception_and_alike_when_swapped(left, right):
    equal(left, right)


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [
                r"\frac",
                r"{",
                r"}",
                r"(",
                r")",
                r"[",
                r"]",
                r"^",
                r"_",
                r"1",
                r"2",
                r"x",
                r"y",
                r"+",
                r"-",
                r"\cdot",
                r"/",
                r",",
                r"=",
                r"<",
                r"\sqrt",
                r"\pi",
                r"\cup",
                r"\infty",
                r"\text{cm}",
                r"\pm",
                r"!",
                r"|",
                r"%",
                r"\{",
                r"\}",
                r"10",
                r"0",
            ]
        ),
        max_size=12,
    )
)
def test_any_row_of_signs_compares_without_an_exception_and_alike_when_swapped(signs):
    text = " ".join(signs)
    equal(text, "1")
    equal(text, text + " ")
