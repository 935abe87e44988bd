"""The power law of repeated sampling, -log pass@k = A * k ** -b, through a measured curve (Brown et al. 2024, section 3.1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selfplay.passk import pass_at_every_k
from selfplay.stopping import StoppingRule, pass_at_k_stopped

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """log(-log pass@k) = level + slope * log k."""

    coefficients: Floats  # level, slope
    covariance: Floats  # [2, 2], over tasks

    def at(self, k: int, deviations: float = 0.0) -> float:
        """pass@k, raised by so many standard errors."""
        direction = np.array([1.0, np.log(k)])
        spread = np.sqrt(direction @ self.covariance @ direction)
        return float(np.exp(-np.exp(direction @ self.coefficients - deviations * spread)))

    def exponent(self, deviations: float) -> tuple[float, float, float]:
        b, spread = -self.coefficients[1], deviations * np.sqrt(self.covariance[1, 1])
        return float(b - spread), float(b), float(b + spread)


def fit_power_law(ks: NDArray[np.int64], curves: Floats) -> PowerLaw | None:
    """The least-squares line through the mean of the curves [tasks, ks].

    None where fewer than 4 points lie strictly between 0 and 1. The covariance is that of the mean over tasks, carried
    through the fit to first order.
    """
    mean = curves.mean(axis=0) if len(curves) else np.zeros(len(ks))
    within = (mean > 0.0) & (mean < 1.0)
    if within.sum() < 4 or len(curves) < 2:
        return None
    ks, mean, curves = ks[within], mean[within], curves[:, within]
    fit = np.linalg.pinv(np.stack([np.ones(len(ks)), np.log(ks)], axis=1))
    influence = ((curves - mean) / (mean * np.log(mean))) @ fit.T
    return PowerLaw(fit @ np.log(-np.log(mean)), np.atleast_2d(np.cov(influence.T)) / len(curves))


def measure(
    n: NDArray[np.int64], c: NDArray[np.int64], rule: StoppingRule | None = None
) -> tuple[NDArray[np.int64], Floats]:
    """Up to 20 values of k, evenly spaced in log k, that every task measures, and pass@k there, shape [tasks, ks]."""
    most = int(n.min()) if rule is None else min(rule.cap, rule.give_up[0])
    ks = np.unique(np.round(np.geomspace(1, max(1, most), 20)).astype(int))
    if rule is None:
        return ks, pass_at_every_k(n, c, most)[:, ks - 1]
    curves = np.stack([pass_at_k_stopped(rule, c, n - c, int(k)) for k in ks], axis=1)
    return ks, curves[~np.isnan(curves).any(axis=1)]
