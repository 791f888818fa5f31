from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy")
from depth_ros.core.axes import carry_twist, turn_covariance
from depth_ros.core.lie import inverse, quat_to_matrix, se3_exp
from depth_ros.nodes.odometry.messages import (
    BodyMotion,
    BoundedPath,
    base_motion,
    body_motion,
    motion_to_odometry,
    motion_to_transform,
    odom_T_ego,
)
from depth_ros.odometry import EstimateConverter
from nodes.ego import Ego, start_pose, stereo_estimate

# A camera 0.3 m ahead of the base, 0.1 m to its left, 0.8 m up, that looks ahead and 20 degrees
# down.
BASE_T_CAMERA = start_pose() @ se3_exp([0, 0, 0, np.radians(-20), 0, 0])
BASE_T_CAMERA[:3, 3] = 0.3, 0.1, 0.8


def ego_estimate(odom_T_camera, **changes):
    ego = Ego()
    ego.pose = odom_T_camera
    return replace(
        ego.update(*EstimateConverter().convert(stereo_estimate(1_700_000_000_123_456_789))),
        **changes,
    )


def test_the_base_starts_at_the_origin_of_odom():
    motion = base_motion(ego_estimate(start_pose()), "odom", "base_link", BASE_T_CAMERA)
    np.testing.assert_allclose(motion.odom_T_child, np.eye(4), atol=1e-12)
    assert (motion.frame, motion.child_frame) == ("odom", "base_link")


def test_what_the_base_does_is_what_odom_says():
    """The base drives 2 m ahead and turns left by 0.5 rad; the camera goes with it."""
    base0_T_base = se3_exp([0, 0, 0, 0, 0, 0.5])
    base0_T_base[:3, 3] = 2.0, 0.25, 0.0
    camera0_T_camera = inverse(BASE_T_CAMERA) @ base0_T_base @ BASE_T_CAMERA
    motion = base_motion(
        ego_estimate(start_pose() @ camera0_T_camera), "odom", "base_link", BASE_T_CAMERA
    )
    np.testing.assert_allclose(motion.odom_T_child, base0_T_base, atol=1e-12)


def test_the_twist_is_that_of_the_base():
    """It drives at 2 m/s and turns left at 0.5 rad/s: the camera, ahead and to the left, moves
    otherwise.
    """
    wanted = np.array([2.0, 0, 0, 0, 0, 0.5])
    in_camera, _ = carry_twist(wanted, np.eye(6), inverse(BASE_T_CAMERA))
    speed = np.linalg.norm(in_camera[:3])
    assert speed == pytest.approx(np.hypot(2.0 - 0.5 * 0.1, 0.5 * 0.3))
    motion = base_motion(
        ego_estimate(start_pose(), twist=in_camera), "odom", "base_link", BASE_T_CAMERA
    )
    np.testing.assert_allclose(motion.twist, wanted, atol=1e-12)


def test_rotation_that_is_not_known_makes_the_place_of_the_base_uncertain():
    """Yaw is uncertain by 0.01 rad; ego-motion says so in its own odom, which looks down with
    the camera.
    """
    in_base = np.diag([0, 0, 0, 0, 0, 1e-4])
    estimate = ego_estimate(
        start_pose(), covariance=turn_covariance(in_base, odom_T_ego(BASE_T_CAMERA)[:3, :3].T)
    )
    motion = base_motion(estimate, "odom", "base_link", BASE_T_CAMERA)
    np.testing.assert_allclose(
        np.diag(motion.covariance), [1e-4 * 0.1**2, 1e-4 * 0.3**2, 0, 0, 0, 1e-4], atol=1e-15
    )


def test_messages_hold_the_numbers():
    estimate = ego_estimate(start_pose() @ se3_exp([0.5, 0, 3, 0, -0.4, 0]))
    motion = base_motion(estimate, "odom", "base_link", BASE_T_CAMERA)
    odometry, transform = motion_to_odometry(motion), motion_to_transform(motion)
    assert (odometry.header.stamp.sec, odometry.header.stamp.nanosec) == (
        1_700_000_000,
        123_456_789,
    )
    assert (
        odometry.header == transform.header
        and odometry.child_frame_id == transform.child_frame_id == "base_link"
    )
    place, turn = odometry.pose.pose.position, odometry.pose.pose.orientation
    np.testing.assert_allclose([place.x, place.y, place.z], motion.odom_T_child[:3, 3])
    R = quat_to_matrix([turn.x, turn.y, turn.z, turn.w])
    np.testing.assert_allclose(R, motion.odom_T_child[:3, :3], atol=1e-12)
    assert transform.transform.translation.y == place.y and transform.transform.rotation == turn
    np.testing.assert_allclose(np.reshape(odometry.pose.covariance, (6, 6)), motion.covariance)
    np.testing.assert_allclose(
        np.reshape(odometry.twist.covariance, (6, 6)), motion.twist_covariance
    )
    linear, angular = odometry.twist.twist.linear, odometry.twist.twist.angular
    np.testing.assert_allclose(
        [linear.x, linear.y, linear.z, angular.x, angular.y, angular.z], motion.twist
    )


def test_without_extrinsics_the_camera_speaks_for_itself():
    motion = body_motion(ego_estimate(start_pose()), "odom", "camera_optical")
    assert motion.child_frame == "camera_optical"
    np.testing.assert_array_equal(motion.odom_T_child, start_pose())
    assert motion.is_finite
    assert not body_motion(
        ego_estimate(start_pose(), twist=np.full(6, np.nan)), "odom", "c"
    ).is_finite


def test_the_path_is_bounded_and_spans_the_whole_way():
    path = BoundedPath()
    for i in range(5000):
        T = np.eye(4)
        T[0, 3] = 0.11 * i
        path.add(BodyMotion(i, "odom", "base", T, np.eye(6), np.zeros(6), np.eye(6)))
    msg = path.message(5000, "odom")
    assert 400 < len(msg.poses) <= 1000 and len(path) == len(msg.poses)
    places = [pose.pose.position.x for pose in msg.poses]
    assert places[0] == 0 and places[-1] > 0.11 * 4950 and places == sorted(places)


def test_the_path_takes_steps_and_turns_only():
    path, T = BoundedPath(), np.eye(4)

    def add(T):
        return path.add(BodyMotion(0, "odom", "base", T, np.eye(6), np.zeros(6), np.eye(6)))

    assert add(T) and not add(T) and not add(se3_exp([0.09, 0, 0, 0, 0, 0.09]))
    assert add(se3_exp([0, 0, 0, 0, 0, 0.11])) and add(se3_exp([0, 0.11, 0, 0, 0, 0.11]))
