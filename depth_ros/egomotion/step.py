"""The motion between two frames from points seen in both: hypotheses, then weighted least squares."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..core.camera import Camera
from ..core.lie import inverse, se3_exp, se3_log
from .bundle import curvature
from .measure import bearings, hats, move, observe, observe_jacobian
from .uncertainty import Pull

_CAUCHY = 2.0
_CONSISTENT = 1.47  # 1 / the variance that these weights, taken as information, give too much under normal noise
_INLIER_CHI2 = 12.8  # 3 values, 99.5 %
_ENOUGH, _LEAST = 0.6, 12  # share of the points that makes a search needless; fewest points of any answer
_LEAST_SHARE = 0.25
_PRIOR_BONUS = 1.6  # a motion that goes on as before may have fewer points: most of a picture can be a lorry
_TRIALS, _RANSAC_PX = 100, 1.5


@dataclass(frozen=True, eq=False)
class Step:
    """prev_T_curr (4, 4) metres; inlier (N,) bool; covariance (6, 6) of the right perturbation of prev_T_curr, if the
    sigmas are true; pull: of each point on the motion."""

    prev_T_curr: np.ndarray
    inlier: np.ndarray
    covariance: np.ndarray
    pull: Pull


def estimate_step(before, after, sigma_before, sigma_after, camera: Camera, guesses: list[np.ndarray], prior=None):
    """Find the motion that explains the measurements of the same points in two frames.

    before, after: (N, 3) u, v in pixels, inverse depth in 1/m (0 with sigma inf where unknown). sigma_before,
    sigma_after: (N, 3). guesses: prev_T_curr (4, 4), the likeliest first. prior: what is known besides, prev_T_curr
    (4, 4) and the information (6, 6) of its right perturbation, or None. Returns Step, or the reason why not.
    """
    if len(before) < _LEAST:
        return f"{len(before)} points followed, {_LEAST} needed"
    data = (before, after, sigma_before, sigma_after, camera)
    step = _refined(min(guesses, key=lambda guess: _cost(guess, *data)), prior, *data)
    if step.inlier.mean() < _ENOUGH:
        searched = _search(before, after, sigma_before, camera)
        if searched is not None:
            other = _refined(searched, prior, *data)
            if other.inlier.sum() > _PRIOR_BONUS * step.inlier.sum():
                step = other
    known = np.isfinite(sigma_before[:, 2]) & (before[:, 2] > 0)
    agreeing = int(step.inlier.sum())
    if agreeing < max(_LEAST, _LEAST_SHARE * len(before)):
        return f"{agreeing} of {len(before)} points agree on a motion"
    if (step.inlier & known).sum() < _LEAST // 2:
        return "no metric depth at the points followed"
    if not np.isfinite(step.covariance).all():
        return "the points do not determine the motion"
    return step


def _residuals(prev_T_curr, before, after, sigma_before, sigma_after, camera):
    """Whitened residuals (N, 3) and Jacobians (N, 3, 6) by the left perturbation of curr_T_prev."""
    curr_T_prev = inverse(prev_T_curr)
    rays, inv = bearings(before[:, :2], camera), before[:, 2]
    moved = move(curr_T_prev, rays, inv)
    by_point, by_inverse = observe_jacobian(moved, inv, camera)
    J = by_point @ np.concatenate([inv[:, None, None] * np.eye(3), -hats(moved)], -1)
    # The first frame's noise arrives in the second through the motion: whiten by both.
    A = np.empty((len(before), 3, 3))
    A[:, :, :2] = by_point @ (curr_T_prev[:3, :2] / (camera.fx, camera.fy))
    A[:, :, 2] = (by_point @ curr_T_prev[:3, 3:])[..., 0] + by_inverse
    unknown = ~np.isfinite(sigma_before)
    spread = np.where(unknown, max(1.0, 2 * inv.max(initial=0.0)), sigma_before)  # 1/m: anything from here to far
    covariance = (A * spread[:, None] ** 2) @ A.transpose(0, 2, 1)
    diagonal = np.where(np.isfinite(sigma_after), sigma_after, 1e3) ** 2
    covariance[:, range(3), range(3)] += diagonal
    root = np.linalg.inv(np.linalg.cholesky(covariance))
    residual = np.where(np.isfinite(sigma_after), after, 0.0) - np.where(
        np.isfinite(sigma_after), observe(moved, inv, camera), 0.0
    )
    return (root @ residual[..., None])[..., 0], root @ J, moved[:, 2] > 1e-2


def _cost(guess, *data) -> float:
    """How badly a motion explains the points, each counting for at most a little."""
    residual, _, in_front = _residuals(guess, *data)
    return float(np.log1p((residual**2).sum(1) / 16).sum() + 10 * (~in_front).sum())


def _refined(guess, prior, *data) -> Step:
    """Gauss-Newton with Cauchy's weights, the scale tightened from round to round."""
    T, known = guess.copy(), np.zeros((6, 6)) if prior is None else prior[1]
    for scale in (8.0, 4.0, _CAUCHY, _CAUCHY, _CAUCHY):
        residual, J, in_front = _residuals(T, *data)
        weight = np.where(in_front, 1 / (1 + (residual**2).sum(1) / scale**2), 0.0)
        weighted = (J * weight[:, None, None]).reshape(-1, 6)
        H = weighted.T @ J.reshape(-1, 6) + 1e-9 * np.eye(6) + known
        off = 0.0 if prior is None else known @ se3_log(inverse(prior[0]) @ T)
        xi = np.linalg.lstsq(H, weighted.T @ residual.reshape(-1) + off, rcond=None)[0]
        T = T @ se3_exp(-np.clip(xi, -5, 5))  # curr_T_prev = exp(xi) curr_T_prev
        if scale == _CAUCHY and np.abs(xi).max() < 1e-6:
            break
    residual, J, in_front = _residuals(T, *data)
    chi2 = (residual**2).sum(1)
    weight = np.where(in_front, 1 / (1 + chi2 / _CAUCHY**2), 0.0)
    H = (J * weight[:, None, None]).reshape(-1, 6).T @ J.reshape(-1, 6)
    inlier = in_front & (chi2 < _INLIER_CHI2)
    scores = (J.transpose(0, 2, 1) @ residual[..., None])[..., 0] * weight[:, None]
    own = J.transpose(0, 2, 1) @ J * weight[:, None, None]
    kept = curvature(weight, chi2, np.isfinite(data[3]).sum(1), _CAUCHY)
    return Step(T, inlier, _inverse_or_inf(_CONSISTENT * H + known), Pull(scores, own, H + known / kept, kept))


def _search(before, after, sigma_before, camera: Camera):
    """PnP in a RANSAC (Fischler and Bolles 1981) over points with depth; None where it finds nothing."""
    good = np.flatnonzero(np.isfinite(sigma_before[:, 2]) & (before[:, 2] > 1e-3))
    if len(good) < _LEAST:
        return None
    points = bearings(before[good, :2], camera) / before[good, 2:]
    try:
        found, rotvec, t, _ = cv2.solvePnPRansac(
            points, np.ascontiguousarray(after[good, :2]), camera.K, None, iterationsCount=_TRIALS,
            reprojectionError=_RANSAC_PX, confidence=0.999,
        )  # fmt: skip
    except cv2.error:
        return None
    if not found or not (np.isfinite(rotvec).all() and np.isfinite(t).all()):
        return None
    curr_T_prev = np.eye(4)
    curr_T_prev[:3, :3], curr_T_prev[:3, 3] = cv2.Rodrigues(rotvec)[0], t[:, 0]
    return inverse(curr_T_prev)


def scaled_motion(prev_T_curr: np.ndarray, factor: float) -> np.ndarray:
    """Give the motion that goes on at the same velocity for factor times as long."""
    return se3_exp(factor * se3_log(prev_T_curr))


def _inverse_or_inf(H: np.ndarray) -> np.ndarray:
    """The inverse of an information matrix, inf where it has none."""
    values = np.linalg.eigvalsh(H)
    return np.linalg.inv(H) if values[0] > 1e-9 * max(values[-1], 1e-12) else np.full((6, 6), np.inf)
