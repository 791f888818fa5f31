"""What goes wrong on robots: the motion is right within a bound, or lost with a reason; never
confident and wrong.
"""

from dataclasses import replace

import numpy as np
import pytest

from depth_ros.core.lie import inverse, se3_exp, so3_log
from depth_ros.odometry import EgoMotion, ImuSample
from depth_ros.odometry.pose_chain import LOST_VARIANCE

from .billboards import BASELINE_M, boards, frame, texture
from .test_odometry import ODOM, SCENE, poses, run

CHI2_999_OF_6 = 22.5
G = np.array([0.0, 9.81, 0.0])
SLOW = se3_exp([0.01, 0.0, 0.03, 0.0, 0.004, 0.0])


def off(estimate, pose) -> np.ndarray:
    """The error (6,) of a pose in odom: translation, then the rotation vector from the left."""
    true, found = ODOM @ pose, estimate.odom_T_camera
    return np.r_[true[:3, 3] - found[:3, 3], so3_log(true[:3, :3] @ found[:3, :3].T)]


def is_honest(estimate, pose, factor=3.0) -> bool:
    """Lost, or within what the covariance says at 99.9 %; factor: standard deviations that pictures
    this small cost.

    1 mm and 1 mrad are the tracker's own: it is off by hundredths of a pixel, for all points alike.
    """
    if estimate.state == "lost":
        return bool(estimate.reason)
    error = off(estimate, pose)
    return bool(
        error @ np.linalg.solve(estimate.covariance + 1e-6 * np.eye(6), error)
        < factor**2 * CHI2_999_OF_6
    )


def follow(frames, way, ego=None, imu=None):
    """All estimates, each of them honest."""
    ego, out = ego or EgoMotion(), []
    for one, pose in zip(frames, way, strict=True):
        estimate = ego.update(
            one, [] if imu is None else [s for s in imu if s.stamp_ns <= one.stamp_ns]
        )
        assert is_honest(estimate, pose), (len(out), estimate.state, off(estimate, pose).round(3))
        out.append(estimate)
    return out


def distance(estimate, pose) -> float:
    return float(np.linalg.norm(off(estimate, pose)[:3]))


def black(one):
    return replace(one, image=np.zeros_like(one.image), right=np.zeros_like(one.image), depth=None)


def readings(way, period_s=0.1, rate_hz=200, bias=(0.004, -0.003, 0.005)):
    """What an IMU on this way reads, exactly but for the gyroscope's bias: steps are screws at
    constant twist.
    """
    out, count = [], round(period_s * rate_hz)
    positions, rotations = [], []
    for a, b in zip(way[:-1], way[1:], strict=True):
        step = inverse(a) @ b
        for j in range(count):
            s = j / count
            part = se3_exp(s * np.r_[step[:3, 3], so3_log(step[:3, :3])])
            part[:3, 3] = s * step[:3, 3]
            here = a @ part
            positions.append(here[:3, 3])
            rotations.append(here[:3, :3])
    dt, p = 1 / rate_hz, np.array(positions)
    padded = np.pad(p, ((10, 10), (0, 0)), "reflect", reflect_type="odd")
    smooth = np.stack([np.convolve(axis, np.ones(21) / 21, "valid") for axis in padded.T], axis=1)
    for i in range(1, len(p) - 1):
        force = rotations[i].T @ ((smooth[i + 1] - 2 * smooth[i] + smooth[i - 1]) / dt**2 - G)
        gyro = so3_log(rotations[i].T @ rotations[i + 1]) / dt + bias
        out.append(ImuSample(1 + int(i * dt * 1e9), tuple(gyro), tuple(force)))
    return out


def stereo(way, scene=SCENE, **changes):
    return [frame(scene, i, pose, **changes) for i, pose in enumerate(way)]


def test_black_frames_for_half_a_second_with_an_imu_are_bridged_in_metres():
    way = poses(26, SLOW)
    frames = stereo(way)
    frames[14:19] = [black(one) for one in frames[14:19]]
    estimates = follow(frames, way, imu=readings([*way, way[-1] @ SLOW]))
    assert {e.model for e in estimates[14:19]} == {"imu"}
    assert all(e.state == "tracking" and not e.has_gap for e in estimates[1:])
    assert (
        max(distance(e, pose) for e, pose in zip(estimates[14:19], way[14:19], strict=True)) < 0.03
    )  # of 0.16 m
    sigma = [np.sqrt(np.trace(e.covariance[:3, :3])) for e in estimates[13:19]]
    assert (np.diff(sigma) > 0).all()
    assert distance(estimates[-1], way[-1]) < 0.03 and estimates[-1].model == "points"


def test_black_frames_for_longer_than_an_imu_alone_can_say_are_lost():
    way = poses(40, SLOW)
    frames = stereo(way)
    frames[14:34] = [black(one) for one in frames[14:34]]
    estimates = follow(frames, way, imu=readings([*way, way[-1] @ SLOW]))
    assert estimates[15].model == "imu" and estimates[33].state == "lost"
    assert "image is" in estimates[33].reason
    last = estimates[-1]  # what was seen before can still be seen: no gap
    assert last.state == "tracking" and (last.has_gap or distance(last, way[-1]) < 0.05)


def test_with_an_imu_another_view_behind_the_dark_is_no_gap():
    """What was seen before does not come back: a new keyframe takes over while the IMU still
    knows the way.
    """
    way = poses(25, SLOW)
    frames = [
        *stereo(way[:15]),
        *(frame(boards(7), i, pose) for i, pose in enumerate(way[15:], 15)),
    ]
    frames[14] = black(frames[14])
    estimates = follow(frames, way, imu=readings([*way, way[-1] @ SLOW]))
    assert all(e.state == "tracking" and not e.has_gap for e in estimates[1:])
    assert estimates[16].model == "imu" and estimates[-1].model == "points"
    assert distance(estimates[-1], way[-1]) < 0.03  # of 0.76 m
    sigma = [np.sqrt(np.trace(e.covariance[:3, :3])) for e in estimates]
    assert sigma[-1] > 2 * sigma[13]


@pytest.mark.parametrize("factor", [0.0, 1 / 9.81])
def test_an_accelerometer_that_is_dead_or_counts_in_g_leads_nowhere(factor):
    way = poses(9, SLOW)
    frames = stereo(way)
    frames[5:7] = [black(one) for one in frames[5:7]]
    imu = [
        replace(s, accel=tuple(factor * np.array(s.accel)))
        for s in readings([*way, way[-1] @ SLOW])
    ]
    estimates = follow(frames, way, imu=imu)
    assert [e.state for e in estimates[4:8]] == ["tracking", "lost", "lost", "tracking"]
    assert distance(estimates[-1], way[-1]) < 0.01


def test_without_an_imu_black_frames_are_lost_at_once():
    way = poses(8, SLOW)
    frames = stereo(way)
    frames[4] = black(frames[4])
    estimates = follow(frames, way)
    assert estimates[4].state == "lost" and "dark" in estimates[4].reason
    assert (np.diag(estimates[4].covariance) == LOST_VARIANCE).all()


@pytest.mark.parametrize("eye", ["image", "right"])
def test_one_eye_covered(eye):
    """The left one: lost. The right one: points that had depth carry on, and what is said is
    still metres.
    """
    way = poses(14, SLOW)
    frames = stereo(way)
    rng = np.random.default_rng(0)
    cover = rng.integers(0, 6, frames[0].image.shape, np.uint8)
    unknown = np.full_like(frames[0].depth, np.nan)  # a matcher finds nothing
    frames[6:10] = [replace(one, **{eye: cover}, depth=unknown) for one in frames[6:10]]
    estimates = follow(frames, way)
    if eye == "image":
        assert all(e.state == "lost" and "dark" in e.reason for e in estimates[6:10])
    tracking = [
        (e, pose)
        for e, pose in zip(estimates, way, strict=True)
        if e.state == "tracking" and not e.has_gap
    ]
    assert max(distance(e, pose) for e, pose in tracking) < 0.03
    assert estimates[-1].state == "tracking"


def test_both_eyes_covered_by_a_hand_that_is_not_dark():
    """A blurred surface fills both pictures and hangs on the camera: not one point of it may
    count as the world.
    """
    way = poses(12, SLOW)
    frames = stereo(way)
    hand = np.clip(
        120 + np.linspace(-12, 12, 320)[None, :, None] + np.zeros((240, 320, 3)), 0, 255
    ).astype(np.uint8)
    unknown = np.full_like(frames[0].depth, np.nan)
    frames[6:9] = [replace(one, image=hand, right=hand, depth=unknown) for one in frames[6:9]]
    estimates = follow(frames, way)
    assert all(e.state == "lost" for e in estimates[6:9])
    assert estimates[-1].state == "tracking" and distance(estimates[-1], way[-1]) < 0.03


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_half_a_second_without_frames(speed):
    step = se3_exp(speed * np.array([0.01, 0, 0.02, 0, 0.002, 0]))
    way = poses(12, step)
    kept = [0, 1, 2, 3, 4, 9, 10, 11]
    frames = stereo(way)
    estimates = follow([frames[i] for i in kept], [way[i] for i in kept])
    assert estimates[5].state == "lost" or distance(estimates[5], way[9]) < 0.03
    assert estimates[-1].has_gap or distance(estimates[-1], way[-1]) < 0.04


def test_turning_on_the_spot_fast():
    way = poses(12, se3_exp([0, 0, 0, 0, 0.12, 0]))
    last = follow(stereo(way), way)[-1]
    assert last.has_gap or distance(last, way[-1]) < 0.05


def test_a_wall_at_30_centimetres_fills_the_picture():
    """Nearer than the matcher's range: the depth map has nothing, and then metres cannot come
    from nowhere.
    """
    step = se3_exp([0.003, 0, 0, 0, 0.001, 0])
    way = poses(10, step)
    wall = [(0.0, 0.0, 0.3, 1.2, 0.9, texture(5, 512))]
    frames = [replace(one, depth=np.full_like(one.depth, np.nan)) for one in stereo(way, wall)]
    estimates = follow(frames, way)
    for estimate, pose in zip(estimates, way, strict=True):
        assert (
            estimate.state != "tracking"
            or not estimate.is_metric
            or distance(estimate, pose) < 0.02
        )
    known = follow(stereo(way, wall), way)  # with a matcher whose range reaches so far
    assert known[-1].state == "tracking" and distance(known[-1], way[-1]) < 0.01


def test_a_wall_that_the_matcher_takes_for_something_far_is_not_believed():
    """Disparity out of range often comes out as one within: a depth map that is wrong by a
    factor, smooth and dense.
    """
    way = poses(10, se3_exp([0.004, 0, 0, 0, 0, 0]))
    wall = [(0.0, 0.0, 0.3, 1.2, 0.9, texture(5, 512))]
    frames = [replace(one, depth=np.full_like(one.depth, 1.5)) for one in stereo(way, wall)]
    estimates = follow(frames, way)
    for estimate, pose in zip(estimates, way, strict=True):
        assert estimate.state != "tracking" or distance(estimate, pose) < 0.02


def stripes(period_px=24, size=512):
    column = np.arange(size) // (period_px // 2) % 2
    return (
        np.broadcast_to((60 + 130 * column)[None, :, None], (size, size, 3)).astype(np.uint8).copy()
    )


def test_a_striped_wall_that_is_the_same_everywhere():
    """It says nothing along the stripes and lies across them by whole periods."""
    way = poses(8, se3_exp([0.05, 0, 0.0, 0, 0, 0]))
    wall = [(0.0, 0.0, 2.0, 8.0, 6.0, stripes())]
    estimates = follow(stereo(way, wall), way)
    for estimate, pose in zip(estimates, way, strict=True):
        assert estimate.state != "tracking" or distance(estimate, pose) < 0.05 or estimate.has_gap


def test_tiles_that_repeat():
    tile = texture(3, 32)
    way = poses(8, se3_exp([0.02, 0, 0.01, 0, 0.002, 0]))
    wall = [(0.0, 0.0, 2.0, 8.0, 6.0, np.tile(tile, (16, 16, 1)))]
    last = follow(stereo(way, wall), way)[-1]
    assert last.state == "lost" or last.has_gap or distance(last, way[-1]) < 0.03


def test_a_lorry_over_half_of_the_picture():
    way, frames = poses(10), []
    for i, pose in enumerate(way):
        lorry = (-4.2 + 0.45 * i, 0.0, 2.9, 3.2, 4.4, boards(3)[0][-1])
        frames.append(frame([*SCENE, lorry] if i > 2 else SCENE, i, pose))
    last = follow(frames, way)[-1]
    assert last.state == "tracking" and distance(last, way[-1]) < 0.06


def test_30_percent_of_the_stamps_lost():
    way, rng = poses(20, SLOW), np.random.default_rng(1)
    kept = [0, *(1 + np.flatnonzero(rng.random(19) > 0.3))]
    assert len(kept) < 17
    frames = stereo(way)
    last = follow([frames[i] for i in kept], [way[i] for i in kept])[-1]
    assert last.state == "tracking" and not last.has_gap and distance(last, way[kept[-1]]) < 0.04


def test_a_baseline_5_percent_wrong_is_a_way_5_percent_wrong_and_wheels_would_tell():
    way = poses(10)
    last = run(stereo(way, baseline_m=1.05 * BASELINE_M))[-1]
    ratio = np.linalg.norm((inverse(ODOM) @ last.odom_T_camera)[:3, 3]) / np.linalg.norm(
        way[-1][:3, 3]
    )
    assert ratio == pytest.approx(1.05, abs=0.02)


def test_camera_info_that_changes_in_mid_stream():
    way = poses(10, SLOW)
    frames = stereo(way)
    frames[5:] = [
        replace(one, camera=replace(one.camera, fx=1.1 * one.camera.fx)) for one in frames[5:]
    ]
    estimates = follow(frames, way)
    assert estimates[5].state == "lost" and estimates[5].reason == "the camera has changed"
    assert all(e.has_gap and (np.diag(e.covariance) == LOST_VARIANCE).all() for e in estimates[5:])
    assert estimates[-1].state == "tracking"
