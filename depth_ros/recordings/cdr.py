"""A serialised sensor_msgs/Image, read where it lies: the pixels are a view of the bytes that came.
No ROS.

CDR: four bytes say the byte order, then the fields follow, each aligned to its own size, counted
after those four.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import numpy as np

from depth_ros.core.errors import ImageError

_START, _STAMP_END = 4, 12
_NOTHING = np.empty(0, np.uint8)
_PLAIN = (0, 1)  # CDR_BE, CDR_LE: the two that ROS 2 sends


@dataclass(frozen=True)
class Stamp:
    """As builtin_interfaces/Time."""

    sec: int
    nanosec: int


@dataclass(frozen=True)
class Header:
    """As std_msgs/Header."""

    stamp: Stamp
    frame_id: str


@dataclass(frozen=True, eq=False)
class ImageView:
    """As sensor_msgs/Image; data: (N,) uint8, a view of the message's bytes."""

    header: Header
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: np.ndarray


def image_from_cdr(raw: bytes) -> ImageView:
    """Read a serialised Image; gives the fields that deserialize_message gives, without copying the
    pixels.

    Raises ImageError where the bytes end before the message does, or are not plain CDR. Whether
    size, step and data fit each other is for decode.py to say.
    """
    reader = _Reader(raw)
    header = Header(Stamp(reader.number("i"), reader.number("I")), reader.text())
    height, width = reader.number("I"), reader.number("I")
    encoding, is_bigendian, step = reader.text(), reader.number("B"), reader.number("I")
    return ImageView(header, height, width, encoding, is_bigendian, step, reader.octets())


class ImageReader:
    """Reads serialised Images of one camera: the fields are parsed only when more than the stamp
    changes.

    That is a tenth of the time; the result is that of image_from_cdr, as are the errors.
    """

    def __init__(self):
        self._size, self._order, self._fields, self._last = -1, b"", b"", None

    def read(self, raw: bytes) -> ImageView:
        """Read one; raises ImageError as image_from_cdr does."""
        known = (
            len(raw) == self._size
            and raw.startswith(self._order)
            and raw.startswith(self._fields, _STAMP_END)
        )
        if not known:
            return self._parse(raw)
        stamp = Stamp(*struct.unpack_from("<iI" if raw[1] else ">iI", raw, _START))
        last, count = self._last
        data = np.frombuffer(raw, np.uint8, count, _STAMP_END + len(self._fields))
        header = Header(stamp, last.header.frame_id)
        return ImageView(
            header, last.height, last.width, last.encoding, last.is_bigendian, last.step, data
        )

    def _parse(self, raw: bytes) -> ImageView:
        """Read it in full, and remember what will be the same in the next one."""
        view = image_from_cdr(raw)
        if view.data.size:
            pixels = view.data.ctypes.data - np.frombuffer(raw, np.uint8).ctypes.data
            self._size, self._order, self._fields = len(raw), raw[:_START], raw[_STAMP_END:pixels]
            self._last = (
                replace(view, data=_NOTHING),
                view.data.size,
            )  # the pixels themselves may go
        return view


class _Reader:
    """Walks through the bytes, field by field."""

    def __init__(self, raw: bytes):
        if len(raw) < _START or raw[0] != 0 or raw[1] not in _PLAIN:
            raise ImageError(
                f"expected an Image as plain CDR, got {len(raw)} bytes that start with "
                f"{raw[:4].hex()!r}"
            )
        self._raw, self._order, self._place = raw, "<" if raw[1] else ">", _START

    def number(self, kind: str) -> int:
        """Read one number: i, I or B as struct names them."""
        size = struct.calcsize(kind)
        self._place += -(self._place - _START) % size
        place = self._advance(size)
        return struct.unpack_from(self._order + kind, self._raw, place)[0]

    def text(self) -> str:
        """Read a string: its length, with the zero at its end, then its bytes."""
        length = self.number("I")
        place = self._advance(length)
        return self._raw[place : place + max(length - 1, 0)].decode(errors="replace")

    def octets(self) -> np.ndarray:
        """View a sequence of bytes."""
        length = self.number("I")
        return np.frombuffer(self._raw, np.uint8, length, self._advance(length))

    def _advance(self, size: int) -> int:
        """Step over so many bytes; gives where they start."""
        place, self._place = self._place, self._place + size
        if self._place > len(self._raw):
            raise ImageError(
                f"expected an Image of at least {self._place} bytes, got {len(self._raw)}: "
                "truncated"
            )
        return place
