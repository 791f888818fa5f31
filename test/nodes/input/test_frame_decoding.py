import struct
import zlib
from dataclasses import replace
from types import SimpleNamespace as Message

import numpy as np
import pytest

from depth_ros.core.errors import CalibrationError, ImageError
from depth_ros.core.grey_range import GreyRange
from depth_ros.nodes.input.frame_decoding import Pair, SizeError, pair_to_frame

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


def test_rgb_pixels_are_not_copied(make_calibration):
    data = np.arange(HEIGHT * WIDTH * 3, dtype=np.uint8)
    msg = image()
    vars(msg).update(encoding="rgb8", step=WIDTH * 3, data=data)
    frame = pair_to_frame(
        Pair(5, msg, msg, (make_calibration(), make_calibration(BASELINE_M))), rectify=False
    )
    assert np.shares_memory(frame.left, data)


def wide(values, encoding="mono16"):
    """A 16-bit image of one value a column."""
    msg = image()
    msg.encoding, msg.step = encoding, WIDTH * 2
    msg.data = np.tile(np.asarray(values, "<u2"), (HEIGHT, 1)).tobytes()
    return msg


def test_ten_bits_are_scaled_alike_on_both_sides(make_calibration):
    calibrations = (make_calibration(), make_calibration(BASELINE_M))
    left, right = wide(np.linspace(0, 1000, WIDTH)), wide(np.linspace(0, 500, WIDTH))
    greys = GreyRange()
    frame = pair_to_frame(Pair(5, left, right, calibrations), False, greys)
    assert greys.current == (0, 1023)
    assert (frame.left[3, -1, 0], frame.right[3, -1, 0]) == (250, 125)
    assert "10 bits" in greys.words()
    plain = pair_to_frame(Pair(5, left, right, calibrations), False)
    assert plain.left[3, -1, 0] == 1000 >> 8


def test_one_camera_is_scaled_too(make_calibration):
    frame = pair_to_frame(
        Pair(5, wide(np.full(WIDTH, 700)), None, (make_calibration(),)), False, GreyRange(10)
    )
    assert frame.left[0, 0, 0] == 700 >> 2


def test_eight_bits_do_not_ask_for_a_range(make_calibration):
    greys = GreyRange()
    pair_to_frame(
        Pair(5, image(), image(), (make_calibration(), make_calibration(BASELINE_M))), False, greys
    )
    assert greys.changes == 0


def png_that_claims(width, height):
    """The first bytes of a PNG, whose header is all there is."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b""
    for name, content in ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")):
        check = struct.pack(">I", zlib.crc32(name + content))
        chunks += struct.pack(">I", len(content)) + name + content + check
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_a_compressed_image_of_another_size_is_refused_before_it_is_decoded(
    make_calibration, monkeypatch
):
    monkeypatch.setattr("cv2.imdecode", lambda *_: pytest.fail("it was decoded"))
    header = Message(frame_id="left_optical", stamp=Message(sec=1, nanosec=2))
    bomb = Message(header=header, format="png", data=png_that_claims(32000, 32000))
    calibrations = (make_calibration(), make_calibration(BASELINE_M))
    with pytest.raises(SizeError, match="left: expected 96x56 .* got an image of 32000x32000"):
        pair_to_frame(Pair(5, bomb, bomb, calibrations), False)
    huge = [
        replace(
            c,
            width=32000,
            height=32000,
            K=(2e4, 0, 16e3, 0, 2e4, 16e3, 0, 0, 1),
            P=(2e4, 0, 16e3, -2e4 * baseline_m, 0, 2e4, 16e3, 0, 0, 0, 1, 0),
        )
        for c, baseline_m in zip(calibrations, (0.0, BASELINE_M), strict=True)
    ]
    with pytest.raises(
        ImageError, match="expected 1 to 50000000 pixels, got an image that says it is 32000x32000"
    ):
        pair_to_frame(Pair(5, bomb, bomb, tuple(huge)), False)


def test_the_frame_of_a_pair_is_that_of_the_outputs(make_calibration):
    pair = Pair(5, image(), None, (make_calibration(),), "cleaned")
    assert pair_to_frame(pair, False).frame_id == "cleaned"
