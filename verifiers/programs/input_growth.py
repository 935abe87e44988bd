"""New inputs for a function, grown from given ones by type, inside what all given ones share.

Nobody wrote down which inputs are valid, so the given ones speak: a property that every given value of a place has (sign,
range of size, letters used, order, no duplicates, equal lengths of two arguments) is kept.
"""

import random
from collections.abc import Callable
from typing import Any

_LARGEST = 60  # items or characters of a grown value, unless a given one is larger
_PER_ROUND = 4


def grow_inputs(given: list[list], most: int, seed: int) -> list[list]:
    """Up to `most` argument lists, none of them given, in an order that mixes small and large changes."""
    choice = random.Random(seed)
    rules = invariants(given)
    seen = {repr(args) for args in given}
    pool, grown = [list(args) for args in given], []
    for _ in range(most * _PER_ROUND):
        if len(grown) >= most:
            break
        args = list(choice.choice(pool))
        for position in choice.sample(range(len(args)), choice.randint(1, len(args)) if args else 0):
            others = [other[position] for other in given if len(other) > position]
            for _ in range(choice.choice((1, 1, 2, 3))):
                args[position] = mutate(args[position], others, choice)
        if repr(args) not in seen and all(rule(args) for rule in rules):
            seen.add(repr(args))
            grown.append(args)
            pool.append(args)
    return grown


def mutate(value: Any, others: list, choice: random.Random) -> Any:
    """A value of the same type, one step away; `others` are values seen in the same place."""
    if choice.random() < 0.1 and others:
        return choice.choice(others)
    if isinstance(value, bool) or value is None:
        return (not value) if value is not None else None
    if isinstance(value, int):
        steps = (
            value + 1,
            value - 1,
            value * 2,
            value // 2,
            -value,
            0,
            1,
            value + choice.randint(-10, 10),
            choice.randint(0, 100),
        )
        return choice.choice(steps)
    if isinstance(value, float):
        steps = (
            value + 0.5,
            value - 1.0,
            -value,
            value * 2,
            value / 3,
            0.0,
            float(round(value)),
            value + choice.uniform(-1, 1),
        )
        return round(choice.choice(steps), 4)
    if isinstance(value, str):
        letters = "".join(other for other in others if isinstance(other, str)) or "a"
        return "".join(_mutate_items(list(value), list(letters), choice, lambda item: choice.choice(letters)))
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [item for other in others if isinstance(other, type(value)) for item in other]
        ordered = list(value) if isinstance(value, (list, tuple)) else sorted(value, key=repr)
        changed = _mutate_items(ordered, items, choice, lambda item: mutate(item, _alike(item, items), choice))
        return type(value)(changed)
    if isinstance(value, dict):
        pairs = [pair for other in others if isinstance(other, dict) for pair in other.items()]
        values = [item for _, item in pairs]
        changed = _mutate_items(
            list(value.items()), pairs, choice, lambda pair: (pair[0], mutate(pair[1], _alike(pair[1], values), choice))
        )
        return dict(changed)
    return value


def _alike(item: Any, items: list) -> list:
    return [other for other in items if type(other) is type(item)]


def _mutate_items(items: list, pool: list, choice: random.Random, change: Callable) -> list:
    """One of: drop, double, swap, change, insert, reverse, shuffle, sort, cut, join, empty."""
    if not items:
        return [choice.choice(pool)] if pool else items
    index, other = choice.randrange(len(items)), choice.randrange(len(items))
    step = choice.randrange(11)
    if step == 0:
        return items[:index] + items[index + 1 :]
    if step == 1:
        return items[: index + 1] + items[index:]
    if step == 2:
        items[index], items[other] = items[other], items[index]
        return items
    if step in (3, 4):
        return [*items[:index], change(items[index]), *items[index + 1 :]]
    if step == 5 and pool:
        return [*items[:index], choice.choice(pool), *items[index:]]
    if step == 6:
        return items[::-1]
    if step == 7:
        return choice.sample(items, len(items))
    if step == 8:
        return items[:index]
    if step == 9 and pool:
        return items + choice.sample(pool, min(len(pool), choice.randint(1, 4)))
    return [change(item) for item in items]


def invariants(given: list[list]) -> list[Callable[[list], bool]]:
    """Checks that every given argument list passes: only what all of them show is asked of a grown one."""
    counts = {len(args) for args in given}
    rules = [lambda args: len(args) in counts]
    for position in range(min(counts, default=0)):
        rules += [_at(position, rule) for rule in _rules([args[position] for args in given])]
        for other in range(position):
            pairs = [(args[other], args[position]) for args in given]
            if len(pairs) > 2 and all(_length(one) == _length(two) is not None for one, two in pairs):
                rules.append(lambda args, a=other, b=position: _length(args[a]) == _length(args[b]))
            if len(pairs) > 2 and all(type(one) is type(two) is int and one <= two for one, two in pairs):
                rules.append(lambda args, a=other, b=position: args[a] <= args[b])
    return rules


def _at(position: int, rule: Callable[[Any], bool]) -> Callable[[list], bool]:
    return lambda args: rule(args[position])


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, (str, list, tuple)) else None


def _rules(values: list) -> list[Callable[[Any], bool]]:
    """What all values of one place share."""
    kinds = {type(value) for value in values}
    rules = [lambda value: type(value) in kinds]
    numbers = [value for value in values if type(value) in (int, float)]
    if numbers and len(numbers) == len(values):
        low, high = min(numbers), max(abs(number) for number in numbers)
        floor = low if low in (0, 1, 2) else 0 if low > 0 else None
        rules.append(lambda value: (floor is None or value >= floor) and abs(value) <= max(2 * high, 20))
    if kinds == {str}:
        rules += _text_rules(values)
    if kinds and kinds <= {list, tuple, set, frozenset}:
        rules += _sequence_rules(values)
    if kinds == {dict}:
        keys, items = [k for value in values for k in value], [v for value in values for v in value.values()]
        inner = [(_rules(keys), _rules(items))]
        rules.append(
            lambda value: (
                all(r(k) for k in value for r in inner[0][0]) and all(r(v) for v in value.values() for r in inner[0][1])
            )
        )
    return rules


def _text_rules(values: list[str]) -> list[Callable[[str], bool]]:
    letters, largest = set("".join(values)), max(_LARGEST, max(map(len, values)))
    tests = (
        str.isupper,
        str.islower,
        str.isdigit,
        str.isalpha,
        bool,
        lambda text: text == text.strip(),
        lambda text: "  " not in text,
    )
    kept = [test for test in tests if all(test(value) for value in values)]
    few = len(letters) <= 12  # a small alphabet is a rule, of brackets or bits; a large one is a sample
    return [
        lambda text: len(text) <= largest and all(test(text) for test in kept) and (not few or set(text) <= letters)
    ]


def _sequence_rules(values: list) -> list[Callable[[Any], bool]]:
    largest = max(_LARGEST, max(map(len, values)))
    tests = (bool, _is_sorted, _is_sorted_back, _is_distinct, _is_level)
    long = [value for value in values if len(value) > 1]
    kept = [test for test in tests if all(map(test, values)) and (test is bool or len(long) > 2)]
    odd = all(len(value) % 2 for value in values) or all(len(value) % 2 == 0 for value in values)
    parity = len(values[0]) % 2 if odd and len(values) > 3 else None
    fixed = len(values[0]) if len({len(value) for value in values}) == 1 and len(values) > 2 else None
    inner = _rules([item for value in values for item in value])
    return [
        lambda value: len(value) <= largest and all(test(value) for test in kept),
        lambda value: parity is None or len(value) % 2 == parity,
        lambda value: fixed is None or len(value) == fixed,
        lambda value: all(rule(item) for item in value for rule in inner),
    ]


def _is_sorted(value: Any) -> bool:
    try:
        return list(value) == sorted(value)
    except TypeError:
        return False


def _is_sorted_back(value: Any) -> bool:
    try:
        return list(value) == sorted(value, reverse=True)
    except TypeError:
        return False


def _is_distinct(value: Any) -> bool:
    return len({repr(item) for item in value}) == len(value)


def _is_level(value: Any) -> bool:
    """Rows of one length, as a matrix has them."""
    return (
        bool(value)
        and all(isinstance(item, (list, tuple)) for item in value)
        and len({len(item) for item in value}) == 1
    )
