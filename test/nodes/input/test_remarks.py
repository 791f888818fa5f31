from dataclasses import replace

import pytest

from depth_ros.nodes.input.remarks import calibration_remarks, clean_frame

HEIGHT, WIDTH, BASELINE_M = 56, 96, 0.21


@pytest.mark.parametrize(
    "frames, expected, words",
    [
        (("left", "right"), "left", ""),
        (("/left", "left"), "left", "begins with a slash"),
        (("//left/optical", ""), "left/optical", "begins with a slash"),
        (("", "/left"), "left", "that of camera_info is taken"),
        (("/", "left"), "left", "that of camera_info is taken"),
        (("", ""), "", "set it in the driver"),
    ],
)
def test_frames_are_as_tf2_takes_them(frames, expected, words):
    frame, said = clean_frame(*frames)
    assert frame == expected
    assert words in said and bool(words) == bool(said)


def test_numbers_that_no_camera_has_are_named_with_their_factor(make_calibration):
    good = make_calibration(), make_calibration(BASELINE_M)
    assert calibration_remarks(good, True) == ()
    assert calibration_remarks((), True) == ()
    cx, cy = WIDTH - 0.5, HEIGHT - 0.5  # the middle of an image of twice the size
    fx, fy = 2 * good[0].P[0], 2 * good[0].P[5]
    doubled = [replace(c, P=(fx, 0, cx, 4 * c.P[3], 0, fy, cy, 0, 0, 0, 1, 0)) for c in good]
    words = calibration_remarks(tuple(doubled), True)
    assert len(words) == 2
    assert words[0].startswith("left camera_info cannot be right: P: the principal point")
    assert "is the middle of 192x112, not of 96x56" in words[0] and "wrong by 2" in words[0]
    assert words[1].startswith("right camera_info cannot be right")
    millimetres = make_calibration(BASELINE_M * 1000)
    (word,) = calibration_remarks((good[0], millimetres), True)
    assert "baseline 210 m" in word and "In millimetres it would be 0.21 m" in word
