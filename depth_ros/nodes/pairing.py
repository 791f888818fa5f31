"""From two messages and two calibrations to a Frame; and the mailbox between the executor and the worker. No ROS."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..core.camera import Calibration, StereoRig
from ..core.errors import ImageError
from ..core.frame import Frame
from .decode import image_to_rgb

_rig_of = lru_cache(maxsize=4)(StereoRig.from_calibrations)


class SizeError(ImageError):
    """Images whose size is not that of each other, or of their camera_info."""


@dataclass(frozen=True)
class Pair:
    """Two image messages of one instant, not yet decoded, and the calibrations that were valid then."""

    stamp_ns: int
    left: Any
    right: Any
    calibrations: tuple[Calibration, Calibration]


def pair_to_frame(pair: Pair, rectify: bool) -> Frame:
    """Decode a pair; rectify: the images are raw and the estimator is to rectify them.

    Raises ImageError, SizeError or CalibrationError, which say what was expected and what came.
    """
    rig = _rig_of(*pair.calibrations)
    left, right = image_to_rgb(pair.left), image_to_rgb(pair.right)
    for name, image, calibration in zip(("left", "right"), (left, right), pair.calibrations):
        size = (image.shape[1], image.shape[0])
        if size != (calibration.width, calibration.height):
            raise SizeError(
                f"{name}: expected {calibration.width}x{calibration.height} as its camera_info says, "
                f"got an image of {size[0]}x{size[1]}"
            )
    frame_id = pair.left.header.frame_id
    return Frame(pair.stamp_ns, frame_id, left, right, rig, pair.calibrations if rectify else None)


class CalibrationHistory:
    """The latest calibrations of one camera by stamp, so that a change in mid-stream meets the right image."""

    def __init__(self, capacity: int = 8):
        self._recent: deque[tuple[int, Calibration]] = deque(maxlen=capacity)

    def add(self, stamp_ns: int, calibration: Calibration) -> None:
        """Remember the newest calibration."""
        self._recent.append((stamp_ns, calibration))

    def at(self, stamp_ns: int) -> Calibration | None:
        """Give the calibration of exactly this stamp, else the one that came last, None before the first.

        A camera_info that is latched, or sent at a lower rate than the images, is therefore enough.
        """
        exact = (calibration for stamp, calibration in reversed(self._recent) if stamp == stamp_ns)
        return next(exact, self._recent[-1][1] if self._recent else None)


class Mailbox:
    """Room for one item between two threads: the newest wins, and the one that it pushes out is given back."""

    def __init__(self):
        self._condition = threading.Condition()
        self._item = None
        self._closed = False

    def put(self, item):
        """Leave an item; returns the older one that nobody has taken, or None."""
        with self._condition:
            older, self._item = self._item, item
            self._condition.notify()
            return older

    def take(self):
        """Wait for an item and take it; None after close()."""
        with self._condition:
            self._condition.wait_for(lambda: self._item is not None or self._closed)
            if self._closed:
                return None
            item, self._item = self._item, None
            return item

    def close(self):
        """Wake the waiting thread for the last time; returns the item that was still inside, or None."""
        with self._condition:
            self._closed = True
            left_over, self._item = self._item, None
            self._condition.notify_all()
            return left_over
