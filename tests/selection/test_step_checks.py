"""Step checks: what is decided, and that it is decided rightly."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfplay.selection.step_checks import equations, wrong_steps
from tests.shared_data import SHARED

# (prompt, completion, right?, why); None: nothing to decide
CASES = [
    ("3+4+5=", "7+5=####12", True, "a chain whose sides are all equal, begun by the prompt"),
    ("3+4+5=", "9+5=####12", False, "9+5 is 14, whatever the answer"),
    ("3+4+5=", "8+4=####12", True, "8+4 is 12, as the prompt's sum"),
    ("2+3=", "####5", True, "the prompt's sum ends in the answer"),
    ("2+3=", "####6", False, "the prompt's sum does not end in the answer"),
    ("Compute 3+4+5 =", "3+4=7\n7+5=12", True, "a prompt in words is not continued"),
    ("3+4+5=", "7+4=11+1=####12", False, "two wrong steps that come to the right answer"),
    ("", "16 - 3 - 4 = <<16-3-4=9>>9 duck eggs", True, "an annotation, and the equation around it"),
    ("", "She has <<16-3-4=8>>8 left", False, "an annotation alone"),
    ("", "<<5+2(3)=9>>", False, "a number before a bracket multiplies it"),
    ("", "<<¾*12=6>>", False, "a fraction in one character"),
    ("", "<<x+3=7>>", None, "a variable in an annotation"),
    ("", "x + 3 = 7", None, "a variable before the sum"),
    ("", "2x + 3 = 7", None, "a variable glued to a number"),
    ("", "f(3+4) = 8", None, "a function of the sum"),
    ("", "\\sqrt{9} + 1 = 5", None, "a root"),
    ("", "1+2+...+100=5050", None, "a sum that is cut off"),
    ("", "5! = 120", None, "a factorial"),
    ("", "7+8=3 (mod 12)", None, "a modulus"),
    ("", "5 times 3 + 2 = 17", None, "an operator in words before the sum"),
    ("", "2 dozen * 3 = 72", None, "a word that changes the number"),
    ("", "1 hour + 30 minutes = 90 minutes", None, "units that differ"),
    ("", "8:30 + 1:15 = 9:45", None, "times of day"),
    ("", "3, 4 + 5 = 9", True, "a list before the sum"),
    ("", "So 5 + 6 = 12 apples.", False, "a unit behind the result"),
    ("", "3*4 apples = 12 apples", True, "a unit on both sides"),
    ("", "$9 * 2 = $18", True, "dollars"),
    ("", "9 * 2 = $19 every day", False, "dollars"),
    ("", "1,200 + 300 = 1,500", True, "commas between thousands"),
    ("", "10/3 = 3.33", True, "rounded at its last digit"),
    ("", "20/3 = 6.66", True, "cut at its last digit"),
    ("", "10/3 = 3.34", False, "neither rounded nor cut"),
    ("", "10/3 = 3", False, "an integer is not a rounded one"),
    ("", "<<24*.1=2.4000000000000004>>", True, "floating point, as calculators write it"),
    ("", "20 - 5 = 15 - 3 = 12", True, "running on from the last result"),
    ("", "20 - 5 = 15 - 3 = 13", False, "running on to a wrong one"),
    ("", "(3/4)*100 = 75%", True, "a percent sign behind a percentage"),
    ("", "20% * 50 = 10", True, "a percent sign that divides"),
    ("", "\\frac{3}{4}+\\frac{1}{4} = 2", False, "fractions in LaTeX"),
    ("", "2^{3} \\cdot 2 = 16", True, "powers and signs of LaTeX"),
    ("", "\\[3 \\times 4 = 13\\]", False, "displayed mathematics"),
    ("", "we get 3+4=\\boxed{8}", False, "a box that ends an equation"),
    ("", "3 x 4 = 13", False, "an x that multiplies"),
    ("", "3 × 4 − 2 = 10", True, "signs of Unicode"),
    ("", "**3+4=8**", False, "bold, not a power"),
    ("", "2**3 = 8", True, "a power, not bold"),
    ("", "(3 + 4 = 8)", False, "a bracket around the equation"),
    ("", "- 3 + 4 = 7", True, "a bullet, not a sign"),
    ("", "sum is\n3 + 4\n= 8", False, "an equation over two lines"),
    ("", "&= 3 + 4 \\\\ &= 8", False, "aligned lines of LaTeX"),
    ("", "5 - 3 = 2 - which is right", True, "a dash behind the result"),
    ("", "3 + -2 = 1", True, "a negative operand"),
    ("", "4=4", None, "no operation"),
    ("", "9**9**9**9 = 1", None, "too large to decide"),
    ("", "1/0 = 0", None, "no value"),
]


@pytest.mark.parametrize(("prompt", "completion", "right", "why"), CASES, ids=[case[3] for case in CASES])
def test_an_equation_is_decided_as_it_should_be(prompt, completion, right, why):
    decided = [equation.right for equation in equations(completion, prompt)]
    assert (all(decided) if decided else None) is right


operands = st.integers(0, 10_000)


@given(st.lists(operands, min_size=2, max_size=6), st.data())
@settings(max_examples=200, deadline=None)
def test_a_right_sum_passes_and_any_other_result_does_not(numbers, data):
    signs = data.draw(st.lists(st.sampled_from("+-*"), min_size=len(numbers) - 1, max_size=len(numbers) - 1))
    expression = str(numbers[0]) + "".join(
        f" {sign} {number}" for sign, number in zip(signs, numbers[1:], strict=False)
    )
    value = eval(expression)
    assert wrong_steps(f"Then {expression} = {value} of them.") == []
    other = value + data.draw(st.integers(1, 50))
    assert len(wrong_steps(f"Then {expression} = {other} of them.")) == 1


@given(st.text(alphabet="0123456789+-*/=()<>.%$ x\\{}^#,\n", max_size=120))
@settings(max_examples=500, deadline=None)
def test_no_text_makes_the_check_fail(text):
    list(equations(text))
    list(equations(text, "1+1="))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "1=1",
        "1+" * 5000 + "1=2",
        "=" * 10_000,
        "<<" * 10_000,
        "1" * 10_000 + "+1=2",
        "<<" + "(" * 190 + "1+1=2>>",
        "-" * 9000 + "1=1",
    ],
)
def test_a_hostile_text_is_passed_in_time(text):
    import time

    started = time.process_time()
    list(equations(text))
    assert time.process_time() - started < 1


@pytest.mark.skipif(SHARED is None, reason="the folder of real data is absent (SELFPLAY_SHARED)")
def test_every_slip_in_a_calculator_annotation_of_real_completions_is_found():
    """Beside it an evaluation by Python, of the annotations that are plain arithmetic to it."""
    num_slips = num_checked = 0
    for line in (SHARED / "data" / "gsm8k_model_solutions.jsonl").open():
        for solution in (value["solution"] for value in json.loads(line).values() if isinstance(value, dict)):
            found = {equation.text: equation.right for equation in equations(solution) if equation.annotation}
            for annotation in re.findall(r"<<([^<>=]*=[^<>=]*)>>", solution):
                plain = re.sub(r"(?<![\d.])0+(?=\d)", "", annotation.replace("$", "").replace(",", ""))
                if not re.fullmatch(r"[\d.+\-*/() ]+=-?[\d.]+", plain) or re.search(r"\d\s*\(", plain):
                    continue
                try:
                    left, right = (eval(side) for side in plain.split("="))
                except (SyntaxError, ZeroDivisionError):
                    continue
                num_checked += 1
                slip = abs(left - right) > 1e-9 * max(1, abs(left))
                num_slips += slip
                rounded = slip and "." in plain.partition("=")[2] and abs(left - right) < 0.01
                assert found.get(annotation, True) != slip or rounded, annotation
    assert num_checked > 16_000 and num_slips > 40
