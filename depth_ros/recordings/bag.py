"""Stereo frames out of a recording, read with rosbags: no ROS needed."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from depth_ros.core.camera import Calibration, StereoRig
from depth_ros.core.errors import DepthRosError, InputError
from depth_ros.core.types import Frame
from depth_ros.recordings.cameras import IMAGE_TYPES, INFO_TYPE
from depth_ros.recordings.matching import UNMATCHED, WHY, Stream, lag_s, match, read_stream
from depth_ros.recordings.reader import (
    BagReader,
    cdr_stamp_ns,
    decode,
    messages,
    open_reader,
    raw_messages,
)
from depth_ros.recordings.static_frames import TF_STATIC, StaticFrames, bare
from depth_ros.recordings.topics import SIDES, Asked, Topics, find_topics

from .decode import image_to_rgb, info_to_calibration, stamp_to_ns
from .ground_truth import DepthByStamp, TruthPoses, unwarp_depth
from .sample import Drops, Sample, Source

__all__ = [
    "IMAGES",
    "IMAGE_TYPES",
    "INFO_TYPE",
    "SIDES",
    "Asked",
    "Bag",
    "InfoTimeline",
    "Topics",
    "cdr_stamp_ns",
    "find_topics",
    "is_stereo",
    "messages",
    "open_reader",
    "raw_messages",
]
IMAGES = (
    "image_rect",
    "image_raw",
    "image_rect_color",
    "image_color",
    "image_rect_raw",
)  # of a running graph
_LATE_S = 0.1
_NO_TURN = 1e-6  # entries of R


def is_stereo(path: str | Path, asked: Asked | None = None) -> bool:
    """Tell whether a recording is read as pairs; an empty or broken one is left to whoever reads
    it.
    """
    with open_reader(path) as reader:
        try:
            return find_topics(reader, "auto", asked).mode == "stereo"
        except InputError:
            return not (asked and asked.image)


class Bag(Source):
    """The stereo frames of a recording in recorded order, each with the calibration of its time,
    and truth if any.

    Iterating is deterministic. After it, drops says which messages were not used and why; reasons
    has the first words. tolerance_ns: by how much the stamps of a pair may differ. notes: what a
    reader of the result must know. Raises InputError for a recording that cannot be used.
    """

    mode = "stereo"
    is_sequence = True

    def __init__(self, path: str | Path, tolerance_ns: int = 0, asked: Asked | None = None):
        super().__init__()
        self.path = Path(path)
        self.name = self.path.resolve().name
        self.tolerance_ns = tolerance_ns
        with open_reader(self.path) as reader:
            self.topics = find_topics(reader, "stereo", asked)
            self.notes += reader.notes
            self._length = max(
                count_messages(reader, topic) for topic in self.topics.images.values()
            )
        self.has_poses = self.topics.truth_odometry is not None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Sample]:
        drops = Drops()
        self.drops, self.reasons = drops.counts, drops.reasons
        # one reader a side: each keeps its own place in the files, so that a side may lie anywhere
        # behind the other
        with open_reader(self.path) as reader, open_reader(self.path) as other:
            infos = {side: InfoTimeline(reader, self.topics.infos[side], drops) for side in SIDES}
            truths, names = Truths(reader, self.topics, self.notes, self.tolerance_ns), Names()
            for pair in self._pairs(reader, other, drops):
                sample = self._sample(pair, infos, truths, drops, names)
                if sample is not None:
                    yield sample

    def _pairs(self, reader: BagReader, other: BagReader, drops: Drops) -> Iterator[dict]:
        """Yield {side: image} of the pairs in the order of the left ones; what never pairs is
        counted.
        """
        streams = {side: read_stream(reader, self.topics.images[side]) for side in SIDES}
        for stream in streams.values():
            for cause, count in stream.drops.items():
                drops.add(cause, WHY[cause], count)
        places = match(streams["left"], streams["right"], self.tolerance_ns)
        alone = sum(len(stream.kept) for stream in streams.values()) - 2 * len(places)
        if alone:
            drops.add(UNMATCHED, WHY[UNMATCHED], alone)
        self._note_lag(streams, places)
        lefts = _images_at(reader, self.topics.images["left"], [left for left, _ in places])
        rights = _images_at(other, self.topics.images["right"], [right for _, right in places])
        for left, right in zip(lefts, rights):
            yield {"left": left, "right": right}

    def _note_lag(self, streams: dict[str, Stream], places: list) -> None:
        """Say once where one side was recorded long after the other."""
        late_s = lag_s(streams["left"], streams["right"], places)
        words = lag_words(late_s)
        if words and words not in self.notes:
            self.notes.append(words)

    def _sample(
        self, pair: dict, infos: dict, truths: Truths, drops: Drops, names: Names
    ) -> Sample | None:
        """Decode one pair; what is wrong with it is counted and the pair is dropped."""
        stamp_ns = stamp_to_ns(pair["left"].header.stamp)
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
            frame_id = bare(str(pair["left"].header.frame_id)) or infos["left"].frame_id
            frame = Frame(stamp_ns, frame_id, left, right, rig, raw)
        except DepthRosError as error:
            drops.add("bad_image", str(error))
            return None
        return truths.sample(names.of(stamp_ns), frame)


class Names:
    """Names for frames: their stamps; of a stamp that occurs again (a clip that loops) STAMP_2,
    STAMP_3 and so on.
    """

    def __init__(self):
        self._counts: dict[int, int] = {}

    def of(self, stamp_ns: int) -> str:
        """Give the name of the next frame with this stamp."""
        count = self._counts[stamp_ns] = self._counts.get(stamp_ns, 0) + 1
        return str(stamp_ns) if count == 1 else f"{stamp_ns}_{count}"


class Truths:
    """What a recording knows of its frames. notes: sentences are added to it."""

    def __init__(self, reader: BagReader, topics: Topics, notes: list[str], tolerance_ns: int = 0):
        self._reader, self._topics, self._notes = reader, topics, notes
        self._truth = DepthByStamp(reader, topics.truth_depth)
        self._recorded = DepthByStamp(reader, topics.depth, tolerance_ns)
        self._poses: TruthPoses | None = None

    def sample(self, name: str, frame: Frame) -> Sample:
        """Make the sample of a frame."""
        if self._poses is None:
            self._poses = self._read_poses(frame.frame_id)
        shape, raw = frame.left.shape[:2], frame.calibrations and frame.calibrations[0]
        return Sample(
            name,
            frame,
            truth_depth=self._in_view(self._truth.at(frame.stamp_ns, shape), raw),
            world_T_camera=self._poses.at(frame.stamp_ns, raw),
            recorded_depth=self._in_view(self._recorded.at(frame.stamp_ns, shape), raw),
        )

    def _in_view(self, depth: np.ndarray | None, raw: Calibration | None) -> np.ndarray | None:
        """Depth of a raw image as the rectified one sees it; None where R turns the camera,
        which changes depth.
        """
        if depth is None or raw is None:
            return depth
        if not np.allclose(np.reshape(raw.R, (3, 3)), np.eye(3), atol=_NO_TURN):
            words = (
                "recorded depth is of the raw view, which R turns against the rectified one: "
                "not used."
            )
            self._notes += [] if words in self._notes else [words]
            return None
        try:
            return unwarp_depth(depth, raw)
        except DepthRosError:  # the frame itself is refused for it, with the words
            return None

    def _read_poses(self, camera_frame: str) -> TruthPoses:
        """The true poses, of the frame that the images have."""
        if self._topics.truth_odometry is None:
            return TruthPoses(())
        frames = StaticFrames(messages(self._reader, TF_STATIC))
        poses = TruthPoses(
            messages(self._reader, self._topics.truth_odometry), frames, camera_frame
        )
        self._notes += [words for words in poses.notes if words not in self._notes]
        return poses


class InfoTimeline:
    """The camera_infos of one topic, by stamp: the one in force at a time, or the first where
    none came before.
    """

    def __init__(self, reader: BagReader, topic: str, drops: Drops):
        found: dict[int, Calibration] = {}
        self.frame_id = ""  # the first that is not empty
        for _, message in messages(reader, topic):
            self.frame_id = self.frame_id or bare(str(message.header.frame_id))
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


def count_messages(reader: BagReader, topic: str) -> int:
    """How many messages a topic has."""
    return sum(one.msgcount for one in reader.connections if one.topic == topic)


def lag_words(late_s: float) -> str:
    """Say that one side was recorded long after the other; "" where it was not."""
    if abs(late_s) < _LATE_S:
        return ""
    late, early = ("right", "left") if late_s > 0 else ("left", "right")
    return (
        f"the {late} images were recorded {abs(late_s):.3f} s after the {early} ones of the "
        "same stamps"
    )


def _images_at(reader: BagReader, topic: str, places: list[int]) -> Iterator:
    """Yield the messages at some places of a topic, in the order asked for; those passed by wait
    in memory.
    """
    entries = enumerate(raw_messages(reader, topic))
    wanted, waiting = set(places), {}
    for place in places:
        while place not in waiting:
            at, (connection, _, raw) = next(entries)
            if at in wanted:
                waiting[at] = (connection, raw)
        yield decode(reader, *waiting.pop(place))
