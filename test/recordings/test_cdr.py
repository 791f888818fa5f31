"""The reader of serialised images, against rclpy's own."""

import struct

import numpy as np
import pytest

pytest.importorskip("rclpy")
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from depth_ros.core.errors import ImageError
from depth_ros.recordings.cdr import ImageReader, image_from_cdr
from depth_ros.recordings.decode import image_to_rgb, stamp_to_ns


def image(frame_id="left", encoding="rgb8", height=2, width=3, seed=0):
    data = np.random.default_rng(seed).integers(0, 256, height * width * 3, dtype=np.uint8)
    msg = Image(
        height=height,
        width=width,
        encoding=encoding,
        step=3 * width,
        is_bigendian=1,
        data=data.tobytes(),
    )
    msg.header.frame_id, msg.header.stamp.sec, msg.header.stamp.nanosec = frame_id, -5, 999_999_999
    return msg


def assert_same(got, want):
    assert (got.header.stamp.sec, got.header.stamp.nanosec) == (
        want.header.stamp.sec,
        want.header.stamp.nanosec,
    )
    assert got.header.frame_id == want.header.frame_id
    for name in ("height", "width", "encoding", "is_bigendian", "step"):
        assert getattr(got, name) == getattr(want, name), name
    assert bytes(got.data) == bytes(want.data)


@pytest.mark.parametrize("frame_id", ["", "a", "ab", "abc", "abcd", "left_optical", "links_äöü"])
@pytest.mark.parametrize("encoding", ["rgb8", "mono8", "bayer_rggb8", "8UC1", ""])
def test_every_alignment_gives_what_rclpy_gives(frame_id, encoding):
    raw = serialize_message(image(frame_id, encoding))
    assert_same(image_from_cdr(raw), deserialize_message(raw, Image))


def test_an_image_without_pixels():
    raw = serialize_message(Image())
    assert_same(image_from_cdr(raw), deserialize_message(raw, Image))


def test_pixels_are_a_view():
    raw = serialize_message(image())
    data = image_from_cdr(raw).data
    start = np.frombuffer(raw, np.uint8).__array_interface__["data"][0]
    assert start <= data.__array_interface__["data"][0] < start + len(raw)
    assert not image_to_rgb(image_from_cdr(raw)).flags.writeable  # nobody may change what DDS gave


def test_big_endian():
    want = image("abc")
    raw = b"\0\0\0\0" + struct.pack(">iI", -5, 999_999_999) + struct.pack(">I", 4) + b"abc\0"
    raw += struct.pack(">II", 2, 3) + struct.pack(">I", 5) + b"rgb8\0" + b"\1" + b"\0\0"
    raw += struct.pack(">II", 9, 18) + bytes(want.data)
    assert_same(image_from_cdr(raw), want)
    assert_same(
        deserialize_message(raw, Image), want
    )  # the bytes above are what ROS calls big-endian
    assert stamp_to_ns(image_from_cdr(raw).header.stamp) == -4_000_000_001


def test_every_truncation_is_refused():
    raw = serialize_message(image())
    data = bytes(image().data)
    end = raw.rindex(data) + len(data)  # serialize_message pads behind it
    for length in range(end):
        with pytest.raises(ImageError):
            image_from_cdr(raw[:length])


@pytest.mark.parametrize("place", [12, 32, 48])
def test_a_length_that_lies_is_refused(place):
    raw = bytearray(serialize_message(image()))
    assert struct.unpack_from("<I", raw, place)[0] in (5, 18)
    struct.pack_into("<I", raw, place, 0xFFFFFFF0)
    with pytest.raises(ImageError, match="truncated"):
        image_from_cdr(bytes(raw))


def test_random_bytes_end_in_an_error_or_an_image():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        raw = b"\0\1\0\0" + rng.integers(0, 256, rng.integers(0, 80), dtype=np.uint8).tobytes()
        try:
            assert image_from_cdr(raw).data.size <= len(raw)
        except ImageError:
            pass


@pytest.mark.parametrize("start", [b"", b"\0", b"\0\3\0\0", b"\1\1\0\0"])
def test_what_is_not_plain_cdr_is_refused(start):
    with pytest.raises(ImageError, match="plain CDR"):
        image_from_cdr(start + b"\0" * (40 if len(start) == 4 else 0))


def test_a_reader_that_remembers_gives_what_rclpy_gives():
    reader = ImageReader()
    messages = [
        image(seed=1),
        image(seed=2),
        image("left", "bgr8"),
        image("other"),
        image(height=4),
        image(width=5),
        image(seed=3),
        Image(),
        image(seed=4),
    ]
    for number, msg in enumerate(messages):
        msg.header.stamp.sec = 100 + number
        raw = serialize_message(msg)
        for _ in range(2):  # parsed, then remembered
            assert_same(reader.read(raw), deserialize_message(raw, Image))


def test_a_reader_that_remembers_refuses_what_is_truncated():
    reader, raw = ImageReader(), serialize_message(image())
    reader.read(raw)
    end = raw.rindex(bytes(image().data)) + 18
    for length in range(end):
        with pytest.raises(ImageError):
            reader.read(raw[:length])
    assert_same(reader.read(raw), image())


def test_a_reader_that_remembers_parses_once(monkeypatch):
    from depth_ros.recordings import cdr

    reader, parsed = ImageReader(), []
    monkeypatch.setattr(cdr, "image_from_cdr", lambda raw: parsed.append(1) or image_from_cdr(raw))
    for seed in range(5):
        assert bytes(reader.read(serialize_message(image(seed=seed))).data) == bytes(
            image(seed=seed).data
        )
    assert len(parsed) == 1
    reader.read(serialize_message(image(encoding="bgr8")))
    assert len(parsed) == 2
