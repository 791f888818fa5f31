"""Folders of images with a calibration in the format of ROS camera_calibration."""

import cv2
import numpy as np
import pytest

from depth_ros.core.errors import CalibrationError, InputError
from train.data import read

FX, FY, CX, CY = 10.0, 11.0, 5.25, 3.5
YAML = """image_width: 12
image_height: 8
camera_name: test
camera_matrix: {{rows: 3, cols: 3, data: [{fx}, 0, {cx}, 0, {fy}, {cy}, 0, 0, 1]}}
distortion_model: plumb_bob
distortion_coefficients: {{rows: 1, cols: 5, data: [{k1}, 0, 0, 0, 0]}}
rectification_matrix: {{rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}}
projection_matrix: {{rows: 3, cols: 4, data: [{fx}, 0, {cx}, {p3}, 0, {fy}, {cy}, 0, 0, 0, 1, 0]}}
"""


def calibration(k1=0.0, p3=0.0, fx=FX):
    return YAML.format(fx=fx, fy=FY, cx=CX, cy=CY, k1=k1, p3=p3)


@pytest.fixture
def mono(tmp_path, put_image, put_png16, put_text, ramp):
    put_text(tmp_path / "calibration.yaml", calibration(k1=-0.2))
    for number in range(10):
        put_image(tmp_path / f"images/{1700000000_000000000 + number}.png", ramp)
    put_png16(tmp_path / "depth/1700000000000000000.png", np.full((8, 12), 1500))
    return tmp_path


def test_mono_is_rectified(mono, ramp):
    frames = read("folder", mono)
    view = frames[0]
    K, D = np.array([[FX, 0, CX], [0, FY, CY], [0, 0, 1]]), np.array([-0.2, 0, 0, 0])
    expected = cv2.undistort(ramp, K, D)
    assert np.abs(view.image.astype(int) - expected).max() <= 1 and (view.image != ramp).any()
    assert (view.camera.fx, view.camera.fy, view.camera.cx, view.camera.cy) == (FX, FY, CX, CY)
    assert (
        view.stamp_ns == 1700000000_000000000 and (view.depth == 1.5).all() and view.right is None
    )
    assert len(frames) == 8 and frames[1].depth is None and frames.neighbour(7, 1) is None


def test_images_that_are_rectified_already_stay(mono, ramp):
    np.testing.assert_array_equal(read("folder", mono, "rectified")[0].image, ramp)


def test_stereo(tmp_path, put_image, put_text):
    put_text(tmp_path / "left.yaml", calibration())
    put_text(tmp_path / "right.yaml", calibration(p3=-2.5))
    for number in range(5):
        put_image(tmp_path / f"left/{number}.png", 10 + number)
        put_image(tmp_path / f"right/{number}.png", 100 + number)
    view = read("folder", tmp_path)[2]
    assert (
        (view.image == 12).all()
        and (view.right == 102).all()
        and view.baseline_m == pytest.approx(0.25)
    )
    assert view.stamp_ns is None
    (tmp_path / "right/3.png").unlink()
    with pytest.raises(InputError, match="right/3.png: expected the partner of left/3.png"):
        read("folder", tmp_path)


def test_errors_name_the_file(mono, put_image, put_text):
    put_image(mono / "images/1700000000000000000.png", 0, width=10)
    with pytest.raises(InputError, match="1700000000000000000.png: expected 12x8, got 10x8"):
        read("folder", mono)[0]


@pytest.mark.parametrize(
    "text, error, words",
    [
        (calibration(fx=0.0), CalibrationError, "is the camera calibrated"),
        (
            "image_width: 12\n",
            InputError,
            "calibration.yaml: expected a camera_calibration YAML, got: KeyError",
        ),
        ("a: [", InputError, "calibration.yaml: expected a camera_calibration YAML"),
    ],
)
def test_calibration_that_is_none(tmp_path, put_text, put_image, text, error, words):
    put_image(tmp_path / "images/0.png")
    put_text(tmp_path / "calibration.yaml", text)
    with pytest.raises(error, match=words):
        read("folder", tmp_path)
