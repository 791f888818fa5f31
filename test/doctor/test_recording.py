"""The doctor names each problem; a good recording has none."""

import numpy as np
import pytest
from bags import START_NS, STEP_NS

from depth_ros.doctor.epipolar import epipolar_error
from depth_ros.doctor.recording import (
    OK,
    PROBLEM,
    WARNING,
    examine,
    examine_pairing,
    examine_stamps,
    findings_of,
)


def told(findings, level):
    return " | ".join(
        f"{finding.where}: {finding.words}" for finding in findings if finding.level == level
    )


@pytest.fixture
def big_pair():
    """Blobs with a disparity of 9 px, in which features are found."""
    import cv2

    noise = np.random.default_rng(5).integers(0, 256, (160, 249, 3), dtype=np.uint8)
    wide = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    return wide[:, :240].copy(), wide[:, 9:].copy()


def make_big(bag_builder, pair, n=3, right_info=None, swap=False, **image_fields):
    bag = bag_builder()
    size = {"width": 240, "height": 160, "K": matrix(), "P": pinhole()}
    for stamp_ns in range(START_NS, START_NS + n * STEP_NS, STEP_NS):
        bag.info("left", stamp_ns, **size)
        bag.info("right", stamp_ns, **{**size, "P": pinhole(tx=-42.0), **(right_info or {})})
        for side, image in zip(("left", "right"), pair[::-1] if swap else pair, strict=True):
            bag.image(side, stamp_ns, image, **image_fields)
    return bag.close()


def test_good_bag(bag_builder, big_pair):
    findings = examine(make_big(bag_builder, big_pair))
    assert [finding.level for finding in findings] == [OK, OK]
    assert "0.0" in findings[0].words
    assert findings[1].words == (
        "looked at as a pair: /left/image_rect with /left/camera_info, /right/image_rect "
        "with /right/camera_info"
    )


def sixteen(image, scale, offset=0):
    """Grey as 16-bit values, (H, W)."""
    return (offset + image[..., 1].astype(np.float64) * scale).astype("<u2")


@pytest.mark.parametrize(
    "scale, offset, words",
    [
        (4, 0, "the 16-bit images use 10 bits: values"),
        (16, 0, "the 16-bit images use 12 bits: values"),
        (8, 29000, "the 16-bit images use 15 bits: values 29"),
    ],
)
def test_bits_of_sixteen_are_named_and_are_not_black(bag_builder, big_pair, scale, offset, words):
    pair = [sixteen(image, scale, offset) for image in big_pair]
    findings = examine(make_big(bag_builder, pair, encoding="mono16"))
    assert told(findings, PROBLEM) == "" and told(findings, WARNING) == ""
    assert words in told(findings, OK)


def test_a_covered_lens_is_black_by_the_range_of_its_recording(bag_builder, big_pair):
    covered = np.full(big_pair[0].shape[:2], 20, "<u2")  # of 1023
    bag = bag_builder()
    size = {"width": 240, "height": 160, "K": matrix(), "P": pinhole()}
    for k, image in enumerate((sixteen(big_pair[0], 4), covered, covered)):
        stamp_ns = START_NS + k * STEP_NS
        bag.info("left", stamp_ns, **size)
        bag.image("left", stamp_ns, image, encoding="mono16")
    assert "2 of 3 images are almost black" in told(examine(bag.close(), "mono"), WARNING)


def test_rows_that_do_not_meet(bag_builder, big_pair):
    left, right = big_pair
    findings = examine(make_big(bag_builder, (left, np.roll(right, 3, axis=0))))
    assert "3.0" in told(findings, PROBLEM) and "off their row" in told(findings, PROBLEM)


def test_swapped_images(bag_builder, big_pair):
    assert "-9.0 px, negative: left and right swapped" in told(
        examine(make_big(bag_builder, big_pair, swap=True)), PROBLEM
    )


@pytest.mark.parametrize(
    "change, words",
    [
        ({"P": (200.0, 0, 119.5, 40.0, 0, 200.0, 79.5, 0, 0, 0, 1, 0)}, "swapped"),
        ({"K": (0,) * 9}, "is the camera calibrated"),
        ({"P": (float("nan"),) * 12}, "P: expected finite"),
        ({"width": 120}, "camera_info is for 120x160, the images are 240x160"),
    ],
)
def test_bad_calibration_is_named(bag_builder, big_pair, change, words):
    assert words in told(examine(make_big(bag_builder, big_pair, right_info=change)), PROBLEM)


def test_encoding_and_truncated_image(bag_builder, big_pair):
    bag = bag_builder()
    for side, image in zip(("left", "right"), big_pair, strict=True):
        bag.info(side, START_NS, width=240, height=160)
        bag.image(
            side, START_NS, image, **({"encoding": "yuv9"} if side == "left" else {"step": 7})
        )
    text = told(examine(bag.close()), PROBLEM)
    assert (
        "yuv9" in text
        and "/right/image_rect: 1 of 1 images cannot be used: expected a step" in text
    )


def test_missing_topic(bag_builder, big_pair):
    bag = bag_builder()
    bag.image("left", START_NS, big_pair[0])
    assert "expected right images" in told(examine(bag.close()), PROBLEM)


def test_stamps():
    findings = examine_stamps("t", [0, 10, 10, 20, 15, 25, 35, 45, 90])
    assert "1 of 9 stamps are 0" in told(findings, PROBLEM) and "same as the one before" in told(
        findings, PROBLEM
    )
    assert "backwards 1 times" in told(findings, PROBLEM) and "1 gaps" in told(findings, WARNING)
    assert examine_stamps("t", [5, 15, 25, 35]) == []


def test_stamps_that_never_meet_name_the_tolerance():
    left = [START_NS + i * STEP_NS for i in range(9)]
    (finding,) = examine_pairing({"left": left, "right": [stamp + 1_500_000 for stamp in left]})
    assert finding.level == PROBLEM
    assert (
        "0 of 9" in finding.words
        and "1.500 ms" in finding.words
        and "--sync-tolerance-s 0.0015" in finding.words
    )
    assert examine_pairing({"left": left, "right": left}) == []


def test_lost_images_do_not_change_the_tolerance():
    stamps = [START_NS + i * STEP_NS for i in range(20)]
    left = [t for i, t in enumerate(stamps) if i not in (3, 4, 11)]
    right = [t + 3_000_000 for i, t in enumerate(stamps) if i not in (0, 7, 15, 19)]
    (finding,) = examine_pairing({"left": left, "right": right})
    assert "3.000 ms" in finding.words and "--sync-tolerance-s 0.003 " in finding.words


def test_epipolar_error_of_a_known_shift(big_pair):
    left, right = big_pair
    offset, disparity, matches = epipolar_error(left[2:], right[:-2])
    assert (
        offset == pytest.approx(2, abs=0.1)
        and disparity == pytest.approx(9, abs=0.1)
        and matches > 20
    )
    assert epipolar_error(np.zeros_like(left), np.zeros_like(right)) is None


def make_mono(bag_builder, image, name="image_rect", **info):
    bag = bag_builder()
    for stamp_ns in range(START_NS, START_NS + 3 * STEP_NS, STEP_NS):
        bag.info(
            "eye", stamp_ns, **{"width": 240, "height": 160, "K": matrix(), "P": pinhole(), **info}
        )
        bag.image("eye", stamp_ns, image, name=name)
    return bag


def pinhole(fx=200.0, fy=200.0, cx=119.5, cy=79.5, tx=0.0):
    return (fx, 0.0, cx, tx, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0)


def matrix(fx=200.0, fy=200.0, cx=119.5, cy=79.5):
    return (fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0)


def test_one_camera(bag_builder, big_pair):
    path = make_mono(bag_builder, big_pair[0]).close()
    for mode in ("auto", "mono"):
        assert [finding.level for finding in examine(path, mode)] == [OK]
    assert "expected left images" in told(examine(path), PROBLEM)
    assert [finding.level for finding in findings_of(path, "mono")] == [OK]


@pytest.mark.parametrize(
    "change, words, level",
    [
        ({"P": pinhole(fx=400.0)}, "fx 400 and fy 200 px: expected nearly square", PROBLEM),
        (
            {"P": pinhole(cx=20.0)},
            "principal point (20, 79.5) is far from the middle of 240x160",
            WARNING,
        ),
        ({"P": pinhole(fx=20.0, fy=20.0)}, "a field of view of 161 degrees", WARNING),
        ({"name": "image_raw"}, "raw images without D", WARNING),
    ],
)
def test_numbers_that_no_camera_has(bag_builder, big_pair, change, words, level):
    finding, last = examine(make_mono(bag_builder, big_pair[0], **change).close(), "auto")
    assert finding.level == level and words in finding.words and finding.where == "/eye/camera_info"
    assert (
        last.level == OK
        and last.where.startswith("/eye/image_")
        and "without a right one: see above" in last.words
    )


def test_problems_of_one_camera(bag_builder, big_pair):
    bag = make_mono(bag_builder, big_pair[0], width=120)
    bag.image("eye", START_NS + 2 * STEP_NS, big_pair[0], encoding="yuv9")
    text = told(examine(bag.close(), "auto"), PROBLEM)
    assert "camera_info is for 120x160, the images are 240x160" in text and "yuv9" in text
    assert "1 stamps are the same as the one before" in text


def test_truth_that_fits_no_image(bag_builder, big_pair):
    bag = make_mono(bag_builder, big_pair[0])
    bag.depth(START_NS, np.ones((80, 120), np.float32))
    bag.depth(START_NS + 7, np.ones((160, 240), np.float32))
    bag.depth(START_NS + STEP_NS, np.ones((160, 240), np.float32))
    text = told(examine(bag.close(), "auto"), WARNING)
    assert (
        "1 maps cannot be used: they are 120x80, the images 240x160" in text
        and "no image has their stamp" in text
    )


@pytest.mark.parametrize("name", ["kitti_lidar_frames", "tartanair_hospital", "tum_fr1_piece"])
def test_recordings_of_one_camera_are_sound(shared_data, name):
    assert told(examine(shared_data / "bags" / name, "auto"), PROBLEM) == ""


def test_recordings_are_sound(shared_data):
    """EuRoC is raw: after rectification its rows must meet within half a pixel."""
    findings = examine(shared_data / "bags" / "euroc_static_unrectified")
    assert told(findings, PROBLEM) == ""
    (words,) = (finding.words for finding in findings if "off their row" in finding.words)
    assert float(words.split()[3]) < 0.5
