import threading
from types import SimpleNamespace as Message

import numpy as np
import pytest

from depth_ros.core.errors import CalibrationError, ImageError
from depth_ros.nodes.input.pairing import Calibrator, Mailbox, Pair, SizeError, pair_to_frame

HEIGHT, WIDTH, BASELINE_M = 56, 96, 0.21


def image(height=HEIGHT, width=WIDTH, value=7):
    header = Message(frame_id="left_optical", stamp=Message(sec=1, nanosec=2))
    return Message(
        header=header,
        height=height,
        width=width,
        encoding="mono8",
        is_bigendian=0,
        step=width,
        data=bytes([value]) * (height * width),
    )


def test_pair_to_frame(make_calibration):
    calibrations = (make_calibration(), make_calibration(BASELINE_M))
    frame = pair_to_frame(Pair(5, image(value=1), image(value=2), calibrations), rectify=False)
    assert (frame.stamp_ns, frame.frame_id, frame.calibrations) == (5, "left_optical", None)
    assert (frame.left[3, 4, 0], frame.right[3, 4, 2]) == (1, 2)
    assert frame.rig.baseline_m == pytest.approx(BASELINE_M)
    assert (
        pair_to_frame(Pair(5, image(), image(), calibrations), rectify=True).calibrations
        == calibrations
    )


def test_one_image_to_frame(make_calibration):
    pair = Pair(5, image(value=9), None, (make_calibration(),))
    frame = pair_to_frame(pair, rectify=False)
    assert (frame.right, frame.rig, frame.calibrations, frame.camera.fy) == (None, None, None, 84.0)
    assert frame.left[3, 4, 1] == 9
    assert pair_to_frame(pair, rectify=True).calibrations == (make_calibration(),)
    with pytest.raises(SizeError, match="image: expected 96x56 .* got an image of 96x50"):
        pair_to_frame(Pair(5, image(height=50), None, (make_calibration(),)), rectify=False)
    with pytest.raises(CalibrationError, match="is the camera calibrated"):
        pair_to_frame(Pair(5, image(), None, (make_calibration(K=(0,) * 9),)), rectify=False)


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"K": (0,) * 9}, CalibrationError, "is the camera calibrated"),
        ({"K": (float("nan"),) * 9}, CalibrationError, "K: expected finite"),
        ({"width": 0}, CalibrationError, "got 0x56"),
        ({"width": 90}, CalibrationError, "two cameras of one size"),
    ],
)
def test_bad_calibrations_are_refused(make_calibration, change, error, words):
    pair = Pair(5, image(), image(), (make_calibration(**change), make_calibration(BASELINE_M)))
    with pytest.raises(error, match=words):
        pair_to_frame(pair, rectify=False)


@pytest.mark.parametrize("baseline_m", [0.0, -BASELINE_M, float("nan")])
def test_a_baseline_must_be_positive(make_calibration, baseline_m):
    with pytest.raises(CalibrationError):
        pair_to_frame(
            Pair(5, image(), image(), (make_calibration(), make_calibration(baseline_m))),
            rectify=False,
        )


def test_swapped_cameras_get_the_hint(make_calibration):
    with pytest.raises(CalibrationError, match="left and right swapped"):
        pair_to_frame(
            Pair(5, image(), image(), (make_calibration(BASELINE_M), make_calibration())),
            rectify=False,
        )


def test_sizes_must_agree(make_calibration):
    calibrations = (make_calibration(), make_calibration(BASELINE_M))
    with pytest.raises(SizeError, match="right: expected 96x56 .* got an image of 96x50"):
        pair_to_frame(Pair(5, image(), image(height=50), calibrations), rectify=False)
    with pytest.raises(ImageError, match="above zero"):
        pair_to_frame(Pair(5, image(height=0), image(), calibrations), rectify=False)


STAMPS = [{"left": ns, "right": ns + 1} for ns in (10, 20, 30, 40, 50)]


def add_infos(calibrator, stamps, calibration):
    return [
        done for side, ns in stamps.items() for done in calibrator.add_info(side, ns, calibration)
    ]


def both(calibration):
    return {"left": calibration, "right": calibration}


def test_a_pair_waits_for_its_own_calibration(make_calibration):
    old, new = make_calibration(0.1), make_calibration(0.2)
    calibrator = Calibrator()
    add_infos(calibrator, STAMPS[0], old)
    assert calibrator.add_images("first", STAMPS[0]) == [("first", both(old))]
    assert calibrator.add_images("second", STAMPS[1]) == []
    assert calibrator.add_info("left", 20, new) == []
    assert calibrator.add_info("right", 21, new) == [("second", both(new))]


def test_a_latched_calibration_delays_one_pair_only(make_calibration):
    latched = make_calibration(0.1)
    calibrator = Calibrator()
    add_infos(calibrator, {"left": 0, "right": 0}, latched)
    assert calibrator.add_images("first", STAMPS[0]) == []
    assert calibrator.add_images("second", STAMPS[1]) == [
        ("first", both(latched)),
        ("second", both(latched)),
    ]
    assert calibrator.add_images("third", STAMPS[2]) == [("third", both(latched))]


def test_after_a_lost_camera_info_pairs_wait_again(make_calibration):
    old, new = make_calibration(0.1), make_calibration(0.2)
    calibrator = Calibrator()
    add_infos(calibrator, STAMPS[0], old)
    calibrator.add_images("first", STAMPS[0])
    assert calibrator.add_images("second", STAMPS[1]) == []  # its camera_info is lost
    assert calibrator.add_images("third", STAMPS[2]) == [
        ("second", both(old)),
        ("third", both(old)),
    ]
    assert add_infos(calibrator, STAMPS[2], old) == []
    assert calibrator.add_images("fourth", STAMPS[3]) == []
    assert add_infos(calibrator, STAMPS[3], new) == [("fourth", both(new))]


def test_without_any_calibration_nothing_is_made_up():
    calibrator = Calibrator()
    assert calibrator.add_images("first", STAMPS[0]) == []
    assert calibrator.add_images("second", STAMPS[1]) == [("first", both(None))]
    assert calibrator.add_images("third", STAMPS[2]) == [("second", both(None))]


def test_mailbox_keeps_the_newest():
    box = Mailbox()
    assert [box.put(n) for n in (1, 2, 3)] == [None, 1, 2]
    assert box.take() == 3
    taken = []
    thread = threading.Thread(target=lambda: taken.append(box.take()))
    thread.start()
    box.put(4)
    thread.join(5)
    assert taken == [4]
    box.put(5)
    assert box.close() == 5
    assert box.take() is None


def test_rgb_pixels_are_not_copied(make_calibration):
    data = np.arange(HEIGHT * WIDTH * 3, dtype=np.uint8)
    msg = image()
    vars(msg).update(encoding="rgb8", step=WIDTH * 3, data=data)
    frame = pair_to_frame(
        Pair(5, msg, msg, (make_calibration(), make_calibration(BASELINE_M))), rectify=False
    )
    assert np.shares_memory(frame.left, data)
