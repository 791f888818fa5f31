"""Streets and rooms: things have their everyday size, stand on the ground, and the camera is
where it should be.
"""

import numpy as np
import pytest

from depth_ros.core.camera import Camera
from depth_ros.synthetic.places import camera_pose, random_room, random_street
from depth_ros.synthetic.places.materials import Builder, grid, material
from depth_ros.synthetic.places.outdoors import car, person, tree
from depth_ros.synthetic.renderer import render

CAMERA = Camera(40, 24, 31.0, 29.0, 18.25, 12.75)  # asymmetric on purpose


def box_about(rows):
    """Lowest and highest corner of the box about shapes (rows of a Builder), world axes."""
    centers = np.array([row["center"] for row in rows])
    reach = np.array([row["half"] @ np.abs(row["axes"]) for row in rows])
    return (centers - reach).min(0), (centers + reach).max(0)


def test_camera_pose_is_its_convention():
    pose = camera_pose(1.0, 2.0, 1.5, yaw=np.pi / 2)
    np.testing.assert_allclose(
        pose[:3, :3] @ [0, 0, 1], [1, 0, 0], atol=1e-12
    )  # a quarter turn to the right
    up = camera_pose(0, 0, 1.5, pitch=0.3)[:3, :3] @ [0, 0, 1]
    np.testing.assert_allclose(up, [0, -np.sin(0.3), np.cos(0.3)], atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(camera_pose(0, 0, 1, 0.4, -0.2, 0.1)[:3, :3]), 1)


@pytest.mark.parametrize(
    ("make", "tall", "wide"),
    [
        (car, (1.4, 4.0), (3.5, 11.6)),
        (person, (1.0, 2.0), (0.2, 1.0)),
        (tree, (2.0, 18), (0.5, 18)),
    ],
)
def test_things_have_their_size_and_stand_on_the_ground(make, tall, wide):
    for seed in range(20):
        b = Builder(np.random.default_rng(seed))
        make(b, 3.0, 20.0)
        low, high = box_about(b.rows)
        assert high[1] == pytest.approx(0, abs=0.02)  # y is down: the lowest point is the ground
        assert tall[0] <= -low[1] <= tall[1]
        assert wide[0] <= max(high[0] - low[0], high[2] - low[2]) <= wide[1]
        assert low[0] < 3.0 < high[0] and low[2] < 20.0 < high[2]


def test_a_builder_keeps_frames_circles_and_groups():
    b = Builder(np.random.default_rng(0))
    b.stand(2.0, 5.0, yaw=np.pi / 2)  # its z axis is the world's x axis
    b.box([0, -0.5, 1.0], [0.2, 1, 0.4], material(b.rng, [(0.5, 0.5, 0.5)]))
    np.testing.assert_allclose(b.rows[0]["center"], [3.0, -0.5, 5.0], atol=1e-12)
    assert b.free(0, 0, 1) and not b.free(1.5, 0, 1) and b.free(2.5, 0, 1)
    assert (b.group(), b.group(moving=False), b.group()) == (0, -1, 1)
    assert grid([1.0, 2.0, 3.0], [0.6, 0, 2.0]) == pytest.approx([2 / 3, 0, 2.0])


@pytest.mark.parametrize("seed", range(8))
def test_a_street_lies_under_the_camera(seed):
    place = random_street(np.random.default_rng(seed))
    height = -place.world_T_camera[1, 3]
    assert 0.2 <= height <= 2.2
    down = camera_pose(*place.world_T_camera[[0, 2], 3], height, pitch=-np.pi / 2)
    depth = render(place.scene, CAMERA, down)["depth"]
    assert height - 0.13 <= np.nanmedian(depth) <= height  # road or pavement, 12 cm higher
    up = render(place.scene, CAMERA, camera_pose(0, 0, 60.0, pitch=0.8))
    assert np.isnan(up["depth"]).mean() > 0.9 and (up["shape"][np.isnan(up["depth"])] == -1).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_room_is_closed_and_holds_the_camera(seed):
    place = random_room(np.random.default_rng(seed))
    assert 0.3 <= -place.world_T_camera[1, 3] <= 1.8
    for yaw in (0.0, 1.6, 3.1, 4.7):
        depth = render(place.scene, CAMERA, place.world_T_camera @ camera_pose(0, 0, 0, yaw))[
            "depth"
        ]
        assert np.isfinite(depth).all() and np.median(depth) < 35
    assert len({mover.group for mover in place.movers}) == len(place.movers)
    for mover in place.movers:
        assert (place.group == mover.group).any()
