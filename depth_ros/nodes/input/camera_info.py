"""camera_info, taken cheaply: it seldom changes, but comes with every image."""

from __future__ import annotations

import struct

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo

from depth_ros.core.camera import Calibration
from depth_ros.core.errors import DepthRosError
from depth_ros.recordings.decode import info_to_calibration

_STAMP_END = 12  # 4 bytes of CDR encapsulation, then sec and nanosec


class MessageError(DepthRosError, ValueError):
    """Bytes that are no message of the type that their topic has."""


def read_message(raw: bytes, kind):
    """Deserialise a message.

    Args:
        raw: the serialised message (CDR).
        kind: its ROS message class.

    Raises:
        MessageError: whatever rclpy raises for bytes that are no such message.
    """
    try:
        return deserialize_message(raw, kind)
    except Exception as error:  # noqa: BLE001 - RMWError, UnicodeDecodeError, by distribution
        reason = " ".join(str(error).split())
        raise MessageError(
            f"expected a serialised {kind.__name__}, got {len(raw)} bytes: {reason}"
        ) from None


class InfoReader:
    """Reads serialised CameraInfo of one camera; a message is only unpacked when more than its
    stamp changes.

    Attributes:
        frame_id: of the last message.
    """

    def __init__(self):
        self._body: tuple[bytes, bytes] | None = None
        self._calibration: Calibration | None = None
        self.frame_id = ""

    def read(self, raw: bytes) -> tuple[int, Calibration]:
        """Read one message.

        Args:
            raw: the serialised CameraInfo (CDR).

        Returns:
            The stamp in nanoseconds, and the calibration.

        Raises:
            MessageError: for bytes that are no CameraInfo.
            CalibrationError: for a wrong number of values.
        """
        if len(raw) < _STAMP_END:
            raise MessageError(f"expected a serialised CameraInfo, got {len(raw)} bytes")
        byte_order = "<" if raw[1] & 1 else ">"
        sec, nanosec = struct.unpack_from(byte_order + "iI", raw, 4)
        # Everything but the stamp: while that stays the same, so does the calibration.
        body = (raw[:4], raw[_STAMP_END:])
        if body != self._body:
            msg = read_message(raw, CameraInfo)
            self._calibration = info_to_calibration(msg)
            self._body = body
            self.frame_id = msg.header.frame_id
        return sec * 1_000_000_000 + nanosec, self._calibration
