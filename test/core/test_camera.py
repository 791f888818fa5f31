import dataclasses
import math

import numpy as np
import pytest

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.errors import CalibrationError
from depth_ros.core.rectify import rectify_map


def test_resize_moves_the_principal_point_by_pixel_centres(camera):
    half = camera.resized(height=28, width=24)
    assert (half.fx, half.fy) == (20.0, 42.0)
    assert (half.cx, half.cy) == ((44.25 + 0.5) / 4 - 0.5, (30.5 + 0.5) / 2 - 0.5)


def test_resize_and_crop_round_trip(camera):
    back = camera.resized(112, 288).resized(56, 96)
    assert np.allclose(dataclasses.astuple(back), dataclasses.astuple(camera))
    assert camera.cropped(3, 7, 40, 60).cropped(-3, -7, 56, 96) == camera


def test_crop_keeps_rays(camera):
    cropped = camera.cropped(top=3, left=7, height=40, width=60)
    assert (20 - cropped.cx) / cropped.fx == (27 - camera.cx) / camera.fx
    assert (10 - cropped.cy) / cropped.fy == (13 - camera.cy) / camera.fy


def test_resized_rig_keeps_depth(camera):
    rig = StereoRig(camera, 0.21, doffs_px=6.0)
    small = rig.resized(28, 32)
    depth = rig.left.fx * rig.baseline_m / (9.0 + rig.doffs_px)
    assert small.left.fx * small.baseline_m / (9.0 / 3 + small.doffs_px) == pytest.approx(depth)
    assert rig.cropped(1, 2, 3, 4).doffs_px == 6.0


def test_rig_from_calibrations(make_calibration):
    right = make_calibration(baseline_m=0.21)
    P = list(right.P)
    P[2] += 5
    rig = StereoRig.from_calibrations(make_calibration(), dataclasses.replace(right, P=tuple(P)))
    assert rig.baseline_m == pytest.approx(0.21)
    assert rig.doffs_px == 5.0


def test_rig_counts_an_offset_of_the_left_camera(make_calibration):
    # KITTI's colour pair keeps both offsets to camera 0.
    rig = StereoRig.from_calibrations(make_calibration(-0.06), make_calibration(0.47))
    assert rig.baseline_m == pytest.approx(0.53)


@pytest.mark.parametrize("baseline_m", [0.0, -0.21, math.nan])
def test_rig_refuses_a_baseline(make_calibration, baseline_m):
    with pytest.raises(CalibrationError):
        StereoRig.from_calibrations(make_calibration(), make_calibration(baseline_m))


def test_swapped_cameras_get_a_hint(make_calibration):
    with pytest.raises(CalibrationError, match="swapped"):
        StereoRig.from_calibrations(make_calibration(0.21), make_calibration())


@pytest.mark.parametrize("name, length", [("K", 9), ("P", 12)])
@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_camera_refuses_zero_and_nan(make_calibration, name, length, value):
    with pytest.raises(CalibrationError, match=name):
        Camera.from_calibration(make_calibration(**{name: (value,) * length}))


def test_rig_refuses_other_sizes_and_focal_lengths(make_calibration):
    with pytest.raises(CalibrationError, match="one size"):
        StereoRig.from_calibrations(make_calibration(), make_calibration(0.21, width=95))
    P = (90.0, 0, 44.25, -18.9, 0, 84.0, 30.5, 0, 0, 0, 1, 0)
    with pytest.raises(CalibrationError, match="fx"):
        StereoRig.from_calibrations(make_calibration(), make_calibration(P=P))


def test_empty_image_and_wrong_length(make_calibration):
    with pytest.raises(CalibrationError, match="size"):
        Camera.from_calibration(make_calibration(width=0))
    with pytest.raises(CalibrationError, match="expected 9 numbers, got 8"):
        make_calibration(K=(1,) * 8)


def test_calibration_is_hashable_and_made_of_plain_numbers(make_calibration):
    a, b = make_calibration(D=np.arange(5)), make_calibration(D=[0, 1, 2, 3, 4])
    assert a == b and hash(a) == hash(b)


def full_pixel(index, binning, start):
    """The middle of a block of joined pixels, on the full sensor."""
    return start + binning * index + (binning - 1) / 2


@pytest.mark.parametrize("binning", [(1, 1), (2, 2), (4, 2), (0, 0)])
@pytest.mark.parametrize("roi", [(0, 0, 0, 0), (12, 8, 64, 40), (0, 0, 96, 56)])
def test_a_window_sees_the_same_rays(make_calibration, binning, roi):
    full = make_calibration(0.21)
    small = full.windowed(binning, roi)
    bx, by = (max(1, n) for n in binning)
    width, height = roi[2:] if any(roi) else (96, 56)
    assert (small.width, small.height) == (width // bx, height // by)
    u, v = 3, 5
    here = np.array([full_pixel(u, bx, roi[0]), full_pixel(v, by, roi[1]), 1])
    for name, n in (("K", 3), ("P", 4)):
        wide, narrow = (np.reshape(getattr(cal, name), (3, n))[:, :3] for cal in (full, small))
        np.testing.assert_allclose(
            np.linalg.solve(narrow, [u, v, 1]), np.linalg.solve(wide, here), atol=1e-12
        )
    assert small.P[3] == pytest.approx(-small.P[0] * 0.21)
    assert bool(small.window) == (small != full)


def test_a_window_of_a_bent_lens_is_rectified_alike(make_calibration):
    full = make_calibration(
        D=(-0.2, 0.05, 0.001, -0.001, 0.0), P=(78.0, 0, 40.0, 0, 0, 79.0, 29.0, 0, 0, 0, 1, 0)
    )
    small = full.windowed((3, 3), (9, 6, 60, 42))
    maps, seen = rectify_map(full), rectify_map(small)
    for wide, narrow, start in zip(maps, seen, (9, 6), strict=True):
        there = wide[6 + 1 : 6 + 42 : 3, 9 + 1 : 9 + 60 : 3]  # the middle pixels of the blocks
        np.testing.assert_allclose(narrow, (there - start + 0.5) / 3 - 0.5, atol=1e-4)


@pytest.mark.parametrize(
    "binning, roi", [((1, 1), (90, 0, 20, 20)), ((1, 1), (3, 4, 0, 0)), ((200, 1), (0, 0, 0, 0))]
)
def test_a_window_outside_of_the_sensor_is_refused(make_calibration, binning, roi):
    with pytest.raises(CalibrationError, match="roi: expected a part of 96x56"):
        make_calibration().windowed(binning, roi)


def test_an_uncalibrated_camera_stays_one(make_calibration):
    small = make_calibration(K=(0,) * 9, P=(0,) * 12).windowed((2, 2), (0, 0, 0, 0))
    with pytest.raises(CalibrationError, match="is the camera calibrated"):
        Camera.from_calibration(small)


def test_rows_that_cannot_meet_are_refused(make_calibration):
    with pytest.raises(CalibrationError, match="same cy"):
        StereoRig.from_calibrations(
            make_calibration().windowed((1, 1), (0, 8, 96, 40)),
            make_calibration(0.21).windowed((1, 1), (0, 4, 96, 40)),
        )
