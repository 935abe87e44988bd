"""pass@k at every k for 128 tasks of 10,000 samples: seconds and error.

python -m tests.benchmarks.passk
"""

import time
from fractions import Fraction
from math import comb

import numpy as np

from selfplay.estimators.intervals import over_tasks
from selfplay.estimators.passk import pass_at_every_k, pass_at_k


def main() -> None:
    rng = np.random.default_rng(0)
    n, c = np.full(128, 10_000), rng.binomial(10_000, rng.beta(0.40, 1.34, 128))
    began = time.perf_counter()
    curves = pass_at_every_k(n, c)
    every = time.perf_counter() - began
    began = time.perf_counter()
    mean = curves.mean(axis=0)
    ks = np.unique(np.round(np.geomspace(1, 10_000, 40)).astype(int))
    intervals = [over_tasks(curves[:, k - 1]) for k in ks]
    bands = time.perf_counter() - began
    errors = []
    for task in range(0, 128, 8):
        for k in (1, 10, 333, 5000, 9999):
            exact = float(1 - Fraction(comb(10_000 - int(c[task]), k), comb(10_000, k)))
            errors += [abs(curves[task, k - 1] - exact), abs(pass_at_k([10_000], [c[task]], k)[0] - exact)]
    print(f"every k of 128 tasks x 10,000 samples   {every:.3f} s   (bar: under 1 s)")
    print(f"mean and bootstrap intervals at {len(ks)} k    {bands:.3f} s")
    print(f"largest error against rationals         {max(errors):.1e} (bar: 1e-12)")
    print(
        f"pass@1 {mean[0]:.4f}, pass@100 {mean[99]:.4f} [{intervals[-1].low:.3f}, {intervals[-1].high:.3f}] at 10,000"
    )


if __name__ == "__main__":
    main()
