"""Measurements (u, v, inverse depth) and how a motion changes them.

One form for a stereo pair, a depth camera and a network's depth; a point without depth, or infinitely far, fits too.
"""

from __future__ import annotations

import numpy as np

from ..core.camera import Camera


def bearings(pixels: np.ndarray, camera: Camera) -> np.ndarray:
    """Give the rays (N, 3) with z = 1 of pixels (N, 2) as (u, v), optical axes."""
    pixels = np.asarray(pixels, np.float64)
    rays = np.ones((len(pixels), 3))
    rays[:, :2] = (pixels - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    return rays


def move(target_T_source: np.ndarray, rays: np.ndarray, inv_depth: np.ndarray) -> np.ndarray:
    """Give R ray + t inv_depth (..., 3): the point in target, divided by its depth in source; finite at infinity.

    target_T_source: (..., 4, 4) metres. rays: (..., 3), z = 1. inv_depth: (...) 1/m.
    """
    R, t = target_T_source[..., :3, :3], target_T_source[..., :3, 3]
    return (R @ rays[..., None])[..., 0] + t * inv_depth[..., None]


def observe(moved: np.ndarray, inv_depth: np.ndarray, camera: Camera) -> np.ndarray:
    """Give the measurements (..., 3) of what move returned: u, v in pixels, inverse depth in 1/m."""
    z = np.maximum(moved[..., 2], 1e-3)  # behind the camera: far off the picture, finite
    u = camera.fx * moved[..., 0] / z + camera.cx
    v = camera.fy * moved[..., 1] / z + camera.cy
    return np.stack([u, v, inv_depth / z], axis=-1)


def observe_jacobian(moved: np.ndarray, inv_depth: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Differentiate observe: by the moved point (..., 3, 3), and by inverse depth in source (..., 3)."""
    z = np.maximum(moved[..., 2], 1e-3)
    by_point = np.zeros((*moved.shape, 3))
    by_point[..., 0, 0], by_point[..., 1, 1] = camera.fx / z, camera.fy / z
    by_point[..., 0, 2], by_point[..., 1, 2] = -camera.fx * moved[..., 0] / z**2, -camera.fy * moved[..., 1] / z**2
    by_point[..., 2, 2] = -inv_depth / z**2
    by_inverse = np.zeros(moved.shape)
    by_inverse[..., 2] = 1 / z
    return by_point, by_inverse


def hats(vectors: np.ndarray) -> np.ndarray:
    """Give the matrices (..., 3, 3) with hat(a) b = a x b."""
    out = np.zeros((*vectors.shape, 3))
    x, y, z = np.moveaxis(vectors, -1, 0)
    out[..., 0, 1], out[..., 0, 2], out[..., 1, 2] = -z, y, -x
    out[..., 1, 0], out[..., 2, 0], out[..., 2, 1] = z, -y, x
    return out
