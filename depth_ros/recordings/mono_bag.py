"""Single images out of a recording: the camera of a mono recording, or the left one of a stereo
recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from depth_ros.core.camera import Camera
from depth_ros.core.errors import DepthRosError
from depth_ros.core.types import Frame
from depth_ros.recordings.matching import WHY, read_stream
from depth_ros.recordings.reader import decode, open_reader, raw_messages
from depth_ros.recordings.static_frames import bare
from depth_ros.recordings.topics import Asked, find_topics

from .bag import InfoTimeline, Names, Truths, count_messages
from .decode import image_to_rgb, stamp_to_ns
from .sample import Drops, Sample, Source


class MonoBag(Source):
    """The images of one camera in recorded order, each with the calibration of its time, and truth
    if there is any.

    A source like replay.bag.Bag, without pairing: drops says which images were not used, reasons
    why. tolerance_ns: by how much the stamps of images and recorded depth may differ. Raises
    InputError for a recording that cannot be used.
    """

    mode = "mono"
    is_sequence = True

    def __init__(self, path: str | Path, asked: Asked | None = None, tolerance_ns: int = 0):
        super().__init__()
        self.path = Path(path)
        self.tolerance_ns = tolerance_ns
        self.name = self.path.resolve().name
        with open_reader(self.path) as reader:
            self.topics = find_topics(reader, "mono", asked)
            self.notes += reader.notes
            (self._image,), (self._info,) = self.topics.images.values(), self.topics.infos.values()
            self._length = count_messages(reader, self._image)
        self.has_poses = self.topics.truth_odometry is not None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Sample]:
        drops = Drops()
        self.drops, self.reasons = drops.counts, drops.reasons
        with open_reader(self.path) as reader:
            infos = InfoTimeline(reader, self._info, drops)
            truths, names = Truths(reader, self.topics, self.notes, self.tolerance_ns), Names()
            stream = read_stream(reader, self._image)
            for cause, count in stream.drops.items():
                drops.add(cause, WHY[cause], count)
            kept = set(stream.kept)
            for place, (connection, _, raw) in enumerate(raw_messages(reader, self._image)):
                if place not in kept:
                    continue
                if (
                    frame := self._frame(decode(reader, connection, raw), infos, drops)
                ) is not None:
                    yield truths.sample(names.of(frame.stamp_ns), frame)

    def _frame(self, message, infos: InfoTimeline, drops: Drops) -> Frame | None:
        """Decode one image; what is wrong with it is counted and it is dropped."""
        stamp_ns, cause = stamp_to_ns(message.header.stamp), "no_camera_info"
        try:
            calibration = infos.at(stamp_ns)
            cause = "bad_calibration"
            camera = Camera.from_calibration(calibration)
            cause = "bad_image"
            raw = None if self.topics.rectified else (calibration,)
            frame_id = bare(str(message.header.frame_id)) or infos.frame_id
            return Frame(stamp_ns, frame_id, image_to_rgb(message), None, None, raw, camera=camera)
        except DepthRosError as error:
            drops.add(cause, str(error))
            return None
