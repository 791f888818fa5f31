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

from .epipolar import in_front, sampson, sampson_jacobian
from .inverse_depth import bearings, hats
from .pose_chain import LOST_VARIANCE

_SIGMA_PX = 0.35
_LEAST = 12
_LEAST_SHARE = 0.4  # of the points must agree with the motion
_TRIALS_PX = 1.0  # what agrees while the essential matrix is searched
_CAUCHY = 2.0
_ROTATION_SCALES = (32.0, 8.0, _CAUCHY, _CAUCHY, _CAUCHY)  # of Cauchy's weights, round by round
_EPIPOLAR_SCALES = (4.0, _CAUCHY, _CAUCHY, _CAUCHY, _CAUCHY)
_INFLATION = 3.0  # of the variance: Cauchy's weights, and blunders that look right; by simulation
# standard deviations of a pixel: parallax too small to be seen turns the rotation by so much
_HIDDEN = 0.4
_MARGIN = 6.0  # of the robust cost: who explains the points as well as the best,
_MARGIN_SHARE = 0.1  # and of it for each point
_MOST_COST = 4.0  # squared standard deviations: a point counts for no more
_STRONG = 20.0  # by how much GRIC must be smaller: blunders too fit a translation by chance
_CHI2_1 = 6.63  # 99 % of one value,
_CHI2_2 = 9.21  # and of two
# Dimension of what is seen, parameters of the model.
_ROTATION = (2, 3)
_PLANE = (2, 8)
_EPIPOLAR = (3, 5)

Motion = tuple[np.ndarray, np.ndarray]  # curr_R_prev (3, 3), curr_t_prev (3,) of length 1


@dataclass(frozen=True, eq=False)
class TwoView:
    """The motion between two pictures.

    Attributes:
        prev_T_curr: (4, 4) with a translation of length 1, or 0 for "rotation".
        covariance: (6, 6) of its right perturbation in that unit, LOST_VARIANCE where nothing is
            known.
        inlier: (N,) bool.
        model: "rotation" or "epipolar".
    """

    prev_T_curr: np.ndarray
    covariance: np.ndarray
    inlier: np.ndarray
    model: str


@dataclass(frozen=True, eq=False)
class _Rays:
    """The same N points in both pictures: rays x, y (N, 3), z = 1; sigma: of them, radians."""

    x: np.ndarray
    y: np.ndarray
    sigma: float

    def __len__(self) -> int:
        return len(self.x)


def gric(squares: np.ndarray, dimension: int, parameters: int) -> float:
    """Score a model of two views; the smaller the better (Torr 1998, eq. 16; data of 4 dimensions).

    Args:
        squares: (N,) squared residuals in standard deviations.
        dimension: of the manifold that the model leaves to the points: 2 for a map of points to
            points, 3 for points to lines.
        parameters: of the model.

    >>> exact = np.zeros(100)
    >>> gric(exact, 2, 3) < gric(exact, 3, 5)  # where both are exact, the simpler one
    True
    """
    count = len(squares)
    robust = np.minimum(squares, 2.0 * (4 - dimension)).sum()
    return float(robust + np.log(4) * dimension * count + np.log(4 * count) * parameters)


def two_view(
    before: np.ndarray, after: np.ndarray, camera: Camera, expected_R: np.ndarray | None = None
) -> TwoView | str:
    """Find the motion between two pictures of one camera.

    Args:
        before: (N, 2) pixels u, v.
        after: (N, 2) pixels of the same points in the second picture.
        camera: of both.
        expected_R: prev_R_curr (3, 3), to begin at and to choose by, or None.

    Returns:
        The motion, or the reason why there is none.
    """
    if len(before) < _LEAST:
        return f"{len(before)} points followed, {_LEAST} needed"
    sigma = _SIGMA_PX / np.sqrt(camera.fx * camera.fy)
    rays = _Rays(bearings(before, camera), bearings(after, camera), sigma)
    curr_R_prev = np.eye(3) if expected_R is None else expected_R.T
    # 1. three models: a rotation, a plane, and a motion with translation
    turned = _rotation(rays, curr_R_prev)
    rotation_score = gric(_turned_squares(turned, rays), *_ROTATION)
    H = _homography(rays)
    plane_score = np.inf if H is None else gric(_transfer_squares(H, rays), *_PLANE)
    moved = _epipolar(rays, curr_R_prev, H)
    if not moved:
        return _turned(turned, rays)
    epipolar_score = gric(sampson(*moved[0], rays.x, rays.y) ** 2 / sigma**2, *_EPIPOLAR)
    # 2. the simplest one that explains the points; on a plane two motions may show the same
    if rotation_score <= min(plane_score, epipolar_score) + _STRONG:
        return _turned(turned, rays)
    return _moved(moved if plane_score < epipolar_score else moved[:1], rays)


def _rotation(rays: _Rays, curr_R_prev: np.ndarray) -> np.ndarray:
    """Gauss-Newton with Cauchy's weights over a rotation (3, 3), the scale tightened from round to
    round.
    """
    R = curr_R_prev
    for scale in _ROTATION_SCALES:
        residual, J = _turned_residuals(R, rays)
        weight = 1 / (1 + (residual**2).sum(1) / scale**2)
        weighted = (J * weight[:, None, None]).reshape(-1, 3)
        H = weighted.T @ J.reshape(-1, 3) + 1e-9 * np.eye(3)
        R = so3_exp(np.linalg.solve(H, weighted.T @ residual.reshape(-1))) @ R
    return R


def _turned_residuals(R: np.ndarray, rays: _Rays) -> tuple[np.ndarray, np.ndarray]:
    """Residuals (N, 2) of a pure rotation in standard deviations, and Jacobians (N, 2, 3) by its
    left perturbation.
    """
    m = rays.x @ R.T
    z = np.maximum(m[:, 2:], 1e-3)
    by_point = np.zeros((len(rays), 2, 3))
    by_point[:, 0, 0] = 1 / z[:, 0]
    by_point[:, 1, 1] = 1 / z[:, 0]
    by_point[:, :, 2] = -m[:, :2] / z**2
    spread = np.sqrt(2.0) * rays.sigma  # both pictures are noisy
    return (rays.y[:, :2] - m[:, :2] / z) / spread, -by_point @ hats(m) / spread


def _turned_squares(R: np.ndarray, rays: _Rays) -> np.ndarray:
    """Squared residuals (N,) of a pure rotation."""
    residual, _ = _turned_residuals(R, rays)
    return (residual**2).sum(1)


def _homography(rays: _Rays) -> np.ndarray | None:
    """The map (3, 3) of a plane from the first picture to the second; None where there is none."""
    cv2.setRNGSeed(0)
    H, _ = cv2.findHomography(rays.x[:, :2], rays.y[:, :2], cv2.RANSAC, 3 * rays.sigma)
    return H


def _transfer_squares(H: np.ndarray, rays: _Rays) -> np.ndarray:
    """Squared residuals (N,) of a map of a plane."""
    mapped = rays.x @ H.T
    z = np.where(np.abs(mapped[:, 2:]) < 1e-9, 1e-9, mapped[:, 2:])
    off = rays.y[:, :2] - mapped[:, :2] / z
    return (off**2).sum(1) / (2 * rays.sigma**2)


def _turned(R: np.ndarray, rays: _Rays) -> TwoView | str:
    """The answer of a pure rotation: nothing is known about the translation."""
    residual, J = _turned_residuals(R, rays)
    squares = (residual**2).sum(1)
    inlier = squares < _CHI2_2
    if inlier.sum() < max(_LEAST, _LEAST_SHARE * len(rays)):
        return f"{int(inlier.sum())} of {len(rays)} points agree on a rotation"
    A = J[inlier].reshape(-1, 3)
    variance = max(1.0, float((residual[inlier] ** 2).mean()))
    covariance = np.diag([LOST_VARIANCE] * 6)
    hidden = (_HIDDEN * rays.sigma) ** 2 * np.eye(3)
    covariance[3:, 3:] = variance * np.linalg.inv(A.T @ A) + hidden
    T = np.eye(4)
    T[:3, :3] = R.T
    return TwoView(T, covariance, inlier, "rotation")


def _epipolar(rays: _Rays, curr_R_prev: np.ndarray, H: np.ndarray | None) -> list[Motion]:
    """Motions that explain most points, that nearest to the expected rotation first; [] without
    any.

    More than one where the points lie on a plane: then two motions show the same (Longuet-Higgins
    1986).
    """
    refined = [_refined(motion, rays) for motion in _candidates(rays, H)]
    if not refined:
        return []
    costs = np.array([_cost(motion, rays) for motion in refined])
    most = costs.min() + _MARGIN + _MARGIN_SHARE * len(rays)
    near = [refined[i] for i in np.flatnonzero(costs < most)]
    return sorted(near, key=lambda motion: np.linalg.norm(so3_log(motion[0] @ curr_R_prev.T)))


def _cost(motion: Motion, rays: _Rays) -> float:
    """How badly a motion explains the points, each counting for at most a little; behind the
    camera is bad.
    """
    squares = sampson(*motion, rays.x, rays.y) ** 2 / rays.sigma**2
    squares[~in_front(*motion, rays.x, rays.y)] = _MOST_COST
    return float(np.minimum(squares, _MOST_COST).sum())


def _candidates(rays: _Rays, H: np.ndarray | None) -> list[Motion]:
    """Where to begin: of the essential matrix, and of the map of a plane, what sees most points
    in front.
    """
    found = []
    cv2.setRNGSeed(0)
    E, _ = cv2.findEssentialMat(
        np.ascontiguousarray(rays.x[:, :2]),
        np.ascontiguousarray(rays.y[:, :2]),
        np.eye(3),
        method=cv2.USAC_DEFAULT,
        prob=0.999,
        threshold=_TRIALS_PX / _SIGMA_PX * rays.sigma,
    )
    if E is not None and E.shape[0] >= 3:
        first, second, t = cv2.decomposeEssentialMat(E[:3])
        t = t[:, 0] / np.linalg.norm(t)
        motions = [(first, t), (first, -t), (second, t), (second, -t)]
        found.append(max(motions, key=lambda motion: in_front(*motion, rays.x, rays.y).sum()))
    if H is not None:
        _, rotations, translations, _ = cv2.decomposeHomographyMat(H, np.eye(3))
        for R, t in zip(rotations, translations, strict=True):
            length = np.linalg.norm(t)
            if length <= 1e-6:
                continue
            direction = t[:, 0] / length
            if in_front(R, direction, rays.x, rays.y).mean() > 0.5:
                found.append((R, direction))
    return found


def _refined(motion: Motion, rays: _Rays) -> Motion:
    """Gauss-Newton on Sampson's distance with Cauchy's weights: rotation and direction."""
    R, t = motion
    for scale in _EPIPOLAR_SCALES:
        residual, J, basis = sampson_jacobian(R, t, rays.x, rays.y, rays.sigma)
        weighted = J * (1 / (1 + residual**2 / scale**2))[:, None]
        H = weighted.T @ J + 1e-9 * np.eye(5)
        step = np.linalg.lstsq(H, -weighted.T @ residual, rcond=None)[0]
        R = so3_exp(np.clip(step[:3], -0.2, 0.2)) @ R
        t = t + basis @ np.clip(step[3:], -0.5, 0.5)
        t = t / np.linalg.norm(t)
    return R, t


def _moved(motions: list[Motion], rays: _Rays) -> TwoView | str:
    """The answer of a motion with translation; how far another one that shows the same is off
    counts as an error.
    """
    R, t = motions[0]
    residual, J, basis = sampson_jacobian(R, t, rays.x, rays.y, rays.sigma)
    inlier = (residual**2 < _CHI2_1) & in_front(R, t, rays.x, rays.y)
    if inlier.sum() < max(_LEAST, _LEAST_SHARE * len(rays)):
        return f"{int(inlier.sum())} of {len(rays)} points agree on a motion"
    variance = max(1.0, float((residual[inlier] ** 2).mean()))
    free = _INFLATION * variance * np.linalg.pinv(J[inlier].T @ J[inlier], hermitian=True)
    # curr_R' = exp(w) R, t' = t + basis b is key_T_curr exp(xi) with xi = (-t x w - basis b, -w)
    by_free = np.zeros((6, 5))
    by_free[:3, :3] = -hat(t)
    by_free[:3, 3:] = -basis
    by_free[3:, :3] = -np.eye(3)
    covariance = by_free @ free @ by_free.T
    T = _prev_T_curr(R, t)
    for other in motions[1:]:
        off = se3_log(inverse(T) @ _prev_T_curr(*other))
        covariance += np.outer(off, off) / len(motions)
    return TwoView(T, covariance, inlier, "epipolar")


def _prev_T_curr(R: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The inverse of (curr_R_prev, curr_t_prev), (4, 4)."""
    T = np.eye(4)
    T[:3, :3] = R.T
    T[:3, 3] = -R.T @ t
    return T
