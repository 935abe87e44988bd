"""What the step checks find in real completions, and how fast.

    python -m tests.benchmarks.steps

Reads the stored model solutions of GSM8K (four models a problem, marked correct or not) and human solutions of GSM8K and
MATH from the folder of real data.
"""

import json
import time

from selfplay.selection.step_checks import equations
from tests.shared_data import SHARED


def main() -> None:
    if SHARED is None:
        print("skipped: the folder of real data is absent (SELFPLAY_SHARED)")
        return
    groups: dict[str, list[str]] = {}
    for line in (SHARED / "data" / "gsm8k_model_solutions.jsonl").open():
        for name, value in json.loads(line).items():
            if isinstance(value, dict):
                groups.setdefault(f"{name}, {'correct' if value['is_correct'] else 'wrong'}", []).append(
                    value["solution"]
                )
    groups["gsm8k train, by people"] = [
        json.loads(line)["answer"] for line in (SHARED / "data" / "gsm8k_train.jsonl").open()
    ]
    groups["math500, by people"] = [json.loads(line)["solution"] for line in (SHARED / "data" / "math500.jsonl").open()]
    print(
        f"{'solutions':<32}{'number':>8}{'equations':>11}{'with a wrong annotation':>25}{'with any wrong equation':>25}{'CPU us each':>13}"
    )
    for name, texts in groups.items():
        started = time.process_time()
        found = [list(equations(text)) for text in texts]
        microseconds = (time.process_time() - started) / len(texts) * 1e6
        slips = sum(any(not equation.right and equation.annotation for equation in each) for each in found)
        wrong = sum(any(not equation.right for equation in each) for each in found)
        shares = "".join(f"{count:>16} {count / len(texts):>7.2%} " for count in (slips, wrong))
        print(f"{name:<32}{len(texts):>8}{sum(map(len, found)):>11}{shares}{microseconds:>12.0f}")


if __name__ == "__main__":
    main()
