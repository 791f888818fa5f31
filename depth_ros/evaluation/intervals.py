"""How sure a mean over frames is: a bootstrap that knows that neighbouring frames resemble each
other.
"""

from __future__ import annotations

import numpy as np

RESAMPLES = 1000
_PARTS = (2.5, 97.5)  # percent: a 95 % interval


def resampled(count: int, in_order: bool = True, seed: int = 0) -> np.ndarray:
    """Draw frames with replacement: (RESAMPLES, count) indices below count.

    Circular block bootstrap (Politis and Romano 1992): whole blocks of neighbours, about the square
    root of count long, since frames of a clip that show the same wall are not independent. in_order
    False: single frames, for scenes that have nothing to do with each other. seed: the same figures
    every time.

    >>> resampled(4).shape
    (1000, 4)
    """
    length = max(1, round(count**0.5)) if in_order else 1
    starts = np.random.default_rng(seed).integers(0, count, (RESAMPLES, -(-count // length)))
    blocks = starts[:, :, None] + np.arange(length)
    return (blocks.reshape(RESAMPLES, -1) % count)[:, :count]


def mean_interval(values, in_order: bool = True) -> list[float] | None:
    """Give [low, high] that hold the mean of values (N) with 95 %; None below three values, NaN are
    left out.

    >>> mean_interval([2.0, 2.0, 2.0, 2.0])
    [2.0, 2.0]
    """
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    return ratio_interval(values, np.ones(len(values)), in_order)


def ratio_interval(sums, counts, in_order: bool = True) -> list[float] | None:
    """Give [low, high] of sum(sums) / sum(counts) over frames with 95 %.

    sums, counts: (N), one per frame, of which the quotient is a mean over pixels. None where fewer
    than three frames count anything: two frames do not tell how frames differ.
    """
    sums, counts = np.asarray(sums, np.float64), np.asarray(counts, np.float64)
    if np.count_nonzero(counts) < 3:
        return None
    chosen = resampled(len(sums), in_order)
    below = counts[chosen].sum(1)
    means = sums[chosen].sum(1)[below > 0] / below[below > 0]
    return [float(value) for value in np.percentile(means, _PARTS)]
