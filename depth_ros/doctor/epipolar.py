"""Epipolar error of a rectified pair from matched features: what a wrong calibration does to
stereo.
"""

from __future__ import annotations

import numpy as np

from depth_ros.recordings.disparity_range import LEAST_MATCHES, matched_offsets

_SEARCH_PX = 24  # matches further apart vertically are mismatches


def epipolar_error(left: np.ndarray, right: np.ndarray) -> tuple[float, float, int] | None:
    """Measure by how much corresponding points miss their common row.

    Args:
        left: (H, W, 3) uint8 RGB, rectified.
        right: The same of the right camera.

    Returns:
        (median |v_left - v_right| px, median disparity px, number of matches); None where too few
        features match.
    """
    offsets = matched_offsets(left, right)
    near = offsets[np.abs(offsets[:, 1]) <= _SEARCH_PX]
    if len(near) < LEAST_MATCHES:
        return None
    median_row_px = float(np.median(np.abs(near[:, 1])))
    median_disparity_px = float(np.median(near[:, 0]))
    return median_row_px, median_disparity_px, len(near)
