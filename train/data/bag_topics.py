"""Which topics of a bag hold one camera or a pair, and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from depth_ros.core.errors import InputError

_NAMES = ("image_rect", "image_raw", "image_rect_color", "image_color", "image_rect_raw")  # the best first
_IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_INFO, _ODOMETRY = "sensor_msgs/msg/CameraInfo", "nav_msgs/msg/Odometry"


@dataclass(frozen=True)
class CameraTopics:
    """Topics of images and camera_infos, (left, right) or (the only one,); truth topics or None.

    rectified: what the names of the image topics say.
    """

    images: tuple[str, ...]
    infos: tuple[str, ...]
    rectified: bool
    depth: str | None = None
    odometry: str | None = None


def find_camera_topics(reader, path: str | Path) -> CameraTopics:
    """Find a pair (namespaces .../left and .../right), else one camera; raises InputError naming what is there.

    reader: an open rosbags AnyReader. A camera is an image topic with camera_info in the same namespace.
    """
    kinds = {c.topic: c.msgtype for c in reader.connections if c.msgcount}
    cameras = _cameras(kinds)
    lefts = [space for space in cameras if space.endswith("/left")]
    pair = next(
        ([s, s.removesuffix("left") + "right"] for s in lefts if s.removesuffix("left") + "right" in cameras), None
    )
    chosen = pair or lefts[:1] or list(cameras)[:1]
    if not chosen:
        raise InputError(f"{path}: expected an image topic beside a camera_info, got topics {sorted(kinds)}")
    images = tuple(cameras[space] for space in chosen)
    rectified = [_is_rectified(topic) for topic in images]
    if len(set(rectified)) > 1:
        raise InputError(f"{path}: expected the same kind of images on both sides, got {images}")
    truths = (_ending(kinds, "/ground_truth/depth", _IMAGES), _ending(kinds, "/ground_truth/odometry", (_ODOMETRY,)))
    return CameraTopics(images, tuple(f"{space}/camera_info" for space in chosen), rectified[0], *truths)


def _cameras(kinds: dict[str, str]) -> dict[str, str]:
    """The best image topic of each namespace with a camera_info, shortest namespace first."""
    found: dict[str, str] = {}
    for name in _NAMES:
        for ending in (f"/{name}", f"/{name}/compressed"):
            for topic in sorted(kinds):
                space = topic.removesuffix(ending)
                if space != topic and kinds[topic] in _IMAGES and kinds.get(f"{space}/camera_info") == _INFO:
                    found.setdefault(space, topic)
    return dict(sorted(found.items(), key=lambda item: (item[0].count("/"), item[0])))


def _is_rectified(topic: str) -> bool:
    name = next(part for part in reversed(topic.split("/")) if part != "compressed")
    return "rect" in name and "rect_raw" not in name


def _ending(kinds: dict[str, str], ending: str, types: tuple[str, ...]) -> str | None:
    return next((topic for topic in sorted(kinds) if topic.endswith(ending) and kinds[topic] in types), None)
