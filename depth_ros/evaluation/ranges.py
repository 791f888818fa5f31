"""Accuracy by distance: sums of one frame, and the table that frames make together."""

from __future__ import annotations

import numpy as np

from .intervals import ratio_interval

EDGES_M = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0)
_FEWEST_PIXELS = 50  # over all frames: below, a row would be an anecdote
_TRUTH, _ANSWERED, _RELATIVE, _SQUARE, _GOOD = range(5)


def range_sums(depth: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Sum one frame by true distance: (len(EDGES_M) - 1, 5) float64.

    depth, truth: same shape, metres, NaN unknown. Columns: pixels with truth, answered ones, sum of
    |error| / truth, sum of squared error (m^2), answered ones within 25 % of the truth. An answer
    beyond the last edge counts as that edge, as in core.metrics.depth_metrics: one disparity near 0
    would else be all of a row's rmse.

    >>> range_sums(np.array([3.3, 4.0]), np.array([3.0, 4.0]))[2].round(3).tolist()
    [2.0, 2.0, 0.1, 0.09, 2.0]
    """
    truth = np.asarray(truth, np.float64).ravel()
    depth = np.asarray(depth, np.float64).ravel()
    with np.errstate(invalid="ignore"):
        judged = np.isfinite(truth) & (truth > 0) & (truth < EDGES_M[-1])
    t, p = truth[judged], depth[judged]
    answered = np.isfinite(p) & (p > 0)
    p = np.minimum(p, EDGES_M[-1])
    error = np.where(answered, p - t, 0.0)
    good = answered & (
        np.maximum(np.where(answered, p, 1) / t, t / np.where(answered, p, 1)) < 1.25
    )
    columns = (np.ones(len(t)), answered, np.abs(error) / t, error**2, good)
    places = np.digitize(t, EDGES_M) - 1
    return np.stack([np.bincount(places, column, len(EDGES_M) - 1) for column in columns], axis=1)


def by_range(frames: list[np.ndarray], in_order: bool = True) -> list[dict]:
    """Make the rows of the table from range_sums of every frame; distances hardly seen are left
    out.

    Each row: from_m, to_m, share_pct (of the pixels with truth), coverage, and over the answered
    pixels abs_rel, rmse_m, delta1, with 95 % intervals over frames abs_rel_ci and rmse_m_ci (absent
    below three frames).
    """
    if not frames:
        return []
    sums = np.stack(frames)
    total = sums.sum(0)
    rows = []
    for i, (truth, answered, relative, square, good) in enumerate(total):
        if truth < _FEWEST_PIXELS:
            continue
        row = {
            "from_m": EDGES_M[i],
            "to_m": EDGES_M[i + 1],
            "share_pct": 100 * truth / total[:, _TRUTH].sum(),
        }
        row["coverage"] = answered / truth
        if answered:
            row |= {
                "abs_rel": relative / answered,
                "rmse_m": (square / answered) ** 0.5,
                "delta1": good / answered,
            }
            count = sums[:, i, _ANSWERED]
            if interval := ratio_interval(sums[:, i, _RELATIVE], count, in_order):
                row["abs_rel_ci"] = interval
            if interval := ratio_interval(sums[:, i, _SQUARE], count, in_order):
                row["rmse_m_ci"] = [value**0.5 for value in interval]
        rows.append({k: v if isinstance(v, list) else float(v) for k, v in row.items()})
    return rows
