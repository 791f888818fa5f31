"""Middlebury folders: what is read, and what is refused with which words."""

import numpy as np
import pytest

from depth_ros.core.errors import InputError
from depth_ros.recordings.sample import open_source
from depth_ros.recordings.scenes import SceneFolder, read_calib, read_pfm, read_scene, write_pfm


def test_pfm_round_trip_keeps_rows_and_unknown(tmp_path):
    values = np.array([[1.5, np.nan, 3.0], [4.0, 5.0, 6.25]], np.float32)
    np.testing.assert_array_equal(read_pfm(write_pfm(tmp_path / "a.pfm", values)), values)


def test_pfm_is_stored_bottom_up_and_may_be_big_endian(tmp_path):
    rows = np.array([[3, 4], [1, 2]], ">f4")  # the lower row first
    (tmp_path / "a.pfm").write_bytes(b"Pf\n2 2\n1.0\n" + rows.tobytes())
    assert read_pfm(tmp_path / "a.pfm").tolist() == [[1, 2], [3, 4]]


def test_truncated_pfm(tmp_path):
    path = write_pfm(tmp_path / "a.pfm", np.ones((4, 5), np.float32))
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(InputError, match="expected 80 bytes for 5x4, got 73: truncated"):
        read_pfm(path)


def test_scene_has_the_numbers_of_its_calib(make_scene):
    sample = read_scene(make_scene() / "Room")
    rig = sample.frame.rig
    assert (rig.left.fx, rig.left.fy, rig.left.cx, rig.left.cy) == (80, 84, 44.25, 30.5)
    assert (rig.baseline_m, rig.doffs_px, sample.frame.max_disparity_px) == (0.21, 2.0, 32)
    assert sample.metric and sample.truth_disparity[3, 4] == 12


def test_nominal_scene_is_not_metric(make_scene):
    assert not read_scene(make_scene(nominal=True) / "Room").metric


@pytest.mark.parametrize("name", ["calib.txt", "im0.png", "im1.png"])
def test_missing_file_is_named(make_scene, name):
    folder = make_scene()
    (folder / "Room" / name).unlink()
    with pytest.raises(InputError, match=f"expected {name}"):
        SceneFolder(folder)


def test_folder_without_scenes(tmp_path):
    with pytest.raises(InputError, match=r"expected metadata.yaml .* or folders with im0.png"):
        open_source(tmp_path)


def test_calib_without_baseline(tmp_path):
    (tmp_path / "calib.txt").write_text("cam0=[1 0 1; 0 1 1; 0 0 1]\n")
    with pytest.raises(InputError, match="expected the key baseline"):
        read_calib(tmp_path / "calib.txt")


def test_image_of_another_size_than_calib(make_scene):
    calib = make_scene() / "Room" / "calib.txt"
    calib.write_text(calib.read_text().replace("width=96", "width=97"))
    with pytest.raises(InputError, match="calib.txt says 97x56, im0.png is 96x56"):
        read_scene(calib.parent)


def test_broken_image(make_scene):
    folder = make_scene() / "Room"
    (folder / "im1.png").write_bytes(b"\x89PNG no")
    with pytest.raises(InputError, match=r"im1.png: expected an image"):
        read_scene(folder)
