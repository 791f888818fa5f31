import math

import cv2
import numpy as np
import pytest

from depth_ros.core.errors import CalibrationError
from depth_ros.core.lie import so3_exp
from depth_ros.core.rectify import rectify_map

K = np.array([[80.0, 0, 44.25], [0, 84.0, 30.5], [0, 0, 1]])
P = np.array([[70.0, 0, 46.0, -14.7], [0, 71.0, 27.0, 0], [0, 0, 1, 0]])
R = so3_exp([0.03, -0.05, 0.02])
DISTORTIONS = {
    "plumb_bob": (-0.28, 0.09, 0.001, -0.002, 0.01),
    "rational_polynomial": (0.4, -0.2, 0.001, -0.002, 0.05, 0.6, -0.1, 0.02),
    "equidistant": (-0.02, 0.01, 0.003, -0.001),
}


def make(make_calibration, model, D):
    return make_calibration(model=model, D=D, K=K.ravel(), R=R.ravel(), P=P.ravel())


@pytest.mark.parametrize("model", DISTORTIONS)
def test_same_as_opencv(make_calibration, model):
    D = DISTORTIONS[model]
    init = (
        cv2.fisheye.initUndistortRectifyMap
        if model == "equidistant"
        else cv2.initUndistortRectifyMap
    )
    expected = init(K, np.array(D), R, P[:, :3].copy(), (96, 56), cv2.CV_32FC1)
    got = rectify_map(make(make_calibration, model, D))
    for ours, theirs in zip(got, expected, strict=True):
        assert ours.dtype == np.float32 and ours.shape == (56, 96)
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_no_distortion_and_no_rotation_is_identity(make_calibration):
    map_x, map_y = rectify_map(make_calibration(D=()))
    np.testing.assert_allclose(map_x, np.tile(np.arange(96), (56, 1)), atol=1e-5)
    np.testing.assert_allclose(map_y, np.tile(np.arange(56)[:, None], (1, 96)), atol=1e-5)


def test_fisheye_is_an_alias(make_calibration):
    D = DISTORTIONS["equidistant"]
    ours = rectify_map(make(make_calibration, "fisheye", D))
    np.testing.assert_array_equal(ours[0], rectify_map(make(make_calibration, "equidistant", D))[0])


def test_pixels_behind_the_camera_are_outside(make_calibration):
    turned = make_calibration(R=so3_exp([0.0, 2.5, 0.0]).ravel())
    assert (rectify_map(turned)[0] < -1000).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "omnidirectional"},
        {"D": (0.1,) * 9},
        {"model": "equidistant", "D": (0.1,) * 5},
        {"D": (math.nan,) * 5},
        {"K": (0,) * 9},
        {"R": (0,) * 9},
        {"P": (0,) * 12},
    ],
)
def test_refuses_what_it_cannot_use(make_calibration, changes):
    with pytest.raises(CalibrationError, match="expected"):
        rectify_map(make_calibration(**changes))
