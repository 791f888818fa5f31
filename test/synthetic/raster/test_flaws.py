"""Flaws of cameras: what they may change, and that dots lie where the geometry puts them."""

import numpy as np
import pytest

from depth_ros.synthetic.raster.flaws import (
    Flaws,
    flawed,
    flawed_pair,
    row_exposed,
    unlevel,
    with_dots,
)


def picture(seed=0):
    rng = np.random.default_rng(seed)
    return np.repeat(np.repeat(rng.integers(20, 230, (12, 20, 3), dtype=np.uint8), 8, 0), 8, 1)


def test_no_flaws_leave_pictures_as_they_are():
    none = Flaws(0, 0, 0, 0, 0, 0)
    left, right = flawed_pair(np.random.default_rng(1), picture(0), picture(1), none)
    np.testing.assert_array_equal(left, picture(0))
    np.testing.assert_array_equal(right, picture(1))


@pytest.mark.parametrize("name", ["vignette", "blur", "dirt", "jpeg", "grey"])
def test_each_flaw_changes_a_picture_but_not_beyond_recognition(name):
    one = Flaws(**{**dict.fromkeys(Flaws.__dataclass_fields__, 0.0), name: 1.0})
    before = picture()
    after = flawed(np.random.default_rng(3), before, one)
    assert after.shape == before.shape and after.dtype == np.uint8
    assert (after != before).mean() > 0.005
    assert np.corrcoef(after.mean(-1).ravel(), before.mean(-1).ravel())[0, 1] > 0.6
    if name == "grey":
        assert (after[..., 0] == after[..., 1]).all()
    if name == "vignette":
        assert after[0, 0].mean() < 0.95 * before[0, 0].mean()


def test_unlevel_moves_rows_down():
    moved = unlevel(picture(), 8.0, 0.0)
    np.testing.assert_array_equal(moved[8:], picture()[:-8])


def test_row_exposure_skews_depth_with_the_picture():
    depth = np.tile(np.arange(160, dtype=np.float32), (96, 1))
    image = np.repeat(depth[..., None], 3, 2).astype(np.uint8)
    moved, skewed = row_exposed(image, depth, (16.0, 0.0))
    assert skewed[0, 80] == pytest.approx(80 - 8, abs=0.6)
    assert skewed[95, 80] == pytest.approx(80 + 8, abs=0.6)
    np.testing.assert_allclose(moved[..., 0], skewed, atol=1)


def test_dots_are_seen_by_both_cameras_at_their_disparity():
    shape = (60, 200)
    flat = np.full((*shape, 3), 0.5, np.float32)
    disparity = np.full(shape, 12.0, np.float32)
    left, right = with_dots(np.random.default_rng(0), flat, flat, (disparity, disparity))
    assert left.std() > 0.01
    np.testing.assert_allclose(left[:, 12:], right[:, :-12], atol=1e-4)
    assert np.abs(left[:, 15:] - right[:, :-15]).mean() > 0.01


def test_dots_fade_with_the_distance():
    shape = (60, 200)
    flat = np.full((*shape, 3), 0.5, np.float32)
    near_and_far = np.full(shape, 20.0, np.float32)
    near_and_far[:, 100:] = 4.0
    left, _ = with_dots(np.random.default_rng(0), flat, flat, (near_and_far, near_and_far))
    assert left[:, 100:].std() < 0.2 * left[:, :100].std()
