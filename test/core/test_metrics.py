import math

import numpy as np
import pytest

from depth_ros.core.errors import ImageError
from depth_ros.core.metrics import DEPTH_KEYS, STEREO_KEYS, depth_metrics, mean_metrics, stereo_metrics


def test_depth_that_is_ten_percent_too_far():
    truth = np.array([[1.0, 2.0, 5.0], [10.0, 20.0, np.nan]])
    m = depth_metrics(truth * 1.1, truth)
    assert m["abs_rel"] == pytest.approx(0.1)
    assert m["sq_rel"] == pytest.approx(0.01 * np.mean([1, 2, 5, 10, 20]))
    assert m["rmse"] == pytest.approx(0.1 * math.sqrt(np.mean([1, 4, 25, 100, 400])))
    assert m["rmse_log"] == pytest.approx(math.log(1.1))
    assert m["silog"] == pytest.approx(0.0, abs=1e-5)
    assert (m["delta1"], m["coverage"], m["scaling"]) == (1.0, 1.0, "none")
    assert depth_metrics(truth * 1.1, truth, scaling="median")["abs_rel"] == pytest.approx(0.0, abs=1e-12)


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


def test_stereo_counts_unanswered_as_bad():
    truth = np.array([10.0, 10.0, 10.0, 100.0, 10.0, np.nan, np.inf])
    pred = np.array([10.5, 11.5, 12.5, 104.0, np.nan, 1.0, 1.0])
    m = stereo_metrics(pred, truth)
    assert m["epe_px"] == pytest.approx((0.5 + 1.5 + 2.5 + 4.0) / 4)
    # 4 px at 100 px is 4 %: bad by bad2, fine by KITTI's rule; the pixel without an answer is bad by all
    assert (m["bad1_pct"], m["bad2_pct"], m["d1_pct"], m["coverage"]) == (80.0, 60.0, 20.0, 0.8)
    assert set(m) == set(STEREO_KEYS)


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
        lambda: mean_metrics([]),
        lambda: mean_metrics([{"a": 1.0}, {"b": 1.0}]),
        lambda: mean_metrics([{"a": "x"}, {"a": "y"}]),
    ],
)
def test_refuses(call):
    with pytest.raises(ImageError, match="expected"):
        call()
