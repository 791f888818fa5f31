import numpy as np
import pytest

from depth_ros.core.errors import ImageError
from depth_ros.core.grey_range import (
    FULL,
    GreyRange,
    describe_range,
    fitting_range,
    to_eight_bits,
    used_range,
)

H, W = 60, 80
GREY = np.random.default_rng(0).integers(0, 256, (H, W)).astype(np.float64)


def sixteen(scale, offset=0.0):
    """The picture of 256 levels as 16-bit values."""
    return (offset + GREY * scale).astype(np.uint16)


@pytest.mark.parametrize("bits, scale", [(8, 1), (10, 4), (12, 16), (14, 64), (16, 257)])
def test_a_camera_of_so_many_bits_looks_like_one_of_eight(bits, scale):
    image = sixteen(scale)
    low, high = used_range(image)
    assert fitting_range(low, high) == (0, 2**bits - 1)
    assert np.abs(to_eight_bits(image, GreyRange().update(image)).astype(int) - GREY).max() <= 1
    assert (f"{bits} bits" in describe_range(low, high)) == (bits < 16)


@pytest.mark.parametrize("offset, scale", [(20000, 16), (29000, 8), (29500, 1.6), (65000, 1)])
def test_values_in_a_small_part_of_the_range_keep_their_contrast(offset, scale):
    """Thermal images: the levels of the scene stay apart, instead of falling into three of 256."""
    image = sixteen(scale, offset)
    seen = to_eight_bits(image, GreyRange().update(image)).astype(float)
    assert np.corrcoef(seen.ravel(), GREY.ravel())[0, 1] > 0.999
    assert seen.max() - seen.min() >= min(255 * 0.75, 255 * scale)


def test_one_range_serves_both_sides():
    left, right = sixteen(4), sixteen(3)
    greys = GreyRange()
    grey_range = greys.update(left, right)
    assert grey_range == (0, 1023)
    ratio = (
        to_eight_bits(right, grey_range)[GREY > 100] / to_eight_bits(left, grey_range)[GREY > 100]
    )
    assert np.median(ratio) == pytest.approx(
        0.75, abs=0.01
    )  # the difference between the cameras stays what it was


def test_opacity_and_stuck_pixels_do_not_count():
    image = sixteen(4)
    image[0, 0] = 65535
    assert used_range(image)[1] < 1024
    colour = np.dstack([sixteen(4)] * 3 + [np.full((H, W), 65535, np.uint16)])
    assert used_range(colour)[1] < 1024


def brightness(images, scale):
    """Mean grey of each image after a scale of its frame."""
    return np.array([scale(image).mean() for image in images])


def test_noise_does_not_make_it_flicker():
    """A still scene of a 12-bit camera with noise: the brightness moves with the noise alone, by
    under 0.1 level.
    """
    rng = np.random.default_rng(1)
    images = [
        np.clip(1200 + GREY * 3 + rng.normal(0, 12, (H, W)), 0, 4095).astype(np.uint16)
        for _ in range(100)
    ]
    greys = GreyRange()
    stable = brightness(images, lambda image: to_eight_bits(image, greys.update(image)))
    assert greys.changes == 1
    assert np.abs(np.diff(stable)).max() < 0.1
    by_frame = brightness(
        images, lambda image: to_eight_bits(image, (int(image.min()), int(image.max())))
    )
    assert (
        np.abs(np.diff(by_frame)).max() > 10 * np.abs(np.diff(stable)).max()
    )  # what it is there to avoid


def test_a_lamp_that_goes_on_and_off_changes_it_once():
    greys = GreyRange()
    for k in range(300):
        greys.update(sixteen(7 if (k // 10) % 2 else 3))  # 0..765 and 0..1785
    assert greys.changes == 2  # the first, and the first bright one
    assert greys.current == (0, 2047)


def test_it_grows_at_once_and_shrinks_after_a_second_where_a_quarter_would_do():
    greys = GreyRange()
    assert greys.update(sixteen(16)) == (0, 4095)
    assert greys.update(sixteen(64)) == (0, 16383)  # nothing is clipped, not for one frame
    for _ in range(28):
        assert greys.update(sixteen(16)) == (0, 16383)
    for _ in range(3):
        greys.update(sixteen(16))
    assert greys.current == (0, 4095)
    for _ in range(100):
        greys.update(sixteen(8))
    assert greys.current == (0, 4095)  # half of it would do, which is no reason


def test_a_black_frame_changes_nothing():
    greys = GreyRange()
    greys.update(sixteen(4))
    greys.update(np.zeros((H, W), np.uint16))
    assert (greys.current, greys.changes) == ((0, 1023), 1)


def test_bits_that_are_told_are_kept():
    greys = GreyRange(10)
    assert greys.update(sixteen(16)) == (0, 1023)
    assert "values reach 4080" in greys.words() and "clipped" in greys.words()
    assert to_eight_bits(sixteen(16), greys.current).max() == 255


def test_sixteen_full_bits_need_no_word():
    greys = GreyRange()
    greys.update(sixteen(257))
    assert (greys.current, greys.words()) == (FULL, "")


@pytest.mark.parametrize("bits", [-1, 1, 7, 17])
def test_bits_that_are_none_are_refused(bits):
    with pytest.raises(ImageError, match="expected 8 to 16 bits"):
        GreyRange(bits)
