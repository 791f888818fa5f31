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
from depth_ros.core.grey_range import GreyRange
from depth_ros.core.plausibility import camera_faults, pair_faults
from depth_ros.core.types import Frame
from depth_ros.recordings.decode import image_size, scaled_to_rgb, stored_pixels

_second_decoder = ThreadPoolExecutor(1, "decode")
_rig_of = lru_cache(maxsize=4)(StereoRig.from_calibrations)
_camera_of = lru_cache(maxsize=4)(Camera.from_calibration)


class SizeError(ImageError):
    """Images whose size is not that of each other, or of their camera_info."""


@dataclass(frozen=True)
class Pair:
    """The image messages of one instant, not yet decoded, and the calibrations then; in mono right
    is None.

    frame_id: of the outputs; None: that of the left image.
    """

    stamp_ns: int
    left: Any
    right: Any
    calibrations: tuple[Calibration, ...]
    frame_id: str | None = None


def pair_to_frame(pair: Pair, rectify: bool, greys: GreyRange | None = None) -> Frame:
    """Decode a pair.

    Sizes are compared with camera_info before anything is decoded: what a header claims may not fit
    into memory.

    Args:
        pair: the messages.
        rectify: the images are raw and the estimator is to rectify them.
        greys: how 16-bit images become 8-bit ones, both sides alike; None: their upper 8 bits.

    Raises:
        ImageError, SizeError, CalibrationError: they say what was expected and what came.
    """
    frame_id = pair.left.header.frame_id if pair.frame_id is None else pair.frame_id
    raw = pair.calibrations if rectify else None
    if pair.right is None:
        camera = _camera_of(*pair.calibrations)
        _check_size("image", pair.left, pair.calibrations[0])
        (image,) = scaled_to_rgb([stored_pixels(pair.left)], greys)
        return Frame(pair.stamp_ns, frame_id, image, None, None, raw, camera=camera)
    rig = _rig_of(*pair.calibrations)
    _check_size("left", pair.left, pair.calibrations[0])
    _check_size("right", pair.right, pair.calibrations[1])
    left, right = scaled_to_rgb(_decode(pair), greys)
    return Frame(pair.stamp_ns, frame_id, left, right, rig, raw)


def _check_size(name: str, msg, calibration: Calibration) -> None:
    """Refuse an image whose size is not that of its camera_info; one that tells none is left to
    its decoder.
    """
    width, height = image_size(msg)
    if width and height and (height, width) != (calibration.height, calibration.width):
        raise SizeError(
            f"{name}: expected {calibration.width}x{calibration.height} as its camera_info says"
            f"{calibration.window and ' (' + calibration.window + ')'}, got an image of "
            f"{width}x{height}"
        )


def _decode(pair: Pair) -> list[tuple[np.ndarray, str]]:
    """Both images as they are stored; compressed ones at once, since OpenCV decodes outside
    Python's lock.
    """
    if not hasattr(pair.right, "format"):  # CompressedImage
        return [stored_pixels(pair.left), stored_pixels(pair.right)]
    right = _second_decoder.submit(stored_pixels, pair.right)
    return [stored_pixels(pair.left), right.result()]


class Calibrator:
    """Gives each pair of images the camera_infos of its own stamps, also when they arrive after the
    images.

    A camera_info that is latched, or slower than the images, is used as the last one that came.
    Which of the two a camera does is learned: a pair waits for its own camera_info only while those
    come with the images' stamps, and never longer than until the next pair. A pair of which one
    image came late finds the calibration of its time. Bounded: 512 calibrations a side, eight
    seconds of 60 Hz, and one pair. For one thread.
    """

    def __init__(self, sides: tuple[str, ...] = ("left", "right"), capacity: int = 512):
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
        latest = {side: self._in_force(side, stamp_ns) for side, stamp_ns in stamps_ns.items()}
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

    def _in_force(self, side: str, stamp_ns: int) -> Calibration | None:
        """Give the last one that came and is not newer than a stamp, else the last one: clocks
        may differ.
        """
        recent = self._recent[side]
        before = (calibration for t, calibration in reversed(recent) if t <= stamp_ns)
        return next(before, recent[-1][1] if recent else None)


def clean_frame(image_frame: str, info_frame: str) -> tuple[str, str]:
    """Make a frame_id that tf2 accepts.

    Args:
        image_frame: of the image's header.
        info_frame: of its camera_info's header.

    Returns:
        The frame_id of the outputs, and what to say about it; "" where it is as it came.

    >>> clean_frame("/left", ""), clean_frame("", "left")[0]
    (('left', "frame_id '/left' begins with a slash, which tf2 refuses: published as 'left'"),
    'left')
    """
    frame, other = image_frame.lstrip("/"), info_frame.lstrip("/")
    if frame and frame == image_frame:
        return frame, ""
    if frame:
        return (
            frame,
            f"frame_id {image_frame!r} begins with a slash, which tf2 refuses: published "
            f"as {frame!r}",
        )
    if other:
        return other, f"frame_id of the images is empty: that of camera_info is taken, {other!r}"
    return (
        "",
        "frame_id of images and camera_info is empty: no output has a place on the robot; "
        "set it in the driver",
    )


@lru_cache(maxsize=4)
def calibration_remarks(
    calibrations: tuple[Calibration, ...], is_rectified: bool
) -> tuple[str, ...]:
    """Say what cannot be right about the cameras, with the factor that is suspected.

    Args:
        calibrations: (left, right), in mono (camera,), of the images that are sent; empty: none is
        known yet. is_rectified: what the images are meant to be: then P alone counts.

    Returns:
        One sentence a fault; none for what is refused anyway.
    """
    names = ("left ", "right ") if len(calibrations) == 2 else ("",)
    found = [
        f"{name}camera_info cannot be right: {fault.words}"
        if fault.is_certain
        else f"{name}camera_info: {fault.words}"
        for name, calibration in zip(names, calibrations)
        for fault in camera_faults(calibration, is_rectified)
    ]
    if len(calibrations) == 2:
        found += [f"camera_info: {fault.words}" for fault in pair_faults(*calibrations)]
    return tuple(found)


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
