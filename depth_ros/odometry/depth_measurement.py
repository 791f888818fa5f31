"""The inverse depth of points, from a stereo pair or from a depth map, and how sure it is."""

from __future__ import annotations

import numpy as np

from .tracking import match_right, sample
from .types import EgoFrame

_BIAS_PX = 0.2  # of what a rectified pair may be off everywhere alike
# Of a depth map that does not say how sure it is, as a share of depth: to begin with, between what
# depth cameras (0.3 % at 1.5 m: Khoshelham and Elberink 2012) and networks reach; and the limits of
# what is learned. A depth camera as it is sold bends space by more than it is noisy, which no
# comparison of two of its maps shows.
_REL_SIGMA, _LEAST_REL, _MOST_REL = 0.02, 0.005, 0.1
_EXACT_REL = (
    1e-4  # of a depth map that says it is exact: of a weight without end nothing can be computed
)
_FEWEST, _MEMORY = 20, 10.0  # points of a keyframe that count; keyframes over which is averaged
_EDGE = 0.1  # relative change of depth around a point beyond which it lies on an edge
_AROUND_PX = ((3, 0), (-3, 0), (0, 3), (0, -3))


def rig_sigma(frame: EgoFrame) -> float:
    """Give one standard deviation of the bias of inverse depth, 1/m: 0.2 px of disparity; 0 for
    one camera.
    """
    return _BIAS_PX / (frame.camera.fx * frame.baseline_m) if frame.is_stereo else 0.0


class RelativeSigma:
    """How sure a depth map is that does not say it, as a share of depth: by how much two frames
    disagree.
    """

    def __init__(self):
        self.value, self._frames = _REL_SIGMA, 0.0

    def learn(self, predicted: np.ndarray, measured: np.ndarray) -> None:
        """Take in the inverse depths (N,) of the same points, carried over from one frame and
        measured in another.

        The middle half of their ratios counts (points on edges, blunders, and what moves do not),
        about its middle: an error of the motion that carried them is none of theirs. Both have the
        noise, hence half of the variance.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.log(measured / predicted)
        ratio = ratio[np.isfinite(ratio)]
        if len(ratio) < _FEWEST:
            return
        low, high = np.percentile(ratio, (25, 75))
        found = float(
            np.clip((high - low) / 1.349 / np.sqrt(2), _LEAST_REL, _MOST_REL)
        )  # of a normal distribution
        self._frames = min(self._frames + 1.0, _MEMORY)
        self.value *= (found / self.value) ** (1 / self._frames)


def measured_inverse(
    frame: EgoFrame, grey, right, coarse, pixels: np.ndarray, rel_sigma: float = _REL_SIGMA
) -> tuple[np.ndarray, np.ndarray]:
    """Measure the inverse depth of pixels (N, 2): values and standard deviations (N,), 1/m, NaN
    unknown.

    right: the right picture in grey, None for one camera. coarse: (H, W) disparity to begin at,
    where the frame has no depth. rel_sigma: of a depth map that does not say how sure it is, as a
    share of depth. A point on an edge of a depth map has none: nobody knows on which side it lies.
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
            depth[np.abs(sample(frame.depth, pixels + np.float32(shift)) / depth - 1) > _EDGE] = (
                np.nan
            )
    sigma = rel_sigma * depth if frame.sigma_m is None else sample(frame.sigma_m, pixels)
    sigma = np.maximum(sigma, _EXACT_REL * depth)
    return 1 / depth, sigma / depth**2
