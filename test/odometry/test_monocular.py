"""One camera without depth: turns always, metres only from what gives them."""

from dataclasses import replace

import numpy as np
import pytest

from depth_ros.core.errors import InputError
from depth_ros.core.lie import inverse, se3_exp, so3_log
from depth_ros.odometry import EgoMotion, without_metres
from depth_ros.odometry.pose_chain import LOST_VARIANCE

from .billboards import boards, frame, ground
from .test_odometry import ODOM, SCENE, STEP, error, poses, run

STEP_M = float(np.linalg.norm(STEP[:3, 3]))


def alone(way, scene=SCENE, **given):
    """Frames of one camera without depth."""
    return [
        frame(scene, i, pose, right=False, **{"depth": None, **given}) for i, pose in enumerate(way)
    ]


def place(estimate):
    return (inverse(ODOM) @ estimate.odom_T_camera)[:3, 3]


def test_without_any_scale_there_are_turns_and_a_way_in_a_unit_of_its_own():
    way = poses(14)
    estimates = run(alone(way))
    assert all(
        e.state == "tracking" and e.scale == "none" and not e.is_metric for e in estimates[1:]
    )
    assert all(
        e.reason.startswith("nothing gives metres: no depth, wheel odometry") for e in estimates[1:]
    )
    assert {e.model for e in estimates[3:]} == {"epipolar"}
    last = estimates[-1]
    assert error(last, way[-1])[1] < 0.4  # degrees of 7.6
    assert (np.diag(last.covariance)[:3] == LOST_VARIANCE).all() and np.diag(last.covariance)[
        3:
    ].max() < 1e-3
    assert (np.diag(last.twist_covariance)[:3] == LOST_VARIANCE).all()
    np.testing.assert_allclose(last.twist[3:], [0, 0.1, 0.03], atol=0.02)
    ratio = [
        np.linalg.norm(place(e)) / np.linalg.norm(pose[:3, 3])
        for e, pose in zip(estimates[3:], way[3:])
    ]
    assert np.ptp(ratio) / np.mean(ratio) < 0.05  # the unit stays the same


def test_what_may_be_published_without_a_scale_are_turns():
    last = run(alone(poses(6)))[-1]
    honest = without_metres(last)
    assert not honest.odom_T_camera[:3, 3].any() and not honest.twist[:3].any()
    assert last.odom_T_camera[:3, 3].any()
    np.testing.assert_array_equal(honest.odom_T_camera[:3, :3], last.odom_T_camera[:3, :3])
    np.testing.assert_array_equal(honest.twist[3:], last.twist[3:])
    assert (np.diag(honest.covariance)[:3] == LOST_VARIANCE).all()


def test_wheels_give_metres_from_the_fifth_keyframe_on():
    way = poses(20)
    estimates = run(alone(way, travelled_m=STEP_M))
    assert estimates[3].scale == "none"
    last = estimates[-1]
    assert last.scale == "odometry" and not last.has_gap
    metres, degrees = error(last, way[-1])
    assert metres < 0.04 and degrees < 0.4  # of 1.2 m
    assert 0.003 < np.sqrt(np.diag(last.covariance)[:3].max()) < 0.1
    off = place(last) - way[-1][:3, 3]
    assert np.abs(off).max() < 3 * np.sqrt(np.diag(last.covariance)[:3].max())


def test_what_wheels_measured_while_the_picture_was_dark_counts():
    way = poses(26)
    frames = alone(way, travelled_m=STEP_M)
    for i in range(5, 26, 3):
        frames[i] = replace(frames[i], image=np.zeros_like(frames[i].image))
    last = run(frames[:25])[-1]
    assert last.scale == "odometry" and not last.has_gap
    assert np.linalg.norm(place(last)) / np.linalg.norm(way[24][:3, 3]) == pytest.approx(
        1, abs=0.03
    )


def test_wheels_that_measure_5_percent_too_much_are_a_wrong_scale():
    way = poses(20)
    last = run(alone(way, travelled_m=1.05 * STEP_M))[-1]
    assert np.linalg.norm(place(last)) / np.linalg.norm(way[-1][:3, 3]) == pytest.approx(
        1.05, abs=0.02
    )


def test_the_camera_height_gives_metres():
    way = poses(28, se3_exp([0.04, 0.0, 0.09, 0, 0.004, 0]))
    last = run(alone(way, [*boards(), ground(0.9)], camera_height_m=0.9))[-1]
    assert last.scale == "camera height"
    assert error(last, way[-1])[0] < 0.12  # of 2.6 m


def test_the_pose_network_of_the_hybrid_gives_metres_and_geometry_alone_does_not_take_them():
    way = poses(20)
    last = run(alone(way, network_motion=STEP))[-1]
    assert last.scale == "network" and last.model == "epipolar"
    assert error(last, way[-1])[0] < 0.04
    assert run(alone(way, network_motion=STEP), EgoMotion("geometric"))[-1].scale == "none"


def test_a_few_known_depths_give_metres():
    way = poses(16)
    frames = []
    for i, pose in enumerate(way):
        one = frame(SCENE, i, pose, right=False)
        few = np.full_like(one.depth, np.nan)
        few[90:146, 40:104] = one.depth[90:146, 40:104]  # 4.7 % of the picture
        frames.append(frame(SCENE, i, pose, right=False, depth=few))
    last = run(frames)[-1]
    assert not frames[0].is_metric and last.scale == "depth"
    assert error(last, way[-1])[0] < 0.08


def test_depth_that_comes_later_takes_over_without_a_gap():
    way = poses(14)
    frames = [*alone(way[:7]), *(frame(SCENE, i, way[i], right=False) for i in range(7, 14))]
    estimates = run(frames)
    assert [e.scale for e in estimates] == ["none"] * 7 + ["depth"] * 7
    assert all(e.state == "tracking" and not e.has_gap for e in estimates[1:])
    assert estimates[-1].model == "points" and error(estimates[-1], way[-1])[0] < 0.05


def test_depth_that_goes_away_is_missed_only_when_its_points_are_gone():
    way = poses(20)
    frames = [frame(SCENE, i, way[i], right=False) for i in range(8)] + alone(poses(20))[8:]
    estimates = run(frames)
    metric = [e for e in estimates[8:] if e.state == "tracking" and e.is_metric]
    assert len(metric) >= 2 and error(metric[-1], way[estimates.index(metric[-1])])[0] < 0.05
    for estimate in estimates[8:]:  # never metres that nothing gives
        assert estimate.is_metric or (np.diag(estimate.covariance)[:3] == LOST_VARIANCE).all()


def test_turning_on_the_spot_is_a_rotation_and_no_way():
    way = poses(20, se3_exp([0, 0, 0, 0, 0.05, 0]))
    estimates = run(alone(way))
    assert {e.model for e in estimates[1:]} == {"rotation"}
    off = so3_log((inverse(ODOM) @ estimates[-1].odom_T_camera)[:3, :3].T @ way[-1][:3, :3])
    assert np.degrees(np.linalg.norm(off)) < 0.6  # of 54 degrees
    assert off @ np.linalg.solve(estimates[-1].covariance[3:, 3:], off) < 16.3


def test_a_map_that_is_lost_has_another_unit_and_forgets_the_scale():
    way = poses(20)
    frames = alone(way, travelled_m=STEP_M)
    other = [
        frame(boards(9), 20 + i, pose, right=False, depth=None) for i, pose in enumerate(poses(6))
    ]
    estimates = run([*frames, *other])
    assert estimates[19].scale == "odometry"
    for estimate in estimates[20:]:
        assert estimate.state == "lost" or not estimate.is_metric or estimate.has_gap


def test_given_values_out_of_range_are_refused():
    with pytest.raises(InputError, match="travelled_m"):
        frame(SCENE, 0, np.eye(4), travelled_m=-1.0)
    with pytest.raises(InputError, match="camera_height_m"):
        frame(SCENE, 0, np.eye(4), camera_height_m=0.0)
