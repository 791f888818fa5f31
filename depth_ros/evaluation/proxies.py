"""What can be said without ground truth: does depth agree with itself and with the pictures?
Proxies, not accuracy.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import DepthRosError
from depth_ros.core.lie import inverse
from depth_ros.core.projection import pixel_grid, project, transform_points, unproject
from depth_ros.core.types import Estimate, Frame

PROXY_KEYS = ("photometric_grey", "left_right_off_pct", "temporal_pct")
PROXY_WORDS = {
    "photometric_grey": "photometric error: the other picture, moved by the depth, against this one"
    " (mean difference of grey, 0 to 255)",
    "left_right_off_pct": (
        "left-right consistency: pixels whose disparity differs by more than 1 px from the one"
        " seen from the right (%)"
    ),
    "temporal_pct": (
        "temporal consistency: depth against that of the frame before, moved by the motion"
        " (median difference, %)"
    ),
}
_LEFT_RIGHT_FRAMES = 10  # each costs an inference of its own


class Proxies:
    """Judge frames in order by the estimator's own answers.

    estimator: to ask for the right camera's disparity; None: nobody can be asked.
    total: frames to expect; left-right is done on about ten.
    """

    def __init__(self, estimator, total: int):
        self._estimator, self._every = estimator, max(1, total // _LEFT_RIGHT_FRAMES)
        self._count = 0
        self._last: Estimate | None = None

    def update(self, frame: Frame, estimate: Estimate, prev_T_curr: np.ndarray | None) -> dict:
        """Give what can be had of PROXY_KEYS for one frame.

        frame: rectified, as estimated. prev_T_curr: (4, 4) to the frame before, metres, or None.
        """
        figures, last = {}, self._last
        if estimate.disparity is not None and estimate.right is not None:
            figures["photometric_grey"] = photometric_stereo(
                estimate.left, estimate.right, estimate.disparity
            )
            if self._estimator is not None and self._count % self._every == 0:
                figures["left_right_off_pct"] = self._left_right(frame, estimate.disparity)
        if (
            last is not None
            and prev_T_curr is not None
            and estimate.depth is not None
            and last.depth is not None
        ):
            figures["temporal_pct"] = temporal(
                last.depth, last.camera, estimate.depth, estimate.camera, prev_T_curr
            )
            if estimate.disparity is None:
                figures["photometric_grey"] = photometric_motion(estimate, last, prev_T_curr)
        self._count, self._last = self._count + 1, estimate
        return {
            key: value for key, value in figures.items() if value is not None and np.isfinite(value)
        }

    def forget(self) -> None:
        """Say that the frames before have nothing to do with the next one."""
        self._last = None

    def _left_right(self, frame: Frame, disparity: np.ndarray) -> float | None:
        """Ask for the mirrored pair, whose left camera is the right one."""
        try:
            seen_from_right = self._estimator.estimate(mirrored(frame)).disparity
        except DepthRosError:
            return None
        return left_right_off_pct(disparity, seen_from_right[:, ::-1])


def mirrored(frame: Frame) -> Frame:
    """Give the pair as in a mirror: the right camera becomes the left one, disparities stay
    positive.
    """
    left = frame.rig.left
    camera = replace(left, cx=left.width - 1 - (left.cx + frame.rig.doffs_px))
    pictures = {"left": frame.right[:, ::-1].copy(), "right": frame.left[:, ::-1].copy()}
    return replace(frame, **pictures, rig=replace(frame.rig, left=camera), camera=None)


def left_right_off_pct(
    disparity: np.ndarray, from_right: np.ndarray, limit_px: float = 1.0
) -> float | None:
    """Measure the share of pixels whose two disparities differ by more than limit_px, of those seen
    by both; percent.

    disparity: (H, W) of the left picture; from_right: (H, W) of the right one, at right pixels; NaN
    unknown.

    >>> left_right_off_pct(np.full((2, 8), 3.0), np.full((2, 8), 3.5))
    0.0
    """
    v, u = np.mgrid[: disparity.shape[0], : disparity.shape[1]]
    there = np.rint(u - np.where(np.isfinite(disparity), disparity, np.inf))
    inside = there >= 0
    other = from_right[v[inside], there[inside].astype(int)]
    known = np.isfinite(other)
    if not known.any():
        return None
    return float(100 * np.mean(np.abs(disparity[inside] - other)[known] > limit_px))


def photometric_stereo(left: np.ndarray, right: np.ndarray, disparity: np.ndarray) -> float | None:
    """Compare left with right moved by the disparity: mean absolute difference of grey over the
    pixels that land.
    """
    grid = pixel_grid(*disparity.shape)
    u = np.where(np.isfinite(disparity), grid[..., 0] - disparity, -1)
    return _grey_difference(left, right, u, np.broadcast_to(grid[..., 1], u.shape))


def photometric_motion(estimate: Estimate, last: Estimate, prev_T_curr: np.ndarray) -> float | None:
    """Compare a picture with the one before, moved by depth and motion: mean absolute difference
    of grey.
    """
    u, v, _ = _seen_before(estimate.depth, estimate.camera, last.camera, prev_T_curr)
    return _grey_difference(estimate.left, last.left, u, v)


def temporal(
    prev_depth: np.ndarray,
    prev_camera: Camera,
    depth: np.ndarray,
    camera: Camera,
    prev_T_curr: np.ndarray,
) -> float | None:
    """Compare depth with that of the frame before: median of |difference| / depth in percent, over
    what both see.

    What moves or is covered is in it; the median bears a minority of that. Depths (H, W) metres,
    NaN unknown.
    """
    u, v, z = _seen_before(depth, camera, prev_camera, prev_T_curr)
    before = cv2.remap(
        prev_depth,
        u.astype(np.float32),
        v.astype(np.float32),
        cv2.INTER_NEAREST,
        borderValue=np.nan,
    )
    with np.errstate(invalid="ignore"):
        difference = np.abs(before - z) / z
    known = np.isfinite(difference)
    return float(100 * np.median(difference[known])) if known.any() else None


def _seen_before(depth, camera: Camera, prev_camera: Camera, prev_T_curr: np.ndarray):
    """Columns, rows and depth at which the previous camera saw the points of this depth; -1
    where it did not.
    """
    depth = np.where(np.isfinite(depth), depth, np.nan)  # a disparity near 0 is infinitely far
    points = transform_points(prev_T_curr, unproject(depth, camera))
    pixels = np.nan_to_num(project(points, prev_camera), nan=-1)
    u, v, z = pixels[..., 0], pixels[..., 1], points[..., 2]
    return u, v, z


def _grey_difference(
    here: np.ndarray, there: np.ndarray, u: np.ndarray, v: np.ndarray
) -> float | None:
    """Mean |here - there(u, v)| of grey over the pixels that land inside."""
    height, width = there.shape[:2]
    inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
    if not inside.any():
        return None
    a, b = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (here, there))
    moved = cv2.remap(
        b,
        u.astype(np.float32),
        v.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return float(np.abs(a.astype(np.float32) - moved)[inside].mean())


def step_between(before: np.ndarray | None, after: np.ndarray | None) -> np.ndarray | None:
    """Give prev_T_curr of two true poses world_T_camera, or None where one is unknown."""
    return None if before is None or after is None else inverse(before) @ after
