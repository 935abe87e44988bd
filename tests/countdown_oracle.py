"""Python's own value of random expressions, against the one that the Countdown verifier reads."""

import ast
import operator
import random
import re
from fractions import Fraction

from verifiers.games.countdown import NoExpression, evaluate

SIGNS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def python_value(text):
    """The value that Python gives an expression of integers, + - * / and brackets; None for any other text."""
    try:
        return reckon(ast.parse(text, mode="eval").body)
    except (SyntaxError, ZeroDivisionError, KeyError, AttributeError):
        return None


def reckon(node):
    if isinstance(node, ast.Constant):
        return Fraction(node.value) if type(node.value) is int else node.no_number
    return SIGNS[type(node.op)](reckon(node.left), reckon(node.right))


def random_expression(rng, depth):
    if depth == 0 or rng.random() < 0.3:
        return str(rng.randint(0, 30))
    left, right = random_expression(rng, depth - 1), random_expression(rng, depth - 1)
    text = f"{left}{rng.choice(('+', '-', '*', '/', ' + ', ' / '))}{right}"
    return f"({text})" if rng.random() < 0.5 else text


def differences(num, seed=0):
    """Expressions that the verifier and Python value differently, of `num` random ones, some with a slip."""
    rng = random.Random(seed)
    found = []
    for _ in range(num):
        text = random_expression(rng, rng.randint(1, 4))
        if rng.random() < 0.1:  # a character lost or doubled
            place = rng.randrange(len(text))
            text = text[:place] + text[place] * rng.choice((0, 2)) + text[place + 1 :]
        if re.search(r"[\d)]\s*\(", text):
            continue  # a product for us, a call for Python
        try:
            value = evaluate(text)[0]
        except NoExpression:
            value = None
        if value != python_value(text.strip()):
            found.append((text, value))
    return found
