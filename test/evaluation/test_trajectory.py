"""Trajectories: figures that geometry gives, files that evo reads back."""

import math

import numpy as np
import pytest

from depth_ros.core.lie import se3_exp
from depth_ros.evaluation.trajectory import TRAJECTORY_KEYS, Track, judge_track, write_track

STEP_NS = 100_000_000


def make_track(pred, truth=None, states=None, sigma=0.01):
    track = Track("geometric", "stereo baseline")
    truth = [None] * len(pred) if truth is None else truth
    for i in range(len(pred)):
        track.stamps_ns.append(10**18 + i * STEP_NS)
        track.odom_T_camera.append(pred[i])
        track.truth.append(truth[i])
        track.steps.append(None if i == 0 else np.linalg.inv(pred[i - 1]) @ pred[i])
        track.step_covariance.append(sigma**2 * np.eye(6))
        track.states.append(states[i] if states else ("tracking" if i else "initialising"))
        track.geometry_ms.append(float(i))
    return track


def circle(n=101, radius=20.0):
    """A circle in the x-z plane, driven once."""
    poses = [np.eye(4)]
    for _ in range(n - 1):
        angle = 2 * math.pi / (n - 1)
        poses.append(poses[-1] @ se3_exp([0, 0, radius * angle, 0, angle, 0]))
    return np.stack(poses)


def test_a_circle_that_is_two_percent_too_large():
    truth, pred = circle(), circle(radius=20.4)
    world = se3_exp([3, -2, 5, 0.4, 0.3, -0.2])
    m = judge_track(make_track(pred, world @ truth))
    assert set(m) <= set(TRAJECTORY_KEYS)
    # Aligned without scale the circles are concentric but for the start counted twice: 0.4 m apart
    # everywhere
    assert m["ate_m"] == pytest.approx(0.4, rel=1e-3)
    chord = 2 * 20 * math.sin(math.pi / 100)
    assert m["rpe_trans_m"] == pytest.approx(0.02 * chord, rel=1e-3) and m["rpe_rot_deg"] < 1e-5
    assert m["end_drift_m"] == pytest.approx(0, abs=1e-9)  # it comes back to the start
    assert m["truth_path_m"] == pytest.approx(100 * chord) and m["path_m"] == pytest.approx(
        102 * chord
    )
    assert m["segments_m"] == [100] and m["geometry_ms"] == 50


def test_nees_says_whether_sigma_is_true():
    rng, truth = np.random.default_rng(5), circle(400)
    pred = [truth[0]]
    for i in range(1, 400):
        pred.append(
            pred[-1] @ np.linalg.inv(truth[i - 1]) @ truth[i] @ se3_exp(rng.normal(0, 0.01, 6))
        )
    right, too_sure = (judge_track(make_track(pred, truth, sigma=sigma)) for sigma in (0.01, 0.005))
    assert right["nees"] == pytest.approx(1, abs=0.12) and right[
        "nees_covered_pct"
    ] == pytest.approx(95, abs=3.5)
    assert (
        too_sure["nees"] == pytest.approx(4 * right["nees"], rel=1e-6)
        and too_sure["nees_covered_pct"] < 40
    )


def test_lost_frames_and_gaps_are_counted():
    states = ["initialising", "tracking", "lost", "lost", "tracking", "lost"]
    m = judge_track(make_track(circle()[:6], states=states))
    assert (m["lost"], m["gaps"]) == (3, 2) and "ate_m" not in m and m["path_m"] > 0


def test_a_standing_camera_has_no_percentages():
    rng = np.random.default_rng(1)
    pred = [se3_exp(np.r_[rng.normal(0, 1e-3, 3), 0, 0, 0]) for _ in range(10)]
    m = judge_track(make_track(pred, np.stack([np.eye(4)] * 10)))
    assert "end_drift_pct" not in m and m["segments_m"] == [] and m["end_drift_m"] < 0.01
    assert m["ate_m"] < 0.005


def test_files_hold_the_poses_and_evo_reads_them(tmp_path):
    track = make_track(circle(), [None] + list(se3_exp([1, 2, 3, 0.1, 0.2, 0.3]) @ circle())[1:])
    names = [path.name for path in write_track(track, tmp_path)]
    assert names == ["trajectory.tum", "trajectory.kitti.txt", "truth.tum", "truth.kitti.txt"]
    rows = np.loadtxt(tmp_path / "truth.kitti.txt")
    assert rows.shape == (100, 12)
    np.testing.assert_allclose(rows[0].reshape(3, 4), np.eye(4)[:3], atol=1e-8)
    file_interface = pytest.importorskip("evo.tools.file_interface", reason="needs pip install evo")
    read = file_interface.read_tum_trajectory_file(str(tmp_path / "trajectory.tum"))
    np.testing.assert_allclose(read.positions_xyz, circle()[:, :3, 3], atol=1e-8)
    kitti = file_interface.read_kitti_poses_file(str(tmp_path / "trajectory.kitti.txt"))
    np.testing.assert_allclose(
        kitti.poses_se3[5], np.linalg.inv(circle()[1]) @ circle()[6], atol=1e-8
    )
