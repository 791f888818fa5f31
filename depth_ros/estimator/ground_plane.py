"""The ground in the lower image, and how high the camera is above it."""

from __future__ import annotations

import numpy as np

from depth_ros.core.camera import Camera

_TRIALS = 60
_SAMPLES = 700
_LEAST_POINTS = 30
_SAME_PLANE = 0.04  # share of inverse depth by which a point of the ground may lie off the plane
_LEAST_SHARE = 0.4  # of the lower image must be ground
_GROUND_TOP = 0.55  # the ground lies below, share of the image's height
_MAX_TILT_DEG = 30.0  # between the plane's normal and the camera's down


def height_over_ground(depth: np.ndarray, camera: Camera) -> tuple[float | None, str]:
    """Fit the ground to the lower image and measure how high the camera is above it.

    On a plane inverse depth is linear in the ray: n.p = d and p = z (x, y, 1) give 1 / z = n.(x, y,
    1) / d. So the plane is sought in inverse depth, whose error is even over the image: three
    points at a time (RANSAC, Fischler and Bolles 1981; always the same draws), then least squares
    over those that agree.

    Args:
        depth: (H, W), any unit, NaN unknown.
        camera: Of depth, not tilted or rolled by more than 30 degrees.

    Returns:
        (d in the unit of depth, ""), or (None, why not).

    >>> camera = Camera(64, 48, 50.0, 52.0, 30.5, 5.0)
    >>> rows = np.arange(48.0)[:, None] - 5.0
    >>> depth = np.broadcast_to(
    ...     np.where(rows > 0, 1.5 * 52.0 / np.maximum(rows, 1), np.nan), (48, 64)
    ... )
    >>> round(height_over_ground(depth, camera)[0], 6)
    1.5
    """
    return plane_height(*_lower_points(depth, camera))


def plane_height(rays: np.ndarray, inv_depth: np.ndarray) -> tuple[float | None, str]:
    """Measure the height over the ground from points of the lower image, see height_over_ground.

    Args:
        rays: (N, 3) with z = 1.
        inv_depth: (N,) one over any unit.

    Returns:
        (height in that unit, ""), or (None, why not).
    """
    if len(rays) < _LEAST_POINTS:
        return None, "the lower image has hardly any depth"
    inliers = _largest_plane(rays, inv_depth)
    share = inliers.mean()
    if share < _LEAST_SHARE:
        return None, f"no plane fills the lower image: the largest has {100 * share:.0f} % of it"
    # plane = n / d, so its length is 1 / d and its y axis the cosine to the camera's down
    plane = np.linalg.lstsq(rays[inliers], inv_depth[inliers], rcond=None)[0]
    length = float(np.linalg.norm(plane))
    tilt_deg = float(np.degrees(np.arccos(np.clip(plane[1] / length, -1, 1))))
    if not tilt_deg <= _MAX_TILT_DEG:
        words = "the plane in the lower image is no ground: it is tilted by"
        return None, f"{words} {tilt_deg:.0f} degrees"
    return 1 / length, ""


def _lower_points(depth: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Rays (n, 3) with z = 1, and inverse depth (n,), of a grid over the lower 45 % of the
    image.
    """
    height, width = depth.shape
    top = int(_GROUND_TOP * height)
    stride = max(1, int(((height - top) * width / _SAMPLES) ** 0.5))
    v, u = np.mgrid[top:height:stride, stride // 2 : width : stride]
    z = np.asarray(depth, np.float64)[v, u]
    known = np.isfinite(z) & (z > 0)
    x = (u[known] - camera.cx) / camera.fx
    y = (v[known] - camera.cy) / camera.fy
    return np.stack([x, y, np.ones_like(x)], axis=1), 1 / z[known]


def _largest_plane(rays: np.ndarray, inv_depth: np.ndarray) -> np.ndarray:
    """Which points (n,) lie on the plane through three of them on which most do."""
    rng = np.random.default_rng(0)
    best = np.zeros(len(rays), bool)
    for _ in range(_TRIALS):
        chosen = rng.choice(len(rays), 3, replace=False)
        if abs(np.linalg.det(rays[chosen])) < 1e-4:
            continue  # nearly on a line
        plane = np.linalg.solve(rays[chosen], inv_depth[chosen])
        inliers = np.abs(rays @ plane - inv_depth) <= _SAME_PLANE * inv_depth
        if inliers.sum() > best.sum():
            best = inliers
    return best
