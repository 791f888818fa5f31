"""Two views of rays: the epipolar constraint y^T [t]x R x = 0, and triangulation.

x, y: (N, 3) rays of the same points in both views, z = 1, optical axes. R (3, 3), t (3,):
curr_R_prev and curr_t_prev, in any unit.
"""

from __future__ import annotations

import numpy as np

from depth_ros.core.lie import hat

_FAR = 2e-3  # about a pixel: what is nearer to infinity may as well lie behind it


def sampson(R: np.ndarray, t: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the signed distance (N,) of rays from the epipolar constraint, to first order (Sampson
    1982), on the plane z = 1.
    """
    E = hat(t) @ R
    constraint = (y * (x @ E.T)).sum(1)
    return constraint / np.maximum(_gradient(E, x, y), 1e-12)


def sampson_jacobian(
    R: np.ndarray, t: np.ndarray, x: np.ndarray, y: np.ndarray, sigma: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Differentiate Sampson's distance by the rotation and the direction of the translation.

    Args:
        R: (3, 3) curr_R_prev.
        t: (3,) curr_t_prev of length 1.
        x: (N, 3) rays before.
        y: (N, 3) rays after.
        sigma: standard deviation of a ray on the plane z = 1.

    Returns:
        The distances (N,) in standard deviations; their Jacobian (N, 5) by a left perturbation of R
        and a shift of t on the sphere; the basis (3, 2) of that shift.
    """
    basis = np.linalg.svd(t[None])[2][1:].T
    E = hat(t) @ R
    turned = x @ R.T
    whiten = 1 / (np.maximum(_gradient(E, x, y), 1e-12) * sigma)
    by_R = np.cross(turned, np.cross(y, t))  # y . (t x (w x m)) = w . (m x (y x t))
    by_t = np.cross(turned, y) @ basis  # y . (dt x m) = dt . (m x y)
    residual = (y * (x @ E.T)).sum(1) * whiten
    return residual, np.concatenate([by_R, by_t], 1) * whiten[:, None], basis


def triangulate(
    R: np.ndarray, t: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the inverse depth (N,) in the first view, and its derivative (N,) by the second view's
    shift along its epipolar line: y = (R x + t inv) / z in the least squares sense.
    """
    # (m + t inv)_xy - y (m + t inv)_z = 0 is a inv = b
    m = x @ R.T
    a = t[:2] - y[:, :2] * t[2]
    b = y[:, :2] * m[:, 2:] - m[:, :2]
    square = np.maximum((a**2).sum(1), 1e-18)
    inv = (a * b).sum(1) / square
    return inv, np.abs(m[:, 2] + t[2] * inv) / np.sqrt(square)


def in_front(R: np.ndarray, t: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return which points (N,) lie in front of both cameras, or too far away to tell."""
    inv, slope = triangulate(R, t, x, y)
    depth_after = (x @ R.T)[:, 2] + t[2] * inv
    return (inv > -_FAR * slope) & (depth_after > 0)


def _gradient(E: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The length (N,) of the constraint's gradient by the positions in both views."""
    Ex = x @ E.T
    Ey = y @ E
    return np.sqrt((Ex[:, :2] ** 2).sum(1) + (Ey[:, :2] ** 2).sum(1))
