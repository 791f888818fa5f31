"""Procedural videos: what the truth says about two frames is what their pictures show."""

from dataclasses import replace

import numpy as np
import pytest

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.errors import InputError
from depth_ros.synthetic import clips as video
from depth_ros.synthetic.clips import Look, random_clip, render_clip, scene_at

CAMERA = Camera(96, 64, 80.0, 78.0, 46.0, 33.0)
PLAIN = Look(brightness=0.5, gamma=1.0, gains=(1.0, 1.0, 1.0), saturation=1.0, noise=0.0)


def angle_deg(rotation):
    return np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))


def seen_again(picture, source_T_target, depth):
    """The source picture as the target camera would see it, nearest pixel, and where it can
    (H,W).
    """
    v, u = np.mgrid[:64, :96]
    points = (
        np.stack([(u - 46.0) / 80.0, (v - 33.0) / 78.0, np.ones(u.shape)], -1) * depth[..., None]
    )
    points = points @ source_T_target[:3, :3].T + source_T_target[:3, 3]
    with np.errstate(invalid="ignore"):
        x, y = (
            points[..., 0] / points[..., 2] * 80.0 + 46.0,
            points[..., 1] / points[..., 2] * 78.0 + 33.0,
        )
        inside = (x > 0) & (x < 95) & (y > 0) & (y < 63) & (points[..., 2] > 0)
    column, row = (np.nan_to_num(np.where(inside, a, 0)).round().astype(int) for a in (x, y))
    return picture[row, column].astype(float), inside


@pytest.mark.parametrize(("place", "seed"), [("street", 3), ("room", 1)])
def test_depth_and_poses_explain_the_next_and_the_right_picture(place, seed):
    rng = np.random.default_rng(seed)
    clip = replace(random_clip(rng, StereoRig(CAMERA, 0.2), 2, place, moving=False), look=PLAIN)
    one, two = render_clip(clip, 0), render_clip(clip, 1)
    step = np.eye(4)
    step[0, 3] = -0.2
    to_next = np.linalg.inv(clip.world_T_camera[1]) @ clip.world_T_camera[0]
    for picture, source_T_target in ((two["left"], to_next), (one["right"], step)):
        seen, inside = seen_again(picture, source_T_target, one["depth"])
        error = np.abs(seen - one["left"]).mean(-1)[inside]
        still = np.abs(picture.astype(float) - one["left"]).mean(-1)[inside]
        assert np.median(error) < 0.6 * np.median(still)
        assert np.median(error) < 6  # of 255; nearest pixels and lossless light


def test_sky_has_no_depth_and_one_camera_has_no_right_picture():
    frame = render_clip(random_clip(np.random.default_rng(3), CAMERA, 1, "street"), 0)
    assert frame["right"] is None and frame["left"].dtype == np.uint8
    np.testing.assert_array_equal(np.isnan(frame["depth"]), frame["sky"])
    assert frame["sky"].any()


def test_a_car_drives_and_a_hand_carries():
    for seed in range(10):
        street = random_clip(np.random.default_rng(seed), CAMERA, 4, "street").world_T_camera
        steps = np.linalg.inv(street[:-1]) @ street[1:]
        assert (np.linalg.norm(steps[:, :3, 3], axis=1) < 1.35).all()
        assert max(angle_deg(step) for step in steps) < 5
        room = random_clip(np.random.default_rng(seed), CAMERA, 4, "room").world_T_camera
        steps = np.linalg.inv(room[:-1]) @ room[1:]
        assert (np.linalg.norm(steps[:, :3, 3], axis=1) < 0.25).all()
        assert max(angle_deg(step) for step in steps) < 8
        assert (room[:, 1, 3] <= -0.2).all()  # above the floor


def test_movers_move_as_told_and_riders_keep_their_place_before_the_camera():
    clip = random_clip(np.random.default_rng(5), CAMERA, 3, "street", moving=False)
    shapes = len(clip.turn)
    velocity, pivot, rides, turn = (
        np.zeros((shapes, 3)),
        np.zeros((shapes, 3)),
        np.zeros(shapes, bool),
        np.zeros(shapes),
    )
    velocity[4], rides[5] = [0.5, 0.0, -0.25], True
    turn[6], pivot[6] = np.pi / 2, clip.scene.center[6] - [1.0, 0, 0]
    clip = replace(clip, velocity=velocity, pivot=pivot, rides=rides, turn=turn)
    later = scene_at(clip, 2)
    np.testing.assert_allclose(later.center[4] - clip.scene.center[4], [1.0, 0, -0.5], atol=1e-4)
    np.testing.assert_array_equal(later.center[:4], clip.scene.center[:4])
    before, after = (
        np.linalg.inv(clip.world_T_path[i]) @ [*s.center[5], 1]
        for i, s in ((0, clip.scene), (2, later))
    )
    np.testing.assert_allclose(after, before, atol=1e-4)
    quarter = scene_at(clip, 1).center[6] - pivot[6]  # yaw to the right takes x to -z
    np.testing.assert_allclose(quarter, [0, 0, -1.0], atol=1e-3)


def test_some_clips_hold_things_that_move_and_things_that_ride():
    clips = [random_clip(np.random.default_rng(seed), CAMERA, 2, "mix") for seed in range(30)]
    assert sum(clip.rides.any() for clip in clips) >= 3
    assert sum((clip.velocity != 0).any() for clip in clips) >= 10
    still = random_clip(np.random.default_rng(1), CAMERA, 2, "street", moving=False)
    assert not still.rides.any() and not still.velocity.any()


def test_a_clip_that_shows_a_wall_is_not_usable():
    clip = random_clip(np.random.default_rng(1), CAMERA, 1, "room")
    poses = clip.world_T_camera.copy()
    poses[:, :3, 3] = [500.0, -1.0, 500.0]  # outside, nothing around
    assert not video.is_usable(replace(clip, world_T_camera=poses))


def test_an_unknown_place_is_refused():
    with pytest.raises(InputError, match="expected a place out of"):
        random_clip(np.random.default_rng(0), CAMERA, 1, "moon")
