"""Trajectory metrics on paths whose errors are set by hand."""

import math

import numpy as np
import pytest

from depth_ros.core.errors import InputError
from depth_ros.core.lie import inverse, se3_exp
from depth_ros.core.trajectory import (
    KITTI_LENGTHS_M,
    absolute_trajectory_error,
    align_rigid,
    end_drift,
    in_frame_of_first,
    nees,
    path_m,
    relative_pose_error,
    segment_lengths,
    segment_metrics,
)


def chained(steps):
    poses = [np.eye(4)]
    for step in steps:
        poses.append(poses[-1] @ se3_exp(step))
    return np.stack(poses)


def winding(n=950, step_m=1.0):
    """A path that turns both ways, climbs and never repeats."""
    k = np.arange(n)
    zero = np.zeros(n)
    return chained(
        np.stack(
            [zero, 0.01 * np.sin(k / 50), zero + step_m, zero, 0.02 * np.sin(k / 90), zero], axis=1
        )
    )


def test_a_scale_error_is_its_percentage_at_every_length():
    truth = winding()
    pred = truth.copy()
    pred[:, :3, 3] *= 1.05
    m = segment_metrics(truth, pred)
    straight = segment_metrics(truth * 1.0, truth)
    assert m["segments_m"] == list(KITTI_LENGTHS_M) and straight["t_err_pct"] < 1e-9
    # an error of 5 % of the chord, which is at most the way along the arc; the frame after the
    # length adds a step
    assert 2.0 < m["t_err_pct"] <= 5.0 * 1.01 and m["r_err_deg_per_100m"] < 1e-5
    line = chained(np.tile([0, 0, 1.0, 0, 0, 0], (301, 1)))
    longer = line.copy()
    longer[:, 2, 3] *= 1.05
    for length, (t_err, _) in segment_metrics(line, longer)["by_length"].items():
        assert t_err == pytest.approx(
            5.0 * (length + 1) / length, rel=1e-6
        )  # ends at the first frame beyond


def test_a_turning_error_is_counted_in_degrees_a_hundred_metres():
    steps = np.tile([0, 0, 0.5, 0, 0, 0.0], (1000, 1))
    truth = chained(steps)
    steps[:, 3:] = (
        math.radians(0.01) * np.array([2.0, -1.0, 2.0]) / 3
    )  # 0.01 degrees each half metre
    m = segment_metrics(truth, chained(steps), (100, 200))
    expected = np.mean([2 * (100 + 0.5) / 100, 2 * (200 + 0.5) / 200])
    assert m["r_err_deg_per_100m"] == pytest.approx(expected, rel=2e-3)


def test_the_world_of_either_does_not_matter():
    truth = winding(300)
    pred = truth @ se3_exp([0.01, 0, 0.02, 0, 0.001, 0])
    moved = se3_exp([5, -3, 2, 0.3, 0.2, -1.0])
    first, second = segment_metrics(truth, pred, (50,)), segment_metrics(truth, moved @ pred, (50,))
    assert first["t_err_pct"] == pytest.approx(second["t_err_pct"], rel=1e-9)
    assert (
        first["segments"] == 26
    )  # frames 0, 10, ... 250: 50 steps of a bit over a metre lie ahead


def test_lengths_fit_the_path_and_are_named():
    assert segment_lengths(1700)[0] == KITTI_LENGTHS_M and segment_lengths(1700)[1] == 10
    assert segment_lengths(250) == ((100, 200), 10)
    assert segment_lengths(60) == ((10, 20, 30, 40, 50), 1)
    assert segment_lengths(2.5) == ((1, 2), 1)
    assert segment_lengths(0.01)[0] == ()
    m = segment_metrics(winding(30), winding(30))
    assert m["segments_m"] == [] and m["segments"] == 0 and math.isnan(m["t_err_pct"])


def test_drift_at_the_end():
    truth = winding(100)
    pred = truth.copy()
    pred[-1] = truth[-1] @ se3_exp([0.3, 0, 0.4, 0, math.radians(2), 0])
    metres, degrees = end_drift(truth, se3_exp([1, 2, 3, 0.1, 0.2, 0.3]) @ pred)
    assert metres == pytest.approx(0.5, rel=1e-3) and degrees == pytest.approx(2, rel=1e-6)
    assert path_m(truth[:11]) == pytest.approx(10, rel=1e-3)


def test_nees_of_errors_drawn_from_the_covariance_is_six():
    rng = np.random.default_rng(3)
    root = rng.normal(size=(6, 6)) * 0.01
    covariance, step = root @ root.T, se3_exp([0.1, 0.2, 1.0, 0.02, -0.1, 0.03])
    values = [
        nees(step, step @ se3_exp(root @ rng.normal(size=6)), covariance) for _ in range(2000)
    ]
    assert np.mean(values) == pytest.approx(
        6, abs=0.25
    )  # 12 / sqrt(...): three standard deviations
    assert math.isnan(nees(step, step, np.zeros((6, 6))))


def test_truth_in_the_frame_of_the_first_estimate():
    truth = se3_exp([3, 2, 1, 0.5, 0.1, 0.2]) @ winding(20)
    start = se3_exp([0, 0, 0, 1.0, -1.0, 0.5])
    moved = in_frame_of_first(truth, start)
    np.testing.assert_allclose(moved[0], start, atol=1e-12)
    np.testing.assert_allclose(
        inverse(moved[3]) @ moved[7], inverse(truth[3]) @ truth[7], atol=1e-12
    )


def test_ate_does_not_depend_on_the_worlds():
    truth = winding(60)
    world = se3_exp([3, -2, 1, 0.5, 2.0, -0.4])
    np.testing.assert_allclose(align_rigid(truth, world @ truth), inverse(world), atol=1e-9)
    assert absolute_trajectory_error(truth, world @ truth) == pytest.approx(0, abs=1e-9)


def test_ate_is_the_rmse_that_remains():
    """The corners of a box, pushed out by 0.1 m: no rigid motion takes that back."""
    corners = np.array([[x, y, z] for x in (0.0, 2.0) for y in (0.0, 3.0) for z in (0.0, 4.0)])
    outward = corners - corners.mean(0)
    outward *= 0.1 / np.linalg.norm(outward, axis=1, keepdims=True)
    truth = np.stack([np.eye(4)] * 8)
    pred = truth.copy()
    truth[:, :3, 3] = corners
    pred[:, :3, 3] = corners + outward
    world = se3_exp([1, 2, 3, 0.3, -0.5, 0.8])
    assert absolute_trajectory_error(truth, world @ pred) == pytest.approx(0.1, rel=1e-9)


def test_ate_never_mirrors():
    """A reflected path has an exact reflection, which is no motion of a camera."""
    truth = np.stack([np.eye(4)] * 40)
    truth[:, :3, 3] = np.random.default_rng(0).normal(size=(40, 3))
    mirrored = truth.copy()
    mirrored[:, 1, 3] *= -1
    aligned = align_rigid(truth, mirrored)
    assert np.linalg.det(aligned[:3, :3]) == pytest.approx(1)
    assert absolute_trajectory_error(truth, mirrored) > 0.1


def test_on_a_line_the_first_poses_agree():
    """Positions on a line leave the turn about it open."""
    truth = chained([[0, 0, 1.0, 0, 0, 0]] * 9)
    world = se3_exp([1, 2, 3, 0.3, -0.5, 0.8])
    np.testing.assert_allclose(align_rigid(truth, world @ truth), inverse(world), atol=1e-9)
    standing = np.stack([np.eye(4)] * 10)
    standing[3:, 0, 3] = 0.2
    # seven poses of ten are 0.2 m off the first one
    expected = 0.2 * math.sqrt(0.7)
    assert absolute_trajectory_error(standing * 0 + np.eye(4), standing) == pytest.approx(expected)


def test_rpe_is_that_of_the_steps():
    truth = chained([[0, 0, 1.0, 0, 0.05, 0]] * 20)
    pred = chained([[0, 0, 1.0, 0, 0.05, 0], [0, 0, 1.0, 0, 0.05, 0]] * 10)
    assert relative_pose_error(truth, pred) == pytest.approx((0, 0), abs=1e-6)
    # every second step is turned by 2 degrees more about z and 3 cm longer at its end
    wrong = [np.eye(4)]
    for i in range(20):
        step = se3_exp([0, 0, 1.0, 0, 0.05, 0])
        if i % 2:
            step = step @ se3_exp([0, 0, 0.03, 0, 0, np.radians(2.0)])
        wrong.append(wrong[-1] @ step)
    metres, degrees = relative_pose_error(truth, np.stack(wrong))
    assert metres == pytest.approx(0.03 * math.sqrt(0.5), rel=1e-9)
    assert degrees == pytest.approx(2.0 * math.sqrt(0.5), rel=1e-9)


def test_ate_and_rpe_are_those_of_evo():
    metrics = pytest.importorskip("evo.core.metrics", reason="needs pip install evo")
    trajectory = pytest.importorskip("evo.core.trajectory", reason="needs pip install evo")
    rng = np.random.default_rng(3)
    truth = winding(120)
    pred = [se3_exp([5, 1, -2, 0.2, 0.9, -0.4])]
    for i in range(1, len(truth)):
        pred.append(pred[-1] @ inverse(truth[i - 1]) @ truth[i] @ se3_exp(rng.normal(0, 0.02, 6)))
    pred = np.stack(pred)
    stamps = np.arange(len(truth)) / 10
    reference, estimate = (
        trajectory.PoseTrajectory3D(poses_se3=list(poses), timestamps=stamps)
        for poses in (truth, pred)
    )
    found = {}
    for name, relation in (("m", "translation_part"), ("deg", "rotation_angle_deg")):
        rpe = metrics.RPE(metrics.PoseRelation[relation], delta=1, delta_unit=metrics.Unit.frames)
        rpe.process_data((reference, estimate))
        found[name] = rpe.get_statistic(metrics.StatisticsType.rmse)
    estimate.align(reference, correct_scale=False)
    ape = metrics.APE(metrics.PoseRelation.translation_part)
    ape.process_data((reference, estimate))
    ate_m = ape.get_statistic(metrics.StatisticsType.rmse)
    assert absolute_trajectory_error(truth, pred) == pytest.approx(ate_m, rel=1e-9)
    assert relative_pose_error(truth, pred) == pytest.approx((found["m"], found["deg"]), rel=1e-9)


@pytest.mark.parametrize(
    "call",
    [
        lambda: segment_metrics(winding(5), winding(6)),
        lambda: segment_metrics(winding(5), winding(5), (0,)),
        lambda: segment_metrics(winding(5), winding(5), every=0),
        lambda: path_m(np.eye(4)),
        lambda: absolute_trajectory_error(winding(5), winding(6)),
        lambda: relative_pose_error(winding(0), winding(0)),
    ],
)
def test_refuses(call):
    with pytest.raises(InputError, match="expected"):
        call()
