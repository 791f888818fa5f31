"""Each image meets the camera_info of its own stamp, before left meets right. No ROS."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from depth_ros.core.camera import Calibration


@dataclass(frozen=True)
class CalibratedImage:
    """One image message, not yet decoded, and the calibration of its camera at that time.

    Attributes:
        stamp_ns: of the image, nanoseconds.
        message: Image or CompressedImage.
        size_bytes: of the message, as it was received.
        calibration: None where no camera_info has ever come.
    """

    stamp_ns: int
    message: Any
    size_bytes: int = 0
    calibration: Calibration | None = None


class CalibrationAttacher:
    """Attaches to each image of one camera the camera_info of its own stamp, also where that
    arrives after the image.

    A camera_info that is latched, or slower than the images, is used as the last one that came.
    Which of the two a camera does is learned: an image waits for its own camera_info only while
    those come with the images' stamps, and never longer than until the next image. An image that
    comes late finds the calibration of its time. An image that is no newer than the one before it
    does not wait: either the pairing refuses it, or time has begun anew. Bounded: 512 calibrations,
    eight seconds of 60 Hz, and one image. For one thread at a time.

    >>> attacher = CalibrationAttacher()
    >>> attacher.add_image(CalibratedImage(10, "image"))
    []
    >>> [image.calibration for image in attacher.add_info(10, "its calibration")]
    ['its calibration']
    """

    def __init__(self, capacity: int = 512):
        self._recent: deque[tuple[int, Calibration]] = deque(maxlen=capacity)
        self._waiting: CalibratedImage | None = None
        self._comes_with_images = True
        self._released_ns: int | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether an image waits for its camera_info."""
        return self._waiting is not None

    def add_info(self, stamp_ns: int, calibration: Calibration) -> list[CalibratedImage]:
        """Take a calibration in.

        Args:
            stamp_ns: of the camera_info, nanoseconds.
            calibration: of the camera from then on.

        Returns:
            The image that waited for it, if one did.
        """
        self._recent.append((stamp_ns, calibration))
        if self._released_ns == stamp_ns:
            self._comes_with_images = True  # late, but with the image's stamp: worth waiting for
        return self._release(is_overdue=False)

    def add_image(self, image: CalibratedImage) -> list[CalibratedImage]:
        """Take an image in, which has no calibration yet.

        Returns:
            The images that are complete with it, oldest first: the one before it, which may wait
            no longer, and itself where its calibration is known. Their calibration is None where
            no camera_info has ever come.
        """
        released = self._release(is_overdue=True)
        self._waiting = image
        return released + self._release(is_overdue=False)

    def _release(self, is_overdue: bool) -> list[CalibratedImage]:
        """The waiting image, if its calibration is there or if it may wait no longer."""
        image = self._waiting
        if image is None:
            return []
        own = self._at(image.stamp_ns)
        known = own or self._in_force(image.stamp_ns)
        is_newer = self._released_ns is None or image.stamp_ns > self._released_ns
        may_come = is_newer and (self._comes_with_images or known is None)
        if own is None and may_come and not is_overdue:
            return []
        self._waiting = None
        self._released_ns = image.stamp_ns
        if is_newer:
            self._comes_with_images = own is not None
        return [replace(image, calibration=known)]

    def _at(self, stamp_ns: int) -> Calibration | None:
        """The calibration of exactly this stamp."""
        for t, calibration in reversed(self._recent):
            if t == stamp_ns:
                return calibration
        return None

    def _in_force(self, stamp_ns: int) -> Calibration | None:
        """The last one that came and is not newer than a stamp, else the last one: clocks may
        differ.
        """
        for t, calibration in reversed(self._recent):
            if t <= stamp_ns:
                return calibration
        return self._recent[-1][1] if self._recent else None
