"""How long reading takes at worst: texts made from real ones by repeating, nesting and cutting.

    python -m tests.benchmarks.math_fuzz [--texts 10000] [--seed 0]

Each text, of up to 100,000 characters, is read as a completion and judged against a reference of several forms. Prints the
slowest in seconds of this thread's CPU, and each text that takes over a tenth of a second.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator

from tasks import MathReference
from tests.shared_data import SHARED
from verifiers import verify
from verifiers.mathematics.extraction.extract import extract

_SECONDS = 0.1
_MAX = 100_000  # characters
_PIECES = [
    "The answer is: 30", "the answer is $x$", "so it is ", "\\boxed{", "}", "$", "$$", "\\[", "\\]", "\\(", "(", ")", "{", "\\frac{1}{", "**", "*",
    "<think>", "</think>", "<answer>", "</answer>", "#### 5\n", "\n", " ", "\t", "=", "1,", "-", "or ", "\\text{so }", "\\begin{align}", "\\end{align}",
    "```python\n", "```", "<!--", "答案是", "Answer: ", "A: ", "because ", "Let x = 5. ", "\\left(", "\\right)", "^", "_", "\\sqrt", "1234567", "0.", "a b c ",
    "is 5 or 6 ", "(a) \\boxed{3} ", "- $x$\n", "\\\\", "|", "<|channel|>final<|message|>", "\"answer\": ", ".", "!", "$5 and ", "Therefore, ", "%", "≈", "x_{", "',",
]  # fmt: skip
_REFERENCES = [MathReference(answer) for answer in ("5", r"\frac{1}{2}", "x=1, y=2", "(2, 3)", "the moon is round")]


def texts(num: int, seed: int) -> Iterator[str]:
    """Texts made by repeating, nesting, cutting and mixing pieces and real completions."""
    choose = random.Random(seed)
    real = list(_PIECES)
    if SHARED is not None:
        rows = (SHARED / "bench" / "math_real_dev.jsonl").read_text().splitlines()
        real += [json.loads(row)["prediction"] for row in choose.sample(rows, 300)]
    for _ in range(num):
        size = int(10 ** choose.uniform(2, 5))
        form = choose.randrange(5)
        if form == 0:  # one piece, over and over
            piece = choose.choice(_PIECES + real)
            text = piece * (size // len(piece) + 1)
        elif form == 1:  # several, in turn
            piece = "".join(choose.choices(_PIECES, k=choose.randrange(2, 6)))
            text = piece * (size // len(piece) + 1)
        elif form == 2:  # nested
            opening, closing = choose.choice(
                [
                    ("\\boxed{", "}"),
                    ("(", ")"),
                    ("{", "}"),
                    ("\\frac{1}{", "}"),
                    ("\\sqrt{", "}"),
                    ("$(", ")$"),
                    ("<answer>", "</answer>"),
                    ("\\left(", "\\right)"),
                    ("\\text{", "}"),
                ]
            )
            depth = min(size // (len(opening) + len(closing)), 20_000)
            text = "The answer is " + opening * depth + "5" + closing * depth
        elif form == 3:  # real ones, cut at either end and repeated
            piece = choose.choice(real)
            piece = piece[choose.randrange(len(piece)) :] or piece
            text = piece * (size // len(piece) + 1)
        else:  # a mixture
            text = ""
            while len(text) < size:
                text += choose.choice(_PIECES) * choose.randrange(1, 200)
        yield text[-_MAX:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    slow, reading, judging = 0, 0.0, 0.0
    for number, text in enumerate(texts(options.texts, options.seed)):
        start = time.thread_time()
        extract(text)
        read = time.thread_time() - start
        verify(_REFERENCES[number % len(_REFERENCES)], text)
        judged = time.thread_time() - start - read
        reading, judging = max(reading, read), max(judging, judged)
        if read > _SECONDS:
            slow += 1
            print(f"{read:.2f} s: {len(text)} characters, {text[:60]!r} ... {text[-40:]!r}")
    print(
        f"{options.texts} texts; reading: slowest {reading:.3f} s, {slow} over {_SECONDS} s; a whole verdict: slowest {judging:.3f} s"
    )


if __name__ == "__main__":
    main()
