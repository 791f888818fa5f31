"""Is the uncertainty true? Errors in units of sigma, errors beside sigma, and what sorting by
sigma gains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIGMA_KEYS = (
    "within_1_sigma_pct",
    "within_2_sigma_pct",
    "median_ratio",
    "ause",
    "aurg",
    "share_of_oracle",
)
Z_EDGES = np.linspace(0, 5, 51)  # |error| / sigma
SIGMA_EDGES = np.geomspace(0.002, 1.0, 16)  # sigma / depth
_STEPS = 20  # of the sparsification
_MOST = 20_000  # pixels that are sorted: enough for three digits
GAUSS_1, GAUSS_2, GAUSS_MEDIAN = 68.27, 95.45, 0.6745


@dataclass(frozen=True, eq=False)
class SigmaFrame:
    """Sums of one frame: z (51) counts over Z_EDGES and beyond; binned (17, 3): pixels, sum of
    (sigma/depth)^2, sum of (error/depth)^2 by SIGMA_EDGES; ause, aurg: of abs_rel (Poggi et al.
    2020)."""

    z: np.ndarray
    binned: np.ndarray
    ause: float
    aurg: float


def sigma_frame(depth: np.ndarray, sigma: np.ndarray, truth: np.ndarray) -> SigmaFrame | None:
    """Judge sigma of one frame; None where it has no pixel with depth, sigma and truth.

    depth, sigma, truth: (H, W), one unit, NaN unknown. A common factor of all three changes
    nothing.
    """
    with np.errstate(invalid="ignore"):
        known = (
            np.isfinite(depth)
            & np.isfinite(sigma)
            & np.isfinite(truth)
            & (sigma > 0)
            & (truth > 0)
            & (depth > 0)
        )
    if not known.any():
        return None
    d, s, t = (np.asarray(values[known], np.float64) for values in (depth, sigma, truth))
    z = np.histogram(np.abs(d - t) / s, [*Z_EDGES, np.inf])[0]
    places = np.digitize(s / d, SIGMA_EDGES)
    columns = (np.ones(len(d)), (s / d) ** 2, ((d - t) / d) ** 2)
    binned = np.stack(
        [np.bincount(places, column, len(SIGMA_EDGES) + 1) for column in columns], axis=1
    )
    step = max(1, len(d) // _MOST)
    return SigmaFrame(z, binned, *sparsification((np.abs(d - t) / t)[::step], (s / d)[::step]))


def sparsification(error: np.ndarray, sigma: np.ndarray) -> tuple[float, float]:
    """Measure what leaving out the least sure pixels gains: ause (to the oracle) and aurg (to
    chance), of mean error.

    error, sigma: (N). Areas between the curves of the mean error that remains as 0, 5, ... 95 % are
    left out (Poggi et al. 2020). ause is 0 for a perfect order; aurg is 0 for none.

    >>> sparsification(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.1, 0.2, 0.3, 0.4]))[0]
    0.0
    """

    def curve(order):
        means = np.cumsum(error[order]) / np.arange(1, len(error) + 1)
        kept = np.ceil(len(error) * (1 - np.arange(_STEPS) / _STEPS)).astype(int)
        return float(means[kept - 1].mean())

    by_sigma, oracle = (
        curve(np.argsort(sigma, kind="stable")),
        curve(np.argsort(error, kind="stable")),
    )
    return by_sigma - oracle, float(error.mean()) - by_sigma


def sigma_figures(frames: list[SigmaFrame]) -> dict:
    """Give the figures of SIGMA_KEYS over frames; {} without any.

    within_k_sigma_pct: share of pixels whose error is below k sigma (Gauss: 68.3 and 95.4).
    median_ratio: by what to multiply sigma so that half of the errors lie within 0.674 sigma: 1 is
    right, above 1 too sure. share_of_oracle: aurg / (aurg + ause).
    """
    if not frames:
        return {}
    cumulated = np.concatenate([[0], np.cumsum(sum(frame.z for frame in frames))])
    shares = cumulated / cumulated[-1]
    ause, aurg = (
        float(np.mean([getattr(frame, name) for frame in frames])) for name in ("ause", "aurg")
    )
    figures = {
        "within_1_sigma_pct": 100 * float(shares[10]),
        "within_2_sigma_pct": 100 * float(shares[20]),
    }
    if shares[50] > 0.5:  # else the median lies beyond 5 sigma
        figures["median_ratio"] = float(np.interp(0.5, shares[:51], Z_EDGES)) / GAUSS_MEDIAN
    figures |= {"ause": ause, "aurg": aurg}
    if ause + aurg > 0:
        figures["share_of_oracle"] = aurg / (aurg + ause)
    return figures


def reliability(frames: list[SigmaFrame]) -> tuple[np.ndarray, np.ndarray]:
    """Give (said, found): rms of sigma / depth and of error / depth in the bins with at least 1
    % of the pixels.
    """
    total = sum(frame.binned for frame in frames)
    rows = total[total[:, 0] > 0.01 * total[:, 0].sum()]
    return (rows[:, 1] / rows[:, 0]) ** 0.5, (rows[:, 2] / rows[:, 0]) ** 0.5


def shares_within(frames: list[SigmaFrame]) -> np.ndarray:
    """Give the share of errors below Z_EDGES times sigma, (51)."""
    counts = sum(frame.z for frame in frames)
    return np.concatenate([[0], np.cumsum(counts)[:-1]]) / counts.sum()
