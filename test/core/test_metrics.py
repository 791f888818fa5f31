import math

import numpy as np
import pytest

from depth_ros.core.errors import ImageError
from depth_ros.core.lie import so3_exp
from depth_ros.core.metrics import (
    DEPTH_KEYS,
    align,
    depth_metrics,
    garg_crop,
    mean_metrics,
    rotation_error_deg,
    stereo_metrics,
    translation_direction_error_deg,
)


def test_depth_that_is_ten_percent_too_far():
    truth = np.array([[1.0, 2.0, 5.0], [10.0, 20.0, np.nan]])
    m = depth_metrics(truth * 1.1, truth)
    assert m["abs_rel"] == pytest.approx(0.1)
    assert m["sq_rel"] == pytest.approx(0.01 * np.mean([1, 2, 5, 10, 20]))
    assert m["rmse"] == pytest.approx(0.1 * math.sqrt(np.mean([1, 4, 25, 100, 400])))
    assert m["rmse_log"] == pytest.approx(math.log(1.1))
    assert m["silog"] == pytest.approx(0.0, abs=1e-5)
    assert (m["delta1"], m["coverage"], m["scaling"]) == (1.0, 1.0, "none")
    assert depth_metrics(truth * 1.1, truth, scaling="median")["abs_rel"] == pytest.approx(
        0.0, abs=1e-12
    )


def test_silog_of_half_and_double():
    m = depth_metrics(np.array([1.0, 4.0]), np.array([2.0, 2.0]))
    assert m["silog"] == pytest.approx(100 * math.log(2))
    assert (m["delta1"], m["delta3"]) == (0.0, 0.0)  # a factor of 2 is over 1.25^3 = 1.95


def test_unanswered_depth_lowers_coverage_only():
    m = depth_metrics(np.array([2.0, np.nan, 0.0, np.inf]), np.array([2.0, 3.0, 4.0, 5.0]))
    assert (m["coverage"], m["abs_rel"]) == (0.25, 0.0)
    empty = depth_metrics(np.full(3, np.nan), np.ones(3))
    assert empty["coverage"] == 0.0 and math.isnan(empty["rmse"]) and set(DEPTH_KEYS) < set(empty)


def test_truth_outside_of_the_range_does_not_count():
    m = depth_metrics(np.array([3.0, 1.0, 1.0]), np.array([2.0, 90.0, 0.0]), max_m=80.0)
    assert (m["abs_rel"], m["coverage"]) == (0.5, 1.0)


def test_alignments_undo_what_they_model_and_nothing_else():
    truth = np.array([[1.0, 2.0, 5.0], [10.0, 20.0, np.nan]])
    up_to_scale = 0.1 * truth
    up_to_scale_and_shift = 1 / (3.0 / truth + 0.4)
    assert depth_metrics(up_to_scale, truth)["abs_rel"] == pytest.approx(0.9)
    assert depth_metrics(up_to_scale, truth, scaling="median")["abs_rel"] == pytest.approx(
        0, abs=1e-12
    )
    assert depth_metrics(up_to_scale_and_shift, truth, scaling="median")["abs_rel"] > 0.1
    shifted = depth_metrics(up_to_scale_and_shift, truth, scaling="scale-shift")
    assert shifted["abs_rel"] == pytest.approx(0, abs=1e-9) and shifted["scaling"] == "scale-shift"


def test_align_keeps_pixels_without_truth():
    pred = np.array([1.0, 2.0, 4.0, np.nan, 0.0])
    aligned = align(pred, np.array([2.0, 4.0, np.nan, 1.0, 1.0]), "median")
    np.testing.assert_allclose(aligned[:3], [2.0, 4.0, 8.0])
    assert np.isnan(aligned[3:]).all() and aligned.shape == pred.shape


def test_scale_shift_beyond_infinity_is_clipped_to_the_cap():
    # 1/truth = 1/pred - 0.5 fits the first three; the fourth, at 4 m, comes to 1/4 - 1/2 < 0:
    # behind the camera
    pred, truth = np.array([1.0, 0.5, 0.25, 4.0]), np.array([2.0, 1 / 1.5, 1 / 3.5, np.nan])
    assert align(pred, truth, "scale-shift")[3] == np.inf
    np.testing.assert_allclose(align(pred, truth, "scale-shift")[:3], truth[:3])


def test_predictions_are_clipped_to_the_cap():
    m = depth_metrics(np.array([500.0]), np.array([50.0]), max_m=80.0)
    assert m["abs_rel"] == pytest.approx(0.6)


def test_garg_crop_of_kitti():
    mask = garg_crop(375, 1242)
    assert mask[153:371, 44:1197].all() and mask.sum() == 218 * 1153


@pytest.mark.parametrize("angle", [1e-6, 0.3, math.pi - 1e-7])
def test_rotation_error_is_the_angle(angle):
    pose = np.eye(4)
    pose[:3, :3] = so3_exp(np.array([0.3, -0.5, 0.2]))
    turned = pose.copy()
    turned[:3, :3] = pose[:3, :3] @ so3_exp(angle * np.array([2.0, -1.0, 2.0]) / 3)
    assert rotation_error_deg(turned, pose) == pytest.approx(math.degrees(angle), rel=1e-6)
    assert rotation_error_deg(pose, pose) == pytest.approx(0, abs=1e-9)


def test_direction_error_ignores_length_and_says_nothing_of_standing_still():
    def moved(*t):
        pose = np.eye(4)
        pose[:3, 3] = t
        return pose

    assert translation_direction_error_deg(moved(0, 0, 3), moved(0, 1, 1)) == pytest.approx(45)
    assert translation_direction_error_deg(moved(1, 2, 3), moved(-2, -4, -6)) == pytest.approx(180)
    assert math.isnan(translation_direction_error_deg(moved(0, 0, 0), moved(0, 0, 1)))


def test_stereo_counts_unanswered_as_bad():
    truth = np.array([10.0, 10.0, 10.0, 100.0, 10.0, np.nan, np.inf])
    pred = np.array([10.5, 11.5, 12.5, 104.0, np.nan, 1.0, 1.0])
    m = stereo_metrics(pred, truth)
    assert m["epe_px"] == pytest.approx((0.5 + 1.5 + 2.5 + 4.0) / 4)
    # 4 px at 100 px is 4 %: bad by bad2, fine by KITTI's rule; the pixel without an answer is bad
    # by all
    assert (m["bad1_pct"], m["bad2_pct"], m["d1_pct"], m["coverage"]) == (80.0, 60.0, 20.0, 0.8)
    assert set(m) == {"epe_px", "bad1_pct", "bad2_pct", "d1_pct", "coverage"}


def test_stereo_edge_of_the_rules():
    m = stereo_metrics(np.array([12.0, 13.0]), np.array([10.0, 10.0]))
    assert (m["bad2_pct"], m["d1_pct"]) == (50.0, 0.0)


def test_mean():
    assert mean_metrics([{"a": 1.0, "scaling": "none"}, {"a": math.nan, "scaling": "none"}]) == {
        "a": 1.0,
        "scaling": "none",
    }
    assert math.isnan(mean_metrics([{"a": math.nan}])["a"])


@pytest.mark.parametrize(
    "call",
    [
        lambda: stereo_metrics(np.ones(2), np.ones(3)),
        lambda: stereo_metrics(np.ones(2), np.full(2, np.nan)),
        lambda: depth_metrics(np.ones(2), np.zeros(2)),
        lambda: depth_metrics(np.ones(2), np.ones(2), scaling="best"),
        lambda: depth_metrics(np.ones(2), np.ones(2), min_m=0.0),
        lambda: align(np.full(2, np.nan), np.ones(2), "median"),
        lambda: mean_metrics([]),
        lambda: mean_metrics([{"a": 1.0}, {"b": 1.0}]),
        lambda: mean_metrics([{"a": "x"}, {"a": "y"}]),
    ],
)
def test_refuses(call):
    with pytest.raises(ImageError, match="expected"):
        call()
