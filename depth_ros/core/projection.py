"""Pixels, points and transforms."""

from __future__ import annotations

import numpy as np

from .camera import Camera


def pixel_grid(height: int, width: int) -> np.ndarray:
    """Return the (height, width, 2) float64 coordinates (u, v) of all pixel centres.

    >>> pixel_grid(2, 3)[1, 2].tolist()
    [2.0, 1.0]
    """
    v, u = np.mgrid[:height, :width].astype(np.float64)
    return np.stack([u, v], axis=-1)


def project(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Project points of the optical frame: u = fx x / z + cx, v = fy y / z + cy.

    Args:
        points: (..., 3) metres.
        camera: Whose pixels are wanted.

    Returns:
        (..., 2) float64 pixels (u, v), NaN for points that are not in front (z <= 0).

    >>> project(np.array([1.0, -1.0, 2.0]), Camera(8, 6, 4.0, 6.0, 3.0, 2.0)).tolist()
    [5.0, -1.0]
    """
    points = np.asarray(points, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
        return points[..., :2] / z * (camera.fx, camera.fy) + (camera.cx, camera.cy)


def unproject(depth: np.ndarray, camera: Camera, pixels: np.ndarray | None = None) -> np.ndarray:
    """Lift pixels into the optical frame, the inverse of project.

    Args:
        depth: (...) metres along the optical axis, NaN unknown.
        camera: Whose pixels they are.
        pixels: (..., 2) as (u, v); None: the grid of depth (H, W).

    Returns:
        (..., 3) float64 metres, NaN unknown.

    >>> unproject(np.array(2.0), Camera(8, 6, 4.0, 6.0, 3.0, 2.0), np.array([5.0, -1.0])).tolist()
    [1.0, -1.0, 2.0]
    """
    z = np.asarray(depth, np.float64)[..., None]
    if pixels is None:
        pixels = pixel_grid(*z.shape[:2])
    rays = (np.asarray(pixels, np.float64) - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    return np.concatenate([rays * z, z], axis=-1)


def transform_points(target_T_source: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points of source into target.

    Args:
        target_T_source: (4, 4).
        points: (..., 3) metres in source.

    Returns:
        (..., 3) float64 metres in target.

    >>> transform_points(
    ...     np.array([[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]), [5.0, 6.0, 7.0]
    ... ).tolist()
    [-5.0, 7.0, 10.0]
    """
    T = np.asarray(target_T_source, np.float64)
    return np.asarray(points, np.float64) @ T[:3, :3].T + T[:3, 3]
