"""What set_pose means for the camera, and what ego-motion makes of its covariance."""

import numpy as np
import pytest

pytest.importorskip("rclpy")
from depth_ros.core.axes import body_R_optical
from depth_ros.core.camera import Camera
from depth_ros.core.lie import se3_exp
from depth_ros.nodes.odometry.set_pose import camera_pose, is_covariance
from depth_ros.odometry import EgoFrame, EgoMotion


def optical(place):
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = body_R_optical, place
    return pose


def test_a_base_at_the_origin_is_where_ego_motion_began():
    pose, covariance = camera_pose(np.eye(4), np.zeros((6, 6)), optical([0.3, 0.1, 0.8]))
    np.testing.assert_allclose(pose, optical([0, 0, 0]), atol=1e-12)
    assert not covariance.any()


def test_ego_motion_begins_with_the_covariance_that_was_given():
    wanted = np.diag([0.04, 0.09, 0.01, 1e-4, 2e-4, 3e-4])
    ego = EgoMotion()
    pose = optical([1.0, 2.0, 3.0]) @ se3_exp([0, 0, 0, 0, 0.3, 0])
    ego.set_pose(pose, wanted)
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    found = ego.update(
        EgoFrame(7, image, Camera(128, 96, 100.0, 100.0, 63.5, 47.5), depth=np.full((96, 128), 2.0))
    )
    np.testing.assert_allclose(found.odom_T_camera, pose, atol=1e-12)
    np.testing.assert_allclose(found.covariance, wanted, atol=1e-15)


@pytest.mark.parametrize(
    "spoil, is_good",
    [
        ((0, 0, 0.25), True),  # RViz sends such ones
        ((0, 1, 0.1), False),
        ((2, 2, -1e-3), False),
        ((5, 5, np.nan), False),
    ],
)
def test_what_a_covariance_is(spoil, is_good):
    matrix = np.zeros((6, 6))
    matrix[spoil[:2]] = spoil[2]
    assert is_covariance(matrix) == is_good
