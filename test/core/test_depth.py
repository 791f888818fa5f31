import numpy as np
import pytest

from depth_ros.core.depth import (
    depth_sigma,
    depth_to_disparity,
    depth_to_mm,
    disparity_to_depth,
    mm_to_depth,
    resize_disparity,
    resize_nearest,
)
from depth_ros.core.errors import ImageError


def test_depth_of_a_plane_and_back():
    disparity = np.array([[4.0, 8.0, 16.0]], np.float32)
    depth = disparity_to_depth(disparity, fx=80.0, baseline_m=0.2, doffs_px=4.0)
    np.testing.assert_allclose(depth, [[2.0, 16 / 12, 0.8]], rtol=1e-6)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth_to_disparity(depth, 80.0, 0.2, 4.0), disparity, rtol=1e-6)


def test_unknown_is_nan():
    depth = disparity_to_depth(np.array([-4.0, -5.0, np.nan, np.inf, -np.inf]), 80.0, 0.2, 4.0)
    assert np.isnan(depth).all()
    assert np.isnan(disparity_to_depth(np.array([1e-39, 1e-44]), 80.0, 0.2)).all(), (
        "infinite is not a depth"
    )
    assert np.isnan(depth_to_disparity(np.array([0.0, -1.0, np.nan, np.inf]), 80.0, 0.2)).all()


def test_sigma_is_the_derivative():
    step = 1e-3
    z = [float(disparity_to_depth(np.array(8.0 + s), 8000.0, 0.2)) for s in (-step, step)]
    sigma = depth_sigma(np.array(200.0), step, 8000.0, 0.2)
    assert float(sigma) == pytest.approx((z[0] - z[1]) / 2, rel=1e-2)


def test_millimetres_round_trip_and_limits():
    mm = np.array([0, 1, 1500, 65535], np.uint16)
    np.testing.assert_array_equal(depth_to_mm(mm_to_depth(mm)), mm)
    assert depth_to_mm(np.array([np.nan, -1.0, np.inf, 0.0004, 65.6])).tolist() == [0, 0, 0, 0, 0]


def test_resize_of_a_slanted_plane_is_exact_inside():
    u = np.arange(24) * 0.25 + 3.0
    small = np.tile(u, (10, 1)).astype(np.float32)
    large = resize_disparity(small, 20, 72)
    position = (np.arange(72) + 0.5) / 3 - 0.5
    expected = (position * 0.25 + 3.0) * 3
    np.testing.assert_allclose(large[5, 2:-2], expected[2:-2], rtol=1e-5)


def test_resize_invents_nothing_between_two_surfaces():
    small = np.where(np.arange(24) < 11, 5.0, 20.0) * np.ones((10, 1))
    large = resize_disparity(small, 37, 100)
    near = np.minimum(abs(large / (100 / 24) - 5), abs(large / (100 / 24) - 20))
    assert near.max() < 1e-5


def test_resize_keeps_unknown_and_does_not_spread_it():
    small = np.full((6, 8), 7.0, np.float32)
    small[:, 3] = np.nan
    large = resize_disparity(small, 12, 16)
    np.testing.assert_array_equal(np.isnan(large), resize_nearest(np.isnan(small), 12, 16))
    np.testing.assert_allclose(large[~np.isnan(large)], 14.0, rtol=1e-6)


def test_resize_to_the_same_size_changes_nothing():
    disparity = np.random.default_rng(0).random((5, 7), np.float32)
    np.testing.assert_array_equal(resize_disparity(disparity, 5, 7), disparity)


@pytest.mark.parametrize("shape, size", [((0, 4), (2, 2)), ((4, 4), (0, 2)), ((4, 4, 1), (2, 2))])
def test_resize_refuses(shape, size):
    with pytest.raises(ImageError, match="expected"):
        resize_disparity(np.zeros(shape), *size)
