"""What is odd about cameras although their images are answered. No ROS."""

from __future__ import annotations

from functools import lru_cache

from depth_ros.core.camera import Calibration
from depth_ros.core.plausibility import camera_faults, pair_faults


def clean_frame(image_frame: str, info_frame: str) -> tuple[str, str]:
    """Make a frame_id that tf2 accepts.

    Args:
        image_frame: of the image's header.
        info_frame: of its camera_info's header.

    Returns:
        The frame_id of the outputs, and a remark on it; "" where it is as it came.

    >>> clean_frame("/left", "")
    ('left', "frame_id '/left' begins with a slash, which tf2 refuses: published as 'left'")
    >>> clean_frame("", "left")[0]
    'left'
    """
    frame = image_frame.lstrip("/")
    other = info_frame.lstrip("/")
    if frame and frame == image_frame:
        return frame, ""
    if frame:
        remark = (
            f"frame_id {image_frame!r} begins with a slash, which tf2 refuses: published as "
            f"{frame!r}"
        )
        return frame, remark
    if other:
        return other, f"frame_id of the images is empty: that of camera_info is taken, {other!r}"
    remark = (
        "frame_id of images and camera_info is empty: no output has a place on the robot; "
        "set it in the driver"
    )
    return "", remark


@lru_cache(maxsize=4)
def calibration_remarks(
    calibrations: tuple[Calibration, ...], is_rectified: bool
) -> tuple[str, ...]:
    """List what cannot be right about the cameras, with the factor that is suspected.

    Args:
        calibrations: (left, right), in mono (camera,), of the images that are sent; empty: none is
            known yet.
        is_rectified: what the images are meant to be: then P alone counts.

    Returns:
        One sentence a fault; none for what is refused anyway.
    """
    is_stereo = len(calibrations) == 2
    names = ("left ", "right ") if is_stereo else ("",)
    found = []
    for name, calibration in zip(names, calibrations):
        for fault in camera_faults(calibration, is_rectified):
            verdict = " cannot be right" if fault.is_certain else ""
            found.append(f"{name}camera_info{verdict}: {fault.words}")
    if is_stereo:
        for fault in pair_faults(*calibrations):
            found.append(f"camera_info: {fault.words}")
    return tuple(found)
