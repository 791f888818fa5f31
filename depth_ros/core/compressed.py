"""What compressed image data says of itself before it is decoded: its size, and whether it is
all there.
"""

from __future__ import annotations

import re
import struct
import zlib

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_PNG_END = zlib.crc32(b"IEND").to_bytes(4, "big")
_MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # neither stuffing nor a restart
_SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SCAN, _END = 0xDA, 0xD9
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_SHORT, _TIFF_LONG = 256, 257, 3, 4


def stored_size(data: bytes) -> tuple[int, int] | None:
    """Read the size of an image from its header, without decoding it.

    Args:
        data: a JPEG, PNG, BMP, WebP or TIFF.

    Returns:
        (width, height) in pixels; None where it is none of these or its header is broken.

    >>> stored_size(b"\\x89PNG\\r\\n\\x1a\\n" + bytes(8) + bytes([0, 0, 2, 128, 0, 0, 1, 224]))
    (640, 480)
    """
    try:
        if data[:2] == _JPEG:
            return _jpeg_size(data)
        if data[:8] == _PNG:
            return struct.unpack_from(">II", data, 16)
        if data[:2] == b"BM":
            width, height = struct.unpack_from("<ii", data, 18)
            return width, abs(height)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp_size(data)
        if data[:4] in _TIFF:
            return _tiff_size(data, _TIFF[data[:4]])
    except (struct.error, IndexError, ValueError):
        pass
    return None


def is_complete(data: bytes) -> bool:
    """Tell whether JPEG or PNG data reaches its end mark; what follows that does not matter.

    A JPEG that was cut off decodes too, with a grey lower part, and the end mark of a thumbnail
    inside is not its own: so its segments are followed (ITU-T T.81, annex B). Other formats are
    left to their decoders.
    """
    if data[:2] == _JPEG:
        return any(marker == _END for marker, _ in _jpeg_segments(data))
    if data[:8] == _PNG:
        return _png_ends(data)
    return True


def _jpeg_segments(data: bytes):
    """Yield (marker, where its content starts), past the compressed pixels of every scan."""
    place = 2
    while found := _MARKER.match(data, place):
        marker, start = found[1][0], found.end()
        yield marker, start
        if marker == _END:
            return
        if marker in _ALONE:
            place = start
            continue
        if start + 2 > len(data):
            return
        place = start + int.from_bytes(data[start : start + 2], "big")
        if marker == _SCAN:
            after = _END_OF_SCAN.search(data, place)
            if after is None:
                return
            place = after.start()


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """The size in the first frame header."""
    for marker, start in _jpeg_segments(data):
        if marker in _SOF:
            height, width = struct.unpack_from(">HH", data, start + 3)
            return width, height
    return None


def _png_ends(data: bytes) -> bool:
    """Tell whether the chunks lead to IEND."""
    place = len(_PNG)
    while place + 8 <= len(data):
        length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        place += length + 12
        if name == b"IEND":
            return data[place - 4 : place] == _PNG_END
    return False


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """The size in the first chunk of a WebP."""
    if data[12:16] == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return width + 1, height + 1
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if data[12:16] == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _tiff_size(data: bytes, order: str) -> tuple[int, int] | None:
    """The size in the first directory of a TIFF."""
    (place,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, place)
    size = {}
    for index in range(count):
        tag, kind, _ = struct.unpack_from(order + "HHI", data, place + 2 + 12 * index)
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT) and kind in (_TIFF_SHORT, _TIFF_LONG):
            word = order + ("H" if kind == _TIFF_SHORT else "I")
            (size[tag],) = struct.unpack_from(word, data, place + 10 + 12 * index)
    return (size[_TIFF_WIDTH], size[_TIFF_HEIGHT]) if len(size) == 2 else None
