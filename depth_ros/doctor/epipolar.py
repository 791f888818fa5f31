"""Epipolar error of a rectified pair from matched features: what a wrong calibration does to
stereo.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

_FEATURES = 1500
_RATIO = 0.8  # Lowe's test
_SEARCH_PX = 24  # matches further apart vertically are mismatches, unless nothing else is there
_LEAST = 20
_SAME_ROW_PX = 2.0


def matched_offsets(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Match SIFT features both ways and give their offsets.

    left, right: (H, W, 3) uint8 RGB, rectified. Returns (N, 2) float64 pixels: u_left - u_right
    (the disparity) and v_left - v_right (0 in a perfect pair); N may be 0. SIFT because it finds
    subpixel positions: ORB's lie on the pixel grid, and most offsets of half a pixel would come out
    as exactly 0.
    """
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (left, right)]
    sift = cv2.SIFT_create(_FEATURES)
    (points_l, words_l), (points_r, words_r) = (
        sift.detectAndCompute(image, None) for image in grey
    )
    if words_l is None or words_r is None or min(len(words_l), len(words_r)) < 2:
        return np.empty((0, 2))
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    forward, backward = _best(matcher, words_l, words_r), _best(matcher, words_r, words_l)
    offsets = [
        np.subtract(points_l[a].pt, points_r[b].pt)
        for a, b in forward.items()
        if backward.get(b) == a
    ]
    return np.array(offsets, np.float64).reshape(-1, 2)


def epipolar_error(left: np.ndarray, right: np.ndarray) -> tuple[float, float, int] | None:
    """Give (median |v_left - v_right| px, median disparity px, number of matches); None where
    too few match.
    """
    offsets = matched_offsets(left, right)
    near = offsets[np.abs(offsets[:, 1]) <= _SEARCH_PX]
    if len(near) < _LEAST:
        return None
    return float(np.median(np.abs(near[:, 1]))), float(np.median(near[:, 0])), len(near)


def disparity_reach(left: np.ndarray, right: np.ndarray) -> float | None:
    """Give the largest disparity of matched features (98th percentile), pixels; None where too
    few match.
    """
    offsets = matched_offsets(left, right)
    disparity = offsets[(np.abs(offsets[:, 1]) <= _SAME_ROW_PX) & (offsets[:, 0] > 0), 0]
    if len(disparity) < _LEAST:
        return None
    return float(np.percentile(disparity, 98))


def range_of(reach_px: float) -> int:
    """Give the range to search where features reach so far: a quarter more, as they miss the
    nearest things.

    >>> range_of(45.0)
    64
    """
    return 16 * math.ceil(1.25 * reach_px / 16)


def _best(matcher, queries: np.ndarray, trained: np.ndarray) -> dict[int, int]:
    """The unambiguous nearest neighbour of each descriptor."""
    found = matcher.knnMatch(queries, trained, k=2)
    return {
        a.queryIdx: a.trainIdx
        for a, b in (pair for pair in found if len(pair) == 2)
        if a.distance < _RATIO * b.distance
    }
