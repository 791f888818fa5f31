"""A street along a path: it leaves the way free, carries the camera at its height, and renders
as the slow way does.
"""

import numpy as np
import pytest

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from depth_ros.core.lie import se3_exp
from depth_ros.synthetic.renderer import render
from experiments.odometry.route import street_along
from experiments.odometry.screen import render_on_screen

CAMERA = Camera(96, 48, 60.0, 62.0, 50.0, 20.0)


@pytest.fixture(scope="module")
def poses():
    """40 m ahead, then a right turn of 90 degrees with 20 m of radius, then 60 m uphill by 3
    degrees.
    """
    step, turn = np.zeros((95, 6)), np.radians(90) / 31
    step[:, 2] = 1.0
    step[40:71, 4] = turn
    step[71, 3] = np.radians(3)
    poses = [np.eye(4)]
    for twist in step:
        poses.append(poses[-1] @ se3_exp(twist))
    return np.stack(poses)


@pytest.fixture(scope="module")
def street(poses):
    return street_along(poses, np.random.default_rng(2))


def test_the_camera_drives_at_its_height_and_nothing_stands_in_its_way(poses, street):
    down = np.eye(4)
    down[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]  # its z axis is the camera's y
    for i in (10, 55, 90):
        below = render_on_screen(street.near(i), CAMERA, poses[i] @ down)["depth"]
        assert np.median(below[18:23, 48:53]) == pytest.approx(1.65, abs=0.1)
        ahead = render_on_screen(street.near(i), CAMERA, poses[i])["depth"]
        assert np.nanmin(ahead[14:20, 45:56]) > 6.0


def test_the_fast_way_renders_what_the_slow_way_renders(poses, street):
    for i in (0, 50):
        scene = street.near(i)
        fast, slow = render_on_screen(scene, CAMERA, poses[i]), render(scene, CAMERA, poses[i])
        assert (fast["shape"] != slow["shape"]).mean() < 1e-3
        same = fast["shape"] == slow["shape"]
        np.testing.assert_allclose(fast["depth"][same], slow["depth"][same], rtol=1e-4)
        assert np.abs(fast["rgb"] - slow["rgb"]).mean() < 2e-3


def test_what_is_near_along_the_way_is_all_that_is_shown(poses, street):
    near = street.near(
        94
    )  # at the end: behind lies a turn, whose beginning is not far away in space
    off = np.linalg.norm(near.center - poses[94][:3, 3], axis=1)
    first = np.linalg.norm(near.center - poses[30][:3, 3], axis=1)
    assert off.max() < 110 + 30 and first.min() > 20
    assert len(street.scene.kind) == len(street.at_m) > len(street.near(30).kind)


def test_the_same_seed_gives_the_same_street(poses, street):
    again = street_along(poses, np.random.default_rng(2))
    np.testing.assert_array_equal(again.scene.center, street.scene.center)


def test_one_pose_is_no_path():
    with pytest.raises(InputError, match="expected poses"):
        street_along(np.eye(4)[None], np.random.default_rng(0))
