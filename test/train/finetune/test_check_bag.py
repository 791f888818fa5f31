"""What a recording is refused for: motion and light that were put into the pictures."""

import numpy as np
import pytest
from bags import START_NS, STEP_NS, BagBuilder

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from depth_ros.core.lie import so3_exp
from train.finetune.bag_measures import exposure, level, motion, turn_residual
from train.finetune.check_bag import check_bag

CAMERA = Camera(320, 200, 260.0, 264.0, 150.5, 104.25)


def texture(height, width, seed=0):
    """Blobs that corners are found on."""
    import cv2

    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.0), None, 0, 255, cv2.NORM_MINMAX)


def turned(image, camera, rotvec):
    """The picture after a turn of the camera about its own centre: the homography K R K^-1."""
    import cv2

    H = camera.K @ so3_exp(np.array(rotvec)) @ np.linalg.inv(camera.K)
    return cv2.warpPerspective(image, H, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


def two_depths(image, shift_px):
    """The upper half moves by shift_px, the lower one by three times that."""
    half = image.shape[0] // 2
    return np.concatenate(
        [np.roll(image[:half], shift_px, 1), np.roll(image[half:], 3 * shift_px, 1)]
    )


def test_a_turn_has_flow_and_no_parallax():
    image = texture(200, 320)
    move = motion(image, turned(image, CAMERA, (0.002, 0.02, -0.003)), CAMERA)
    # 2 f a (1 + x^2) at a median |x| of 80 / 260: in a picture twice as wide
    assert (
        move.flow_px == pytest.approx(2 * 0.02 * CAMERA.fx * 1.095, rel=0.05)
        and move.parallax_px < 0.3
        and move.tracked > 0.8
    )


def test_two_depths_have_parallax():
    image = texture(200, 320)
    move = motion(image, two_depths(image, 3), CAMERA)
    assert move.parallax_px > 3 and 6 <= move.flow_px <= 18


def test_pictures_without_corners_or_relation_say_nothing():
    blank = np.full((200, 320, 3), 90, np.uint8)
    assert np.isnan(motion(blank, blank, CAMERA).flow_px)
    assert motion(texture(200, 320), texture(200, 320, seed=1), CAMERA).tracked < 0.25


def test_the_turn_is_found_among_what_moves_on_its_own():
    rng = np.random.default_rng(2)
    a = rng.normal(0, 0.4, (100, 3)) + [0, 0, 1]
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b = a @ so3_exp(np.array([0.05, -0.02, 0.1])).T
    b[:30] = b[:30] @ so3_exp(np.array([0.0, 0.2, 0.0])).T
    rest = turn_residual(a, b, iterations=50)
    assert rest[30:].max() < 1e-3 and np.median(rest[:30]) > 0.1


def test_exposure_counts_the_ends():
    image = np.full((10, 20, 3), 128, np.uint8)
    image[:, :5], image[:, 5:7] = 0, 255
    assert exposure(image) == pytest.approx((0.25, 0.1), abs=0.05)


def test_level_finds_rows_that_differ_and_a_swap():
    wide = texture(200, 340)
    left, right = (
        wide[:, :320],
        np.roll(wide[:, 12:332], 3, 0),
    )  # a disparity of 12 px, 3 rows lower
    matches, rows, further_left = level(left, right)
    assert matches > 50 and rows == pytest.approx(-6, abs=0.6) and further_left > 0.9
    assert level(right, left)[2] < 0.1


@pytest.fixture
def record(tmp_path, make_calibration):
    """A factory of bags of pictures (mono) or of pairs."""

    def make(pictures, name="bag"):
        height, width = np.shape(pictures[0])[-3:-1]
        P = (260.0, 0, width / 2, 0, 0, 260.0, height / 2, 0, 0, 0, 1, 0)
        right_P = P[:3] + (-260.0 * 0.2,) + P[4:]
        K = (260.0, 0, width / 2, 0, 260.0, height / 2, 0, 0, 1)
        builder = BagBuilder(tmp_path / name, make_calibration)
        sides = ("left", "right") if np.ndim(pictures[0]) == 4 else ("left",)
        for side in sides:
            builder.info(
                side, START_NS, width=width, height=height, K=K, P=right_P if side == "right" else P
            )
        for i, images in enumerate(pictures):
            for side, image in zip(sides, images if len(sides) == 2 else [images]):
                builder.image(side, START_NS + i * STEP_NS, np.ascontiguousarray(image))
        return builder.close()

    return make


def reasons(report):
    assert all(isinstance(error, InputError) for error in report.refusals)
    return " / ".join(str(error) for error in report.refusals)


def drive(count):
    image = texture(160, 240)
    return [two_depths(image, 2 * i) for i in range(count)]


def test_a_drive_is_accepted(record):
    report = check_bag(record(drive(24)))
    assert report.refusals == () and report.step == 1 and report.frames == 24
    assert report.rate_hz == pytest.approx(10) and report.parallax_px > 1 and report.rows_px is None
    assert any("few" in text for text in report.warnings) and "24 frames" in str(report)


def test_standing_still_is_refused(record):
    report = check_bag(record([texture(160, 240)] * 24))
    assert (
        report.still == 1.0
        and "stands still" in reasons(report)
        and "Record while driving" in reasons(report)
    )


def test_turning_on_the_spot_is_refused_in_mono_only(record):
    image, camera = texture(160, 240), Camera(240, 160, 260.0, 260.0, 120.0, 80.0)
    pictures = [turned(image, camera, (0, 0.02 * np.sin(0.9 * i), 0)) for i in range(24)]
    report = check_bag(record(pictures))
    assert report.turning > 0.7 and "turns on the spot" in reasons(report)
    pairs = [(picture, np.roll(picture, -9, 1)) for picture in pictures]
    assert reasons(check_bag(record(pairs, "pairs"))) == ""


def test_few_unrelated_and_dark_pictures_are_refused(record):
    assert "at least 20 frames, got 6" in reasons(check_bag(record(drive(6), "short")))
    unrelated = [texture(160, 240, seed) for seed in range(20)]
    assert "consecutive frames" in reasons(check_bag(record(unrelated, "unrelated")))
    dark = [(picture * 0.02).astype(np.uint8) for picture in drive(20)]
    assert "black" in reasons(check_bag(record(dark, "dark")))


def test_bad_pairs_are_refused(record):
    left, right = zip(*((picture, np.roll(picture, -9, 1)) for picture in drive(20)))
    tilted = list(zip(left, (np.roll(picture, 4, 0) for picture in right)))
    assert "rows that differ by 10." in reasons(check_bag(record(tilted, "tilted")))
    assert "swapped" in reasons(check_bag(record(list(zip(right, left)), "swapped")))
    covered = [(picture, np.zeros_like(picture)) for picture in left]
    assert "Uncover" in reasons(check_bag(record(covered, "covered")))


def test_what_cannot_be_opened_is_an_error_and_what_is_uncalibrated_a_refusal(
    tmp_path, make_calibration
):
    with pytest.raises(InputError, match="metadata"):
        check_bag(tmp_path)
    builder = BagBuilder(tmp_path / "bag", make_calibration)
    builder.info("left", START_NS, K=(0,) * 9)
    builder.image("left", START_NS, texture(56, 96))
    assert "calibrated camera" in reasons(check_bag(builder.close()))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("euroc_static_unrectified", "stands still"),
        ("kitti_lidar_frames", "consecutive frames"),
        ("kitti_raw0001_stereo_color", ""),
    ],
)
def test_real_recordings(shared_data, name, reason):
    found = reasons(check_bag(shared_data / "bags" / name))
    assert reason in found if reason else found == ""
