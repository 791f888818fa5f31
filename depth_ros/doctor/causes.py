"""Causes of silence in words: one text each, for the node's watchdog and for the live doctor."""

from __future__ import annotations

from collections.abc import Iterable

IMAGE_TYPE = "sensor_msgs/msg/Image"
COMPRESSED_TYPE = "sensor_msgs/msg/CompressedImage"
IDLE = "nobody subscribes to an output, so nothing is computed"
JUMPS_BACK = "stamps jump back: a bag that loops, or two sources on one topic?"
NO_FRAME_ID = (
    "frame_id of the images is empty: no output can be placed on the robot; set it in the driver"
)
_SHOWN = 5  # topics that are named


def transport_hint(topic: str, type_name: str, transports: dict[str, str], parameter: str) -> str:
    """Name the parameter that makes a node receive images of another image_transport.

    Args:
        topic: That is subscribed to, with /compressed where compressed images are expected.
        type_name: Of its messages.
        transports: {topic: type} of what is published under its name without /compressed.
        parameter: That names the topic, such as left_image_topic.

    Returns:
        What to set, or "" where no other transport is there.

    >>> transport_hint("/left/image", IMAGE_TYPE, {"/left/image/compressed": COMPRESSED_TYPE}, "")
    'it is there as /left/image/compressed: set image_transport: compressed'
    """
    if not transports or type_name not in (IMAGE_TYPE, COMPRESSED_TYPE):
        return ""
    base = topic.removesuffix("/compressed")
    if type_name == IMAGE_TYPE and transports.get(f"{topic}/compressed") == COMPRESSED_TYPE:
        return f"it is there as {topic}/compressed: set image_transport: compressed"
    if type_name == COMPRESSED_TYPE and transports.get(base) == IMAGE_TYPE:
        return f"it is there as raw images on {base}: set image_transport: raw"
    if type_name == COMPRESSED_TYPE and transports.get(base) == COMPRESSED_TYPE:
        return f"it is there as {base}: set {parameter} without /compressed"
    return (
        f"of it only {name_some(transports)} is there, which is not read: let the driver "
        "publish raw or compressed"
    )


def too_large(profile_variable: str) -> str:
    """Explain images that do not arrive while their camera_info does.

    Args:
        profile_variable: The environment variable by which Fast DDS finds its profile.

    >>> too_large("FASTDDS_DEFAULT_PROFILES_FILE")[:57]
    'too large for the shared memory of the sender? start the '
    """
    cure = f"start the camera with {profile_variable} set to depth_ros' config/fastdds.xml"
    return f"too large for the shared memory of the sender? {cure}"


def recorded_data(age_s: float, uses_sim_time: bool) -> str:
    """Explain stamps that are far from the clock.

    Args:
        age_s: By how much the stamps are behind the clock, seconds.
        uses_sim_time: The node reads /clock.

    >>> recorded_data(3600.0, uses_sim_time=True)
    "stamps are 3600.0 s behind the node's clock: recorded data? is /clock of this bag?"
    """
    cure = "set use_sim_time and play with --clock"
    if uses_sim_time:
        cure = "is /clock of this bag?"
    return f"stamps are {age_s:.1f} s behind the node's clock: recorded data? {cure}"


def name_some(names: Iterable[str]) -> str:
    """Join the first five names, with the number of the others.

    >>> name_some(["/a", "/b", "/c", "/d", "/e", "/f", "/g"])
    '/a, /b, /c, /d, /e and 2 more'
    """
    names = list(names)
    shown = ", ".join(names[:_SHOWN])
    if len(names) > _SHOWN:
        shown += f" and {len(names) - _SHOWN} more"
    return shown
