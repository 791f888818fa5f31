import numpy as np
import pytest

from depth_ros.core.axes import (
    body_R_optical,
    carry_pose,
    carry_twist,
    optical_R_body,
    turn_covariance,
)
from depth_ros.core.lie import inverse, se3_exp, se3_log, so3_exp, so3_log

ODOM_T_CAMERA = se3_exp([3.0, -1.0, 0.5, 0.2, -0.4, 0.9])
CAMERA_T_BASE = se3_exp([0.1, 1.2, -0.7, -1.1, 1.2, -1.3])


@pytest.fixture
def spread():
    """A full, asymmetric covariance of small errors."""
    A = np.random.default_rng(5).normal(size=(6, 6)) * [0.02, 0.03, 0.01, 0.004, 0.008, 0.006]
    return A @ A.T * 0.1


def samples(covariance, n=40_000):
    return np.random.default_rng(1).multivariate_normal(np.zeros(6), covariance, n)


def test_axes_are_those_of_rep_103():
    forward, left, up = np.eye(3)
    right, down = -left, -up
    np.testing.assert_array_equal(
        body_R_optical.T, [right, down, forward]
    )  # the rows: x, y and z of optical
    np.testing.assert_array_equal(body_R_optical @ optical_R_body, np.eye(3))


def test_the_covariance_of_a_carried_pose_is_that_of_carried_samples(spread):
    odom_T_base, covariance = carry_pose(ODOM_T_CAMERA, spread, CAMERA_T_BASE)
    np.testing.assert_allclose(odom_T_base, ODOM_T_CAMERA @ CAMERA_T_BASE)
    errors = []
    for sample in samples(spread):
        wrong = ODOM_T_CAMERA.copy()
        wrong[:3, :3] = so3_exp(sample[3:]) @ wrong[:3, :3]
        wrong[:3, 3] += sample[:3]
        base = wrong @ CAMERA_T_BASE
        errors.append(
            [*(base[:3, 3] - odom_T_base[:3, 3]), *so3_log(base[:3, :3] @ odom_T_base[:3, :3].T)]
        )
    np.testing.assert_allclose(
        np.cov(np.transpose(errors)), covariance, atol=0.03 * np.abs(covariance).max()
    )


def test_there_and_back_changes_nothing(spread):
    pose, covariance = carry_pose(
        *carry_pose(ODOM_T_CAMERA, spread, CAMERA_T_BASE), inverse(CAMERA_T_BASE)
    )
    np.testing.assert_allclose(pose, ODOM_T_CAMERA, atol=1e-12)
    np.testing.assert_allclose(covariance, spread, atol=1e-12)
    base_T_camera = inverse(CAMERA_T_BASE)
    twist = np.arange(1.0, 7.0)
    there = carry_twist(twist, spread, base_T_camera)
    back = carry_twist(*there, CAMERA_T_BASE)
    np.testing.assert_allclose(back[0], twist, atol=1e-12)
    np.testing.assert_allclose(back[1], spread, atol=1e-12)


def test_the_twist_of_the_base_is_what_the_base_does():
    """Move the camera for a microsecond and look at the base."""
    twist, span_s = np.array([1.0, -0.5, 2.0, 0.3, -0.2, 0.7]), 1e-6
    moved = ODOM_T_CAMERA @ se3_exp(twist * span_s)
    base_step = inverse(ODOM_T_CAMERA @ CAMERA_T_BASE) @ moved @ CAMERA_T_BASE
    found, _ = carry_twist(twist, np.eye(6), inverse(CAMERA_T_BASE))
    np.testing.assert_allclose(found, se3_log(base_step) / span_s, atol=1e-5)


def test_turned_axes(spread):
    turned = turn_covariance(spread, body_R_optical)
    assert turned[0, 0] == pytest.approx(spread[2, 2]) and turned[1, 1] == pytest.approx(
        spread[0, 0]
    )
    assert turned[3, 4] == pytest.approx(-spread[5, 3]) and turned[0, 5] == pytest.approx(
        -spread[2, 4]
    )
