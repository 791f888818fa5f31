import numpy as np
import pytest

from depth_ros.core.lie import inverse, se3_exp, so3_log
from depth_ros.odometry.pose_chain import LOST_VARIANCE, PoseChain, twist

STEP = se3_exp([0.02, -0.01, 0.5, 0.0, 0.1, 0.0])  # forward, turning right (about y down)


def test_steps_are_chained_in_body_axes():
    chain = PoseChain()
    for _ in range(3):
        chain.advance(STEP, np.zeros((6, 6)))
    body_T_optical = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
    np.testing.assert_allclose(chain.odom_T_camera, body_T_optical @ STEP @ STEP @ STEP, atol=1e-12)
    x, y, z = chain.odom_T_camera[:3, 3]
    assert x > 1.4 and y < 0  # forward is x, a right turn leads to -y


def test_twist_is_the_velocity():
    np.testing.assert_allclose(
        twist(se3_exp([0.1, 0, 0.2, 0, 0.3, 0]), 0.5), [0.2, 0, 0.4, 0, 0.6, 0], atol=1e-12
    )


def test_the_covariance_of_a_chain_is_that_of_its_errors():
    """400 chains of noisy steps: mean of a chi-square of 6, standard error 0.17."""
    rng = np.random.default_rng(0)
    sigma = np.array([0.02, 0.02, 0.03, 0.004, 0.004, 0.002])
    truth, nees = PoseChain(), []
    for _ in range(10):
        truth.advance(STEP, np.zeros((6, 6)))
    for _ in range(400):
        chain = PoseChain()
        for _ in range(10):
            chain.advance(STEP @ inverse(se3_exp(rng.normal(0, sigma))), np.diag(sigma**2))
        t = truth.odom_T_camera[:3, 3] - chain.odom_T_camera[:3, 3]
        error = np.concatenate(
            [t, so3_log(truth.odom_T_camera[:3, :3] @ chain.odom_T_camera[:3, :3].T)]
        )
        nees.append(error @ np.linalg.solve(chain.covariance, error))
    assert np.mean(nees) == pytest.approx(6.0, abs=0.6)


def test_an_error_of_scale_grows_along_the_way():
    chain = PoseChain()
    for _ in range(10):
        chain.advance(se3_exp([0, 0, 1.0, 0, 0, 0]), np.zeros((6, 6)), scale_sigma=0.02)
    np.testing.assert_allclose(np.sqrt(np.diag(chain.covariance)), [0.2, 0, 0, 0, 0, 0], atol=1e-9)


def test_a_chain_with_a_gap_knows_nothing_until_it_is_reset():
    chain = PoseChain()
    chain.lose()
    assert (np.diag(chain.covariance) == LOST_VARIANCE).all()
    chain.reset(np.eye(4))
    assert not chain.has_gap and not chain.covariance.any()
