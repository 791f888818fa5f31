"""The inverse depth of points, from a stereo pair or from a depth map, and how sure it is."""

from __future__ import annotations

import numpy as np

from .frame import EgoFrame
from .tracking import match_right, sample

_BIAS_PX = 0.2  # of what a rectified pair may be off everywhere alike
_REL_SIGMA = 0.05  # of a depth map that does not say how sure it is
_EDGE = 0.1  # relative change of depth around a point beyond which it lies on an edge
_AROUND_PX = ((3, 0), (-3, 0), (0, 3), (0, -3))


def rig_sigma(frame: EgoFrame) -> float:
    """Give one standard deviation of the bias of inverse depth, 1/m: 0.2 px of disparity; 0 for one camera."""
    return _BIAS_PX / (frame.camera.fx * frame.baseline_m) if frame.is_stereo else 0.0


def measured_inverse(frame: EgoFrame, grey, right, coarse, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure the inverse depth of pixels (N, 2): values and standard deviations (N,), 1/m, NaN unknown.

    right: the right picture in grey, None for one camera. coarse: (H, W) disparity to begin at, where the frame has no
    depth. A point on an edge of a depth map has none: nobody knows on which side it lies.
    """
    if frame.is_stereo:
        fb = frame.camera.fx * frame.baseline_m
        if coarse is None:
            with np.errstate(divide="ignore"):
                guess = fb / sample(frame.depth, pixels) - frame.doffs_px
        else:
            guess = sample(coarse, pixels)
        disparity, sigma = match_right(grey, right, pixels, guess)
        inv = (disparity + frame.doffs_px) / fb
        inv[~(inv > 0)] = np.nan
        return inv, np.where(np.isfinite(inv), sigma / fb, np.nan)
    if frame.depth is None:
        return np.full(len(pixels), np.nan), np.full(len(pixels), np.nan)
    depth = sample(frame.depth, pixels)
    depth[~(depth > 0)] = np.nan
    with np.errstate(invalid="ignore"):
        for shift in _AROUND_PX:
            depth[np.abs(sample(frame.depth, pixels + np.float32(shift)) / depth - 1) > _EDGE] = np.nan
    sigma = _REL_SIGMA * depth if frame.sigma_m is None else sample(frame.sigma_m, pixels)
    return 1 / depth, sigma / depth**2
