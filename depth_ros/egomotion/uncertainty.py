"""What the adjustment leaves open: the covariance of the last step, and what was learned about the rig."""

from __future__ import annotations

import numpy as np

from ..core.lie import hat, inverse
from .bundle import Adjusted

_MEDIAN_CHI2_2 = 1.386  # of two values of a normal distribution


def adjoint(target_T_source: np.ndarray) -> np.ndarray:
    """Give the (6, 6) matrix that carries twists (translation, rotation) of source into target.

    >>> T = np.eye(4)
    >>> T[0, 3] = 2.0
    >>> (adjoint(T) @ [0, 0, 0, 0, 0, 1.0]).tolist()
    [0.0, -2.0, 0.0, 0.0, 0.0, 1.0]
    """
    R = target_T_source[:3, :3]
    out = np.zeros((6, 6))
    out[:3, :3] = out[3:, 3:] = R
    out[:3, 3:] = hat(target_T_source[:3, 3]) @ R
    return out


def last_step_covariance(adjusted: Adjusted) -> np.ndarray:
    """Give the covariance (6, 6) of the motion between the last two frames, all else marginalised."""
    free = adjusted.information[6:, 6:]
    joint = np.linalg.pinv(free, hermitian=True)
    last = slice(-7, -1)
    if len(adjusted.poses) == 2:
        return joint[last, last]
    before = slice(-13, -7)
    J = np.zeros((6, 12))
    J[:, :6] = -adjoint(inverse(adjusted.poses[-1]) @ adjusted.poses[-2])
    J[:, 6:] = np.eye(6)
    block = np.block([[joint[before, before], joint[before, last]], [joint[last, before], joint[last, last]]])
    return J @ block @ J.T


def learned_bias(adjusted: Adjusted, prior: tuple[float, float], least_sigma: float) -> tuple[float, float]:
    """Give (value, sigma) of the bias of inverse depth after a window.

    Windows overlap: each measurement is met once a frame of the window, so only that share of what it says counts.
    """
    if prior[1] <= 0:
        return prior
    variance = float(np.linalg.pinv(adjusted.information[6:, 6:], hermitian=True)[-1, -1]) * prior[1] ** 2
    variance = min(variance, prior[1] ** 2)
    known, share = prior[1] ** -2, 1 / (len(adjusted.poses) - 1)
    news = (adjusted.bias / variance - prior[0] * known) * share
    information = known + (1 / variance - known) * share
    return (prior[0] * known + news) / information, max(information**-0.5, least_sigma)


def noise_factor(chi2: np.ndarray) -> float:
    """Tell how much larger the noise is than was assumed, as a standard deviation, from squared residuals."""
    known = chi2[np.isfinite(chi2)]
    return float(np.sqrt(np.median(known) / _MEDIAN_CHI2_2)) if len(known) else 1.0
