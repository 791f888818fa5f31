"""From the messages of one instant and their calibrations to a Frame. No ROS."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from depth_ros.core.camera import Calibration, Camera, StereoRig
from depth_ros.core.errors import ImageError
from depth_ros.core.grey_range import GreyRange
from depth_ros.core.types import Frame
from depth_ros.recordings.decode import image_size, scaled_to_rgb, stored_pixels

_second_decoder = ThreadPoolExecutor(1, "decode")
_rig_of = lru_cache(maxsize=4)(StereoRig.from_calibrations)
_camera_of = lru_cache(maxsize=4)(Camera.from_calibration)


class SizeError(ImageError):
    """Images whose size is not that of each other, or of their camera_info."""


@dataclass(frozen=True)
class Pair:
    """The image messages of one instant, not yet decoded, and the calibrations then.

    Attributes:
        stamp_ns: of the left image, nanoseconds.
        left: Image or CompressedImage; in mono the only one.
        right: None in mono.
        calibrations: (left, right), in mono (camera,).
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

    Returns:
        The frame, with images (H, W, 3) uint8 RGB.

    Raises:
        ImageError: for pixels that cannot be read, with what was expected and what came.
        SizeError: for an image of another size than its camera_info.
        CalibrationError: for cameras that cannot be.
    """
    frame_id = pair.left.header.frame_id if pair.frame_id is None else pair.frame_id
    raw_calibrations = pair.calibrations if rectify else None
    if pair.right is None:
        camera = _camera_of(*pair.calibrations)
        _check_size("image", pair.left, pair.calibrations[0])
        (image,) = scaled_to_rgb([stored_pixels(pair.left)], greys)
        return Frame(pair.stamp_ns, frame_id, image, None, None, raw_calibrations, camera=camera)
    rig = _rig_of(*pair.calibrations)
    _check_size("left", pair.left, pair.calibrations[0])
    _check_size("right", pair.right, pair.calibrations[1])
    left, right = scaled_to_rgb(_decode(pair), greys)
    return Frame(pair.stamp_ns, frame_id, left, right, rig, raw_calibrations)


def _check_size(name: str, msg, calibration: Calibration) -> None:
    """Refuse an image whose size is not that of its camera_info; one without a size is left to its
    decoder.
    """
    width, height = image_size(msg)
    if not width or not height or (height, width) == (calibration.height, calibration.width):
        return
    window = calibration.window and f" ({calibration.window})"
    raise SizeError(
        f"{name}: expected {calibration.width}x{calibration.height} as its camera_info says"
        f"{window}, got an image of {width}x{height}"
    )


def _decode(pair: Pair) -> list[tuple[np.ndarray, str]]:
    """Both images as they are stored; compressed ones at once, since OpenCV decodes outside
    Python's lock.
    """
    if not hasattr(pair.right, "format"):  # CompressedImage
        return [stored_pixels(pair.left), stored_pixels(pair.right)]
    right = _second_decoder.submit(stored_pixels, pair.right)
    left = stored_pixels(pair.left)
    return [left, right.result()]
