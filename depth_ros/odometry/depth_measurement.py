"""The inverse depth of points, from a stereo pair or from a depth map, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.core.camera import Camera

from .tracking import coarse_disparity, match_right, sample, to_grey
from .types import EgoFrame

_SIGMA_PX = 0.15  # of a point where it was found first: what is followed is what was there
_BIAS_PX = 0.2  # of what a rectified pair may be off everywhere alike
# Of a depth map without a sigma of its own, as a share of depth: to begin with, between what
# depth cameras (0.3 % at 1.5 m: Khoshelham and Elberink 2012) and networks reach; and the limits of
# what is learned. A depth camera as it is sold bends space by more than it is noisy, which no
# comparison of two of its maps shows.
_REL_SIGMA = 0.02
_LEAST_REL = 0.005
_MOST_REL = 0.1
# Of a depth map whose sigma is 0: of an infinite weight nothing can be computed.
_EXACT_REL = 1e-4
_FEWEST = 20  # points of a keyframe that count
_MEMORY = 10.0  # keyframes over which is averaged
_QUARTILES = 1.349  # between the quartiles of a normal distribution, standard deviations
_EDGE = 0.1  # relative change of depth around a point beyond which it lies on an edge
_AROUND_PX = ((3, 0), (-3, 0), (0, 3), (0, -3))
# The relative error of the scale that a source has: a baseline; depth of a named source, such
# as a network; depth of a depth camera.
_STEREO_SCALE_SIGMA = 0.001
_NAMED_SCALE_SIGMA = 0.05
_DEPTH_SCALE_SIGMA = 0.01


@dataclass(frozen=True)
class Rig:
    """What must stay the same for frames to be compared, and the relative error of its scale."""

    camera: Camera
    baseline_m: float | None
    doffs_px: float
    scale_sigma: float


def rig_of(frame: EgoFrame) -> Rig:
    """Return the rig of a frame; baseline_m is None for one camera."""
    if frame.is_stereo:
        return Rig(frame.camera, frame.baseline_m, frame.doffs_px, _STEREO_SCALE_SIGMA)
    scale_sigma = _NAMED_SCALE_SIGMA if frame.scale else _DEPTH_SCALE_SIGMA
    return Rig(frame.camera, None, frame.doffs_px, scale_sigma)


def rig_sigma(frame: EgoFrame) -> float:
    """Return one standard deviation of the bias of inverse depth, 1/m: 0.2 px of disparity; 0 for
    one camera.
    """
    return _BIAS_PX / (frame.camera.fx * frame.baseline_m) if frame.is_stereo else 0.0


class RelativeSigma:
    """The sigma of a depth map that has none of its own, as a share of depth: learned from how much
    two frames disagree.

    Attributes:
        value: one standard deviation, relative.
    """

    def __init__(self):
        self.value = _REL_SIGMA
        self._frames = 0.0

    def learn(self, predicted: np.ndarray, measured: np.ndarray) -> None:
        """Take in the inverse depths of the same points in two frames.

        The middle half of their ratios counts (points on edges, blunders, and what moves do not),
        about its middle: an error of the motion that carried them is none of theirs. Both have the
        noise, hence half of the variance.

        Args:
            predicted: (N,) measured in one frame and carried over into another, 1/m.
            measured: (N,) measured there, NaN unknown.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.log(measured / predicted)
        ratio = ratio[np.isfinite(ratio)]
        if len(ratio) < _FEWEST:
            return
        low, high = np.percentile(ratio, (25, 75))
        sigma = (high - low) / _QUARTILES / np.sqrt(2)
        found = float(np.clip(sigma, _LEAST_REL, _MOST_REL))
        # geometric mean over the last frames
        self._frames = min(self._frames + 1.0, _MEMORY)
        self.value *= (found / self.value) ** (1 / self._frames)


def measure_points(
    frame: EgoFrame, grey: np.ndarray, pixels: np.ndarray, rel_sigma: float
) -> tuple[np.ndarray, np.ndarray]:
    """Measure points where they were found.

    Args:
        frame: with a right image or depth.
        grey: (H, W) uint8 of it.
        pixels: (N, 2) u, v.
        rel_sigma: of a depth map without a sigma of its own, as a share of depth.

    Returns:
        (N, 3) u, v in pixels and inverse depth in 1/m, 0 unknown; (N, 3) the standard deviations,
        inf unknown.
    """
    right = to_grey(frame.right) if frame.is_stereo else None
    coarse = None
    if frame.is_stereo and frame.depth is None:
        coarse = coarse_disparity(grey, right)
    inv, sigma_inv = measured_inverse(frame, grey, right, coarse, pixels, rel_sigma)
    seen = np.concatenate([pixels, np.nan_to_num(inv)[:, None]], 1).astype(np.float64)
    sigma = np.full(seen.shape, _SIGMA_PX)
    sigma[:, 2] = np.where(np.isfinite(inv), sigma_inv, np.inf)
    return seen, sigma


def measured_inverse(
    frame: EgoFrame,
    grey: np.ndarray,
    right: np.ndarray | None,
    coarse: np.ndarray | None,
    pixels: np.ndarray,
    rel_sigma: float = _REL_SIGMA,
) -> tuple[np.ndarray, np.ndarray]:
    """Measure the inverse depth of pixels.

    A point on an edge of a depth map has none: nobody knows on which side it lies.

    Args:
        frame: with a right image or depth, else nothing is known.
        grey: (H, W) uint8 of the left image.
        right: (H, W) uint8 of the right image, None for one camera.
        coarse: (H, W) disparity in pixels to begin at, where the frame has no depth; else None.
        pixels: (N, 2) u, v.
        rel_sigma: of a depth map without a sigma of its own, as a share of depth.

    Returns:
        (N,) inverse depths and (N,) standard deviations, 1/m, NaN unknown.
    """
    if frame.is_stereo:
        return _by_disparity(frame, grey, right, coarse, pixels)
    if frame.depth is None:
        unknown = np.full(len(pixels), np.nan)
        return unknown, unknown.copy()
    depth = sample(frame.depth, pixels)
    depth[~(depth > 0)] = np.nan
    with np.errstate(invalid="ignore"):
        for shift in _AROUND_PX:
            beside = sample(frame.depth, pixels + np.float32(shift))
            depth[np.abs(beside / depth - 1) > _EDGE] = np.nan
    sigma = rel_sigma * depth if frame.sigma_m is None else sample(frame.sigma_m, pixels)
    sigma = np.maximum(sigma, _EXACT_REL * depth)
    return 1 / depth, sigma / depth**2


def _by_disparity(frame, grey, right, coarse, pixels) -> tuple[np.ndarray, np.ndarray]:
    """As measured_inverse, of a stereo pair: 1 / z = (d + doffs) / (fx b)."""
    fb = frame.camera.fx * frame.baseline_m
    if coarse is None:
        with np.errstate(divide="ignore"):
            start_px = fb / sample(frame.depth, pixels) - frame.doffs_px
    else:
        start_px = sample(coarse, pixels)
    disparity, sigma_px = match_right(grey, right, pixels, start_px)
    inv = (disparity + frame.doffs_px) / fb
    inv[~(inv > 0)] = np.nan
    return inv, np.where(np.isfinite(inv), sigma_px / fb, np.nan)
