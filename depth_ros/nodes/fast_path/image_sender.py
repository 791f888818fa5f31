"""Images out of a buffer that is kept, by librcl itself: what stays the same is serialised once,
not for every frame.

For each image that rclpy publishes, a message is made in Python, turned into a C struct field by
field and then serialised. Here the buffer holds the serialised message already; stamp and pixels
are put into it, and rcl_publish_serialized_message, which rcl declares public and is the same from
Humble to Rolling, is called through ctypes in the librcl that rclpy has loaded. rclpy stays the
owner of the publisher: its handle is held during the call, and a destroyed one raises
InvalidHandle, as it does everywhere.
"""

from __future__ import annotations

import ctypes
import os

import numpy as np
from rclpy.serialization import serialize_message

from depth_ros.nodes.output.messages import array_to_image, make_header

from .payload import set_payload

_STAMP = slice(4, 12)  # in a serialised message that begins with a Header
_ADDRESS = ctypes.c_void_p
_NUMBER = ctypes.c_size_t
_UNTOUCHED = 2**64 - 1


class _Allocator(ctypes.Structure):
    """rcutils_allocator_t."""

    _fields_ = [
        (name, _ADDRESS)
        for name in ("allocate", "deallocate", "reallocate", "zero_allocate", "state")
    ]


class _Message(ctypes.Structure):
    """rcl_serialized_message_t, which is rcutils_uint8_array_t, and behind it a word of ours."""

    _fields_ = [
        ("buffer", _ADDRESS),
        ("length", _NUMBER),
        ("capacity", _NUMBER),
        ("allocator", _Allocator),
        ("guard", ctypes.c_uint64),
    ]


class ImageSender:
    """Publishes arrays as Images on a lifecycle publisher. For one thread at a time.

    Attributes:
        why_plain: "" where librcl publishes, else why rclpy does it, which costs more and sends
            the same.
    """

    def __init__(self, publisher):
        self._publisher = publisher
        self._layout = None  # shape, dtype, encoding and frame_id that the buffer is made for
        self.why_plain = ""
        try:
            self._check()
        except Exception as error:  # noqa: BLE001 - it leans on what is under rclpy, which may be missing in any way
            self.why_plain = f"{type(error).__name__}: {error}"

    def send(self, array: np.ndarray, encoding: str, stamp_ns: int, frame_id: str) -> None:
        """Publish an array as messages.array_to_image takes it; raises ImageError as that does.

        Copies it once.
        """
        if self.why_plain:
            self._publisher.publish(
                array_to_image(array, encoding, make_header(stamp_ns, frame_id))
            )
        elif self._publisher.is_activated:
            layout = (array.shape, array.dtype, encoding, frame_id)
            if layout != self._layout:
                self._lay_out(array, encoding, frame_id)
                self._layout = layout
            self._stamp[:] = divmod(stamp_ns, 1_000_000_000)
            np.copyto(self._pixels, array)
            with self._publisher.handle:
                if result := self._publish(self._pointer, self._reference, None):
                    _function("rcutils", "rcutils_reset_error")()
                    raise RuntimeError(f"expected librcl to publish, got its error {result}")

    def _lay_out(self, array, encoding: str, frame_id: str) -> None:
        """Serialise the message without its pixels, which come last, and make room for them."""
        msg = array_to_image(array, encoding, make_header(0, frame_id))
        set_payload(msg, np.empty(0, np.uint8))
        head = np.frombuffer(serialize_message(msg), np.uint8)
        self._buffer = np.empty(head.size + array.nbytes, np.uint8)
        self._buffer[: head.size] = head
        self._buffer[head.size - 4 : head.size].view(np.uint32)[0] = array.nbytes
        self._stamp = self._buffer[_STAMP].view(np.uint32)
        self._pixels = self._buffer[head.size :].view(array.dtype).reshape(array.shape)
        size = self._buffer.size
        self._message = _Message(self._buffer.ctypes.data, size, size)
        self._reference = ctypes.byref(self._message)

    def _check(self) -> None:
        """Find the functions, and check that librcl knows this publisher and that its messages
        look as they do here.
        """
        with self._publisher.handle:
            self._pointer = self._publisher.handle.pointer
            topic_of = _function(
                "rcl", "rcl_publisher_get_topic_name", _ADDRESS, returns=ctypes.c_char_p
            )
            topic = topic_of(self._pointer)
            if topic is None or topic.decode() != self._publisher.topic_name:
                raise RuntimeError(
                    f"expected the publisher of {self._publisher.topic_name}, got that of {topic!r}"
                )
        self._publish = _function(
            "rcl", "rcl_publish_serialized_message", _ADDRESS, _ADDRESS, _ADDRESS
        )
        message = _Message(guard=_UNTOUCHED)
        allocator = _function("rcutils", "rcutils_get_default_allocator", returns=_Allocator)()
        init = _function("rcutils", "rcutils_uint8_array_init", _ADDRESS, _NUMBER, _ADDRESS)
        result = init(ctypes.byref(message), 64, ctypes.byref(allocator))
        found = (message.length, message.capacity, bytes(message.allocator), message.guard)
        if result or not message.buffer or found != (0, 64, bytes(allocator), _UNTOUCHED):
            raise RuntimeError(
                "expected a serialised message of buffer, length, capacity, allocator: got another"
            )
        _function("rcutils", "rcutils_uint8_array_fini", _ADDRESS)(ctypes.byref(message))


def _function(library: str, name: str, *argument_types, returns=ctypes.c_int):
    """Find a function of a library that is loaded already: a second copy of it would not know
    our handles.
    """
    function = getattr(ctypes.CDLL(f"lib{library}.so", mode=os.RTLD_NOLOAD), name)
    function.argtypes = argument_types
    function.restype = returns
    return function
