"""The motion between two pictures of one camera without depth: rotation only, or rotation and a
direction.

Which of the two the pictures show is decided by GRIC (Torr 1998, "An assessment of information
criteria for motion model selection"): the model that explains the points with the least squares
plus a price for what it leaves free.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.lie import hat, inverse, se3_log, so3_exp, so3_log

from .inverse_depth import bearings, hats
from .pose_chain import LOST_VARIANCE

_SIGMA_PX = 0.35
_LEAST = 12
_LEAST_SHARE = 0.4  # of the points must agree with the motion
_TRIALS_PX = 1.0  # what agrees while the essential matrix is searched
_CAUCHY, _INFLATION = (
    2.0,
    3.0,
)  # of the variance: Cauchy's weights, and blunders that look right; by simulation
# standard deviations of a pixel: parallax too small to be seen turns the rotation by so much
_HIDDEN = 0.4
_MARGIN, _MARGIN_SHARE = 6.0, 0.1  # of the robust cost: who explains the points as well as the best
_STRONG = 20.0  # by how much GRIC must be smaller: blunders too fit a translation by chance
_ROTATION, _PLANE, _EPIPOLAR = (
    (2, 3),
    (2, 8),
    (3, 5),
)  # dimension of what is seen, parameters of the model


@dataclass(frozen=True, eq=False)
class TwoView:
    """prev_T_curr (4, 4) with a translation of length 1, or 0 for "rotation"; covariance (6, 6) of
    its right perturbation in that unit, LOST_VARIANCE where nothing is known; inlier (N,); model
    "rotation" or "epipolar"."""

    prev_T_curr: np.ndarray
    covariance: np.ndarray
    inlier: np.ndarray
    model: str


def gric(squares: np.ndarray, dimension: int, parameters: int) -> float:
    """Score a model of two views; the smaller the better (Torr 1998, eq. 16; data of 4 dimensions).

    squares: (N,) squared residuals in standard deviations. dimension: of the manifold that the
    model leaves to the points: 2 for a map of points to points, 3 for points to lines. parameters:
    of the model.

    >>> gric(np.zeros(100), 2, 3) < gric(
    ...     np.zeros(100), 3, 5
    ... )  # where both are exact, the simpler one
    True
    """
    count = len(squares)
    robust = np.minimum(squares, 2.0 * (4 - dimension)).sum()
    return float(robust + np.log(4) * dimension * count + np.log(4 * count) * parameters)


def two_view(
    before: np.ndarray, after: np.ndarray, camera: Camera, guess_R: np.ndarray | None = None
):
    """Find the motion between two pictures from pixels (N, 2) of the same points in both.

    guess_R: prev_R_curr (3, 3) that is expected, to begin at and to choose by, or None. Gives
    TwoView, or the reason why there is none.
    """
    if len(before) < _LEAST:
        return f"{len(before)} points followed, {_LEAST} needed"
    x, y, sigma = (
        bearings(before, camera),
        bearings(after, camera),
        _SIGMA_PX / np.sqrt(camera.fx * camera.fy),
    )
    guess = np.eye(3) if guess_R is None else guess_R.T
    turned = _rotation(x, y, sigma, guess)
    simple = gric(_turned_squares(turned, x, y, sigma), *_ROTATION)
    cv2.setRNGSeed(0)
    H, _ = cv2.findHomography(x[:, :2], y[:, :2], cv2.RANSAC, 3 * sigma)
    plane = np.inf if H is None else gric(_transfer_squares(H, x, y, sigma), *_PLANE)
    moved = _epipolar(x, y, sigma, guess, H)
    epipolar = gric(sampson(*moved[0], x, y) ** 2 / sigma**2, *_EPIPOLAR) if moved else np.inf
    if simple <= min(plane, epipolar) + _STRONG or not moved:
        return _turned(turned, x, y, sigma)
    return _moved(moved if plane < epipolar else moved[:1], x, y, sigma)


def sampson(R: np.ndarray, t: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Give the signed distance (N,) of rays (N, 3), z = 1, from the epipolar constraint y^T [t]x R
    x = 0 (curr_T_prev), to first order (Sampson 1982), on the plane z = 1."""
    E = hat(t) @ R
    Ex, Ey = x @ E.T, y @ E
    gradient = np.sqrt((Ex[:, :2] ** 2).sum(1) + (Ey[:, :2] ** 2).sum(1))
    return (y * Ex).sum(1) / np.maximum(gradient, 1e-12)


def _rotation(x, y, sigma, R):
    """Gauss-Newton with Cauchy's weights from R: curr_R_prev (3, 3)."""
    for scale in (32.0, 8.0, _CAUCHY, _CAUCHY, _CAUCHY):
        residual, J = _turned_residuals(R, x, y, sigma)
        weight = 1 / (1 + (residual**2).sum(1) / scale**2)
        A = (J * weight[:, None, None]).reshape(-1, 3)
        R = (
            so3_exp(
                np.linalg.solve(
                    A.T @ J.reshape(-1, 3) + 1e-9 * np.eye(3), A.T @ residual.reshape(-1)
                )
            )
            @ R
        )
    return R


def _turned_residuals(R, x, y, sigma):
    """Residuals (N, 2) of a pure rotation in standard deviations, and Jacobians (N, 2, 3) by its
    left perturbation.
    """
    m = x @ R.T
    z = np.maximum(m[:, 2:], 1e-3)
    by_point = np.zeros((len(x), 2, 3))
    by_point[:, 0, 0] = by_point[:, 1, 1] = 1 / z[:, 0]
    by_point[:, :, 2] = -m[:, :2] / z**2
    spread = np.sqrt(2.0) * sigma  # both pictures are noisy
    return (y[:, :2] - m[:, :2] / z) / spread, -by_point @ hats(m) / spread


def _turned_squares(R, x, y, sigma) -> np.ndarray:
    """Squared residuals (N,) of a pure rotation."""
    return (_turned_residuals(R, x, y, sigma)[0] ** 2).sum(1)


def _transfer_squares(H, x, y, sigma) -> np.ndarray:
    """Squared residuals (N,) of a map of a plane."""
    mapped = x @ H.T
    off = y[:, :2] - mapped[:, :2] / np.where(np.abs(mapped[:, 2:]) < 1e-9, 1e-9, mapped[:, 2:])
    return (off**2).sum(1) / (2 * sigma**2)


def _turned(R, x, y, sigma):
    """The answer of a pure rotation: nothing is known about the translation."""
    residual, J = _turned_residuals(R, x, y, sigma)
    inlier = (residual**2).sum(1) < 9.21
    if inlier.sum() < max(_LEAST, _LEAST_SHARE * len(x)):
        return f"{int(inlier.sum())} of {len(x)} points agree on a rotation"
    A = J[inlier].reshape(-1, 3)
    covariance, T = np.diag([LOST_VARIANCE] * 6), np.eye(4)
    variance = max(1.0, float((residual[inlier] ** 2).mean()))
    covariance[3:, 3:] = variance * np.linalg.inv(A.T @ A) + (_HIDDEN * sigma) ** 2 * np.eye(3)
    T[:3, :3] = R.T
    return TwoView(T, covariance, inlier, "rotation")


def _epipolar(x, y, sigma, guess, H):
    """Motions (curr_R_prev, curr_t_prev of length 1) that explain most points, the likeliest first;
    [] without any.

    More than one where the points lie on a plane: then two motions show the same (Longuet-Higgins
    1986).
    """
    refined = [_refined(R, t, x, y, sigma) for R, t in _candidates(x, y, sigma, H)]
    if not refined:
        return []
    scores = np.array([_cost(R, t, x, y, sigma) for R, t in refined])
    near = [
        refined[i] for i in np.flatnonzero(scores < scores.min() + _MARGIN + _MARGIN_SHARE * len(x))
    ]
    return sorted(near, key=lambda motion: np.linalg.norm(so3_log(motion[0] @ guess.T)))


def _cost(R, t, x, y, sigma) -> float:
    """How badly a motion explains the points, each counting for at most a little; behind the
    camera is bad.
    """
    squares = sampson(R, t, x, y) ** 2 / sigma**2
    squares[~in_front(R, t, x, y)] = 4.0
    return float(np.minimum(squares, 4.0).sum())


def _candidates(x, y, sigma, H):
    """Where to begin: of the essential matrix, and of the map of a plane, what sees most points
    in front.
    """
    cv2.setRNGSeed(0)
    E, _ = cv2.findEssentialMat(
        np.ascontiguousarray(x[:, :2]),
        np.ascontiguousarray(y[:, :2]),
        np.eye(3),
        method=cv2.USAC_DEFAULT,
        prob=0.999,
        threshold=_TRIALS_PX / _SIGMA_PX * sigma,
    )
    found = []
    if E is not None and E.shape[0] >= 3:
        first, second, t = cv2.decomposeEssentialMat(E[:3])
        t = t[:, 0] / np.linalg.norm(t)
        pairs = [(R, sign * t) for R in (first, second) for sign in (1, -1)]
        found.append(max(pairs, key=lambda pair: in_front(*pair, x, y).sum()))
    if H is not None:
        _, rotations, ways, _ = cv2.decomposeHomographyMat(H, np.eye(3))
        pairs = [
            (R, t[:, 0] / np.linalg.norm(t))
            for R, t in zip(rotations, ways)
            if np.linalg.norm(t) > 1e-6
        ]
        seen = [in_front(*pair, x, y).mean() for pair in pairs]
        found += [pair for pair, share in zip(pairs, seen) if share > 0.5]
    return found


def _refined(R, t, x, y, sigma):
    """Gauss-Newton on Sampson's distance with Cauchy's weights: rotation and direction."""
    for scale in (4.0, _CAUCHY, _CAUCHY, _CAUCHY, _CAUCHY):
        residual, J, basis = _jacobian(R, t, x, y, sigma)
        weight = 1 / (1 + residual**2 / scale**2)
        A = J * weight[:, None]
        step = np.linalg.lstsq(A.T @ J + 1e-9 * np.eye(5), -A.T @ residual, rcond=None)[0]
        R, t = so3_exp(np.clip(step[:3], -0.2, 0.2)) @ R, t + basis @ np.clip(step[3:], -0.5, 0.5)
        t = t / np.linalg.norm(t)
    return R, t


def _jacobian(R, t, x, y, sigma):
    """Sampson's residuals (N,), their Jacobian (N, 5) by a left perturbation of R and a shift of t
    on the sphere, and the basis (3, 2) of that shift."""
    basis = np.linalg.svd(t[None])[2][1:].T
    E, turned = hat(t) @ R, x @ R.T
    gradient = np.sqrt((((x @ E.T)[:, :2]) ** 2).sum(1) + (((y @ E)[:, :2]) ** 2).sum(1))
    whiten = 1 / (np.maximum(gradient, 1e-12) * sigma)
    by_R = np.cross(turned, np.cross(y, t))  # y . (t x (w x m)) = w . (m x (y x t))
    by_t = np.cross(turned, y) @ basis  # y . (dt x m) = dt . (m x y)
    return (y * (x @ E.T)).sum(1) * whiten, np.concatenate([by_R, by_t], 1) * whiten[:, None], basis


def _moved(motions, x, y, sigma):
    """The answer of a motion with translation; how far another one that shows the same is off
    counts as an error.
    """
    R, t = motions[0]
    residual, J, basis = _jacobian(R, t, x, y, sigma)
    inlier = (residual**2 < 6.63) & in_front(R, t, x, y)
    if inlier.sum() < max(_LEAST, _LEAST_SHARE * len(x)):
        return f"{int(inlier.sum())} of {len(x)} points agree on a motion"
    variance = max(1.0, float((residual[inlier] ** 2).mean()))
    free = _INFLATION * variance * np.linalg.pinv(J[inlier].T @ J[inlier], hermitian=True)
    # curr_R' = exp(w) R, t' = t + basis b is key_T_curr exp(xi) with xi = (-t x w - basis b, -w)
    by = np.zeros((6, 5))
    by[:3, :3], by[:3, 3:], by[3:, :3] = -hat(t), -basis, -np.eye(3)
    covariance = by @ free @ by.T
    T = _prev_T_curr(R, t)
    for other in motions[1:]:
        off = se3_log(inverse(T) @ _prev_T_curr(*other))
        covariance += np.outer(off, off) / len(motions)
    return TwoView(T, covariance, inlier, "epipolar")


def _prev_T_curr(R, t) -> np.ndarray:
    """The inverse of (curr_R_prev, curr_t_prev), (4, 4)."""
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R.T, -R.T @ t
    return T


def triangulate(
    R: np.ndarray, t: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give the inverse depth (N,) in the first view of rays (N, 3), z = 1, and its derivative by
    the second's shift along its epipolar line (N,): y = (R x + t inv) / z in the least squares
    sense. curr_T_prev = (R, t)."""
    m = x @ R.T
    a = t[:2] - y[:, :2] * t[2]  # (m + t inv)_xy - y (m + t inv)_z = 0
    b = y[:, :2] * m[:, 2:] - m[:, :2]
    square = np.maximum((a**2).sum(1), 1e-18)
    inv = (a * b).sum(1) / square
    return inv, np.abs(m[:, 2] + t[2] * inv) / np.sqrt(square)


def in_front(R, t, x, y) -> np.ndarray:
    """Which points (N,) lie in front of both cameras, or so far away that nobody can tell."""
    inv, slope = triangulate(R, t, x, y)
    far = 2e-3 * slope  # about a pixel
    return (inv > -far) & ((x @ R.T)[:, 2] + t[2] * inv > 0)
