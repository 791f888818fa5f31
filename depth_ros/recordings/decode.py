"""Image buffers to arrays, by the names of their fields: works on rclpy and rosbags messages,
imports neither.

Every row stride and either endianness is honoured; what does not fit its own description is refused
with ImageError.
"""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.core.camera import Calibration
from depth_ros.core.compressed import is_complete, stored_size
from depth_ros.core.depth import mm_to_depth
from depth_ros.core.errors import ImageError
from depth_ros.core.grey_range import FULL, to_eight_bits
from depth_ros.core.lie import pose_to_matrix

MAX_PIXELS = (
    50_000_000  # beyond every camera; a header of a few bytes may claim thousands of millions
)

# encoding -> (bytes per channel, channels)
_LAYOUTS = {"mono8": (1, 1), "8UC1": (1, 1), "mono16": (2, 1), "16UC1": (2, 1), "32FC1": (4, 1)}
_COLOURS = {"rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4}
_BAYER = {"rggb": "RGGB", "bggr": "BGGR", "gbrg": "GBRG", "grbg": "GRBG"}
_LAYOUTS.update({f"{name}{8 * size}": (size, n) for name, n in _COLOURS.items() for size in (1, 2)})
_LAYOUTS.update({f"bayer_{name}{8 * size}": (size, 1) for name in _BAYER for size in (1, 2)})
_TO_RGB = {"bgr": cv2.COLOR_BGR2RGB, "rgba": cv2.COLOR_RGBA2RGB, "bgra": cv2.COLOR_BGRA2RGB}


def image_to_rgb(msg, grey_range: tuple[int, int] = FULL) -> np.ndarray:
    """Decode an Image or CompressedImage into (H, W, 3) uint8 RGB.

    rgb8 gives a view of the message's own buffer; grey is repeated in the three channels; bayer_*
    is demosaiced.

    Args:
        msg: the message. grey_range: the 16-bit values that become 0 and 255 (see core.grey_range);
        by default the upper 8 bits are kept.

    Raises:
        ImageError: for an unknown encoding, a size of zero or beyond 50 megapixels, a wrong step or
        data length.

    >>> from types import SimpleNamespace as Message
    >>> data = bytes([1, 2, 3, 4, 5, 6, 0, 0])
    >>> image_to_rgb(
    ...     Message(height=1, width=2, encoding="bgr8", is_bigendian=0, step=8, data=data)
    ... ).tolist()
    [[[3, 2, 1], [6, 5, 4]]]
    """
    return pixels_to_rgb(*stored_pixels(msg), grey_range)


def stored_pixels(msg) -> tuple[np.ndarray, str]:
    """Decode an Image or CompressedImage as it is stored.

    Returns:
        (H, W) or (H, W, C), uint8 or uint16, and the encoding that names its channels.

    Raises:
        ImageError: as image_to_rgb does.
    """
    if not hasattr(msg, "encoding"):
        return _stored_compressed(msg)
    if msg.encoding == "32FC1":
        raise ImageError("expected a colour or grey image, got 32FC1 (depth)")
    return image_to_array(msg), msg.encoding


def image_size(msg) -> tuple[int, int]:
    """Read (width, height) of an Image or CompressedImage without decoding it; (0, 0) where it
    does not say.
    """
    if hasattr(msg, "encoding"):
        return int(msg.width), int(msg.height)
    return stored_size(bytes(msg.data)) or (0, 0)


def image_to_depth(msg) -> np.ndarray:
    """Decode a depth Image (32FC1 metres; 16UC1 or mono16 millimetres), or a 16-bit PNG, into (H,
    W) float32 metres.

    Unknown (0, negative, infinite, NaN) becomes NaN. Raises ImageError for anything else.

    >>> from types import SimpleNamespace as Message
    >>> data = bytes([3, 232, 0, 0])
    >>> image_to_depth(
    ...     Message(height=1, width=2, encoding="16UC1", is_bigendian=1, step=4, data=data)
    ... ).tolist()
    [[1.0, nan]]
    """
    if not hasattr(msg, "encoding"):
        raw = _decompress(msg)
        if raw.dtype != np.uint16 or raw.ndim != 2:
            raise ImageError(
                f"expected a 16-bit grey PNG in millimetres, got {raw.shape} {raw.dtype}"
            )
        return mm_to_depth(raw)
    if msg.encoding not in ("32FC1", "16UC1", "mono16"):
        raise ImageError(f"expected depth as 32FC1 or 16UC1, got {msg.encoding!r}")
    raw = image_to_array(msg)
    if raw.dtype == np.uint16:
        return mm_to_depth(raw)
    return np.where(np.isfinite(raw) & (raw > 0), raw, np.float32(np.nan))


def image_to_array(msg) -> np.ndarray:
    """View an Image as (H, W) or (H, W, C), uint8, uint16 or float32 in native byte order; copies
    only to swap bytes.

    Raises ImageError where encoding, size, step and data length do not fit each other.
    """
    height, width, step, encoding = int(msg.height), int(msg.width), int(msg.step), msg.encoding
    if encoding not in _LAYOUTS:
        raise ImageError(f"expected one of {' '.join(sorted(_LAYOUTS))}, got encoding {encoding!r}")
    if height <= 0 or width <= 0:
        raise ImageError(f"expected an image size above zero, got {width}x{height}")
    size, channels = _LAYOUTS[encoding]
    row_bytes = width * channels * size
    if step < row_bytes:
        raise ImageError(
            f"expected a step of at least {row_bytes} bytes ({width} x {encoding}), got {step}"
        )
    data = np.frombuffer(msg.data, np.uint8)
    if data.size != step * height:
        raise ImageError(
            f"expected {step * height} bytes ({height} rows of step {step}), got {data.size}"
        )
    rows = data.reshape(height, step)[:, :row_bytes]
    order = ">" if msg.is_bigendian else "<"
    array = rows if size == 1 else rows.view(f"{order}{'u2' if size == 2 else 'f4'}")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array if channels == 1 else array.reshape(height, width, channels)


def info_to_calibration(msg) -> Calibration:
    """Take the numbers of a CameraInfo (ROS 2 `k` or ROS 1 `K`); raises CalibrationError for a
    wrong number of them.

    They are those of the image that is sent: binning and region of interest are applied
    (Calibration.windowed).
    """
    D, K, R, P = (getattr(msg, name if hasattr(msg, name) else name.upper()) for name in "dkrp")
    calibration = Calibration(
        int(msg.width), int(msg.height), str(msg.distortion_model), D, K, R, P
    )
    binning, roi = (
        (getattr(msg, "binning_x", 0), getattr(msg, "binning_y", 0)),
        getattr(msg, "roi", None),
    )
    region = (0,) * 4 if roi is None else (roi.x_offset, roi.y_offset, roi.width, roi.height)
    return calibration.windowed(binning, region)


def stamp_to_ns(stamp) -> int:
    """Join a header stamp (sec, nanosec) into integer nanoseconds.

    >>> from types import SimpleNamespace as Time
    >>> stamp_to_ns(Time(sec=2, nanosec=5))
    2000000005
    """
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def pose_message_to_matrix(msg) -> np.ndarray:
    """Return the (4, 4) transform, metres, of a geometry_msgs/Pose."""
    position = msg.position
    turn = msg.orientation
    return pose_to_matrix([position.x, position.y, position.z, turn.x, turn.y, turn.z, turn.w])


def pixels_to_rgb(
    array: np.ndarray, encoding: str, grey_range: tuple[int, int] = FULL
) -> np.ndarray:
    """Turn what stored_pixels gives into (H, W, 3) uint8 RGB; grey_range: as of image_to_rgb."""
    if array.dtype == np.uint16:
        array = to_eight_bits(array, grey_range)
    if encoding.startswith("bayer_"):
        return _demosaic(array, encoding[6:10])
    if array.ndim == 2:
        return (
            np.repeat(array[..., None], 3, axis=2)
            if array.shape[0] < 2
            else cv2.cvtColor(array, cv2.COLOR_GRAY2RGB)
        )
    name = encoding.rstrip("0123456789")
    return array if name == "rgb" else cv2.cvtColor(np.ascontiguousarray(array), _TO_RGB[name])


def _demosaic(array: np.ndarray, pattern: str) -> np.ndarray:
    """Interpolate a bayer mosaic; the pattern names the first 2 x 2 pixels, row by row, as ROS
    does.
    """
    if min(array.shape) < 4:
        raise ImageError(
            f"expected a bayer image of at least 4x4, got {array.shape[1]}x{array.shape[0]}"
        )
    return cv2.cvtColor(
        np.ascontiguousarray(array), getattr(cv2, f"COLOR_Bayer{_BAYER[pattern]}2RGB")
    )


def _decompress(msg) -> np.ndarray:
    """Decode jpeg or png as it is stored: (H, W), (H, W, 3) BGR or (H, W, 4) BGRA, 8 or 16 bits."""
    data = bytes(msg.data)
    if "compressedDepth" in msg.format:
        raise ImageError(f"expected jpeg or png, got format {msg.format!r}")
    if not data:
        raise ImageError("expected jpeg or png data, got 0 bytes")
    size = stored_size(data)
    if size is None:
        raise ImageError(
            f"expected jpeg or png data ({msg.format!r}), got {len(data)} bytes that do not decode"
        )
    if not 0 < size[0] * size[1] <= MAX_PIXELS:
        raise ImageError(
            f"expected 1 to {MAX_PIXELS} pixels, got an image that says it is {size[0]}x{size[1]}"
        )
    if not is_complete(data):
        raise ImageError(
            f"expected complete jpeg or png data, got {len(data)} bytes without an end mark"
        )
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageError(
            f"expected jpeg or png data ({msg.format!r}), got what does not decode: {error}"
        ) from None
    if image is None:
        raise ImageError(
            f"expected jpeg or png data ({msg.format!r}), got {len(data)} bytes that do not decode"
        )
    return image


def _stored_compressed(msg) -> tuple[np.ndarray, str]:
    """Decode a CompressedImage; a mosaic that was compressed as grey is called so by its format."""
    image = _decompress(msg)
    if image.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"expected 8 or 16 bits a channel, got {image.dtype}")
    size = 8 * image.itemsize
    if image.ndim == 2:
        first = msg.format.split(";")[0].strip()
        return image, first if first.startswith("bayer_") and first in _LAYOUTS else f"mono{size}"
    return image, f"bgra{size}" if image.shape[2] == 4 else f"bgr{size}"
