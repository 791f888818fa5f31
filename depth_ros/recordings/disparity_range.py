"""The disparity range of a rectified pair, estimated from matched features."""

from __future__ import annotations

import math

import cv2
import numpy as np

LEAST_MATCHES = 20  # fewer say nothing about a pair
_FEATURES = 1500
_RATIO = 0.8  # Lowe's test
_SAME_ROW_PX = 2.0
_REACH_PCT = 98
_STEP_PX = 16  # SGBM and the networks search multiples of it
_HEADROOM = 1.25


def matched_offsets(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Match SIFT features of a pair in both directions.

    SIFT because it finds subpixel positions: ORB's lie on the pixel grid, and most offsets of half
    a pixel would come out as exactly 0. A match is unambiguous where the nearest descriptor is
    clearly nearer than the second (Lowe, "Distinctive image features from scale-invariant
    keypoints", IJCV 2004, section 7.1).

    Args:
        left: (H, W, 3) uint8 RGB, rectified.
        right: The same of the right camera.

    Returns:
        (N, 2) float64 pixels: u_left - u_right, the disparity, and v_left - v_right, which is 0 in
        a perfect pair. N may be 0.
    """
    sift = cv2.SIFT_create(_FEATURES)
    left_points, left_descriptors = sift.detectAndCompute(_grey(left), None)
    right_points, right_descriptors = sift.detectAndCompute(_grey(right), None)
    if len(left_points) < 2 or len(right_points) < 2:
        return np.empty((0, 2))
    forward = _best(left_descriptors, right_descriptors)
    backward = _best(right_descriptors, left_descriptors)
    offsets = []
    for left_index, right_index in forward.items():
        if backward.get(right_index) == left_index:
            here = left_points[left_index].pt
            there = right_points[right_index].pt
            offsets.append(np.subtract(here, there))
    return np.array(offsets, np.float64).reshape(-1, 2)


def disparity_reach(left: np.ndarray, right: np.ndarray) -> float | None:
    """Estimate the largest disparity of a pair.

    Args:
        left: (H, W, 3) uint8 RGB, rectified.
        right: The same of the right camera.

    Returns:
        The 98th percentile of the matched features' disparities, pixels; None where too few match.
    """
    offsets = matched_offsets(left, right)
    is_usable = (np.abs(offsets[:, 1]) <= _SAME_ROW_PX) & (offsets[:, 0] > 0)
    disparity_px = offsets[is_usable, 0]
    if len(disparity_px) < LEAST_MATCHES:
        return None
    return float(np.percentile(disparity_px, _REACH_PCT))


def range_of(reach_px: float) -> int:
    """Return the range to search where features reach so far.

    It is a quarter more, as features miss the nearest surfaces, in steps of 16 px.

    >>> range_of(45.0)
    64
    """
    return _STEP_PX * math.ceil(_HEADROOM * reach_px / _STEP_PX)


def _grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _best(queries: np.ndarray, trained: np.ndarray) -> dict[int, int]:
    """The unambiguous nearest neighbour of each descriptor."""
    best = {}
    for candidates in cv2.BFMatcher(cv2.NORM_L2).knnMatch(queries, trained, k=2):
        if len(candidates) < 2:
            continue
        first, second = candidates
        if first.distance < _RATIO * second.distance:
            best[first.queryIdx] = first.trainIdx
    return best
