"""Pictures for people: left image, coloured inverse depth and error, one above the other."""

from __future__ import annotations

import cv2
import numpy as np

from ..core.depth import disparity_to_depth
from ..core.frame import Estimate
from .output import colour_error, colour_inverse_depth, encode_image, inverse_depth_range

ERROR_SCALE_PX = 4.0  # dark red in the error picture
_WIDTH = 420


def panels(estimate: Estimate, truth_disparity: np.ndarray | None) -> list[np.ndarray]:
    """Give left, coloured inverse depth and, with truth, coloured truth and error in pixels: (H, W, 3) uint8 each."""
    rig = estimate.rig
    if truth_disparity is None:
        return [estimate.left, colour_inverse_depth(estimate.depth)]
    truth = disparity_to_depth(truth_disparity, rig.left.fx, rig.baseline_m, rig.doffs_px)
    limits = inverse_depth_range(truth)
    # No answer where there is truth is the largest error, not a hole in the picture.
    error = np.where(np.isfinite(estimate.disparity), estimate.disparity - truth_disparity, ERROR_SCALE_PX)
    error = np.where(np.isfinite(truth_disparity), error, np.nan)
    pictures = [colour_inverse_depth(depth, limits) for depth in (estimate.depth, truth)]
    return [estimate.left, *pictures, colour_error(error, ERROR_SCALE_PX)]


def side_by_side(estimate: Estimate, truth_disparity: np.ndarray | None) -> np.ndarray:
    """The panels at full size in one row, (H, n W, 3) uint8 RGB."""
    return np.hstack(panels(estimate, truth_disparity))


def panel_jpeg(estimate: Estimate, truth_disparity: np.ndarray | None) -> bytes:
    """The panels below each other, small enough for a report that a phone opens: JPEG bytes."""
    height, width = estimate.left.shape[:2]
    size = (_WIDTH, max(1, round(height * _WIDTH / width)))
    small = [cv2.resize(panel, size, interpolation=cv2.INTER_AREA) for panel in panels(estimate, truth_disparity)]
    return encode_image(np.vstack(small), ".jpg", quality=80)
