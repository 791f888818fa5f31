"""Files that other programs read back."""

import cv2
import numpy as np
import pytest

from depth_ros.core.camera import StereoRig
from depth_ros.core.errors import InputError
from depth_ros.core.types import Estimate
from depth_ros.recordings.output import (
    colour_error,
    colour_inverse_depth,
    write_bytes,
    write_estimate,
    write_json,
)


@pytest.fixture
def estimate(camera):
    rig = StereoRig(camera, 0.21)
    depth = np.full((56, 96), 2.5, np.float32)
    depth[0, 0], depth[5, 7] = np.nan, 1.25
    left = np.zeros((56, 96, 3), np.uint8)
    left[5, 7] = (10, 20, 30)
    return Estimate(7, "left", rig, left, depth, 80.0 * 0.21 / depth)


def test_depth_files(tmp_path, estimate):
    write_estimate(tmp_path, "a", estimate)
    mm = cv2.imread(str(tmp_path / "a_depth.png"), cv2.IMREAD_UNCHANGED)
    assert mm.dtype == np.uint16 and (mm[5, 7], mm[0, 0], mm[1, 1]) == (1250, 0, 2500)
    np.testing.assert_array_equal(np.load(tmp_path / "a_depth.npy"), estimate.depth)
    assert cv2.imread(str(tmp_path / "a_color.png")).shape == (56, 96, 3)


def test_ply_holds_known_points_with_colour(tmp_path, estimate, camera):
    write_estimate(tmp_path, "a", estimate)
    header, _, body = (tmp_path / "a_cloud.ply").read_bytes().partition(b"end_header\n")
    points = np.frombuffer(body, [("xyz", "<f4", 3), ("rgb", "u1", 3)])
    assert f"element vertex {56 * 96 - 1}".encode() in header and len(points) == 56 * 96 - 1
    point = points[5 * 96 + 7 - 1]
    expected = [(7 - camera.cx) / camera.fx * 1.25, (5 - camera.cy) / camera.fy * 1.25, 1.25]
    np.testing.assert_allclose(point["xyz"], expected, rtol=1e-6)
    assert point["rgb"].tolist() == [10, 20, 30]


def test_without_scale_no_metres_are_written(tmp_path, estimate):
    write_estimate(tmp_path, "a", estimate, metric=False)
    assert sorted(child.name for child in tmp_path.iterdir()) == ["a_color.png", "a_disparity.npy"]


def test_near_is_red_far_is_blue_unknown_is_black():
    red, blue, black = colour_inverse_depth(np.array([[1.0, 50.0, np.nan]]), (0.02, 1.0))[0]
    assert red[0] > red[2] and blue[2] > blue[0] and not black.any()


def test_error_colours():
    white, dark, grey = colour_error(np.array([[0.0, -9.0, np.nan]]), 4.0)[0].tolist()
    assert (white, dark, grey) == ([255] * 3, [150, 0, 20], [128] * 3)


def test_nothing_half_written(tmp_path):
    path = write_bytes(tmp_path / "a", b"old")
    with pytest.raises(ValueError):
        write_json(path, {"x": float("nan")})
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected to write a file here"):
        write_bytes(tmp_path / "file" / "a", b"x")
