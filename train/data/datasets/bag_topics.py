"""Which topics of a bag hold one camera or a pair, and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from depth_ros.recordings.bag import find_topics, is_stereo
from depth_ros.recordings.mono_bag import find_mono_topics

_ODOMETRY = "nav_msgs/msg/Odometry"


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
    """Find a pair where there is a right camera, else one camera, as replay does.

    reader: an open rosbags AnyReader of the bag at path. Raises InputError naming the topics that
    are there.
    """
    if is_stereo(path):
        pair = find_topics(reader, path)
        images, infos = (tuple(side.values()) for side in (pair.images, pair.infos))
        rectified, depth = pair.rectified, pair.truth_depth
    else:
        mono = find_mono_topics(reader, path)
        images, infos, rectified, depth = (
            (mono.image,),
            (mono.info,),
            mono.rectified,
            mono.truth_depth,
        )
    named = [c.topic for c in reader.connections if c.msgtype == _ODOMETRY and c.msgcount]
    odometry = next(
        (topic for topic in sorted(named) if topic.endswith("/ground_truth/odometry")), None
    )
    return CameraTopics(images, infos, rectified, depth, odometry)
