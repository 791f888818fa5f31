"""The motion between two frames from points seen in both: hypotheses, then weighted least
squares.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.lie import inverse, se3_exp, se3_log

from .bundle_adjustment import curvature
from .covariance import Pull
from .motion_hypotheses import likeliest
from .residuals import Pairs

_CAUCHY = 2.0
# 1 / the variance that these weights, taken as information, give too much under normal noise
_CONSISTENT = 1.47
_INLIER_CHI2 = 12.8  # 3 values, 99.5 %
_MEDIAN_CHI2, _MOST_NOISE, _INLIER_NOISE = (
    2.37,
    3.0,
    2.0,
)  # of 3 values; in more noise anything agrees with anything
_CLEAR, _LEAST = (
    0.7,
    12,
)  # share of agreeing points that leaves no doubt; fewest points of any answer
_LEAST_SHARE = 0.25
_STILL = 1e-2  # a step so small in squared standard deviations changes nothing
_TRIALS, _RANSAC_PX, _CLOSE_PX = 100, 1.5, 0.5


@dataclass(frozen=True, eq=False)
class Step:
    """prev_T_curr (4, 4) metres; inlier (N,) bool; covariance (6, 6) of the right perturbation of
    prev_T_curr, if the sigmas are true. parts: residuals (N, 3), Jacobians (N, 3, 6), weights (N,),
    information, curvature. noise: of all points, in their sigmas. spread (6, 6): what is open
    besides, as it may be quite another motion."""

    prev_T_curr: np.ndarray
    inlier: np.ndarray
    covariance: np.ndarray
    parts: tuple
    noise: float = 1.0
    spread: np.ndarray = field(default_factory=lambda: np.zeros((6, 6)))

    @property
    def pull(self) -> Pull:
        """Of each point on the motion."""
        residual, J, weight, information, curved = self.parts
        transposed = J.transpose(0, 2, 1) * weight[:, None, None]
        return Pull((transposed @ residual[..., None])[..., 0], transposed @ J, information, curved)


def estimate_step(
    before, after, sigma_before, sigma_after, camera: Camera, guesses: list[np.ndarray], prior=None
):
    """Find the motion that explains the measurements of the same points in two frames.

    before, after: (N, 3) u, v in pixels, inverse depth in 1/m (0 with sigma inf where unknown).
    sigma_before, sigma_after: (N, 3). guesses: prev_T_curr (4, 4), the likeliest first. prior: what
    is known besides, prev_T_curr (4, 4) and the information (6, 6) of its right perturbation, or
    None. Returns Step, or the reason why not.
    """
    if len(before) < _LEAST:
        return f"{len(before)} points followed, {_LEAST} needed"
    pairs = Pairs(before, after, sigma_before, sigma_after, camera)
    best = guesses[0] if len(guesses) == 1 else min(guesses, key=lambda guess: _cost(guess, pairs))
    step = _refined(best, prior, pairs)
    known = np.isfinite(sigma_before[:, 2]) & (before[:, 2] > 0)
    telling = (
        known if known.sum() >= _LEAST else np.ones(len(before), bool)
    )  # one without depth agrees with many
    if _agrees(step)[telling].mean() < _CLEAR:
        step = _doubted(step, telling, known, guesses, prior, pairs)
    agreeing = int(step.inlier.sum())
    if agreeing < max(
        _LEAST * step.noise, _LEAST_SHARE * len(before)
    ):  # in more noise few agree by chance
        return f"{agreeing} of {len(before)} points agree on a motion"
    if (step.inlier & known).sum() < _LEAST // 2:
        return "no metric depth at the points followed"
    if not np.isfinite(step.covariance).all():
        return "the points do not determine the motion"
    return step


def _doubted(step: Step, telling, known, guesses, prior, pairs: Pairs) -> Step:
    """Look for other motions of all points and of those that this one does not explain; the
    likeliest of them.
    """
    found = [step]
    for among, within_px in (
        (telling, _RANSAC_PX),
        (telling, _CLOSE_PX),
        (telling & ~step.inlier, _RANSAC_PX),
    ):
        searched = _search(pairs, known & among, within_px)
        if searched is not None:
            found.append(_refined(searched, prior, pairs))
    noise = min(
        one.noise for one in found
    )  # it is the pictures': what one motion does not need no other may have
    found = [
        one if one.noise == noise else _refined(one.prev_T_curr, prior, pairs, noise)
        for one in found
    ]
    best, spread = likeliest(found, telling, guesses)
    return replace(best, spread=spread)


def _agrees(step: Step) -> np.ndarray:
    """Which points (N,) agree within their sigmas, however large the noise is that the motion
    makes of them.
    """
    residual, _, weight, *_ = step.parts
    return (weight > 0) & ((residual**2).sum(1) * step.noise**2 < _INLIER_CHI2)


def _cost(guess, pairs: Pairs) -> float:
    """How badly a motion explains the points, each counting for at most a little."""
    residual, _, in_front, _ = pairs.residuals(guess, pairs.inv, with_jacobian=False)
    return float(np.log1p((residual**2).sum(1) / 16).sum() + 10 * (~in_front).sum())


def _refined(guess, prior, pairs: Pairs, most_noise: float = _MOST_NOISE) -> Step:
    """Gauss-Newton with Cauchy's weights, the scale tightened from round to round."""
    T, known = guess.copy(), np.zeros((6, 6)) if prior is None else prior[1]
    residual, J, in_front, at = pairs.residuals(T, pairs.inv)
    for scale in (4.0, *[_CAUCHY] * 6):
        chi2, noise = _judged(residual, in_front, most_noise)
        weight = np.where(in_front, 1 / (1 + chi2 / scale**2), 0.0) / noise**2
        weighted = (J * weight[:, None, None]).T.reshape(6, -1)
        H = weighted @ J.T.reshape(6, -1).T + 1e-9 * np.eye(6) + known
        off = 0.0 if prior is None else known @ se3_log(inverse(prior[0]) @ T)
        xi = np.linalg.solve(
            H + 1e-12 * np.trace(H) * np.eye(6), weighted @ residual.T.reshape(-1) + off
        )
        T = T @ se3_exp(-np.clip(xi, -5, 5))  # curr_T_prev = exp(xi) curr_T_prev
        residual, J, in_front, at = pairs.residuals(T, at)
        if scale == _CAUCHY and xi @ H @ xi < _STILL:
            break
    chi2, noise = _judged(residual, in_front, most_noise)
    weight = np.where(in_front, 1 / (1 + chi2 / _CAUCHY**2), 0.0)
    residual, J = residual / noise, J / noise
    H = (J * weight[:, None, None]).T.reshape(6, -1) @ J.T.reshape(6, -1).T
    kept = curvature(weight, chi2, pairs.is_measured.sum(0), _CAUCHY)
    whole = H + known / kept
    inlier = in_front & (chi2 * noise**2 < _INLIER_CHI2 * min(noise, _INLIER_NOISE) ** 2)
    return Step(
        T,
        inlier,
        _inverse_or_inf(_CONSISTENT * H + known),
        (residual, J, weight, whole, kept),
        noise,
    )


def _judged(
    residual: np.ndarray, in_front: np.ndarray, most_noise: float
) -> tuple[np.ndarray, float]:
    """The squared residuals (N,) in the noise that they show, and that noise in sigmas, 1 to 3 at
    most.

    Sigmas are of pictures like those they were measured on; where half of the points are worse, all
    are: their median is the scale of a robust estimate (Huber 1981, section 7.7), lest good points
    are taken for outliers.
    """
    chi2 = (residual**2).sum(1)
    front = chi2[in_front]
    of_half = (
        float(np.partition(front, len(front) // 2)[len(front) // 2]) / _MEDIAN_CHI2
        if len(front)
        else 1.0
    )
    noise = min(max(of_half, 1.0), most_noise**2)
    return chi2 / noise, noise**0.5


def _search(pairs: Pairs, among: np.ndarray, within_px: float):
    """PnP in a RANSAC (Fischler and Bolles 1981) over some points with depth; None where it
    finds nothing.
    """
    good = np.flatnonzero(among & (pairs.inv > 1e-3))
    if len(good) < _LEAST:
        return None
    points = pairs.rays[good] / pairs.inv[good, None]
    try:
        found, rotvec, t, _ = cv2.solvePnPRansac(
            points,
            np.ascontiguousarray(pairs.after.T[good, :2]),
            pairs.camera.K,
            None,
            iterationsCount=_TRIALS,
            reprojectionError=within_px,
            confidence=0.999,
        )
    except cv2.error:
        return None
    if not found or not (np.isfinite(rotvec).all() and np.isfinite(t).all()):
        return None
    curr_T_prev = np.eye(4)
    curr_T_prev[:3, :3], curr_T_prev[:3, 3] = cv2.Rodrigues(rotvec)[0], t[:, 0]
    return inverse(curr_T_prev)


def _inverse_or_inf(H: np.ndarray) -> np.ndarray:
    """The inverse of an information matrix, inf where it has none."""
    values = np.linalg.eigvalsh(H)
    return (
        np.linalg.inv(H) if values[0] > 1e-9 * max(values[-1], 1e-12) else np.full((6, 6), np.inf)
    )
