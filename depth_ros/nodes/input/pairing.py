"""From messages and their calibrations to a Frame; and the mailbox between the executor and the
worker. No ROS.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from depth_ros.core.camera import Calibration, Camera, StereoRig
from depth_ros.core.errors import ImageError
from depth_ros.core.types import Frame
from depth_ros.recordings.decode import image_to_rgb

_second_decoder = ThreadPoolExecutor(1, "decode")
_rig_of = lru_cache(maxsize=4)(StereoRig.from_calibrations)
_camera_of = lru_cache(maxsize=4)(Camera.from_calibration)


class SizeError(ImageError):
    """Images whose size is not that of each other, or of their camera_info."""


@dataclass(frozen=True)
class Pair:
    """The image messages of one instant, not yet decoded, and the calibrations then; in mono
    right is None.
    """

    stamp_ns: int
    left: Any
    right: Any
    calibrations: tuple[Calibration, ...]


def pair_to_frame(pair: Pair, rectify: bool) -> Frame:
    """Decode a pair; rectify: the images are raw and the estimator is to rectify them.

    Raises ImageError, SizeError or CalibrationError, which say what was expected and what came.
    """
    frame_id, raw = pair.left.header.frame_id, pair.calibrations if rectify else None
    if pair.right is None:
        camera = _camera_of(*pair.calibrations)
        image = image_to_rgb(pair.left)
        _check_size("image", image, pair.calibrations[0])
        return Frame(pair.stamp_ns, frame_id, image, None, None, raw, camera=camera)
    rig = _rig_of(*pair.calibrations)
    left, right = _decode(pair)
    _check_size("left", left, pair.calibrations[0])
    _check_size("right", right, pair.calibrations[1])
    return Frame(pair.stamp_ns, frame_id, left, right, rig, raw)


def _check_size(name: str, image: np.ndarray, calibration: Calibration) -> None:
    """Refuse an image whose size is not that of its camera_info."""
    if image.shape[:2] != (calibration.height, calibration.width):
        raise SizeError(
            f"{name}: expected {calibration.width}x{calibration.height} as its camera_info says"
            f"{calibration.window and ' (' + calibration.window + ')'}, "
            f"got an image of {image.shape[1]}x{image.shape[0]}"
        )


def _decode(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Both images; compressed ones at the same time, since OpenCV decodes outside Python's lock."""
    if not hasattr(pair.right, "format"):  # CompressedImage
        return image_to_rgb(pair.left), image_to_rgb(pair.right)
    right = _second_decoder.submit(image_to_rgb, pair.right)
    return image_to_rgb(pair.left), right.result()


class Calibrator:
    """Gives each pair of images the camera_infos of its own stamps, also when they arrive after the
    images.

    A camera_info that is latched, or slower than the images, is used as the last one that came.
    Which of the two a camera does is learned: a pair waits for its own camera_info only while those
    come with the images' stamps, and never longer than until the next pair. Bounded: eight
    calibrations a side, one pair. For one thread.
    """

    def __init__(self, sides: tuple[str, ...] = ("left", "right"), capacity: int = 8):
        self._recent = {side: deque(maxlen=capacity) for side in sides}
        self._comes_with_images = dict.fromkeys(sides, True)
        self._released_ns: dict[str, int] = {}
        self._waiting: tuple[dict, dict] | None = None

    @property
    def is_waiting(self) -> bool:
        """True while a pair waits for its camera_info."""
        return self._waiting is not None

    def add_info(
        self, side: str, stamp_ns: int, calibration: Calibration
    ) -> list[tuple[dict, dict]]:
        """Take a calibration; gives the pairs that are complete with it, as in add_images."""
        self._recent[side].append((stamp_ns, calibration))
        if self._released_ns.get(side) == stamp_ns:
            self._comes_with_images[side] = (
                True  # late, but with the image's stamp: worth waiting for
            )
        return self._release(now=False)

    def add_images(
        self, images: dict[str, Any], stamps_ns: dict[str, int]
    ) -> list[tuple[dict, dict]]:
        """Take a matched pair; gives [(images, {side: Calibration or None})], oldest first;
        None: none ever came.
        """
        overdue = self._release(now=True)
        self._waiting = (images, stamps_ns)
        return overdue + self._release(now=False)

    def _release(self, now: bool) -> list[tuple[dict, dict]]:
        """Give the waiting pair if its calibrations are there, or if it may wait no longer."""
        if self._waiting is None:
            return []
        images, stamps_ns = self._waiting
        own = {side: self._at(side, stamp_ns) for side, stamp_ns in stamps_ns.items()}
        latest = {side: recent[-1][1] if recent else None for side, recent in self._recent.items()}
        worth_waiting = any(
            own[s] is None and (self._comes_with_images[s] or latest[s] is None) for s in own
        )
        if worth_waiting and not now:
            return []
        self._comes_with_images = {side: own[side] is not None for side in own}
        self._released_ns, self._waiting = stamps_ns, None
        return [(images, {side: own[side] or latest[side] for side in own})]

    def _at(self, side: str, stamp_ns: int) -> Calibration | None:
        """Give the calibration of exactly this stamp."""
        return next(
            (calibration for t, calibration in reversed(self._recent[side]) if t == stamp_ns), None
        )


class Mailbox:
    """Room for one item between two threads: the newest wins, and the one that it pushes out is
    given back.
    """

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
        """Wake the waiting thread for the last time; returns the item that was still inside, or
        None.
        """
        with self._condition:
            self._closed = True
            left_over, self._item = self._item, None
            self._condition.notify_all()
            return left_over
