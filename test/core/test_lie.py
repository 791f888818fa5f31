import numpy as np
import pytest

from depth_ros.core.lie import (
    inverse,
    matrix_to_quat,
    pose_to_matrix,
    quat_to_matrix,
    se3_exp,
    se3_log,
    so3_exp,
    so3_log,
)

ANGLES = [0.0, 1e-12, 1e-9, 1e-5, 0.09, 0.11, 1.0, 3.0, np.pi - 1e-7]
AXES = [(1.0, 0, 0), (0, -1.0, 0), (0.48, 0.6, 0.64)]


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("axis", AXES)
def test_round_trips(angle, axis):
    rotvec = angle * np.array(axis)
    R = so3_exp(rotvec)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(so3_log(R), rotvec, atol=1e-8)
    np.testing.assert_allclose(quat_to_matrix(matrix_to_quat(R)), R, atol=1e-14)
    twist = np.array([1.0, -2.0, 3.5, *rotvec])
    np.testing.assert_allclose(se3_log(se3_exp(twist)), twist, atol=1e-7)
    np.testing.assert_allclose(inverse(se3_exp(twist)), se3_exp(-twist), atol=1e-12)


def test_exp_is_the_limit_of_small_steps():
    twist = np.array([1.0, -2.0, 3.5, 0.3, -0.4, 0.5])
    np.testing.assert_allclose(
        np.linalg.matrix_power(se3_exp(twist / 1024), 1024), se3_exp(twist), atol=1e-11
    )


def test_half_turns():
    for axis in np.eye(3):
        np.testing.assert_allclose(np.abs(so3_log(so3_exp(np.pi * axis))), np.pi * axis, atol=1e-12)


def test_quaternion_of_a_quarter_turn_about_z():
    np.testing.assert_allclose(
        matrix_to_quat(so3_exp([0, 0, np.pi / 2])), [0, 0, np.sqrt(0.5), np.sqrt(0.5)]
    )


def test_a_pose_is_a_position_and_a_quaternion_of_any_length():
    wanted = se3_exp([1.0, -2.0, 3.5, 0.4, -0.3, 0.2])
    quat_xyzw = matrix_to_quat(wanted[:3, :3])
    np.testing.assert_allclose(pose_to_matrix([*wanted[:3, 3], *(-3 * quat_xyzw)]), wanted)
