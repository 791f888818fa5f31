import numpy as np
import pytest

from depth_ros.core.axes import body_R_optical, optical_pose_to_body, optical_R_body
from depth_ros.core.errors import ImageError
from depth_ros.core.lie import se3_exp
from depth_ros.core.pointcloud import depth_to_cloud
from depth_ros.core.projection import pixel_grid, project, transform_points, unproject


def test_unproject_and_project_are_inverse(camera):
    depth = np.random.default_rng(2).uniform(1, 9, (56, 96))
    np.testing.assert_allclose(
        project(unproject(depth, camera), camera), pixel_grid(56, 96), atol=1e-9
    )


def test_project_a_known_point(camera):
    u, v = project([0.5, -0.25, 2.0], camera)
    assert (u, v) == (44.25 + 20.0, 30.5 - 10.5)
    assert np.isnan(project([[0.5, 0.5, 0.0], [0.5, 0.5, -1.0]], camera)).all()


def test_disparity_is_the_shift_between_the_cameras(rig):
    left_T_right = se3_exp([rig.baseline_m, 0, 0, 0, 0, 0])
    point = np.array([0.3, 0.2, 2.5])
    in_right = transform_points(np.linalg.inv(left_T_right), point)
    shift = project(point, rig.left) - project(in_right, rig.left)
    np.testing.assert_allclose(shift, [80.0 * 0.21 / 2.5, 0.0], atol=1e-12)


def test_cloud_is_the_unprojection_with_colour(camera):
    depth = np.full((56, 96), 3.0, np.float32)
    depth[4, 5] = np.nan
    rgb = np.zeros((56, 96, 3), np.uint8)
    rgb[7, 8] = (1, 2, 3)
    cloud = depth_to_cloud(depth, camera, rgb)
    assert cloud.dtype == np.float32 and cloud.flags.c_contiguous
    np.testing.assert_allclose(cloud[..., :3], unproject(depth, camera), rtol=1e-5)
    assert np.isnan(cloud[4, 5, :3]).all()
    assert cloud[7, 8].tobytes()[12:] == bytes((3, 2, 1, 0))  # 0x00RRGGBB, little-endian
    assert (depth_to_cloud(depth, camera).view(np.uint32)[..., 3] == 0x00FFFFFF).all()


def test_cloud_refuses_other_sizes(camera):
    with pytest.raises(ImageError, match="expected"):
        depth_to_cloud(np.ones((96, 56)), camera)
    with pytest.raises(ImageError, match="expected"):
        depth_to_cloud(np.ones((56, 96)), camera, np.zeros((56, 96, 3)))


def test_optical_axes_are_those_of_rep_103():
    forward, left, up = np.eye(3)
    np.testing.assert_array_equal(optical_R_body @ forward, [0, 0, 1])
    np.testing.assert_array_equal(optical_R_body @ left, [-1, 0, 0])
    np.testing.assert_array_equal(optical_R_body @ up, [0, -1, 0])
    np.testing.assert_array_equal(body_R_optical @ optical_R_body, np.eye(3))
    pose = se3_exp([1.0, 2.0, 3.0, 0, 0, 0])
    np.testing.assert_array_equal(optical_pose_to_body(pose)[:3, 3], [1.0, 2.0, 3.0])
