"""Pictures for people: left image, coloured inverse depth and error, one above the other."""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.core.depth import disparity_to_depth
from depth_ros.core.metrics import align
from depth_ros.core.types import Estimate
from depth_ros.recordings.output import (
    colour_error,
    colour_inverse_depth,
    encode_image,
    inverse_depth_range,
)

ERROR_SCALE_PX = 4.0  # dark red in the error picture
ERROR_SCALE_SHARE = 0.5  # the same in mono: of the true depth
_NAMES = ("image", "inverse depth", "truth", "error")  # of panels and mono_panels, in their order
_WIDTH = 420
_PICTURES = 120  # kept of a run: a report shows three, a long recording must not fill the memory


class Album:
    """Keep the pictures of at most 120 frames, spread over the run, the best and the worst among
    them.
    """

    def __init__(self, most: int = _PICTURES):
        self._most, self._kept = most, []

    def add(self, result) -> None:
        """Take a replay.evaluate.FrameResult in; where there are too many, some earlier ones
        give up their pictures.
        """
        self._kept.append(result)
        if len(self._kept) <= self._most:
            return
        judged = [one for one in self._kept if one.error is not None]
        extremes = (
            {id(one) for one in (min(judged, key=_error), max(judged, key=_error))}
            if judged
            else set()
        )
        stays = [i % 2 == 0 or id(one) in extremes for i, one in enumerate(self._kept)]
        for one, keep in zip(self._kept, stays, strict=True):
            one.picture = one.picture if keep else b""
        self._kept = [one for one, keep in zip(self._kept, stays, strict=True) if keep]


def _error(result) -> float:
    return result.error


def panels(estimate: Estimate, truth_disparity: np.ndarray | None) -> list[np.ndarray]:
    """Give left, coloured inverse depth and, with truth, coloured truth and error in pixels: (H,
    W, 3) uint8 each.
    """
    rig = estimate.rig
    if truth_disparity is None:
        return [estimate.left, colour_inverse_depth(estimate.depth)]
    truth = disparity_to_depth(truth_disparity, rig.left.fx, rig.baseline_m, rig.doffs_px)
    limits = inverse_depth_range(truth)
    # No answer where there is truth is the largest error, not a hole in the picture.
    error = np.where(
        np.isfinite(estimate.disparity), estimate.disparity - truth_disparity, ERROR_SCALE_PX
    )
    error = np.where(np.isfinite(truth_disparity), error, np.nan)
    pictures = [colour_inverse_depth(depth, limits) for depth in (estimate.depth, truth)]
    return [estimate.left, *pictures, colour_error(error, ERROR_SCALE_PX)]


def side_by_side(estimate: Estimate, truth_disparity: np.ndarray | None) -> np.ndarray:
    """The panels at full size in one row, (H, n W, 3) uint8 RGB."""
    return np.hstack(panels(estimate, truth_disparity))


def mono_panels(
    image: np.ndarray, depth: np.ndarray, truth: np.ndarray | None, scaling: str
) -> list[np.ndarray]:
    """Give image, coloured inverse depth and, with truth, coloured truth and relative error: (H, W,
    3) uint8 each.

    depth, truth: (H, W), NaN unknown. scaling: what core.metrics.align does to depth before it is
    shown beside truth. Sparse truth (lidar) is spread to its neighbours, so that it is seen.
    """
    if truth is None or not np.isfinite(truth).any():
        return [image, colour_inverse_depth(depth)]
    depth = align(depth, truth, scaling).astype(np.float32)
    error = np.where(np.isfinite(depth), (depth - truth) / truth, ERROR_SCALE_SHARE)
    error = np.where(np.isfinite(truth), error, np.nan)
    if np.isfinite(truth).mean() < 0.2:
        truth, error = _spread(truth), _spread(np.abs(error))
    limits = inverse_depth_range(truth)
    return [
        image,
        *(colour_inverse_depth(d, limits) for d in (depth, truth)),
        colour_error(error, ERROR_SCALE_SHARE),
    ]


def _spread(values: np.ndarray) -> np.ndarray:
    """Give unknown pixels the largest value within three pixels, for the eye only."""
    known = np.where(np.isfinite(values), values, -1).astype(np.float32)
    wide = cv2.dilate(known, np.ones((7, 7), np.uint8))
    return np.where(wide >= 0, wide, np.float32(np.nan))


def panels_to_jpeg(pictures: list[np.ndarray]) -> bytes:
    """The panels below each other, each with its name, small enough for a report that a phone
    opens: JPEG bytes.
    """
    height, width = pictures[0].shape[:2]
    size = (_WIDTH, max(1, round(height * _WIDTH / width)))
    small = [cv2.resize(panel, size, interpolation=cv2.INTER_AREA) for panel in pictures]
    for panel, name in zip(small, _NAMES):
        _write_on(panel, name)
    return encode_image(np.vstack(small), ".jpg", quality=80)


def _write_on(picture: np.ndarray, words: str) -> None:
    """Write in a corner, white on black, so that it is read on any picture."""
    (width, height), below = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)
    cv2.rectangle(picture, (0, 0), (width + 6, height + below + 4), (0, 0, 0), -1)
    cv2.putText(
        picture,
        words,
        (3, height + 3),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.4,
        (255, 255, 255),
        1,
        cv2.LINE_AA,
    )
