"""What a recording's pictures say about their usefulness: motion between two of them, exposure,
level of a pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.core.camera import Camera

# pixels below are those of a picture this wide: what the recording's own size is, matters little
WIDTH_PX = 640
_CORNERS = 400
_LEAST_TRACKS = 20
_ROUND_TRIP_PX = 0.7
_DARK = 12
_BRIGHT = 248
_PARALLAX_PERCENTILE = 70  # most corners of a street are far away


@dataclass(frozen=True)
class Motion:
    """How one picture moved into another, in px of a picture WIDTH_PX wide.

    tracked: share of corners found again, in [0,1]. flow_px: median length. parallax_px: of the
    flow that no turn of the camera explains, the 70th percentile. NaN where fewer than 20 corners
    were found again.
    """

    tracked: float
    flow_px: float
    parallax_px: float


def motion(first: np.ndarray, second: np.ndarray, camera: Camera) -> Motion:
    """Track corners (Lucas, Kanade) of `first` (H,W,3) u8 into `second`, there and back; camera
    is that of both.
    """
    first = grey(first)
    second = grey(second)
    camera = camera.resized(*first.shape)
    corners = cv2.goodFeaturesToTrack(first, _CORNERS, 0.01, 6)
    if corners is None or len(corners) < _LEAST_TRACKS:
        return Motion(0.0, np.nan, np.nan)
    options = {"winSize": (21, 21), "maxLevel": 4}
    there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, corners, None, **options)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(second, first, there, None, **options)
    good = (found & returned).ravel() > 0
    good &= np.linalg.norm((back - corners)[:, 0], axis=1) < _ROUND_TRIP_PX
    tracked = float(good.mean())
    if good.sum() < _LEAST_TRACKS:
        return Motion(tracked, np.nan, np.nan)
    a = corners[good, 0]
    b = there[good, 0]
    flow = float(np.median(np.linalg.norm(b - a, axis=1)))
    rest = turn_residual(rays(a, camera), rays(b, camera)) * camera.fx
    return Motion(tracked, flow, float(np.percentile(rest, _PARALLAX_PERCENTILE)))


def rays(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Return the unit rays (N,3) of pixels (N,2)."""
    xy = (points - [camera.cx, camera.cy]) / [camera.fx, camera.fy]
    ray = np.concatenate([xy, np.ones((len(xy), 1))], axis=1)
    return ray / np.linalg.norm(ray, axis=1, keepdims=True)


def turn_residual(a: np.ndarray, b: np.ndarray, iterations: int = 10) -> np.ndarray:
    """Return the distances (N,) rad of unit rays b (N,3) from a (N,3) after the turn that brings
    them closest.

    The turn by Kabsch 1976, with weights 1 / distance (Weiszfeld): what moves on its own does not
    pull it along.
    """
    weight = np.ones(len(a))
    for _ in range(iterations):
        u, _, vt = np.linalg.svd((weight[:, None] * b).T @ a)
        turn = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
        rest = np.linalg.norm(b - a @ turn.T, axis=1)
        weight = 1 / np.maximum(rest, 1e-4)
    return rest


def exposure(image: np.ndarray) -> tuple[float, float]:
    """Return the shares of nearly black and nearly white pixels of (H,W,3) u8, in [0,1]."""
    values = grey(image)
    return float((values < _DARK).mean()), float((values > _BRIGHT).mean())


def level(left: np.ndarray, right: np.ndarray) -> tuple[int, float, float]:
    """Match corners (ORB, Rublee 2011) of a pair: how many, the median row difference v_left -
    v_right in px of a picture WIDTH_PX wide, and the share of them that lie further left in the
    right picture, as they must.
    """
    finder = cv2.ORB_create(800)
    (points, what), (others, what_there) = (
        finder.detectAndCompute(grey(image), None) for image in (left, right)
    )
    if what is None or what_there is None or len(what_there) < 2:
        return 0, np.nan, np.nan
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)
    matches = [match for match in matcher.match(what, what_there) if match.distance < 40]
    if len(matches) < _LEAST_TRACKS:
        return len(matches), np.nan, np.nan
    shift = np.array([np.subtract(points[m.queryIdx].pt, others[m.trainIdx].pt) for m in matches])
    return len(matches), float(np.median(shift[:, 1])), float((shift[:, 0] > 0).mean())


def grey(image: np.ndarray) -> np.ndarray:
    """Return (H,W,3) u8 as grey, WIDTH_PX wide."""
    image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    height, width = image.shape
    size = (WIDTH_PX, max(1, round(height * WIDTH_PX / width)))
    return cv2.resize(
        image, size, interpolation=cv2.INTER_AREA if width > WIDTH_PX else cv2.INTER_LINEAR
    )
