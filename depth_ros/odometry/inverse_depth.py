"""Measurements (u, v, inverse depth) and how a motion changes them.

One form for a stereo pair, a depth camera and a network's depth; a point without depth, or
infinitely far, fits too. Arrays are (N, ...) and lie component by component in memory (`.T` of
(..., N)): NumPy then runs along points, not along three numbers at a time.
"""

from __future__ import annotations

import numpy as np

from depth_ros.core.camera import Camera


def bearings(pixels: np.ndarray, camera: Camera) -> np.ndarray:
    """Give the rays (N, 3) with z = 1 of pixels (N, 2) as (u, v), optical axes."""
    pixels = np.asarray(pixels, np.float64)
    rays = np.ones((3, len(pixels))).T
    rays[:, :2] = (pixels - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    return rays


def move(target_T_source: np.ndarray, rays: np.ndarray, inv_depth: np.ndarray) -> np.ndarray:
    """Give R ray + t inv_depth (..., 3): the point in target, divided by its depth in source;
    finite at infinity.

    target_T_source: (..., 4, 4) metres. rays: (..., 3), z = 1. inv_depth: (...) 1/m.
    """
    R, t = target_T_source[..., :3, :3], target_T_source[..., :3, 3]
    turned = (R @ rays.T).T if R.ndim == 2 else np.einsum("...ij,...j->...i", R, rays)
    return turned + t * inv_depth[..., None]


def observe(moved: np.ndarray, inv_depth: np.ndarray, camera: Camera) -> np.ndarray:
    """Give the measurements (..., 3) of what move returned: u, v in pixels, inverse depth in
    1/m.
    """
    z = np.maximum(moved[..., 2], 1e-3)  # behind the camera: far off the picture, finite
    u = camera.fx * moved[..., 0] / z + camera.cx
    v = camera.fy * moved[..., 1] / z + camera.cy
    return np.stack([u, v, inv_depth / z]).T


def motion_jacobian(moved: np.ndarray, inv_depth: np.ndarray, camera: Camera) -> np.ndarray:
    """Differentiate observe by a left perturbation of target_T_source: (N, 3, 6), of move's
    points (N, 3).
    """
    z = np.maximum(moved[:, 2], 1e-3)
    x, y, inv = moved[:, 0] / z, moved[:, 1] / z, inv_depth / z
    J = np.zeros((6, 3, len(moved))).T
    J[:, 0, 0], J[:, 0, 2], J[:, 0, 3], J[:, 0, 4], J[:, 0, 5] = (
        inv,
        -x * inv,
        -x * y,
        1 + x * x,
        -y,
    )
    J[:, 1, 1], J[:, 1, 2], J[:, 1, 3], J[:, 1, 4], J[:, 1, 5] = inv, -y * inv, -1 - y * y, x * y, x
    J[:, 2, 2], J[:, 2, 3], J[:, 2, 4] = -inv * inv, -y * inv, x * inv
    J[:, :2] *= np.array([[camera.fx], [camera.fy]])
    return J


def source_jacobian(
    target_T_source: np.ndarray, moved: np.ndarray, inv_depth: np.ndarray, camera: Camera
):
    """Differentiate observe by u, v and inverse depth in source: (N, 3, 3). target_T_source: (4,
    4) or (N, 4, 4).
    """
    x, y, z = moved.T[0], moved.T[1], np.maximum(moved.T[2], 1e-3)
    by_source = target_T_source[..., :3, 1:] * 1.0  # its columns: by u, v, inverse depth
    by_source[..., :2] = target_T_source[..., :3, :2] / (camera.fx, camera.fy)
    by_source = by_source.T if by_source.ndim == 3 else by_source.T[..., None]
    out, of_z = np.empty((3, 3, len(moved))), by_source[:, 2] / z
    out[:, 0] = camera.fx / z * (by_source[:, 0] - x * of_z)
    out[:, 1] = camera.fy / z * (by_source[:, 1] - y * of_z)
    out[:, 2] = -(inv_depth / z) * of_z
    out[2, 2] += 1 / z
    return out.T


def exps(twists: np.ndarray) -> np.ndarray:
    """Give the transforms (N, 4, 4) of twists (N, 6), as lie.se3_exp does of one.

    >>> exps(np.eye(6))[:2, :3, 3].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    angle2 = np.maximum((twists[:, 3:] ** 2).sum(1), 1e-16)[:, None, None]
    angle = np.sqrt(angle2)
    sine, versine = np.sin(angle) / angle, 2 * np.sin(angle / 2) ** 2 / angle2
    W, out = hats(twists[:, 3:]), np.zeros((len(twists), 4, 4))
    rest = np.where(angle2 > 1e-4, (1 - sine) / angle2, 1 / 6 - angle2 / 120)
    out[:, :3, :3] = np.eye(3) + sine * W + versine * (W @ W)
    out[:, :3, 3] = ((np.eye(3) + versine * W + rest * (W @ W)) @ twists[:, :3, None])[..., 0]
    out[:, 3, 3] = 1.0
    return out


def adjoints(target_T_source: np.ndarray) -> np.ndarray:
    """Give the matrices (..., 6, 6) that carry twists (translation, rotation) of source into
    target.
    """
    R = target_T_source[..., :3, :3]
    out = np.zeros((*R.shape[:-2], 6, 6))
    out[..., :3, :3] = out[..., 3:, 3:] = R
    out[..., :3, 3:] = hats(target_T_source[..., :3, 3]) @ R
    return out


def hats(vectors: np.ndarray) -> np.ndarray:
    """Give the matrices (..., 3, 3) with hat(a) b = a x b."""
    out = np.zeros((*vectors.shape, 3))
    x, y, z = np.moveaxis(vectors, -1, 0)
    out[..., 0, 1], out[..., 0, 2], out[..., 1, 2] = -z, y, -x
    out[..., 1, 0], out[..., 2, 0], out[..., 2, 1] = z, -y, x
    return out


def whitened(covariance: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Give L^-1 values (N, 3, M), where L L^T = covariance (N, 3, 3): written out, LAPACK is
    slow on small ones.
    """
    c, out = covariance[..., None], np.empty_like(values)
    a = np.sqrt(c[:, 0, 0])
    b, d = c[:, 1, 0] / a, c[:, 2, 0] / a
    e = np.sqrt(c[:, 1, 1] - b * b)
    f = (c[:, 2, 1] - d * b) / e
    out[:, 0] = values[:, 0] / a
    out[:, 1] = (values[:, 1] - b * out[:, 0]) / e
    out[:, 2] = (values[:, 2] - d * out[:, 0] - f * out[:, 1]) / np.sqrt(c[:, 2, 2] - d * d - f * f)
    return out
