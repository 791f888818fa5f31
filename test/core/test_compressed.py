import struct
import zlib

import cv2
import numpy as np
import pytest

from depth_ros.core.compressed import is_complete, stored_size

H, W = 37, 53
PICTURE = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 256, (H, W, 3), np.uint8), (0, 0), 1.0
)
JPEG = cv2.imencode(".jpg", PICTURE)[1].tobytes()
PNG = cv2.imencode(".png", PICTURE)[1].tobytes()
THUMBNAIL = cv2.imencode(".jpg", PICTURE[:8, :8])[1].tobytes()


def encoded(suffix, array=PICTURE, *options):
    return cv2.imencode(suffix, array, list(options))[1].tobytes()


def with_segment(jpeg, content):
    """A JPEG with an application segment, as cameras put a thumbnail there."""
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + jpeg[2:]


@pytest.mark.parametrize(
    "data",
    [
        encoded(".jpg"),
        encoded(".jpg", PICTURE[..., 0]),
        encoded(".jpg", PICTURE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        encoded(".jpg", PICTURE, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        with_segment(JPEG, b"Exif\0\0" + THUMBNAIL),
        encoded(".png"),
        encoded(".png", PICTURE.astype(np.uint16) * 257),
        encoded(".bmp"),
        encoded(".webp", PICTURE, cv2.IMWRITE_WEBP_QUALITY, 90),
        encoded(".webp", PICTURE, cv2.IMWRITE_WEBP_QUALITY, 101),
        encoded(".webp", np.dstack([PICTURE, PICTURE[..., 0]]), cv2.IMWRITE_WEBP_QUALITY, 90),
        encoded(".tiff"),
    ],
)
def test_size_and_end_are_read_without_decoding(data):
    assert stored_size(data) == (W, H)
    assert is_complete(data)


@pytest.mark.parametrize(
    "data", [JPEG, PNG, encoded(".jpg", PICTURE, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)]
)
@pytest.mark.parametrize(
    "tail",
    [
        bytes(3000),
        b"\xff" * 500,
        np.random.default_rng(1).integers(0, 256, 3000, np.uint8).tobytes(),
        THUMBNAIL,
        b"\r\n--boundary",
    ],
)
def test_what_follows_the_end_mark_does_not_matter(data, tail):
    assert is_complete(data + tail)
    assert stored_size(data + tail) == (W, H)


@pytest.mark.parametrize("data", [JPEG, PNG, with_segment(JPEG, b"Exif\0\0" + THUMBNAIL)])
@pytest.mark.parametrize("missing", [1, 2, 7, 100, 1000])
@pytest.mark.parametrize("padding", [0, 4000])
def test_what_was_cut_off_is_not_complete(data, missing, padding):
    """Also where zeros were put in the place of the rest, and where a thumbnail has an end mark
    of its own.
    """
    assert not is_complete(data[:-missing] + bytes(padding))


@pytest.mark.parametrize("seed", range(20))
def test_any_bytes_have_an_answer(seed):
    rng = np.random.default_rng(seed)
    for start in (
        b"\xff\xd8",
        b"\x89PNG\r\n\x1a\n",
        b"BM",
        b"RIFF1234WEBPVP8X",
        b"II*\0",
        b"MM\0*",
        b"",
    ):
        data = start + rng.integers(0, 256, int(rng.integers(0, 300)), np.uint8).tobytes()
        size = stored_size(data)
        assert size is None or len(size) == 2
        assert is_complete(data) in (True, False)


def test_a_header_may_claim_anything():
    head = struct.pack(">IIBBBBB", 60000, 50000, 8, 2, 0, 0, 0)
    chunk = (
        struct.pack(">I", len(head))
        + b"IHDR"
        + head
        + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    )
    assert stored_size(b"\x89PNG\r\n\x1a\n" + chunk) == (60000, 50000)
