"""Measurements (u, v, inverse depth) and how a motion changes them.

One form for a stereo pair, a depth camera and a network's depth; a point without depth, or
infinitely far, fits too. Arrays are (N, ...) and lie component by component in memory (`.T` of
(..., N)): NumPy then runs along points, not along three numbers at a time.
"""

from __future__ import annotations

import numpy as np

from depth_ros.core.camera import Camera

_LEAST_Z = 1e-3  # of a moved point: behind the camera it is far off the picture, but finite


def bearings(pixels: np.ndarray, camera: Camera) -> np.ndarray:
    """Return the rays (N, 3) with z = 1 of pixels (N, 2) as (u, v), optical axes."""
    pixels = np.asarray(pixels, np.float64)
    rays = np.ones((3, len(pixels))).T
    rays[:, :2] = (pixels - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
    return rays


def move(target_T_source: np.ndarray, rays: np.ndarray, inv_depth: np.ndarray) -> np.ndarray:
    """Move points, divided by their depth in source: R ray + t inv_depth, finite at infinity.

    Args:
        target_T_source: (..., 4, 4) metres.
        rays: (..., 3), z = 1.
        inv_depth: (...) 1/m.

    Returns:
        (..., 3).
    """
    R = target_T_source[..., :3, :3]
    t = target_T_source[..., :3, 3]
    if R.ndim == 2:
        turned = (R @ rays.T).T
    else:
        turned = np.einsum("...ij,...j->...i", R, rays)
    return turned + t * inv_depth[..., None]


def observe(moved: np.ndarray, inv_depth: np.ndarray, camera: Camera) -> np.ndarray:
    """Project what move returned.

    Args:
        moved: (..., 3) of move.
        inv_depth: (...) the inverse depths in source, 1/m.
        camera: the target's.

    Returns:
        (..., 3) u, v in pixels, inverse depth in 1/m.
    """
    z = np.maximum(moved[..., 2], _LEAST_Z)
    u = camera.fx * moved[..., 0] / z + camera.cx
    v = camera.fy * moved[..., 1] / z + camera.cy
    return np.stack([u, v, inv_depth / z]).T


def motion_jacobian(moved: np.ndarray, inv_depth: np.ndarray, camera: Camera) -> np.ndarray:
    """Differentiate observe by a left perturbation of target_T_source.

    Args:
        moved: (N, 3) of move.
        inv_depth: (N,) 1/m.
        camera: the target's.

    Returns:
        (N, 3, 6): of u, v, inverse depth by translation and rotation.
    """
    z = np.maximum(moved[:, 2], _LEAST_Z)
    x = moved[:, 0] / z
    y = moved[:, 1] / z
    inv = inv_depth / z
    J = np.zeros((6, 3, len(moved))).T
    # du / fx = inv (1, 0, -x) dt + (-x y, 1 + x^2, -y) dw
    J[:, 0, 0] = inv
    J[:, 0, 2] = -x * inv
    J[:, 0, 3] = -x * y
    J[:, 0, 4] = 1 + x * x
    J[:, 0, 5] = -y
    # dv / fy = inv (0, 1, -y) dt + (-1 - y^2, x y, x) dw
    J[:, 1, 1] = inv
    J[:, 1, 2] = -y * inv
    J[:, 1, 3] = -1 - y * y
    J[:, 1, 4] = x * y
    J[:, 1, 5] = x
    # dinv = -inv (inv dt_z + (y, -x, 0) dw)
    J[:, 2, 2] = -inv * inv
    J[:, 2, 3] = -y * inv
    J[:, 2, 4] = x * inv
    J[:, :2] *= np.array([[camera.fx], [camera.fy]])
    return J


def source_jacobian(
    target_T_source: np.ndarray, moved: np.ndarray, inv_depth: np.ndarray, camera: Camera
) -> np.ndarray:
    """Differentiate observe by the measurement in source.

    Args:
        target_T_source: (4, 4) or (N, 4, 4).
        moved: (N, 3) of move.
        inv_depth: (N,) 1/m.
        camera: of both.

    Returns:
        (N, 3, 3): of u, v, inverse depth in target by u, v, inverse depth in source.
    """
    x, y, z = moved.T
    z = np.maximum(z, _LEAST_Z)
    # of the moved point: the columns r_x / fx, r_y / fy, t
    by_source = target_T_source[..., :3, 1:] * 1.0
    by_source[..., :2] = target_T_source[..., :3, :2] / (camera.fx, camera.fy)
    by_source = by_source.T if by_source.ndim == 3 else by_source.T[..., None]
    # of the projection
    of_z = by_source[:, 2] / z
    out = np.empty((3, 3, len(moved)))
    out[:, 0] = camera.fx / z * (by_source[:, 0] - x * of_z)
    out[:, 1] = camera.fy / z * (by_source[:, 1] - y * of_z)
    out[:, 2] = -(inv_depth / z) * of_z
    out[2, 2] += 1 / z
    return out.T


def exps(twists: np.ndarray) -> np.ndarray:
    """Return the transforms (N, 4, 4) of twists (N, 6), as lie.se3_exp does of one.

    >>> exps(np.eye(6))[:2, :3, 3].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    angle2 = np.maximum((twists[:, 3:] ** 2).sum(1), 1e-16)[:, None, None]
    angle = np.sqrt(angle2)
    # sin a / a, (1 - cos a) / a^2 and (a - sin a) / a^3, the last by its series where it cancels
    sine = np.sin(angle) / angle
    versine = 2 * np.sin(angle / 2) ** 2 / angle2
    rest = np.where(angle2 > 1e-4, (1 - sine) / angle2, 1 / 6 - angle2 / 120)
    W = hats(twists[:, 3:])
    W2 = W @ W
    left_jacobian = np.eye(3) + versine * W + rest * W2
    out = np.zeros((len(twists), 4, 4))
    out[:, :3, :3] = np.eye(3) + sine * W + versine * W2
    out[:, :3, 3] = (left_jacobian @ twists[:, :3, None])[..., 0]
    out[:, 3, 3] = 1.0
    return out


def adjoints(target_T_source: np.ndarray) -> np.ndarray:
    """Return the matrices (..., 6, 6) that carry twists (translation, rotation) of source into
    target.
    """
    R = target_T_source[..., :3, :3]
    out = np.zeros((*R.shape[:-2], 6, 6))
    out[..., :3, :3] = R
    out[..., 3:, 3:] = R
    out[..., :3, 3:] = hats(target_T_source[..., :3, 3]) @ R
    return out


def hats(vectors: np.ndarray) -> np.ndarray:
    """Return the matrices (..., 3, 3) with hat(a) b = a x b of vectors (..., 3)."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    out = np.zeros((*vectors.shape, 3))
    out[..., 0, 1] = -z
    out[..., 0, 2] = y
    out[..., 1, 0] = z
    out[..., 1, 2] = -x
    out[..., 2, 0] = -y
    out[..., 2, 1] = x
    return out


def whitened(covariance: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return L^-1 values, where L L^T = covariance: written out, LAPACK is slow on small ones.

    Args:
        covariance: (N, 3, 3), symmetric and positive.
        values: (N, 3, M).

    Returns:
        (N, 3, M).
    """
    c = covariance[..., None]
    # L = [[l00, 0, 0], [l10, l11, 0], [l20, l21, l22]]
    l00 = np.sqrt(c[:, 0, 0])
    l10 = c[:, 1, 0] / l00
    l20 = c[:, 2, 0] / l00
    l11 = np.sqrt(c[:, 1, 1] - l10 * l10)
    l21 = (c[:, 2, 1] - l20 * l10) / l11
    l22 = np.sqrt(c[:, 2, 2] - l20 * l20 - l21 * l21)
    # forward substitution
    out = np.empty_like(values)
    out[:, 0] = values[:, 0] / l00
    out[:, 1] = (values[:, 1] - l10 * out[:, 0]) / l11
    out[:, 2] = (values[:, 2] - l20 * out[:, 0] - l21 * out[:, 1]) / l22
    return out
