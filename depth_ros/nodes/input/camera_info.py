"""camera_info, taken cheaply: it seldom changes, but comes with every image."""

from __future__ import annotations

import struct

from rclpy.callback_groups import CallbackGroup
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo

from depth_ros.core.camera import Calibration
from depth_ros.core.errors import DepthRosError
from depth_ros.recordings.decode import info_to_calibration

_STAMP_END = 12  # 4 bytes of CDR encapsulation, then sec and nanosec


class MessageError(DepthRosError, ValueError):
    """Bytes that are no message of the type that their topic has."""


def read_message(raw: bytes, kind):
    """Deserialise a message; raises MessageError, whatever rclpy raises for bytes that are none."""
    try:
        return deserialize_message(raw, kind)
    except Exception as error:  # noqa: BLE001 - RMWError, UnicodeDecodeError, by distribution
        words = " ".join(str(error).split())
        raise MessageError(
            f"expected a serialised {kind.__name__}, got {len(raw)} bytes: {words}"
        ) from None


class Gate(CallbackGroup):
    """A callback group of which the executor serves nothing while it is closed: its subscriptions
    are taken by hand.

    Every message that wakes the executor costs 0.3 ms to 0.5 ms, as rclpy builds its wait set anew.
    camera_info is there before the image or with it, so it is polled when a pair is complete, and
    only waited for if it is late.
    """

    is_open = False

    def can_execute(self, entity) -> bool:
        return self.is_open

    def beginning_execution(self, entity) -> bool:
        return self.is_open

    def ending_execution(self, entity) -> None:
        pass


class InfoReader:
    """Reads serialised CameraInfo of one camera; the message is only unpacked when more than its
    stamp changes.

    frame_id: of the last one.
    """

    def __init__(self):
        self._body, self._calibration = None, None
        self.frame_id = ""

    def read(self, raw: bytes) -> tuple[int, Calibration]:
        """Give stamp_ns and calibration; raises MessageError or, for a wrong number of values,
        CalibrationError.
        """
        if len(raw) < _STAMP_END:
            raise MessageError(f"expected a serialised CameraInfo, got {len(raw)} bytes")
        order = "<" if raw[1] & 1 else ">"
        sec, nanosec = struct.unpack_from(order + "iI", raw, 4)
        body = raw[:4], raw[_STAMP_END:]
        if body != self._body:
            msg = read_message(raw, CameraInfo)
            self._calibration = info_to_calibration(msg)
            self._body, self.frame_id = body, msg.header.frame_id
        return sec * 1_000_000_000 + nanosec, self._calibration


def take_all(subscription) -> list[bytes]:
    """Take what waits in a raw subscription, oldest first, without the executor."""
    taken = []
    with subscription.handle:
        while (item := subscription.handle.take_message(subscription.msg_type, True)) is not None:
            taken.append(item[0])
    return taken
