"""Ego-motion in a replay: what it is given, and what the report says of its way.

The estimator itself is a stand-in.
"""

import json

import numpy as np
import pytest

from depth_ros.core.lie import matrix_to_quat, se3_exp
from depth_ros.engine.load import load_engine
from depth_ros.estimator.stereo import StereoEstimator
from depth_ros.evaluation import odometry_runner
from depth_ros.evaluation.evaluate import evaluate
from depth_ros.evaluation.report.figures import to_report
from depth_ros.evaluation.report.path_plot import from_above, plot_path
from depth_ros.evaluation.report.report import write_report
from depth_ros.evaluation.report.verdict import verdict
from depth_ros.recordings.ground_truth import TruthPoses
from depth_ros.recordings.sample import open_source

STEP = se3_exp([0.05, -0.02, 1.0, 0.0, 0.02, 0.0])


class StandIn:
    """Answers each frame with one step, two percent too long; keeps what it was given."""

    def __init__(self, method, seed=0):
        self.frames, self.pose = [], None

    def update(self, frame, imu=()):
        step = STEP.copy()
        step[:3, 3] *= 1.02
        self.pose = np.eye(4) if self.pose is None else self.pose @ step
        self.frames.append(frame)
        first = len(self.frames) == 1
        return follow_estimate(
            frame.stamp_ns,
            None if first else step,
            self.pose,
            "initialising" if first else "tracking",
        )


def follow_estimate(stamp_ns, step, pose, state):
    from depth_ros.odometry import EgoEstimate

    eye, zero = np.eye(6), np.zeros(6)
    return EgoEstimate(
        stamp_ns,
        None,
        step,
        1e-4 * eye,
        pose,
        eye,
        zero,
        eye,
        state,
        scale="stereo baseline",
        timing_ms={"total": 4.0},
    )


@pytest.fixture
def estimator():
    return StereoEstimator(load_engine(backend="sgbm", max_disparity_px=32), 32)


@pytest.fixture
def follower(monkeypatch):
    monkeypatch.setattr(odometry_runner, "EgoMotion", StandIn)
    return odometry_runner.Follower("geometric")


@pytest.fixture
def bag_with_poses(bag_builder, pair):
    """Twelve pairs, a step of about 1 m apart; the stamp of one has no pose, but lies between
    two that have.
    """
    bag, pose = bag_builder(), se3_exp([1, 2, 3, 0.2, -0.1, 0.4])
    for i in range(12):
        stamp_ns = 1_700_000_000_000_000_000 + i * 100_000_000
        for side, image in zip(("left", "right"), pair, strict=True):
            bag.info(side, stamp_ns)
            bag.image(side, stamp_ns, image)
        if i != 5:
            bag.odometry(stamp_ns, pose)
        pose = pose @ STEP
    return bag.close()


def test_the_way_is_judged_and_written(bag_with_poses, estimator, follower, tmp_path):
    source = open_source(bag_with_poses)
    assert source.has_poses
    run = evaluate(source, estimator, "m", follower=follower)
    report = write_report(run, tmp_path)
    odometry = report["odometry"]
    step_m = np.linalg.norm(STEP[:3, 3])
    assert odometry["truth_path_m"] == pytest.approx(11 * step_m, rel=1e-6)
    assert odometry["path_m"] == pytest.approx(11 * 1.02 * step_m, rel=1e-6)
    assert odometry["end_drift_pct"] == pytest.approx(2.0, rel=0.02) and odometry["lost"] == 0
    assert odometry["segments_m"] == [10] and 1.9 < odometry["t_err_pct"] < 2.3
    assert (odometry["method"], odometry["scale"]) == ("geometric", "stereo baseline")
    assert 0 <= odometry["geometry_ms"] < 50  # CPU time: the stand-in does nothing
    # every step is off by 0.02 m, two standard deviations
    assert odometry["nees"] == pytest.approx((0.02 * step_m / 0.01) ** 2 / 6, rel=1e-3)
    words = " ".join(verdict(run, report))
    assert "metres from stereo baseline" in words and "segments of 10 m" in words
    assert json.loads((tmp_path / "report.json").read_text())["odometry"] == odometry
    assert "data:image/png" in (tmp_path / "report.html").read_text().split("Way</h2>")[1]
    assert (
        np.loadtxt(tmp_path / "truth.kitti.txt").shape
        == (12, 12)
        == np.loadtxt(tmp_path / "trajectory.kitti.txt").shape
    )


def test_ego_motion_sees_rectified_pairs_with_depth(bag_with_poses, estimator, follower):
    evaluate(open_source(bag_with_poses), estimator, "m", follower=follower)
    frame = follower._ego.frames[3]
    assert (
        frame.is_stereo
        and frame.baseline_m == pytest.approx(0.21)
        and frame.camera.fx == pytest.approx(80.0)
    )
    assert np.nanmedian(frame.depth) == pytest.approx(80.0 * 0.21 / 12, rel=0.02)


def test_without_poses_there_is_a_way_but_no_figure_of_it(make_bag, estimator, follower):
    source = open_source(make_bag())
    assert not source.has_poses
    run = evaluate(source, estimator, "m", follower=follower)
    report = to_report(run)
    assert set(report["odometry"]) == {"method", "scale", "path_m", "lost", "gaps", "geometry_ms"}
    assert "odometry.ate_m" in report["not_measured"]
    assert "was not judged" in " ".join(verdict(run, report)) and plot_path(run.track).startswith(
        b"\x89PNG"
    )


def test_poses_between_poses(bag_with_poses):
    poses = [sample.world_T_camera for sample in open_source(bag_with_poses)]
    np.testing.assert_allclose(np.linalg.inv(poses[4]) @ poses[5], STEP, atol=1e-9)
    mono = [sample.world_T_camera for sample in open_source(bag_with_poses, "mono")]
    np.testing.assert_allclose(mono, poses)


def test_a_broken_pose_is_no_pose():
    class Any:
        def __init__(self, **fields):
            self.__dict__.update(fields)

    def message(seconds, quat):
        p, q = Any(x=1.0, y=2.0, z=3.0), Any(**dict(zip("xyzw", quat)))
        header = Any(stamp=Any(sec=seconds, nanosec=0))
        return "t", Any(
            header=header, child_frame_id="", pose=Any(pose=Any(position=p, orientation=q))
        )

    good = matrix_to_quat(np.eye(3))
    truths = TruthPoses(
        [message(1, good), message(2, np.zeros(4)), message(3, [np.nan] * 4), message(9, good)]
    )
    assert len(truths) == 2 and truths.at(10**9) is not None
    assert truths.at(2 * 10**9) is None  # 8 s between two poses are no measurement
    assert truths.at(0) is None and truths.at(10**10) is None


def test_the_pose_of_a_raw_camera_is_turned_to_the_rectified_one(make_calibration):
    turn = se3_exp([0, 0, 0, 0.0, 0.1, 0.0])[:3, :3]

    class Poses(TruthPoses):
        def __init__(self):
            self._stamps, self._poses = [5], [np.eye(4)]

    pose = Poses().at(5, make_calibration(R=tuple(turn.ravel())))
    point_in_raw = np.array([0.3, -0.2, 2.0])  # world and raw camera agree here
    np.testing.assert_allclose(pose[:3, :3] @ (turn @ point_in_raw), point_in_raw, atol=1e-12)


def test_above_is_right_and_ahead():
    right, ahead = from_above(se3_exp([5.0, -2.0, 1.0, 0, 0, 0])[None])
    assert (right[0], ahead[0]) == (2.0, 5.0)
