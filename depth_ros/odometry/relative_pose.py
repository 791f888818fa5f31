"""The motion between two frames from points seen in both: hypotheses, then weighted least
squares.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from depth_ros.core.lie import inverse, se3_exp, se3_log

from .bundle_adjustment import curvature
from .covariance import Pull
from .motion_hypotheses import likeliest
from .residuals import Pairs, Residuals

_CAUCHY = 2.0
_FIRST_CAUCHY = 4.0  # of the first round, in which good points may still look bad
_ROUNDS = 6
# One over the excess of the variance, under normal noise, where these weights are the information
_CONSISTENT = 1.47
_INLIER_CHI2 = 12.8  # 3 values, 99.5 %
_MEDIAN_CHI2 = 2.37  # of 3 values
_MOST_NOISE = 3.0  # in more noise anything agrees with anything
_INLIER_NOISE = 2.0
_CLEAR = 0.7  # share of agreeing points that leaves no doubt
_LEAST = 12  # fewest points of any answer
_LEAST_SHARE = 0.25
_STILL = 1e-2  # a step so small in squared standard deviations changes nothing
_TRIALS = 100
_RANSAC_PX = 1.5
_CLOSE_PX = 0.5
_NEAR_INFINITY = 1e-3  # 1/m: farther points have no place in PnP

Prior = tuple[np.ndarray, np.ndarray]  # a motion (4, 4), and the information (6, 6) about it


@dataclass(frozen=True, eq=False)
class Step:
    """A motion found between two frames.

    Attributes:
        prev_T_curr: (4, 4) metres.
        inlier: (N,) bool, the points that agree.
        covariance: (6, 6) of the right perturbation of prev_T_curr, if the sigmas are true.
        residuals: (N, 3) in the noise found.
        jacobian: (N, 3, 6) of them.
        weight: (N,) Cauchy's.
        information: (6, 6) of all points.
        curvature: the share of it that is left when weights change with the residuals.
        noise: of all points, in their sigmas.
        spread: (6, 6) what is open besides, as it may be quite another motion.
    """

    prev_T_curr: np.ndarray
    inlier: np.ndarray
    covariance: np.ndarray
    residuals: np.ndarray
    jacobian: np.ndarray
    weight: np.ndarray
    information: np.ndarray
    curvature: float
    noise: float = 1.0
    spread: np.ndarray = field(default_factory=lambda: np.zeros((6, 6)))

    @property
    def pull(self) -> Pull:
        """Of each point on the motion."""
        weighted = self.jacobian.transpose(0, 2, 1) * self.weight[:, None, None]
        scores = (weighted @ self.residuals[..., None])[..., 0]
        return Pull(scores, weighted @ self.jacobian, self.information, self.curvature)

    @property
    def chi2(self) -> np.ndarray:
        """The squared residuals (N,) in the noise found."""
        return (self.residuals**2).sum(1)


def estimate_step(
    pairs: Pairs, predictions: list[np.ndarray], prior: Prior | None = None
) -> Step | str:
    """Find the motion that explains the measurements of the same points in two frames.

    Args:
        pairs: the measurements.
        predictions: prev_T_curr (4, 4) to begin with, the likeliest first.
        prior: what is known besides, prev_T_curr (4, 4) and the information (6, 6) of its right
            perturbation, or None.

    Returns:
        Step, or the reason why there is none.
    """
    if len(pairs) < _LEAST:
        return f"{len(pairs)} points followed, {_LEAST} needed"
    # 1. refine the prediction that explains the points best
    best = predictions[0]
    if len(predictions) > 1:
        best = min(predictions, key=lambda prediction: _cost(prediction, pairs))
    step = _refined(best, prior, pairs)
    # 2. where too few points agree, look for other motions; points without depth agree with many
    informative = pairs.has_depth
    if informative.sum() < _LEAST:
        informative = np.ones(len(pairs), bool)
    if _agrees(step)[informative].mean() < _CLEAR:
        step = _doubted(step, informative, predictions, prior, pairs)
    # 3. refuse what too few points support; in more noise few agree by chance
    agreeing = int(step.inlier.sum())
    if agreeing < max(_LEAST * step.noise, _LEAST_SHARE * len(pairs)):
        return f"{agreeing} of {len(pairs)} points agree on a motion"
    if (step.inlier & pairs.has_depth).sum() < _LEAST // 2:
        return "no metric depth at the points followed"
    if not np.isfinite(step.covariance).all():
        return "the points do not determine the motion"
    return step


def _doubted(
    step: Step,
    informative: np.ndarray,
    predictions: list[np.ndarray],
    prior: Prior | None,
    pairs: Pairs,
) -> Step:
    """Look for other motions of all points and of those that this one does not explain; the
    likeliest of them.
    """
    searches = (
        (informative, _RANSAC_PX),
        (informative, _CLOSE_PX),
        (informative & ~step.inlier, _RANSAC_PX),
    )
    found = [step]
    for among, within_px in searches:
        searched = _search(pairs, pairs.has_depth & among, within_px)
        if searched is not None:
            found.append(_refined(searched, prior, pairs))
    # the noise is the pictures': what one motion does not need no other may have
    noise = min(other.noise for other in found)
    for i, other in enumerate(found):
        if other.noise != noise:
            found[i] = _refined(other.prev_T_curr, prior, pairs, noise)
    best, spread = likeliest(found, informative, predictions)
    return replace(best, spread=spread)


def _agrees(step: Step) -> np.ndarray:
    """Which points (N,) agree within their sigmas, however large the noise is that the motion
    makes of them.
    """
    return (step.weight > 0) & (step.chi2 * step.noise**2 < _INLIER_CHI2)


def _cost(prev_T_curr: np.ndarray, pairs: Pairs) -> float:
    """How badly a motion explains the points, each counting for at most a little."""
    found = pairs.residuals(prev_T_curr, pairs.inv, with_jacobian=False)
    return float(np.log1p(found.chi2 / 16).sum() + 10 * (~found.in_front).sum())


def _refined(
    prev_T_curr: np.ndarray, prior: Prior | None, pairs: Pairs, most_noise: float = _MOST_NOISE
) -> Step:
    """Gauss-Newton with Cauchy's weights, the scale tightened after the first round."""
    T = prev_T_curr.copy()
    found = pairs.residuals(T, pairs.inv)
    for scale in (_FIRST_CAUCHY, *[_CAUCHY] * _ROUNDS):
        # weights w = 1 / (1 + chi2 / scale^2), in the noise that the residuals show
        chi2, noise = _judged(found, most_noise)
        weight = np.where(found.in_front, 1 / (1 + chi2 / scale**2), 0.0) / noise**2
        # normal equations: (J^T w J + prior) xi = J^T w r + prior log(prior^-1 T)
        weighted = (found.jacobian * weight[:, None, None]).T.reshape(6, -1)
        H = weighted @ found.jacobian.T.reshape(6, -1).T + 1e-9 * np.eye(6)
        g = weighted @ found.whitened.T.reshape(-1)
        if prior is not None:
            H = H + prior[1]
            g = g + prior[1] @ se3_log(inverse(prior[0]) @ T)
        xi = np.linalg.solve(H + 1e-12 * np.trace(H) * np.eye(6), g)
        T = T @ se3_exp(-np.clip(xi, -5, 5))  # curr_T_prev = exp(xi) curr_T_prev
        found = pairs.residuals(T, found.inv_depth)
        if scale == _CAUCHY and xi @ H @ xi < _STILL:
            break
    return _to_step(T, found, prior, pairs, most_noise)


def _to_step(
    T: np.ndarray, found: Residuals, prior: Prior | None, pairs: Pairs, most_noise: float
) -> Step:
    """The result of the last round: which points agree, and what is known of the motion."""
    chi2, noise = _judged(found, most_noise)
    weight = np.where(found.in_front, 1 / (1 + chi2 / _CAUCHY**2), 0.0)
    residuals = found.whitened / noise
    J = found.jacobian / noise
    H = (J * weight[:, None, None]).T.reshape(6, -1) @ J.T.reshape(6, -1).T
    kept = curvature(weight, chi2, pairs.is_measured.sum(0), _CAUCHY)
    known = np.zeros((6, 6)) if prior is None else prior[1]
    most_chi2 = _INLIER_CHI2 * min(noise, _INLIER_NOISE) ** 2
    return Step(
        T,
        found.in_front & (chi2 * noise**2 < most_chi2),
        _inverse_or_inf(_CONSISTENT * H + known),
        residuals,
        J,
        weight,
        H + known / kept,
        kept,
        noise,
    )


def _judged(found: Residuals, most_noise: float) -> tuple[np.ndarray, float]:
    """The squared residuals (N,) in the noise that they show, and that noise in sigmas, 1 to
    most_noise.

    Sigmas are of pictures like those they were measured on; where half of the points are worse, all
    are: their median is the scale of a robust estimate (Huber 1981, section 7.7), lest good points
    are taken for outliers.
    """
    chi2 = found.chi2
    front = chi2[found.in_front]
    variance = 1.0
    if len(front):
        middle = len(front) // 2
        variance = float(np.partition(front, middle)[middle]) / _MEDIAN_CHI2
    noise2 = min(max(variance, 1.0), most_noise**2)
    return chi2 / noise2, noise2**0.5


def _search(pairs: Pairs, among: np.ndarray, within_px: float) -> np.ndarray | None:
    """PnP in a RANSAC (Fischler and Bolles 1981) over some points with depth; None where it
    finds nothing.
    """
    good = np.flatnonzero(among & (pairs.inv > _NEAR_INFINITY))
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
    curr_T_prev[:3, :3] = cv2.Rodrigues(rotvec)[0]
    curr_T_prev[:3, 3] = t[:, 0]
    return inverse(curr_T_prev)


def _inverse_or_inf(H: np.ndarray) -> np.ndarray:
    """The inverse of an information matrix, inf where it has none."""
    values = np.linalg.eigvalsh(H)
    if values[0] > 1e-9 * max(values[-1], 1e-12):
        return np.linalg.inv(H)
    return np.full((6, 6), np.inf)
