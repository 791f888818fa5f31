"""Corners and patches whose truth is drawn."""

import cv2
import numpy as np
import pytest

from depth_ros.odometry.tracking import detect, follow, match_right, unsharpness

DOTS = [(u, v) for u in range(40, 300, 43) for v in range(36, 220, 37)]  # centres (u, v)


def drawn(shift=(0.0, 0.0), dots=DOTS, level=100):
    """Soft dots of 3 px on grey, (240, 340) uint8, moved by shift."""
    v, u = np.mgrid[:240, :340].astype(float)
    out = np.full(u.shape, 60.0)
    for x, y in dots:
        out += level * np.exp(-((u - x - shift[0]) ** 2 + (v - y - shift[1]) ** 2) / 18)
    return out.round().astype(np.uint8)


def test_dots_are_found_the_best_of_every_cell_and_none_near_those_taken():
    found = detect(drawn(), np.zeros((0, 2)), 200)
    far = np.linalg.norm(found[:, None] - np.array(DOTS), axis=2).min(1)
    assert len(found) >= len(DOTS) and far.max() < 7  # around a dot's slope, in steps of two pixels
    again = detect(drawn(), found[:20], 200)
    assert np.linalg.norm(again[:, None] - found[:20], axis=2).min() > 6
    assert len(detect(drawn(), np.zeros((0, 2)), 7)) == 7


@pytest.mark.parametrize("what", ["flat", "edge", "noise"])
def test_where_nothing_can_be_followed_nothing_begins(what):
    """A straight edge, and noise of one grey level, have too little structure in one direction
    or both.
    """
    picture = np.full((240, 340), 90, np.uint8)
    if what == "edge":
        picture[:, 170:] = 160
    if what == "noise":
        picture = (
            (picture + np.random.default_rng(0).normal(0, 1, picture.shape))
            .round()
            .astype(np.uint8)
        )
    assert not len(detect(picture, np.zeros((0, 2)), 100))


def test_what_begins_is_followed_and_found_in_the_right_picture():
    here, there = drawn(), drawn((2.3, -1.4))
    pixels = detect(here, np.zeros((0, 2)), 100)
    found, arrived, sigma = follow(here, there, pixels, pixels)
    assert arrived.mean() > 0.9
    assert (
        np.abs(found[arrived] - pixels[arrived] - (2.3, -1.4)).max() < 0.2
        and (sigma[arrived] > 0.1).all()
    )
    disparity, sigma = match_right(here, drawn((-5.6, 0.0)), pixels, np.full(len(pixels), 5.0))
    assert np.isfinite(disparity).mean() > 0.9 and np.nanmax(np.abs(disparity - 5.6)) < 0.2


def test_unsharpness_is_one_over_the_slope_of_a_ramp():
    """On a ramp of 3 grey levels a pixel in u, one level is 1/3 px; in v nothing is seen: only
    the floor of 0.5.
    """
    ramp = np.broadcast_to(3 * np.arange(80), (60, 80)).astype(np.uint8)
    for pixel in ((40, 30), (3, 2), (77, 58)):  # at the border the patch is moved inside
        du, dv = unsharpness(ramp, np.array([pixel], np.float32))[0]
        assert du == pytest.approx(1 / np.sqrt(9.5), rel=1e-3) and dv == pytest.approx(
            1 / np.sqrt(0.5), rel=1e-3
        )


def test_unsharpness_is_that_of_derivatives_of_the_whole_picture():
    picture = cv2.GaussianBlur(
        np.random.default_rng(1).integers(0, 255, (70, 90)).astype(np.uint8), (5, 5), 0
    )
    du, dv = (cv2.Sobel(picture, cv2.CV_64F, *order) / 8 for order in ((1, 0), (0, 1)))
    for u, v in ((20, 31), (60, 14)):
        around = np.s_[v - 5 : v + 6, u - 5 : u + 6]
        tensor = np.array(
            [[(a[around] * b[around]).mean() for b in (du, dv)] for a in (du, dv)]
        ) + 0.5 * np.eye(2)
        expected = np.sqrt(np.diag(np.linalg.inv(tensor)))
        np.testing.assert_allclose(
            unsharpness(picture, np.array([[u, v]], np.float32))[0], expected, rtol=1e-4
        )
