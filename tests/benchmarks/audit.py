"""Audits of simulated populations: how often the 95% interval holds the true rate, and its width against a plain draw's.

    python -m tests.benchmarks.audit [--draws 200] [--labels 200]

Twelve populations of 30,000 correct verdicts: four rates of false accepts, each with none, half and nine tenths of the faults
among the suspicious traces (a tenth of all, of three kinds). Drawn as `selfplay audit` draws, judged without error. The plain
draw takes as many traces from the whole population at random; its width is given with Wilson's interval and with ours.
"""

import argparse
from functools import cache
from math import sqrt

import numpy as np

from selfplay.audit.drawing import shared_by_need
from selfplay.estimators.stratified import Stratum, stratified_rate

RATES = (0.001, 0.005, 0.02, 0.1)
known_rate = cache(stratified_rate)
SHARES = (0.0, 0.5, 0.9)  # of the faults, among the suspicious
SIZES = {
    ("correct", True, "math", False): 18_000,
    ("correct", True, "programs", False): 6_500,
    ("correct", False, "math", False): 2_500,
    ("correct", True, "math", True): 2_000,
    ("correct", False, "math", True): 700,
    ("correct", True, "programs", True): 300,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--labels", type=int, default=200)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    sizes = np.array(list(SIZES.values()))
    suspicious = np.array([stratum[3] for stratum in SIZES])
    counts = np.array(list(shared_by_need(SIZES, given.labels).values()))
    print(f"{given.labels} labels, {given.draws} draws each; drawn of the strata: {', '.join(map(str, counts))}")
    print(
        f"{'rate':>6} {'suspicious':>10} {'covered':>8} {'width':>8} {'Wilson':>8} {'ratio':>6} {'ours':>8} {'ratio':>6}"
    )
    covered_in_all = []
    for rate in RATES:
        for share in SHARES:
            total = rate * sizes.sum()
            among = (
                min(share * total, 0.7 * sizes[suspicious].sum())
                if share
                else total * sizes[suspicious].sum() / sizes.sum()
            )
            rates = np.where(suspicious, among / sizes[suspicious].sum(), (total - among) / sizes[~suspicious].sum())
            faults = np.round(rates * sizes).astype(int)
            truth = faults.sum() / sizes.sum()
            covered, widths = [], []
            for _ in range(given.draws):
                seen = rng.hypergeometric(faults, sizes - faults, counts)
                found = known_rate(tuple(Stratum(*map(int, row)) for row in zip(sizes, counts, seen, strict=True)))
                covered.append(found.low - 1e-12 <= truth <= found.high + 1e-12)
                widths.append(found.high - found.low)
            drawn = rng.hypergeometric(faults.sum(), sizes.sum() - faults.sum(), counts.sum(), given.draws)
            plain = [known_rate((Stratum(int(sizes.sum()), int(counts.sum()), int(seen)),)) for seen in drawn]
            wide = np.mean([found.high - found.low for found in plain])
            wilson = np.mean([wilson_width(int(seen), int(counts.sum())) for seen in drawn])
            covered_in_all += covered
            print(
                f"{truth:6.3%} {among / total:10.0%} {np.mean(covered):8.1%} {np.mean(widths):8.4f} {wilson:8.4f} "
                f"{np.mean(widths) / wilson:6.2f} {wide:8.4f} {np.mean(widths) / wide:6.2f}",
                flush=True,
            )
    print(f"over all: {np.mean(covered_in_all):.1%}")


def wilson_width(faults: int, drawn: int, z: float = 1.96) -> float:
    return 2 * z / (drawn + z * z) * sqrt(faults * (drawn - faults) / drawn + z * z / 4)


if __name__ == "__main__":
    main()
