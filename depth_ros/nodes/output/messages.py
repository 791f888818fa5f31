"""Estimates to ROS messages. Decoding of what comes in lives in decode.py, which needs no ROS."""

from __future__ import annotations

import sys

import cv2
import numpy as np
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField, RegionOfInterest
from std_msgs.msg import Header
from stereo_msgs.msg import DisparityImage

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.depth import depth_to_mm
from depth_ros.core.errors import ImageError
from depth_ros.core.pointcloud import depth_to_cloud
from depth_ros.nodes.fast_path.payload import set_payload
from depth_ros.recordings.decode import (
    image_to_depth,
    image_to_rgb,
    info_to_calibration,
    stamp_to_ns,
)

__all__ = [
    "camera_to_info",
    "depth_to_color",
    "depth_to_image",
    "depth_to_points",
    "disparity_to_message",
    "image_to_depth",
    "image_to_rgb",
    "info_to_calibration",
    "make_header",
    "rgb_to_image",
    "stamp_to_ns",
]
_FORMATS = {"32FC1": np.float32, "16UC1": np.uint16, "rgb8": np.uint8}
_BIG_ENDIAN = sys.byteorder == "big"


def make_header(stamp_ns: int, frame_id: str) -> Header:
    """Split integer nanoseconds into a header; the exact inverse of stamp_to_ns."""
    header = Header(frame_id=frame_id)
    header.stamp.sec, header.stamp.nanosec = divmod(int(stamp_ns), 1_000_000_000)
    return header


def array_to_image(array: np.ndarray, encoding: str, header: Header) -> Image:
    """Wrap (H, W) or (H, W, C) as an Image; raises ImageError where the type is not that of the
    encoding.
    """
    if encoding not in _FORMATS or array.dtype != _FORMATS[encoding]:
        raise ImageError(f"expected one of {_FORMATS}, got {encoding!r} with {array.dtype}")
    height, width = array.shape[:2]
    msg = Image(
        header=header, height=height, width=width, encoding=encoding, is_bigendian=int(_BIG_ENDIAN)
    )
    msg.step = array.nbytes // height
    set_payload(msg, array)
    return msg


def depth_to_image(depth: np.ndarray, header: Header, encoding: str = "32FC1") -> Image:
    """Turn (H, W) float32 metres, NaN unknown, into 32FC1 (the same) or 16UC1 (millimetres, 0
    unknown: REP 118).
    """
    return array_to_image(*depth_to_array(depth, encoding), header)


def depth_to_array(depth: np.ndarray, encoding: str = "32FC1") -> tuple[np.ndarray, str]:
    """Return the array and the encoding of the Image that depth_to_image makes."""
    if encoding == "16UC1":
        return depth_to_mm(depth), encoding
    return depth, encoding


def rgb_to_image(rgb: np.ndarray, header: Header) -> Image:
    """Turn (H, W, 3) uint8 RGB into an rgb8 Image."""
    return array_to_image(rgb, "rgb8", header)


def camera_to_info(camera: Camera, header: Header, baseline_m: float = 0.0) -> CameraInfo:
    """Describe a rectified image: no distortion, R = 1, K and P of the camera, P[3] = -fx *
    baseline_m.

    It describes the image beside it and not the raw one, so that it stays true after every resize
    and crop.
    """
    fx = float(camera.fx)
    fy = float(camera.fy)
    cx = float(camera.cx)
    cy = float(camera.cy)
    return CameraInfo(
        header=header,
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, -fx * float(baseline_m), 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def disparity_to_message(
    disparity: np.ndarray,
    rig: StereoRig,
    header: Header,
    max_disparity_px: float,
    delta_px: float | None = None,
) -> DisparityImage:
    """Turn (H, W) float32 pixels, NaN unknown, into a DisparityImage for which depth = f T /
    disparity holds.

    Args:
        disparity: (H, W) float32, pixels, NaN unknown.
        rig: the cameras; the difference of their principal points (doffs_px) is added, as
            stereo_image_proc does.
        header: of the left image.
        max_disparity_px: the range that was searched, from 0; widened where a value lies outside.
        delta_px: the smallest step; None: a regressed disparity, whose step is that of float32 at
            the largest disparity.

    Returns:
        The message; valid_window is the bounding box of what is known: empty (0 x 0) where nothing
        is.
    """
    values = disparity
    if rig.doffs_px:
        values = disparity + np.float32(rig.doffs_px)
    # The range that was searched, widened by what was found.
    low = float(rig.doffs_px)
    high = float(max_disparity_px + rig.doffs_px)
    known = np.isfinite(values)
    if known.any():
        low = min(low, float(np.min(values, where=known, initial=np.inf)))
        high = max(high, float(np.max(values, where=known, initial=-np.inf)))
    msg = DisparityImage(header=header, f=float(rig.left.fx), t=float(rig.baseline_m))
    msg.image = array_to_image(values, "32FC1", header)
    msg.min_disparity = low
    msg.max_disparity = high
    if delta_px is None:
        delta_px = np.spacing(np.float32(high))
    msg.delta_d = float(delta_px)
    msg.valid_window = _bounding_box(known)
    return msg


def depth_to_points(
    depth: np.ndarray, camera: Camera, rgb: np.ndarray | None, header: Header
) -> PointCloud2:
    """Turn depth (metres, NaN unknown) and colour into an organised cloud: x y z rgb, 16 bytes a
    point, NaN unknown.
    """
    points = depth_to_cloud(depth, camera, rgb)
    height, width = depth.shape
    msg = PointCloud2(
        header=header, height=height, width=width, is_bigendian=_BIG_ENDIAN, is_dense=False
    )
    msg.fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(("x", "y", "z", "rgb"))
    ]
    msg.point_step = 16
    msg.row_step = 16 * width
    set_payload(msg, points)
    return msg


def depth_to_color(depth: np.ndarray, near_m: float = 0.5, far_m: float = 50.0) -> np.ndarray:
    """Colour inverse depth for people: (H, W) metres to (H, W, 3) uint8 RGB; near red, far blue,
    unknown black.

    The scale is fixed by near_m and far_m, not by the frame, so that one colour means one distance
    in a whole film.
    """
    with np.errstate(divide="ignore"):
        level = (1.0 / depth - 1.0 / far_m) / (1.0 / near_m - 1.0 / far_m)
    known = np.isfinite(level)
    index = (np.clip(np.where(known, level, 0.0), 0.0, 1.0) * 255).astype(np.uint8)
    rgb = cv2.cvtColor(cv2.applyColorMap(index, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    rgb[~known] = 0
    return rgb


def _bounding_box(known: np.ndarray) -> RegionOfInterest:
    """Find the smallest window that holds every true pixel."""
    rows = np.flatnonzero(known.any(axis=1))
    columns = np.flatnonzero(known.any(axis=0))
    if not rows.size:
        return RegionOfInterest()
    top = int(rows[0])
    left = int(columns[0])
    return RegionOfInterest(
        x_offset=left,
        y_offset=top,
        height=int(rows[-1]) - top + 1,
        width=int(columns[-1]) - left + 1,
    )
