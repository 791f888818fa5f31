"""Scale from geometry: a ground plane at a known height, a drive of known length."""

import numpy as np
import pytest

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from depth_ros.core.lie import se3_exp, so3_exp
from depth_ros.estimator.ground_plane import height_over_ground
from depth_ros.estimator.scale import (
    CameraHeightScale,
    OdometryScale,
    factor_of_step,
)

CAMERA = Camera(96, 56, 80.0, 84.0, 44.25, 24.5)
HEIGHT_M = 1.37
SECOND = 1_000_000_000
START_NS = 1_700_000_000_123_456_789


def plane_depth(normal, height, camera=CAMERA):
    """z where normal . p = height, from the rays; NaN behind."""
    v, u = np.mgrid[: camera.height, : camera.width]
    rays = np.stack(
        [(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], -1
    )
    with np.errstate(divide="ignore"):
        z = height / (rays @ normal)
    return np.where((z > 0) & (z < 80), z, np.nan)


def ground(pitch_rad=0.0, roll_rad=0.0):
    """The down direction of a camera that looks down by pitch and leans by roll."""
    return so3_exp([0, 0, roll_rad]) @ so3_exp([pitch_rad, 0, 0]) @ [0.0, 1.0, 0.0]


@pytest.mark.parametrize("pitch, roll", [(0, 0), (0.3, 0.1), (-0.1, -0.2), (0.05, 0.3)])
@pytest.mark.parametrize("unit", [1.0, 0.03])
def test_height_in_any_unit(pitch, roll, unit):
    depth = plane_depth(ground(pitch, roll), HEIGHT_M) * unit
    assert height_over_ground(depth, CAMERA)[0] == pytest.approx(HEIGHT_M * unit, rel=1e-6)


def test_obstacles_and_noise_do_not_move_the_ground():
    rng = np.random.default_rng(1)
    depth = plane_depth(ground(0.2), HEIGHT_M) * (1 + rng.normal(0, 0.01, (56, 96)))
    depth[30:, :40] = 2.0  # a wall: 38 % of the lower image
    height, _ = height_over_ground(depth, CAMERA)
    assert height == pytest.approx(HEIGHT_M, rel=0.02)


@pytest.mark.parametrize(
    "depth, words",
    [
        (np.full((56, 96), 3.0), "tilted by 90 degrees"),  # a wall in front
        (plane_depth(ground(np.radians(35)), HEIGHT_M), "tilted by 35 degrees"),
        (np.full((56, 96), np.nan), "hardly any depth"),
        (np.random.default_rng(2).uniform(1, 20, (56, 96)), "no plane fills"),
    ],
)
def test_no_ground_no_height(depth, words):
    height, reason = height_over_ground(depth, CAMERA)
    assert height is None and words in reason


def test_camera_height_needs_five_frames_and_then_stays():
    scale = CameraHeightScale(2 * HEIGHT_M)
    depth = plane_depth(ground(0.1), HEIGHT_M)
    given = [scale.update(i, depth, CAMERA, None, None) for i in range(5)]
    assert given == [None] * 4 + [pytest.approx(2.0)]
    assert scale.update(6, np.full((56, 96), np.nan), CAMERA, None, None) == pytest.approx(2.0)
    with pytest.raises(InputError, match="expected a camera height above 0 m, got 0"):
        CameraHeightScale(0)


def test_heights_that_disagree_are_refused():
    scale = CameraHeightScale(HEIGHT_M)
    for i, factor in enumerate([1, 3, 1, 3, 9, 1, 3, 0.3, 5]):
        given = scale.update(i, plane_depth(ground(), HEIGHT_M) * factor, CAMERA, None, None)
    assert given is None and "disagree" in scale.reason


def drive(scale, speed_m_s, rate_hz, frames):
    """Straight along x of odom, positions at rate_hz from START_NS on, for the given number of
    frames at 10 Hz.
    """
    for i in range(int(frames / 10 * rate_hz) + 1):
        scale.add_position(
            START_NS + i * SECOND // rate_hz, np.array([5.0 + speed_m_s * i / rate_hz, 2.0, 0.0])
        )


def test_odometry_gives_the_length_of_a_step():
    scale, given = OdometryScale(), []
    drive(scale, 1.5, 33, 12)
    step = se3_exp([0.01, 0.0, 0.05, 0.0, 0.0, 0.0])
    for i in range(1, 8):
        ends = START_NS + (i - 1) * SECOND // 10, START_NS + i * SECOND // 10
        given.append(scale.update(ends[1], None, None, ends[0], step))
    assert given[:4] == [None] * 4
    assert given[4:] == [pytest.approx(0.15 / np.hypot(0.01, 0.05), rel=1e-6)] * 3


def test_odometry_may_come_later_than_the_images():
    scale = OdometryScale()
    step = se3_exp([0, 0, 0.05, 0, 0, 0])
    stamps = [START_NS + i * SECOND // 10 for i in range(8)]
    for before, now in zip(stamps[:6], stamps[1:7], strict=True):
        assert scale.update(now, None, None, before, step) is None
    assert "does not reach" in scale.reason
    drive(scale, 1.0, 50, 10)
    assert scale.update(stamps[7], None, None, stamps[6], step) == pytest.approx(2.0, rel=1e-6)


def test_a_step_that_says_nothing_is_refused():
    track = [(START_NS + i * SECOND, np.array([0.5 * i, 0.0, 0.0])) for i in range(3)]
    still = [(stamp_ns, np.zeros(3)) for stamp_ns, _ in track]
    step, turn = se3_exp([0, 0, 1.0, 0, 0, 0]), se3_exp([0, 0, 1.0, 0, 0.1, 0])
    ends = START_NS, START_NS + SECOND
    assert factor_of_step(step, track, *ends) == (pytest.approx(0.5), "")
    for T, known, (start, end), words in (
        (step, still, ends, "hardly moves"),
        (turn, track, ends, "turns: 5.7 degrees"),
        (step, track, (START_NS - 1, START_NS + 1), "does not reach"),
        (step, [], ends, "does not reach"),
    ):
        factor, reason = factor_of_step(T, known, start, end)
        assert factor is None and words in reason


def test_without_motion_there_is_no_scale():
    scale = OdometryScale()
    assert scale.update(START_NS, None, None, None, None) is None
    assert "pose model" in scale.reason


def test_how_far_wheels_came_between_two_stamps():
    scale = OdometryScale()
    assert scale.travelled_m(10, 20) is None
    scale.add_position(1_800_000_000_000_000_000, np.array([1.0, 2.0, 2.0]))
    scale.add_position(1_800_000_000_100_000_000, np.array([2.0, 4.0, 4.0]))
    start_ns = 1_800_000_000_000_000_000
    assert scale.travelled_m(start_ns + 20_000_000, start_ns + 60_000_000) == pytest.approx(
        0.4 * 3.0
    )
    assert scale.travelled_m(start_ns, start_ns + 100_000_001) is None, "not measured yet"
