"""More than one motion may explain what is seen: which is likelier, and what the others leave open.

A thing that moves by itself, or hangs on the camera, is a second motion; a compromise of both is a
third, with which all points agree a little. Residuals around one answer do not show the others.
"""

from __future__ import annotations

import numpy as np

from depth_ros.core.lie import inverse, se3_log

# Each point is of the world, of something that moves by itself, or of nothing that is understood
_WORLD, _MOVER, _BLUNDER = 0.7, 0.15, 0.15
_BLUNDER_SIGMAS = 20.0  # blunders lie anywhere within so many
# Points on one thing are wrong together: four count as one, and a picture has about a dozen of
# them. Set on the calibration seeds of experiments/odometry/egomotion_nees.py, where these give the
# true motions the greatest likelihood.
_COUNTS, _THINGS = 0.25, 12.0
_MANOEUVRE, _LEAST_SIGMA = (
    0.2,
    (0.01, 0.005),
)  # of the step, metres and radians: how far from going on as before
_LEAST_LOG = -9.2  # one step in ten thousand goes anywhere
_SAME = 22.5  # 99.9 % of a chi-square of 6: within, the covariance already knows of the other


def log_odds(one, other, telling: np.ndarray, guesses: list[np.ndarray]) -> float:
    """Give the logarithm of how many times likelier one motion is than another.

    one, other: Step. What one does not explain may be something that moves as the other says, but
    the world is mostly the larger part; and a motion likely goes on as before. telling: (N,) bool,
    the points that are asked. guesses: prev_T_curr (4, 4), that which goes on as before first,
    standing still last; alike where no step is known.
    """
    a, b = (_density(step)[telling] for step in (one, other))
    blunder = _BLUNDER / _BLUNDER_SIGMAS**3
    ratio = np.log((_WORLD * a + _MOVER * b + blunder) / (_WORLD * b + _MOVER * a + blunder))
    points = min(_COUNTS * len(ratio), _THINGS) * float(ratio.mean())
    return points + _expected(one.prev_T_curr, guesses) - _expected(other.prev_T_curr, guesses)


def likeliest(found: list, telling: np.ndarray, guesses: list[np.ndarray]):
    """Give the likeliest of the motions found, and the covariance (6, 6) that is left because it
    may be another.

    That is the second moment of a mixture about the motion given, its right perturbation.
    """
    best = found[0]
    for step in found[1:]:
        if log_odds(step, best, telling, guesses) > 0:
            best = step
    others: list[float] = []
    distances: list[np.ndarray] = []
    for step in found:
        xi = se3_log(inverse(best.prev_T_curr) @ step.prev_T_curr)
        if all(_is_far(xi - known, step.covariance) for known in (np.zeros(6), *distances)):
            others.append(float(np.exp(log_odds(step, best, telling, guesses))))
            distances.append(xi)
    weights = np.array(others) / (1 + sum(others))
    return best, np.einsum(
        "n,ni,nj->ij", weights, np.reshape(distances, (-1, 6)), np.reshape(distances, (-1, 6))
    )


def _density(step) -> np.ndarray:
    """How likely each point is (N,), if it goes with this motion: a normal in the noise that the
    motion shows.
    """
    residual, _, weight, *_ = step.parts
    return np.where(weight > 0, np.exp(-(residual**2).sum(1) / 2), 0.0) / step.noise**3


def _is_far(xi: np.ndarray, covariance: np.ndarray) -> bool:
    """Whether a motion is so far off that the covariance does not know of it."""
    return bool(np.isfinite(covariance).all() and xi @ np.linalg.solve(covariance, xi) > _SAME)


def _expected(prev_T_curr: np.ndarray, guesses: list[np.ndarray]) -> float:
    """The logarithm of how likely a motion is before looking, but for a constant."""
    stood = guesses[-1] if len(guesses) > 1 else np.eye(4)
    before, off = (
        se3_log(inverse(a) @ b) for a, b in ((stood, guesses[0]), (guesses[0], prev_T_curr))
    )
    if not before.any():
        return 0.0  # the first step: nothing is expected
    sigma = [_MANOEUVRE * np.linalg.norm(part) for part in (before[:3], before[3:])] + np.array(
        _LEAST_SIGMA
    )
    far = [np.linalg.norm(part) for part in (off[:3], off[3:])] / sigma
    return max(-float(far @ far) / 2, _LEAST_LOG)
