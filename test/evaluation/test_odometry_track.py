"""The way that a node published, as a track: a robot that drives steps of a known length and
says each 2 % too long.
"""

from types import SimpleNamespace as Any

import numpy as np
import pytest

from depth_ros.core.lie import matrix_to_quat, se3_exp, se3_log
from depth_ros.evaluation.odometry_track import odometry_to_track, off_between
from depth_ros.evaluation.trajectory import Track, judge_track
from depth_ros.odometry.pose_chain import LOST_VARIANCE

STEP = se3_exp([0.05, -0.02, 1.0, 0.0, 0.02, 0.0])
LONG = STEP.copy()
LONG[:3, 3] *= 1.02
STEP_M = np.linalg.norm(STEP[:3, 3])
SPAN_NS = 200_000_000


def message(pose, step, variance):
    """A nav_msgs/Odometry; variance: of the step."""
    xyz = dict(zip("xyz", pose[:3, 3]))
    quat = dict(zip("xyzw", matrix_to_quat(pose[:3, :3])))
    velocity = se3_log(step) / (SPAN_NS / 1e9)
    twist = Any(
        linear=Any(**dict(zip("xyz", velocity[:3]))), angular=Any(**dict(zip("xyz", velocity[3:])))
    )
    rates = variance if variance >= LOST_VARIANCE else variance / (SPAN_NS / 1e9) ** 2
    return Any(
        pose=Any(pose=Any(position=Any(**xyz), orientation=Any(**quat))),
        twist=Any(twist=twist, covariance=(rates * np.eye(6)).ravel()),
    )


@pytest.fixture
def track():
    """Eight messages, of which the first has no step and the sixth is lost; the true pose of the
    third is unknown.
    """
    heard, truth, pose, true = [], {}, np.eye(4), se3_exp([3, 2, 1, 0.3, 0.2, 0.1])
    for i in range(8):
        lost = i in (0, 5)
        heard.append(
            (
                i * SPAN_NS,
                message(pose, np.eye(4) if lost else LONG, LOST_VARIANCE if lost else 1e-4),
            )
        )
        if i != 2:
            truth[i * SPAN_NS] = true
        pose, true = pose @ LONG, true @ STEP
    return odometry_to_track(
        heard, truth, {"egomotion_method": "hybrid", "odom_scale_source": "stereo baseline"}
    )


def test_steps_are_twists(track):
    assert track.states == ["initialising", *4 * ["tracking"], "lost", "tracking", "tracking"]
    assert track.steps[0] is None and track.steps[5] is None
    np.testing.assert_allclose(track.steps[3], LONG, atol=1e-9)
    np.testing.assert_allclose(track.step_covariance[3], 1e-4 * np.eye(6), atol=1e-12)
    np.testing.assert_allclose(track.odom_T_camera[2], LONG @ LONG, atol=1e-9)
    assert track.judged.tolist() == [0, 1, 3, 4, 5, 6, 7]


def test_it_is_judged_as_any_other(track):
    figures = judge_track(track)
    assert (figures["method"], figures["scale"], figures["lost"], figures["gaps"]) == (
        "hybrid",
        "stereo baseline",
        1,
        1,
    )
    assert figures["path_m"] == pytest.approx(7 * 1.02 * STEP_M)
    # each step is off by 2 % of its length, sigma is 0.01 m
    assert figures["nees"] == pytest.approx((0.02 * STEP_M / 0.01) ** 2 / 6, rel=1e-3)


def test_two_ways_are_compared_where_both_are_known(track):
    other, world = Track(), se3_exp([9, 8, 7, 0.4, 0.5, 0.6])
    for i in (1, 3, 7):
        pose = track.odom_T_camera[i].copy()
        pose[2, 3] += 0.6 if i == 7 else 0.0
        other.stamps_ns.append(i * SPAN_NS)
        other.odom_T_camera.append(world @ pose)
    gap, count = off_between(track, other)
    assert (gap, count) == (pytest.approx(0.6 / 3**0.5), 3)
    assert off_between(track, Track()) is None
