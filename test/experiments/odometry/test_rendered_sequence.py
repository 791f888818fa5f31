"""KITTI's way through a rendered street: a source like a bag, resumable, refusing pictures that
are not its own.
"""

import json

import cv2
import numpy as np
import pytest

from depth_ros.core.errors import InputError
from depth_ros.evaluation.trajectory import kitti_lines
from experiments.odometry.rendered_sequence import KITTI_RIG, RenderedSequence, read_kitti_poses

SIZE = {"height": 46, "width": 154}


@pytest.fixture
def poses_file(tmp_path):
    """Five poses a metre apart, straight ahead."""
    poses = np.tile(np.eye(4), (5, 1, 1))
    poses[:, 2, 3] = np.arange(5)
    path = tmp_path / "04.txt"
    path.write_text(kitti_lines(poses))
    return path


def test_samples_have_the_pose_the_scaled_calibration_and_a_label(poses_file, tmp_path):
    source = RenderedSequence(poses_file, tmp_path / "cache", **SIZE)
    assert (len(source), source.mode, source.has_poses, source.name) == (
        5,
        "stereo",
        True,
        "kitti04_rendered",
    )
    sample = source.sample(3)
    np.testing.assert_allclose(sample.world_T_camera[:3, 3], [0, 0, 3])
    assert sample.frame.left.shape == sample.frame.right.shape == (46, 154, 3)
    rig = sample.frame.rig
    assert (
        rig.left.fx == pytest.approx(KITTI_RIG.left.fx * 154 / 1226)
        and rig.baseline_m == KITTI_RIG.baseline_m
    )
    note = json.loads((tmp_path / "cache" / "rendered.json").read_text())
    assert note["what"] == "rendered, not real" and note["fx"] == pytest.approx(rig.left.fx)


def test_the_right_camera_stands_one_baseline_to_the_right(poses_file, tmp_path):
    frame = RenderedSequence(poses_file, tmp_path / "cache", height=94, width=310).sample(1).frame
    # the road's nearest rows: depth fy * 1.65 / (v - cy), disparity fx * baseline / depth, about 11
    # px
    camera, v = frame.rig.left, 88
    expected = camera.fx * frame.rig.baseline_m * (v - camera.cy) / (camera.fy * 1.65)
    left, right = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (frame.left, frame.right))
    strip = np.ascontiguousarray(left[v - 4 : v + 5, 130:180])
    best = cv2.matchTemplate(
        np.ascontiguousarray(right[v - 4 : v + 5]), strip, cv2.TM_CCOEFF_NORMED
    )
    assert 130 - best.argmax() == pytest.approx(expected, abs=1.5)


def test_what_an_interrupted_run_has_left_is_used(poses_file, tmp_path):
    first = RenderedSequence(poses_file, tmp_path / "cache", **SIZE)
    assert first.render(2) and not first.render(2)
    before = (tmp_path / "cache" / "left" / "000002.jpg").read_bytes()
    again = RenderedSequence(poses_file, tmp_path / "cache", **SIZE)
    assert again.render_all() == 4 and again.render_all() == 0
    assert (tmp_path / "cache" / "left" / "000002.jpg").read_bytes() == before
    fresh = RenderedSequence(poses_file, tmp_path / "other", **SIZE)
    fresh.render(2)
    assert (
        tmp_path / "other" / "left" / "000002.jpg"
    ).read_bytes() == before  # the same in any order


def test_pictures_of_another_size_are_refused(poses_file, tmp_path):
    RenderedSequence(poses_file, tmp_path / "cache", **SIZE)
    with pytest.raises(InputError, match="expected pictures of this code and size"):
        RenderedSequence(poses_file, tmp_path / "cache", height=47, width=154)


@pytest.mark.parametrize("text", ["1 2 3\n", "", "one\n", "nan " * 12 + "\n"])
def test_files_that_are_no_trajectory(tmp_path, text):
    (tmp_path / "poses.txt").write_text(text)
    with pytest.raises(InputError, match="expected lines of twelve"):
        read_kitti_poses(tmp_path / "poses.txt")
