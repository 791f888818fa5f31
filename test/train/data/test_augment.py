"""Crops, mirrors and looks: where a pixel goes, and that the camera goes along."""

import doctest

import numpy as np
import pytest

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from train.data import augment
from train.data.augment import (
    Look,
    Window,
    colour_mix,
    cover,
    mirror_camera,
    mirror_image,
    random_look,
)


def test_examples():
    assert doctest.testmod(augment).failed == 0


def test_a_point_of_the_ramp_is_where_the_camera_says():
    """The picture is a ramp in u, so a pixel's value tells which column it came from."""
    camera = Camera(96, 56, 80.0, 84.0, 44.25, 30.5)
    image = np.repeat(
        np.broadcast_to(2 * np.arange(96, dtype=np.uint8), (56, 96))[..., None], 3, axis=2
    )
    window = cover(camera, 64, 80, zoom=1.25, at=(0.3, 0.8))
    cropped, moved = window.image(np.ascontiguousarray(image)), window.camera(camera)
    assert cropped.shape == (64, 80, 3)
    x = (np.arange(80) - moved.cx) / moved.fx  # the ray of each column of the crop ...
    expected = 2 * (x * camera.fx + camera.cx)  # ... and the value that the picture has on it
    assert np.abs(cropped[20, :, 0].astype(float) - expected).max() < 1.0
    seen = mirror_image(cropped)[20, :, 0].astype(float)
    x = -(np.arange(80) - mirror_camera(moved).cx) / moved.fx
    assert np.abs(seen - 2 * (x * camera.fx + camera.cx)).max() < 1.0


def test_depth_is_picked_never_mixed():
    depth = np.where(np.arange(96) < 50, 2.0, np.nan).astype(np.float32)[None].repeat(56, 0)
    cropped = Window(28, 48, 0, 0, 28, 48).depth(depth)
    assert np.array_equal(cropped[3, :25], np.full(25, 2.0)) and np.isnan(cropped[3, 25:]).all()


def test_cover_cuts_and_stretch_keeps():
    camera = Camera(96, 56, 80.0, 84.0, 44.25, 30.5)
    assert cover(camera, 56, 48) == Window(56, 96, 0, 24, 56, 48)
    stretched = cover(camera, 56, 48, fit_mode="stretch")
    assert stretched == Window(56, 48, 0, 0, 56, 48)
    assert (stretched.camera(camera).fx, stretched.camera(camera).fy) == (40.0, 84.0)


@pytest.mark.parametrize("wrong", [{"zoom": 0.5}, {"height": 0}, {"fit_mode": "squeeze"}])
def test_what_is_no_window_is_refused(wrong):
    with pytest.raises(InputError):
        cover(
            **{
                "camera": Camera(96, 56, 80.0, 84.0, 44.25, 30.5),
                "height": 56,
                "width": 48,
                **wrong,
            }
        )


def test_the_plain_look_changes_nothing_and_grey_stays_grey():
    image = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    np.testing.assert_allclose(Look().apply(image, None), image / 255, atol=1e-6)
    np.testing.assert_allclose(colour_mix(1.7, 0.4) @ np.full(3, 0.3), 0.3)
    np.testing.assert_allclose(colour_mix(0.0, 0.4) @ np.array([0.1, 0.2, 0.6]), 0.3)


def test_gain_and_gamma_are_what_they_say():
    image = np.full((2, 3, 3), 0.25, np.float32)
    look = Look(gamma=0.5, gain=(1.0, 1.2, 4.0))
    np.testing.assert_allclose(look.apply(image, None)[1, 2], [0.5, 0.6, 1.0], rtol=1e-6)


def test_random_looks_stay_in_range():
    rng = np.random.default_rng(5)
    image = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
    for _ in range(50):
        out = random_look(rng).apply(image, rng)
        assert out.dtype == np.float32 and 0 <= out.min() and out.max() <= 1
