"""Frames out of a recording, of a pair or of one camera, read with rosbags: no ROS needed."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from depth_ros.core.camera import Calibration, Camera, StereoRig
from depth_ros.core.errors import DepthRosError, InputError
from depth_ros.core.grey_range import GreyRange
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
from depth_ros.recordings.static_frames import bare
from depth_ros.recordings.topics import SIDES, Asked, Topics, find_topics

from .decode import images_to_rgb, info_to_calibration, stamp_to_ns
from .recorded_truth import RecordedTruth
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
    "messages",
    "open_reader",
    "raw_messages",
]
IMAGES = (  # of a running graph
    "image_rect",
    "image_raw",
    "image_rect_color",
    "image_color",
    "image_rect_raw",
)
_LATE_S = 0.1


class Bag(Source):
    """The frames of a recording in recorded order, each with the calibration of its time, and
    ground truth where it was recorded.

    Iterating is deterministic. 16-bit images are scaled by one range a recording, as depth_node
    does. After an iteration drops counts the messages that were not used, by cause, and reasons
    has the first text of each cause; notes: what a reader of the result must know.

    Args:
        path: A rosbag2 directory or one of its files, or a ROS 1 bag.
        mode: "stereo"; "mono": one camera, the left one of a pair; "auto": as the recording is.
        asked: Topics that the user named.
        tolerance_ns: By how much the stamps of a pair, and of images and recorded depth, may
            differ.

    Raises:
        InputError: The recording cannot be used; it names what was expected.
    """

    is_sequence = True

    def __init__(
        self,
        path: str | Path,
        mode: str = "stereo",
        asked: Asked | None = None,
        tolerance_ns: int = 0,
    ):
        super().__init__()
        self.path = Path(path)
        self.name = self.path.resolve().name
        self.tolerance_ns = tolerance_ns
        with open_reader(self.path) as reader:
            self.topics = find_topics(reader, mode, asked)
            self.notes += reader.notes
            images = self.topics.images.values()
            self._length = max(count_messages(reader, topic) for topic in images)
        self.mode = self.topics.mode
        self.has_poses = self.topics.truth_odometry is not None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Sample]:
        drops = Drops()
        self.drops = drops.counts
        self.reasons = drops.reasons
        names = Names()
        greys = GreyRange()
        with ExitStack() as stack:
            # one reader a side: each keeps its own position in the files, so that a side may lie
            # anywhere behind the other
            readers = {
                side: stack.enter_context(open_reader(self.path)) for side in self.topics.images
            }
            first = next(iter(readers.values()))
            timelines = {
                side: InfoTimeline(first, topic, drops) for side, topic in self.topics.infos.items()
            }
            truth = RecordedTruth(first, self.topics, self.tolerance_ns)
            for instant in self._instants(readers, drops):
                frame = self._frame(instant, timelines, greys, drops)
                if frame is not None:
                    sample = truth.sample(names.of(frame.stamp_ns), frame)
                    self._note(*truth.notes)
                    yield sample
        self._note(greys.words())

    def _instants(self, readers: dict[str, BagReader], drops: Drops) -> Iterator[dict]:
        """Yield {side: image} in the order of the first side; what never pairs is counted."""
        streams = {}
        for side, topic in self.topics.images.items():
            stream = read_stream(readers[side], topic)
            for cause, count in stream.drops.items():
                drops.add(cause, WHY[cause], count)
            streams[side] = stream
        places = {side: stream.kept for side, stream in streams.items()}
        if self.mode == "stereo":
            places = self._paired(streams, drops)
        images = [
            _images_at(readers[side], topic, places[side])
            for side, topic in self.topics.images.items()
        ]
        for instant in zip(*images, strict=True):
            yield dict(zip(readers, instant, strict=True))

    def _paired(self, streams: dict[str, Stream], drops: Drops) -> dict[str, list[int]]:
        """The places of the images that pair, by side; the number of the others is counted."""
        left = streams["left"]
        right = streams["right"]
        pairs = match(left, right, self.tolerance_ns)
        alone = len(left.kept) + len(right.kept) - 2 * len(pairs)
        if alone:
            drops.add(UNMATCHED, WHY[UNMATCHED], alone)
        self._note(describe_lag(lag_s(left, right, pairs)))
        return {"left": [place for place, _ in pairs], "right": [place for _, place in pairs]}

    def _frame(
        self, instant: dict, timelines: dict[str, InfoTimeline], greys: GreyRange, drops: Drops
    ) -> Frame | None:
        """Decode the images of one instant; what is wrong is counted and they are dropped."""
        first = next(iter(instant.values()))
        stamp_ns = stamp_to_ns(first.header.stamp)
        cause = "no_camera_info"
        try:
            calibrations = tuple(timelines[side].at(stamp_ns) for side in instant)
            cause = "bad_calibration"
            geometry = _geometry(calibrations)
            cause = "bad_image"
            left, *rights = images_to_rgb(list(instant.values()), greys)
            right = rights[0] if rights else None
            frame_id = bare(str(first.header.frame_id)) or next(iter(timelines.values())).frame_id
            raw = None if self.topics.rectified else calibrations
            return Frame(stamp_ns, frame_id, left, right, calibrations=raw, **geometry)
        except DepthRosError as error:
            drops.add(cause, str(error))
            return None

    def _note(self, *sentences: str) -> None:
        """Keep each sentence once."""
        for sentence in sentences:
            if sentence and sentence not in self.notes:
                self.notes.append(sentence)


class Names:
    """Names for frames: their stamps; of a stamp that occurs again (a clip that loops) STAMP_2,
    STAMP_3 and so on.
    """

    def __init__(self):
        self._counts: dict[int, int] = {}

    def of(self, stamp_ns: int) -> str:
        """Return the name of the next frame with this stamp."""
        count = self._counts.get(stamp_ns, 0) + 1
        self._counts[stamp_ns] = count
        return str(stamp_ns) if count == 1 else f"{stamp_ns}_{count}"


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
        """Return the calibration in force; raises InputError where the topic has none at all."""
        if not self._values:
            raise InputError(f"expected a usable CameraInfo on {self.topic}, got none")
        return self._values[max(0, bisect.bisect_right(self._stamps, stamp_ns) - 1)]


def count_messages(reader: BagReader, topic: str) -> int:
    """Return how many messages a topic has."""
    return sum(one.msgcount for one in reader.connections if one.topic == topic)


def describe_lag(late_s: float) -> str:
    """Describe one side that was recorded long after the other; "" where it was not.

    Args:
        late_s: By how much later the right images were recorded, seconds.

    >>> describe_lag(-0.25), describe_lag(0.01)
    ('the left images were recorded 0.250 s after the right ones of the same stamps', '')
    """
    if abs(late_s) < _LATE_S:
        return ""
    late, early = ("right", "left") if late_s > 0 else ("left", "right")
    return (
        f"the {late} images were recorded {abs(late_s):.3f} s after the {early} ones of the "
        "same stamps"
    )


def _geometry(calibrations: tuple[Calibration, ...]) -> dict[str, Camera | StereoRig | None]:
    """The rig of a pair, or the camera, by their names in Frame."""
    if len(calibrations) == 2:
        return {"rig": StereoRig.from_calibrations(*calibrations)}
    return {"rig": None, "camera": Camera.from_calibration(*calibrations)}


def _images_at(reader: BagReader, topic: str, places: list[int]) -> Iterator:
    """Yield the messages at some places of a topic, in the order asked for; those passed by wait
    in memory.
    """
    entries = enumerate(raw_messages(reader, topic))
    wanted = set(places)
    waiting = {}
    for place in places:
        while place not in waiting:
            at, (connection, _, raw) = next(entries)
            if at in wanted:
                waiting[at] = (connection, raw)
        yield decode(reader, *waiting.pop(place))
