"""How sure a depth map is that does not say it, and what may be followed."""

import cv2
import numpy as np
import pytest

from depth_ros.core.camera import Camera
from depth_ros.odometry.depth_measurement import RelativeSigma, measured_inverse
from depth_ros.odometry.tracking import _as_bright, detect, follow
from depth_ros.odometry.types import EgoFrame

CAMERA = Camera(64, 48, 50, 52, 30, 25)


@pytest.mark.parametrize("sigma", [0.01, 0.05])
def test_the_disagreement_of_two_frames_is_the_noise_of_both(sigma):
    rng, learned = np.random.default_rng(3), RelativeSigma()
    for _ in range(20):
        true = rng.uniform(0.2, 2.0, 100)
        before, after = (true * np.exp(sigma * rng.normal(size=100)) for _ in range(2))
        after[:10] *= 3.0  # seen through an edge
        after[10:15] = np.nan
        learned.learn(before * 1.04, after)  # the motion is wrong by as much for all
    assert learned.value == pytest.approx(sigma, rel=0.2)


def test_few_points_teach_nothing():
    learned = RelativeSigma()
    before = learned.value
    learned.learn(np.ones(19), np.linspace(1, 2, 19))
    assert learned.value == before


def test_no_depth_is_believed_without_limit():
    learned = RelativeSigma()
    learned.learn(np.ones(50), np.ones(50))
    assert learned.value == 0.005


def test_sigma_of_inverse_depth_is_a_share_of_it():
    frame = EgoFrame(
        7, np.zeros((48, 64, 3), np.uint8), CAMERA, depth=np.full((48, 64), 4.0, np.float32)
    )
    inv, sigma = measured_inverse(frame, None, None, None, np.array([[20.0, 20.0]]), 0.03)
    assert inv == pytest.approx([0.25]) and sigma == pytest.approx([0.0075])


def test_what_the_map_says_goes_before_what_was_learned():
    says = {
        "depth": np.full((48, 64), 4.0, np.float32),
        "sigma_m": np.full((48, 64), 0.4, np.float32),
    }
    frame = EgoFrame(7, np.zeros((48, 64, 3), np.uint8), CAMERA, **says)
    _, sigma = measured_inverse(frame, None, None, None, np.array([[20.0, 20.0]]), 0.03)
    assert sigma == pytest.approx([0.025])


def test_a_map_that_says_it_is_exact_is_taken_for_nearly_so():
    says = {"depth": np.full((48, 64), 4.0, np.float32), "sigma_m": np.zeros((48, 64), np.float32)}
    frame = EgoFrame(7, np.zeros((48, 64, 3), np.uint8), CAMERA, **says)
    _, sigma = measured_inverse(frame, None, None, None, np.array([[20.0, 20.0]]))
    assert sigma == pytest.approx([0.25e-4])


def test_a_point_on_a_straight_edge_is_not_followed():
    before, after = np.full((120, 160), 60, np.uint8), np.full((120, 160), 60, np.uint8)
    before[:, 80:], after[:, 83:] = 140, 140
    before[20:30, 20:30], after[20:30, 23:33] = 140, 140
    pixels = np.array([[80.0, 60.0], [20.0, 20.0]], np.float32)
    _, arrived, _ = follow(before, after, pixels, pixels)
    assert arrived.tolist() == [False, True]


@pytest.mark.parametrize(
    "exposed", [lambda grey: 0.6 * grey + 70, lambda grey: grey + 25, lambda grey: 0.5 * grey]
)
def test_points_are_followed_over_a_change_of_exposure(exposed):
    noise = cv2.GaussianBlur(np.random.default_rng(5).normal(size=(120, 160)), (0, 0), 2)
    before = np.clip(120 + 30 * noise / noise.std(), 0, 255).astype(np.uint8)
    after = np.clip(exposed(np.roll(before, 3, 1).astype(float)), 0, 255).astype(np.uint8)
    pixels = detect(before, np.zeros((0, 2)), 60)
    found, arrived, _ = follow(before, after, pixels, pixels)
    assert arrived[pixels[:, 0] < 140].mean() > 0.9
    assert np.median(np.linalg.norm(found - pixels - (3, 0), axis=1)[arrived]) < 0.1


def test_a_picture_made_as_dark_as_another_is_black_where_it_must_be():
    """Leaving a tunnel: mostly white with dark things, after mostly dark with a white exit."""
    ramp = np.tile(np.r_[np.linspace(0, 200, 40), np.full(120, 250)].astype(np.uint8), (90, 1))
    tunnel = np.tile(np.r_[np.full(120, 10), np.full(40, 250)].astype(np.uint8), (90, 1))
    assert (np.diff(_as_bright(ramp, tunnel)[0].astype(int)) >= 0).all()
