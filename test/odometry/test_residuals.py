"""Points whose motion is known, measured exactly or not at all."""

import numpy as np
import pytest

from depth_ros.core.camera import Camera
from depth_ros.core.lie import inverse, se3_exp
from depth_ros.odometry.inverse_depth import bearings, move, observe, whitened
from depth_ros.odometry.residuals import Pairs

CAMERA, N = Camera(640, 480, 500.0, 510.0, 310.0, 250.0), 40
PREV_T_CURR = se3_exp([0.3, -0.1, 0.5, 0.02, -0.05, 0.03])
SIGMA_BEFORE, SIGMA_AFTER = np.tile([0.2, 0.3, 0.004], (N, 1)), np.tile([0.4, 0.3, np.inf], (N, 1))


def seen(prev_T_curr=PREV_T_CURR):
    """The same points, (N, 3) each, without noise."""
    rng = np.random.default_rng(0)
    before = np.c_[rng.uniform((50, 50), (590, 430), (N, 2)), 1 / rng.uniform(2, 9, N)]
    after = observe(
        move(inverse(prev_T_curr), bearings(before[:, :2], CAMERA), before[:, 2]),
        before[:, 2],
        CAMERA,
    )
    return before, after


def test_the_true_motion_leaves_nothing_and_the_jacobian_is_that_of_differences():
    before, after = seen()
    pairs = Pairs(before, after, SIGMA_BEFORE, SIGMA_AFTER, CAMERA)
    found = pairs.residuals(PREV_T_CURR, pairs.inv)
    J = found.jacobian
    assert np.abs(found.whitened).max() < 1e-9 and found.in_front.all() and J.shape == (N, 3, 6)
    np.testing.assert_allclose(found.inv_depth, before[:, 2], rtol=1e-12)
    for axis, step in enumerate(1e-6 * np.eye(6)):  # curr_T_prev = exp(step) curr_T_prev
        one, other = (
            pairs.residuals(PREV_T_CURR @ se3_exp(-s), pairs.inv).whitened for s in (step, -step)
        )
        np.testing.assert_allclose(
            J[..., axis], (other - one) / 2e-6, atol=1e-4 * np.abs(J[..., axis]).max()
        )


def test_residuals_are_in_standard_deviations_of_both_frames():
    """Noise of both frames as said: a chi-square of 2 each, the inverse depth of the second not
    being measured.
    """
    rng, chi2 = np.random.default_rng(1), []
    for _ in range(50):
        before, after = (
            one + rng.normal(0, 1, (N, 3)) * np.nan_to_num(sigma, posinf=0.0)
            for one, sigma in zip(seen(), (SIGMA_BEFORE, SIGMA_AFTER), strict=True)
        )
        pairs = Pairs(before, after, SIGMA_BEFORE, SIGMA_AFTER, CAMERA)
        chi2.append(pairs.residuals(PREV_T_CURR, pairs.inv, with_jacobian=False).chi2.mean())
    assert np.mean(chi2) == pytest.approx(2.0, abs=0.15)  # 2000 of variance 4: 3 sigma are 0.13


def test_a_point_without_depth_gets_it_from_the_motion():
    before, after = seen()
    unknown, sigma = before.copy(), SIGMA_BEFORE.copy()
    unknown[0, 2], sigma[0, 2] = 0.0, np.inf
    pairs, at = Pairs(unknown, after, sigma, SIGMA_AFTER, CAMERA), unknown[:, 2]
    for _ in range(8):
        found = pairs.residuals(PREV_T_CURR, at)
        at = found.inv_depth
    assert at[0] == pytest.approx(before[0, 2], rel=1e-3)
    left = np.linalg.norm(found.whitened[0])  # 0 +- 1 per metre stands for unknown
    assert left == pytest.approx(before[0, 2], rel=0.01)


def test_whitened_is_the_inverse_of_the_cholesky_root():
    rng = np.random.default_rng(2)
    A, values = rng.normal(0, 1, (5, 3, 3)), rng.normal(0, 1, (5, 3, 4))
    covariance = A @ A.transpose(0, 2, 1) + np.eye(3)
    np.testing.assert_allclose(
        np.linalg.cholesky(covariance) @ whitened(covariance, values), values, atol=1e-12
    )
