"""`selfplay tasks ... --attack`: cheap answers on every final answer, and the references that accept one."""

import json
import subprocess
import sys

LAX = '''
from dataclasses import dataclass

from verifiers.answers import AnswerVerifier


@dataclass(frozen=True)
class Lax:
    value: int
    kind: str = "lax:LaxVerifier"


class LaxVerifier(AnswerVerifier):
    """Accepts each answer that holds the value."""

    reference = Lax
    version = "lax:LaxVerifier@1"

    def extract(self, completion):
        return completion

    def compare(self, reference, answer):
        return str(reference.value) in answer

    def own_answer(self, reference):
        return str(reference.value)
'''
QUESTION = "Tom has 31 pens and buys 42. How many has he?"


def attacked(folder, *references):
    rows = [
        {"id": f"t{number}", "prompt": QUESTION, "reference": reference} for number, reference in enumerate(references)
    ]
    (folder / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "lax.py").write_text(LAX)
    command = ["tasks", "files", "--set", "path=tasks.jsonl", "--set", "reference=reference", "--attack", "--show", "0"]
    program = [sys.executable, "-c", "from selfplay.cli import main; main()", *command]
    return subprocess.run(program, capture_output=True, text=True, cwd=folder)


def test_references_that_accept_a_cheap_answer_are_listed_and_those_of_mathematics_are_not(tmp_path):
    sound = [{"kind": "math", "answer": answer} for answer in ("73", "\\frac{1}{2}", "x=1, y=2")]
    done = attacked(tmp_path, {"kind": "lax:LaxVerifier", "value": 31}, *sound)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "repeats the question" in done.stdout and "31, 42" in done.stdout
    assert "4 tasks, 1 exploitable" in done.stdout
