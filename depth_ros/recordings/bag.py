"""Stereo frames out of a rosbag2 directory, read with rosbags: no ROS needed."""

from __future__ import annotations

import bisect
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from depth_ros.core.camera import Calibration, StereoRig
from depth_ros.core.errors import DepthRosError, InputError
from depth_ros.core.sync import StampMatcher
from depth_ros.core.types import Frame

from .decode import image_to_depth, image_to_rgb, info_to_calibration, stamp_to_ns
from .ground_truth import TruthPoses, truth_topic
from .sample import Drops, Sample

SIDES = ("left", "right")
TRUTH_DEPTH = "ground_truth/depth"
IMAGES = ("image_rect", "image_raw", "image_rect_color", "image_color", "image_rect_raw")
IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
INFO_TYPE = "sensor_msgs/msg/CameraInfo"


@dataclass(frozen=True)
class Topics:
    """The topics of a stereo bag by side: images {"left", "right"}, infos the same, truth depth or
    None.

    rectified: what the image topics' names say. compressed: CompressedImage on both sides.
    truth_odometry: or None.
    """

    images: dict[str, str]
    infos: dict[str, str]
    truth_depth: str | None
    rectified: bool
    compressed: bool
    truth_odometry: str | None = None


@contextmanager
def open_reader(path: str | Path) -> Iterator[AnyReader]:
    """Open a bag; whatever is wrong with its files becomes InputError."""
    path = Path(path)
    target = path.parent if path.is_file() and (path.parent / "metadata.yaml").exists() else path
    if not (target / "metadata.yaml").is_file():
        raise InputError(
            f"{path}: expected metadata.yaml beside the bag's files, got none (ros2 bag "
            "reindex makes it)"
        )
    reader = None
    try:
        reader = AnyReader([target], default_typestore=get_typestore(Stores.ROS2_JAZZY))
        reader.open()
    except Exception as error:  # rosbags passes on what sqlite3, yaml, zstd and struct raise
        raise _corrupt(path, error) from error
    try:
        yield reader
    finally:
        reader.close()


def raw_messages(reader: AnyReader, *topics: str | None) -> Iterator[tuple]:
    """Yield (connection, log time in ns, CDR bytes) of some topics as recorded; InputError where
    a bag breaks.
    """
    connections = [connection for connection in reader.connections if connection.topic in topics]
    if not connections:
        return  # rosbags takes an empty list for all topics
    iterator = reader.messages(connections)
    while True:
        try:
            entry = next(iterator, None)
        except Exception as error:
            raise _corrupt(reader.paths[0], error) from error
        if entry is None:
            return
        yield entry


def messages(reader: AnyReader, *topics: str | None) -> Iterator[tuple]:
    """Yield (topic, message) of some topics in recorded order; raises InputError where a bag
    breaks.
    """
    for connection, _, raw in raw_messages(reader, *topics):
        try:
            message = reader.deserialize(raw, connection.msgtype)
        except Exception as error:
            raise _corrupt(reader.paths[0], error) from error
        yield connection.topic, message


def _corrupt(path, error: Exception) -> InputError:
    """The error for a bag that cannot be read."""
    words = str(error) or type(error).__name__
    return InputError(f"{path}: expected a readable rosbag2 directory, got a broken one: {words}")


def cdr_stamp_ns(raw: bytes) -> int:
    """Read header.stamp, in nanoseconds, out of a serialised message whose first field is a
    header.
    """
    order = "<" if raw[1] & 1 else ">"
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", raw, 4)
    return seconds * 1_000_000_000 + nanoseconds


def find_topics(reader: AnyReader, path: str | Path) -> Topics:
    """Find the stereo topics by their endings, in any namespace; raises InputError naming what
    is there.
    """
    kinds = {c.topic: c.msgtype for c in reader.connections if c.msgcount}
    if not kinds:
        raise InputError(f"{path}: expected messages in the bag, got an empty one")
    images = {side: _image_topic(kinds, side) for side in SIDES}
    infos = {side: _ending(kinds, f"{side}/camera_info", (INFO_TYPE,)) for side in SIDES}
    for what, found, name in (
        ("images", images, "image_rect or image_raw"),
        ("CameraInfo", infos, "camera_info"),
    ):
        for side in SIDES:
            if found[side] is None:
                raise InputError(
                    f"{path}: expected {side} {what} on .../{side}/{name}, got topics "
                    f"{sorted(kinds)}"
                )
    rectified = [
        "rect" in images[side].rsplit(f"{side}/", 1)[-1] and "rect_raw" not in images[side]
        for side in SIDES
    ]
    compressed = [kinds[images[side]] == IMAGE_TYPES[1] for side in SIDES]
    if len(set(rectified)) > 1 or len(set(compressed)) > 1:
        raise InputError(
            f"{path}: expected the same kind of images on both sides, got {list(images.values())}"
        )
    truth_depth = _ending(kinds, TRUTH_DEPTH, IMAGE_TYPES)
    return Topics(images, infos, truth_depth, rectified[0], compressed[0], truth_topic(kinds))


def is_stereo(path: str | Path) -> bool:
    """Tell whether a bag has images of a right camera; an empty or broken bag is left to whoever
    reads it.
    """
    with open_reader(path) as reader:
        kinds = {c.topic: c.msgtype for c in reader.connections if c.msgcount}
    return not kinds or _image_topic(kinds, "right") is not None


class Bag:
    """The stereo frames of a bag in recorded order, each with the calibration of its time, and
    truth if there is any.

    Iterating is deterministic. After it, drops says which messages were not used and why; reasons
    has the first words. tolerance_ns: by how much the stamps of a pair may differ. Raises
    InputError for a bag that cannot be used.
    """

    mode = "stereo"

    def __init__(self, path: str | Path, tolerance_ns: int = 0):
        self.path = Path(path)
        self.name = self.path.resolve().name
        self.tolerance_ns = tolerance_ns
        self.drops: dict[str, int] = {}
        self.reasons: dict[str, str] = {}
        with open_reader(self.path) as reader:
            self.topics = find_topics(reader, self.path)
            counts = {c.topic: c.msgcount for c in reader.connections}
        self.has_poses = self.topics.truth_odometry is not None
        self._length = max(counts[topic] for topic in self.topics.images.values())

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Sample]:
        drops = Drops()
        self.drops, self.reasons = drops.counts, drops.reasons
        with open_reader(self.path) as reader:
            infos = {side: InfoTimeline(reader, self.topics.infos[side], drops) for side in SIDES}
            truths = (
                TruthDepth(reader, self.topics),
                TruthPoses(messages(reader, self.topics.truth_odometry)),
            )
            for stamp_ns, pair in self._pairs(reader, drops):
                sample = self._sample(stamp_ns, pair, infos, truths, drops)
                if sample is not None:
                    yield sample

    def _pairs(self, reader: AnyReader, drops: Drops):
        """Yield (stamp_ns of the left, {side: (image, frame_id)}); what never pairs is counted
        when the bag ends.
        """
        matcher = StampMatcher(SIDES, self.tolerance_ns)
        sides = {topic: side for side, topic in self.topics.images.items()}
        paired = offered = 0
        for topic, message in messages(reader, *sides):
            stamp_ns = stamp_to_ns(message.header.stamp)
            offered += 1
            pair = matcher.add(sides[topic], stamp_ns, (stamp_ns, message))
            if pair is not None:
                paired += 1
                yield pair["left"][0], {side: pair[side][1] for side in SIDES}
        for cause, count in matcher.drops.items():
            if count:
                drops.add(cause, "stamps of left and right that do not pair", count)
        waiting = offered - 2 * paired - sum(matcher.drops.values())
        if waiting > 0:  # still in the matcher when the bag ends
            drops.add("unmatched", "stamps of left and right that do not pair", waiting)

    def _sample(self, stamp_ns, pair, infos, truths, drops) -> Sample | None:
        """Decode one pair; what is wrong with it is counted and the pair is dropped."""
        try:
            cals = tuple(infos[side].at(stamp_ns) for side in SIDES)
        except InputError as error:
            drops.add("no_camera_info", str(error))
            return None
        try:
            rig = StereoRig.from_calibrations(*cals)
        except DepthRosError as error:
            drops.add("bad_calibration", str(error))
            return None
        try:
            left, right = (image_to_rgb(pair[side]) for side in SIDES)
            raw = None if self.topics.rectified else cals
            frame = Frame(stamp_ns, str(pair["left"].header.frame_id), left, right, rig, raw)
        except DepthRosError as error:
            drops.add("bad_image", str(error))
            return None
        depth, pose = truths[0].at(stamp_ns, left.shape[:2]), truths[1].at(stamp_ns, raw and raw[0])
        return Sample(str(stamp_ns), frame, truth_depth=depth, world_T_camera=pose)


class InfoTimeline:
    """The camera_infos of one topic, by stamp: the one in force at a time, or the first where
    none came before.
    """

    def __init__(self, reader: AnyReader, topic: str, drops: Drops):
        found: dict[int, Calibration] = {}
        for _, message in messages(reader, topic):
            try:
                found[stamp_to_ns(message.header.stamp)] = info_to_calibration(message)
            except DepthRosError as error:
                drops.add("bad_camera_info", str(error))
        self.topic = topic
        self._stamps = sorted(found)
        self._values = [found[stamp] for stamp in self._stamps]

    def at(self, stamp_ns: int) -> Calibration:
        """Give the calibration at a time; raises InputError where the topic has none at all."""
        if not self._values:
            raise InputError(f"expected a usable CameraInfo on {self.topic}, got none")
        return self._values[max(0, bisect.bisect_right(self._stamps, stamp_ns) - 1)]


class TruthDepth:
    """Ground-truth depth by exact stamp, decoded when asked for.

    Of raw images none: it speaks of another view.
    """

    def __init__(self, reader: AnyReader, topics: Topics):
        self._reader, self._raw = reader, {}
        if topics.truth_depth is None or not topics.rectified:
            return
        for connection, _, raw in raw_messages(reader, topics.truth_depth):
            self._raw[cdr_stamp_ns(raw)] = (connection.msgtype, raw)

    def at(self, stamp_ns: int, shape: tuple[int, int]):
        """Give (H, W) metres, or None: a broken map, or one of another size than the image,
        cannot be compared.
        """
        if stamp_ns not in self._raw:
            return None
        msgtype, raw = self._raw[stamp_ns]
        try:
            depth = image_to_depth(self._reader.deserialize(raw, msgtype))
        except DepthRosError:
            return None
        return depth if depth.shape == shape else None


def _image_topic(kinds: dict[str, str], side: str) -> str | None:
    """The image topic of a side: rectified before raw, plain before compressed."""
    for name in IMAGES:
        for ending in (f"{side}/{name}", f"{side}/{name}/compressed"):
            if topic := _ending(kinds, ending, IMAGE_TYPES):
                return topic
    return None


def _ending(kinds: dict[str, str], ending: str, types: tuple[str, ...]) -> str | None:
    """The first topic, by name, with this ending and one of these types."""
    fitting = (
        topic
        for topic in sorted(kinds)
        if f"/{topic.lstrip('/')}".endswith(f"/{ending}") and kinds[topic] in types
    )
    return next(fitting, None)
