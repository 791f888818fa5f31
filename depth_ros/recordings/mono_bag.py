"""Single images out of a rosbag2 directory: the camera of a mono recording, or the left one of a
stereo recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rosbags.highlevel import AnyReader

from depth_ros.core.camera import Camera
from depth_ros.core.errors import DepthRosError, InputError
from depth_ros.core.types import Frame

from .bag import (
    IMAGE_TYPES,
    IMAGES,
    INFO_TYPE,
    TRUTH_DEPTH,
    InfoTimeline,
    TruthDepth,
    messages,
    open_reader,
)
from .decode import image_to_rgb, stamp_to_ns
from .ground_truth import TruthPoses, truth_topic
from .sample import Drops, Sample

_NOT_A_CAMERA = (
    "right",
    "depth",
    "ground_truth",
    "disparity",
)  # parts of names whose images are not for this


@dataclass(frozen=True)
class MonoTopics:
    """The topics of one camera: image, info, truths or None; rectified: what the image topic's name
    says.

    compressed: CompressedImage. images, infos: as in bag.Topics, of the one side "".
    """

    image: str
    info: str
    truth_depth: str | None
    rectified: bool
    truth_odometry: str | None = None
    compressed: bool = False

    @property
    def images(self) -> dict[str, str]:
        """The image topic, by side."""
        return {"": self.image}

    @property
    def infos(self) -> dict[str, str]:
        """The camera_info topic, by side."""
        return {"": self.info}


def find_mono_topics(reader: AnyReader, path: str | Path) -> MonoTopics:
    """Find one camera by the endings of topics: left/image_rect first, else an image_rect or
    image_raw of any name.

    Its camera_info is the one in the same namespace. Raises InputError naming what is there.
    """
    kinds = {c.topic: c.msgtype for c in reader.connections if c.msgcount}
    if not kinds:
        raise InputError(f"{path}: expected messages in the bag, got an empty one")
    found = min(
        (place for topic in kinds if (place := _place(topic, kinds[topic])) is not None),
        default=None,
    )
    if found is None:
        raise InputError(
            f"{path}: expected images on .../image_rect or .../image_raw, got topics "
            f"{sorted(kinds)}"
        )
    image, namespace, name = found[2:]
    info = f"{namespace}camera_info"
    if kinds.get(info) != INFO_TYPE:
        raise InputError(f"{path}: expected CameraInfo on {info}, got topics {sorted(kinds)}")
    truths = (
        topic
        for topic in sorted(kinds)
        if topic.endswith(f"/{TRUTH_DEPTH}") and kinds[topic] in IMAGE_TYPES
    )
    rectified = "rect" in name and "rect_raw" not in name
    compressed = kinds[image] == IMAGE_TYPES[1]
    return MonoTopics(image, info, next(truths, None), rectified, truth_topic(kinds), compressed)


def _place(topic: str, kind: str) -> tuple | None:
    """Rank a topic, the least first: (not left, kind of image, topic, namespace, name); None for
    what is no camera.
    """
    plain = topic.removesuffix("/compressed")
    namespace, _, name = plain.rpartition("/")
    parts = namespace.split("/")
    if (
        kind not in IMAGE_TYPES
        or name not in IMAGES
        or any(word in parts for word in _NOT_A_CAMERA)
    ):
        return None
    return (
        "left" not in parts,
        2 * IMAGES.index(name) + (plain != topic),
        topic,
        f"{namespace}/",
        name,
    )


class MonoBag:
    """The images of one camera in recorded order, each with the calibration of its time, and truth
    if there is any.

    A source like replay.bag.Bag, without pairing: drops says which images were not used, reasons
    why. Raises InputError for a bag that cannot be used.
    """

    mode = "mono"

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.name = self.path.resolve().name
        self.drops: dict[str, int] = {}
        self.reasons: dict[str, str] = {}
        with open_reader(self.path) as reader:
            self.topics = find_mono_topics(reader, self.path)
            self.has_poses = self.topics.truth_odometry is not None
            self._length = sum(
                c.msgcount for c in reader.connections if c.topic == self.topics.image
            )

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Sample]:
        drops = Drops()
        self.drops, self.reasons = drops.counts, drops.reasons
        with open_reader(self.path) as reader:
            infos = InfoTimeline(reader, self.topics.info, drops)
            truths, poses = (
                TruthDepth(reader, self.topics),
                TruthPoses(messages(reader, self.topics.truth_odometry)),
            )
            for _, message in messages(reader, self.topics.image):
                if (frame := self._frame(message, infos, drops)) is not None:
                    depth = truths.at(frame.stamp_ns, frame.left.shape[:2])
                    pose = poses.at(frame.stamp_ns, frame.calibrations and frame.calibrations[0])
                    yield Sample(str(frame.stamp_ns), frame, truth_depth=depth, world_T_camera=pose)

    def _frame(self, message, infos: InfoTimeline, drops: Drops) -> Frame | None:
        """Decode one image; what is wrong with it is counted and it is dropped."""
        stamp_ns, cause = stamp_to_ns(message.header.stamp), "no_camera_info"
        try:
            calibration = infos.at(stamp_ns)
            cause = "bad_calibration"
            camera = Camera.from_calibration(calibration)
            cause = "bad_image"
            raw = None if self.topics.rectified else (calibration,)
            return Frame(
                stamp_ns,
                str(message.header.frame_id),
                image_to_rgb(message),
                None,
                None,
                raw,
                camera=camera,
            )
        except DepthRosError as error:
            drops.add(cause, str(error))
            return None
