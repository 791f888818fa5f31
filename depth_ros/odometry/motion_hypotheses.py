"""More than one motion may explain what is seen: which is likelier, and what the others leave open.

A thing that moves by itself, or hangs on the camera, is a second motion; a compromise of both is a
third, with which all points agree a little. Residuals around one answer do not show the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from depth_ros.core.lie import inverse, se3_log

if TYPE_CHECKING:
    from .relative_pose import Step

# Each point is of the world, of something that moves by itself, or of nothing that is understood
_WORLD = 0.7
_MOVER = 0.15
_BLUNDER = 0.15
_BLUNDER_SIGMAS = 20.0  # blunders lie anywhere within so many
# Points on one thing are wrong together: four count as one, and a picture has about a dozen of
# them. Set on the calibration seeds of experiments/odometry/egomotion_nees.py, where the true
# motions have the greatest likelihood with these.
_COUNTS = 0.25
_THINGS = 12.0
# How far from going on as before, standard deviations: a share of the step, but at least metres and
# radians.
_MANOEUVRE = 0.2
_LEAST_SIGMA = np.array([0.01, 0.005])
_LEAST_LOG = -9.2  # one step in ten thousand goes anywhere
_SAME = 22.5  # 99.9 % of a chi-square of 6: within, the covariance already knows of the other


def log_odds(
    one: Step, other: Step, informative: np.ndarray, predictions: list[np.ndarray]
) -> float:
    """Return the logarithm of how many times likelier one motion is than another.

    What one does not explain may be something that moves like the other, but the world is mostly
    the larger part; and a motion likely goes on as before.

    Args:
        one: a motion.
        other: another motion of the same points.
        informative: (N,) bool, the points that are asked.
        predictions: prev_T_curr (4, 4), that which goes on as before first, standing still last;
            alike where no step is known.
    """
    a = _density(one)[informative]
    b = _density(other)[informative]
    # mixture of the world, a mover, and blunders spread evenly
    blunder = _BLUNDER / _BLUNDER_SIGMAS**3
    ratio = np.log((_WORLD * a + _MOVER * b + blunder) / (_WORLD * b + _MOVER * a + blunder))
    points = min(_COUNTS * len(ratio), _THINGS) * float(ratio.mean())
    expected = _expected(one.prev_T_curr, predictions)
    return points + expected - _expected(other.prev_T_curr, predictions)


def likeliest(
    found: list[Step], informative: np.ndarray, predictions: list[np.ndarray]
) -> tuple[Step, np.ndarray]:
    """Choose the likeliest of several motions.

    Args:
        found: the motions, at least one.
        informative: as in log_odds.
        predictions: as in log_odds.

    Returns:
        The likeliest, and the covariance (6, 6) of its right perturbation that is left because it
        may be another: the second moment of a mixture about it.
    """
    best = found[0]
    for step in found[1:]:
        if log_odds(step, best, informative, predictions) > 0:
            best = step
    # motions that the covariance of the best does not cover, each counted once
    odds: list[float] = []
    distances: list[np.ndarray] = []
    for step in found:
        xi = se3_log(inverse(best.prev_T_curr) @ step.prev_T_curr)
        if all(_is_far(xi - known, step.covariance) for known in (np.zeros(6), *distances)):
            odds.append(float(np.exp(log_odds(step, best, informative, predictions))))
            distances.append(xi)
    weights = np.array(odds) / (1 + sum(odds))
    xis = np.reshape(distances, (-1, 6))
    return best, np.einsum("n,ni,nj->ij", weights, xis, xis)


def _density(step: Step) -> np.ndarray:
    """How likely each point is (N,), if it goes with this motion: a normal in the noise that the
    motion shows.
    """
    return np.where(step.weight > 0, np.exp(-step.chi2 / 2), 0.0) / step.noise**3


def _is_far(xi: np.ndarray, covariance: np.ndarray) -> bool:
    """Whether a motion is so far off that the covariance does not know of it."""
    return bool(np.isfinite(covariance).all() and xi @ np.linalg.solve(covariance, xi) > _SAME)


def _expected(prev_T_curr: np.ndarray, predictions: list[np.ndarray]) -> float:
    """The logarithm of how likely a motion is before looking, but for a constant."""
    stood = predictions[-1] if len(predictions) > 1 else np.eye(4)
    before = se3_log(inverse(stood) @ predictions[0])
    if not before.any():
        return 0.0  # the first step: nothing is expected
    off = se3_log(inverse(predictions[0]) @ prev_T_curr)
    sigma = _MANOEUVRE * _sizes(before) + _LEAST_SIGMA
    far = _sizes(off) / sigma
    return max(-float(far @ far) / 2, _LEAST_LOG)


def _sizes(twist: np.ndarray) -> np.ndarray:
    """The lengths (2,) of the translation and the rotation of a twist."""
    return np.array([np.linalg.norm(twist[:3]), np.linalg.norm(twist[3:])])
