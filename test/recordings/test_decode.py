from types import SimpleNamespace as Message

import cv2
import numpy as np
import pytest

from depth_ros.core.errors import ImageError
from depth_ros.recordings.decode import (
    image_to_depth,
    image_to_rgb,
    info_to_calibration,
    stamp_to_ns,
)

H, W = 6, 10
RGB = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)


def message(array, encoding, pad=0, big=False):
    """An Image by hand: rows of the array, padded with 0xEE, in the byte order asked for."""
    rows = (
        array.astype(array.dtype.newbyteorder(">" if big else "<"))
        .reshape(len(array), -1)
        .view(np.uint8)
    )
    rows = np.pad(rows, ((0, 0), (0, pad)), constant_values=0xEE)
    return Message(
        height=array.shape[0],
        width=array.shape[1],
        encoding=encoding,
        is_bigendian=int(big),
        step=rows.shape[1],
        data=rows.tobytes(),
    )


def sixteen(array):
    """The same picture in 16 bits, with noise in the lower 8 that decoding must not see."""
    return (array.astype(np.uint16) << 8) + 37


ALPHA = np.dstack([RGB, np.full((H, W), 9, np.uint8)])
COLOURS = {"rgb8": RGB, "bgr8": RGB[..., ::-1], "rgba8": ALPHA, "bgra8": ALPHA[..., [2, 1, 0, 3]]}


@pytest.mark.parametrize("pad", [0, 1, 7])
@pytest.mark.parametrize("encoding", COLOURS)
def test_colour_with_any_stride(encoding, pad):
    assert np.array_equal(image_to_rgb(message(COLOURS[encoding], encoding, pad)), RGB)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("encoding", COLOURS)
def test_sixteen_bits_in_either_byte_order(encoding, big):
    msg = message(sixteen(COLOURS[encoding]), encoding.replace("8", "16"), pad=3, big=big)
    assert np.array_equal(image_to_rgb(msg), RGB)


@pytest.mark.parametrize(
    "array, encoding",
    [
        (RGB[..., 1], "mono8"),
        (RGB[..., 1], "8UC1"),
        (sixteen(RGB[..., 1]), "mono16"),
        (sixteen(RGB[..., 1]), "16UC1"),
    ],
)
@pytest.mark.parametrize("big", [False, True])
def test_grey_is_repeated(array, encoding, big):
    assert np.array_equal(
        image_to_rgb(message(array, encoding, pad=5, big=big)), np.repeat(RGB[..., 1:2], 3, axis=2)
    )


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("bits", [8, 16])
def test_bayer_of_one_colour(pattern, bits):
    colour = {"r": 200, "g": 120, "b": 40}
    tile = np.array([colour[c] for c in pattern], np.uint8).reshape(2, 2)
    mosaic = np.tile(tile, (4, 6))
    rgb = image_to_rgb(
        message(mosaic if bits == 8 else sixteen(mosaic), f"bayer_{pattern}{bits}", pad=2)
    )
    assert rgb.shape == (8, 12, 3)
    assert np.array_equal(rgb[2:-2, 2:-2], np.full((4, 8, 3), (200, 120, 40), np.uint8))


def test_rgb8_is_a_view():
    msg = message(RGB, "rgb8")
    msg.data = bytearray(msg.data)
    rgb = image_to_rgb(msg)
    msg.data[0] ^= 255
    assert rgb[0, 0, 0] == 255 - RGB[0, 0, 0]


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"data": b"123"}, "expected 180 bytes .* got 3"),
        ({"data": b""}, "got 0"),
        ({"data": b"\0" * 181}, "got 181"),
        ({"step": 29}, "step of at least 30 .* got 29"),
        ({"step": 31}, "expected 186 bytes"),
        ({"encoding": "yuv99"}, "encoding 'yuv99'"),
        ({"encoding": ""}, "encoding ''"),
        ({"encoding": "32FC1"}, "got 32FC1"),
        ({"width": 0}, "above zero, got 0x6"),
        ({"height": 0}, "above zero, got 10x0"),
    ],
)
def test_what_does_not_fit_is_refused(changes, words):
    msg = message(RGB, "rgb8")
    vars(msg).update(changes)
    with pytest.raises(ImageError, match=words):
        image_to_rgb(msg)


def test_tiny_bayer_is_refused():
    with pytest.raises(ImageError, match="at least 4x4"):
        image_to_rgb(message(RGB[:2, :2, 0], "bayer_rggb8"))


def compressed(array, suffix, name):
    return Message(format=name, data=cv2.imencode(suffix, array)[1].tobytes())


def test_png():
    assert np.array_equal(
        image_to_rgb(compressed(RGB[..., ::-1], ".png", "rgb8; png compressed bgr8")), RGB
    )
    assert np.array_equal(image_to_rgb(compressed(sixteen(RGB[..., ::-1]), ".png", "png")), RGB)
    assert np.array_equal(image_to_rgb(compressed(COLOURS["bgra8"], ".png", "png")), RGB)
    grey = image_to_rgb(compressed(sixteen(RGB[..., 0]), ".png", "mono16; png compressed"))
    assert np.array_equal(grey, np.repeat(RGB[..., :1], 3, axis=2))


def test_jpeg_of_one_colour():
    rgb = image_to_rgb(compressed(np.full((16, 24, 3), (40, 120, 200), np.uint8), ".jpg", "jpeg"))
    assert rgb.shape == (16, 24, 3)
    assert np.abs(rgb.astype(int) - (200, 120, 40)).max() <= 3


def test_compressed_bayer_is_demosaiced():
    mosaic = np.tile(np.array([[200, 120], [120, 40]], np.uint8), (4, 6))
    rgb = image_to_rgb(compressed(mosaic, ".png", "bayer_rggb8; png compressed "))
    assert rgb[4, 4].tolist() == [200, 120, 40]


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_truncated_compressed_data_is_refused(suffix):
    msg = compressed(np.tile(RGB, (8, 8, 1)), suffix, suffix[1:])
    for keep in (0, 3, len(msg.data) // 2, len(msg.data) - 20):
        with pytest.raises(ImageError):
            image_to_rgb(Message(format=msg.format, data=msg.data[:keep]))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("tail", [bytes(5000), b"\xff" * 99, b"stale \xff\xd8 bytes" * 50])
def test_bytes_after_the_end_are_no_fault(suffix, tail):
    msg = compressed(np.tile(RGB, (8, 8, 1)), suffix, suffix[1:])
    padded = Message(format=msg.format, data=bytes(msg.data) + tail)
    np.testing.assert_array_equal(image_to_rgb(padded), image_to_rgb(msg))


def test_values_outside_the_range_are_clipped_and_the_others_spread():
    values = np.array([[0, 256, 511, 512, 1023, 5000]], np.uint16)
    grey = image_to_rgb(message(values, "mono16"), (0, 1023))[0, :, 0]
    assert grey.tolist() == [0, 64, 127, 128, 255, 255]
    grey = image_to_rgb(message(values, "mono16"), (256, 766))[0, :, 0]
    assert grey.tolist() == [0, 0, 128, 128, 255, 255]


def test_a_float_picture_is_refused_by_its_type():
    with pytest.raises(ImageError, match="expected 8 or 16 bits a channel, got float32"):
        image_to_rgb(compressed(RGB[..., 0].astype(np.float32), ".tiff", "32FC1; tiff compressed"))


def test_what_is_no_image_is_refused_by_its_format():
    with pytest.raises(ImageError, match="h264.*got 9 bytes that do not decode"):
        image_to_rgb(Message(format="h264", data=b"\0\0\0\x01\x67abcd"))


def test_compressed_depth_is_refused_by_name():
    with pytest.raises(ImageError, match="compressedDepth"):
        image_to_rgb(Message(format="16UC1; compressedDepth png", data=b"123456789012345"))


@pytest.mark.parametrize("big", [False, True])
def test_depth(big):
    metres = np.array([[1.5, 0.0, np.nan], [np.inf, -2.0, 7.25]], np.float32)
    expected = np.array([[1.5, np.nan, np.nan], [np.nan, np.nan, 7.25]], np.float32)
    depth = image_to_depth(message(metres, "32FC1", pad=3, big=big))
    assert depth.dtype == np.float32
    assert np.array_equal(depth, expected, equal_nan=True)
    millimetres = np.array([[1500, 0, 0], [0, 0, 7250]], np.uint16)
    assert np.allclose(
        image_to_depth(message(millimetres, "16UC1", pad=1, big=big)), expected, equal_nan=True
    )
    png = compressed(millimetres, ".png", "16UC1; png compressed")
    assert np.allclose(image_to_depth(png), expected, equal_nan=True)


def test_colour_is_no_depth():
    with pytest.raises(ImageError, match="32FC1 or 16UC1, got 'rgb8'"):
        image_to_depth(message(RGB, "rgb8"))
    with pytest.raises(ImageError, match="16-bit grey PNG"):
        image_to_depth(compressed(RGB, ".png", "png"))


@pytest.mark.parametrize("upper", [False, True])
def test_calibration_of_either_ros(upper):
    names = "DKRP" if upper else "dkrp"
    values = [(0.1, 0.2), range(9), range(9), range(12)]
    msg = Message(
        width=W, height=H, distortion_model="plumb_bob", **dict(zip(names, values, strict=True))
    )
    calibration = info_to_calibration(msg)
    assert (calibration.width, calibration.height, calibration.D) == (W, H, (0.1, 0.2))
    assert calibration.P[3] == 3.0


def test_stamps_are_exact():
    assert stamp_to_ns(Message(sec=1_700_000_000, nanosec=999_999_999)) == 1_700_000_000_999_999_999
