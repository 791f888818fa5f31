"""Calibrations that cannot be right: each mistake is named with its factor, and a good camera
with nothing.
"""

import pytest

from depth_ros.core.camera import Calibration, Camera, StereoRig
from depth_ros.core.errors import CalibrationError
from depth_ros.core.plausibility import camera_faults, pair_faults

WIDTH, HEIGHT, F, BASELINE_M = 320, 240, 256.0, 0.125
EYE = (1, 0, 0, 0, 1, 0, 0, 0, 1)


def calibration(fx=F, fy=F, cx=159.5, cy=119.5, tx=0.0, **changes):
    values = {"width": WIDTH, "height": HEIGHT, "model": "plumb_bob", "D": (0.0,) * 5, "R": EYE}
    values |= {"K": (fx, 0, cx, 0, fy, cy, 0, 0, 1), "P": (fx, 0, cx, tx, 0, fy, cy, 0, 0, 0, 1, 0)}
    return Calibration(**{**values, **changes})


def test_a_good_camera_has_no_fault():
    assert (
        camera_faults(calibration(), rectified=True)
        == camera_faults(calibration(), rectified=False)
        == []
    )
    assert pair_faults(calibration(), calibration(tx=-F * BASELINE_M)) == []


@pytest.mark.parametrize(
    "numbers, words",
    [
        (
            {"fx": 512, "fy": 512, "cx": 319.5, "cy": 239.5},
            "is the middle of 640x480, not of 320x240",
        ),
        (
            {"fx": 128, "fy": 128, "cx": 79.5, "cy": 59.5},
            "is the middle of 160x120, not of 320x240",
        ),
        ({"fx": 512, "fy": 256}, "expected nearly square pixels; one side scaled by 2?"),
    ],
)
def test_another_size_is_certain_and_its_factor_named(numbers, words):
    (fault,) = camera_faults(calibration(**numbers), rectified=True)
    assert fault.is_certain and words in fault.words


def test_binning_that_was_applied_already_is_named():
    """The driver says binning 2x2 and sends K of the binned image: REP 104 halves it again."""
    told = calibration(width=640, height=480).windowed((2, 2), (0, 0, 0, 0))
    (fault,) = camera_faults(told, rectified=True)
    assert fault.is_certain and "binning 2x2" in fault.words and "scaled twice" in fault.words


def test_a_principal_point_off_one_way_only_may_be_a_crop():
    (fault,) = camera_faults(calibration(cx=20.0), rectified=True)
    assert not fault.is_certain and "far from the middle of 320x240" in fault.words


def test_k_counts_for_raw_images_only():
    strange = calibration(K=(512, 0, 319.5, 0, 512, 239.5, 0, 0, 1))
    assert camera_faults(strange, rectified=True) == []
    assert (
        "K: the principal point (319.5, 239.5)" in camera_faults(strange, rectified=False)[0].words
    )


@pytest.mark.parametrize(
    "baseline_m, certain, words",
    [
        (125.0, True, "In millimetres it would be 0.125 m: depth 1000 times too large"),
        (12.5, False, "In centimetres it would be 0.125 m"),
        (0.004, False, "baseline 0.004 m"),
        (BASELINE_M / F, True, "Without fx it would be 0.125 m: depth 256 times too small"),
    ],
)
def test_a_baseline_in_another_unit(baseline_m, certain, words):
    (fault,) = pair_faults(calibration(), calibration(tx=-F * baseline_m))
    assert fault.is_certain == certain and words in fault.words


@pytest.mark.parametrize(
    "P, words",
    [
        ((F, 14.6, 159.5, 0, 0, F, 119.5, 0, 0, 0, 1, 0), "expected no skew"),
        ((F, 0, 159.5, 0, 0, F, 119.5, 0, 0, 0, 2, 0), "expected 0 0 1 0 in the last row"),
        (
            (2.8, 0, 159.5, 0, 0, 2.8, 119.5, 0, 0, 0, 1, 0),
            "expected a focal length in pixels, got fx 2.8",
        ),
    ],
)
def test_what_is_no_projection_of_a_rectified_camera_is_refused(P, words):
    with pytest.raises(CalibrationError, match=words):
        Camera.from_calibration(calibration(P=P))


def projection(tx, ty=0.0):
    return calibration(P=(F, 0, 159.5, tx, 0, F, 119.5, ty, 0, 0, 1, 0))


@pytest.mark.parametrize(
    "left, right, words",
    [
        (projection(0), projection(0), r"got P\[3\] = 0 in both"),
        (
            projection(-32),
            projection(-32),
            r"expected P\[3\] = 0 in the left camera_info, got -32 in both",
        ),
        (projection(0), projection(0, -32), "a vertical pair"),
        (projection(32), projection(0), "got 0 there and 32 in the left camera_info"),
        (projection(0), projection(32), "swapped"),
        (projection(-32), projection(0), "swapped"),
        (projection(0), projection(-32, -8), r"expected the same P\[7\] \(Ty\) on both sides"),
    ],
)
def test_a_baseline_at_the_wrong_place_is_named(left, right, words):
    with pytest.raises(CalibrationError, match=words):
        StereoRig.from_calibrations(left, right)


def test_kittis_common_origin_is_right():
    """P2 and P3 of KITTI 2011_09_26: both have Tx, a Ty of some millimetres and a third row that
    ends in Tz.
    """
    size = {
        "width": 1242,
        "height": 375,
        "K": (721.5377, 0, 609.5593, 0, 721.5377, 172.854, 0, 0, 1),
    }
    middle = (0, 721.5377, 172.854)
    left_P = (721.5377, 0, 609.5593, 44.85728, *middle, 0.2163791, 0, 0, 1, 0.002745884)
    right_P = (721.5377, 0, 609.5593, -339.5242, *middle, 2.199936, 0, 0, 1, 0.002729905)
    left, right = calibration(**size, P=left_P), calibration(**size, P=right_P)
    assert StereoRig.from_calibrations(left, right).baseline_m == pytest.approx(0.5327, abs=1e-4)
    assert camera_faults(left, rectified=True) == pair_faults(left, right) == []
