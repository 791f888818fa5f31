"""A rosbag2 recording as training views: an index in memory, the messages read from the bag when
they are asked for.
"""

from __future__ import annotations

import bisect
import os
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from depth_ros.core.camera import Calibration, Camera, StereoRig
from depth_ros.core.errors import DepthRosError, InputError
from depth_ros.core.grey_range import GreyRange
from depth_ros.core.rectify import rectify_map
from depth_ros.recordings.bag import (
    InfoTimeline,
    Topics,
    cdr_stamp_ns,
    find_topics,
    messages,
    open_reader,
    raw_messages,
)
from depth_ros.recordings.decode import image_to_rgb, stored_pixels
from depth_ros.recordings.ground_truth import TruthPoses, message_to_depth
from depth_ros.recordings.requested_topics import Asked
from depth_ros.recordings.sample import Drops
from depth_ros.recordings.static_frames import TF_STATIC, StaticFrames
from train.data.view import View

HELD_OUT = ("val", "test")
_LEAST_BLOCKS, _LEAST_BLOCK_FRAMES, _BLOCK_S = 10, 20, 1.0
_RANGE_FRAMES = 8  # that say which of their 16 bits are used
_GAP_STEPS = 2.5  # frames further apart than this many usual steps are not neighbours


def read_bag(path: Path, split: str = "", part: str = "train") -> BagFrames:
    """Open a bag.

    split: "": blocks of time by part (see block_parts); with the word "all" every frame in every
    part. Further words name topics as topic_words writes them.
    """
    words = split.split()
    named = dict(word.partition("=")[::2] for word in words if word != "all")
    if not set(named) <= set(vars(Asked())):
        raise InputError(
            f"bag: expected split '', 'all' or {' '.join(vars(Asked()))} with =TOPIC, got {split!r}"
        )
    return BagFrames(path, None if "all" in words else (part,), asked=Asked(**named))


def topic_words(asked: Asked) -> str:
    """Write topics that the user named as words of a split.

    >>> topic_words(Asked(camera="/front", truth="/lidar")), topic_words(Asked())
    ('camera=/front truth=/lidar', '')
    """
    return " ".join(f"{name}={topic}" for name, topic in vars(asked).items() if topic)


@dataclass(frozen=True)
class Entry:
    """Where one instant lies in the bag: its stamp, and (log time, stamp) of each message, None
    where there is none.
    """

    stamp_ns: int
    images: tuple[tuple[int, int], ...]
    depth: tuple[int, int] | None


class BagFrames:
    """Frames (see train.data.view) of a rosbag2 directory: mono or stereo, raw or compressed,
    rectified or raw.

    Raw images are rectified with D, R and P. /ground_truth/depth, and /ground_truth/odometry,
    become depth and world_T_camera where their stamps are those of a rectified image. parts: those
    of block_parts to keep, None for all. tolerance_ns: by how much the stamps of a pair may differ.
    cache_mb: decoded views kept, MiB a process. asked: topics that the user named. drops: what
    cannot be used, counted by cause; reasons: first words. Works in the worker processes of a
    DataLoader: each opens the bag for itself. Raises InputError for a bag without usable frames and
    CalibrationError for a camera that is not calibrated.
    """

    def __init__(
        self,
        path: str | Path,
        parts: tuple[str, ...] | None = None,
        tolerance_ns: int = 0,
        cache_mb: int = 256,
        asked: Asked | None = None,
    ):
        self.path, self._limit, self._opened = Path(path), cache_mb << 20, (0, None, None)
        self._cache: OrderedDict[int, View] = OrderedDict()
        drops = Drops()
        self.drops, self.reasons = drops.counts, drops.reasons
        with open_reader(self.path) as reader:
            self.topics = find_topics(reader, "auto", asked)
            self._images = tuple(self.topics.images.values())
            self._infos = [
                InfoTimeline(reader, topic, drops) for topic in self.topics.infos.values()
            ]
            self._entries = _index(reader, self.topics, tolerance_ns, drops)
            self._poses = _poses(reader, self.topics)
        if not self._entries:
            raise InputError(
                f"{self.path}: expected images with stamps that pair, got none of {self._images}"
            )
        self._grey_range = self._find_grey_range()
        self.stamps_ns = np.array([entry.stamp_ns for entry in self._entries])
        self.camera, self.baseline_m = self._geometry(self.stamps_ns[0])[:2]
        self._runs = runs(self.stamps_ns, block_parts(self.stamps_ns), parts)
        self._kept = np.flatnonzero(self._runs >= 0)
        self._place = {int(entry): number for number, entry in enumerate(self._kept)}

    def __len__(self) -> int:
        return len(self._kept)

    def neighbour(self, index: int, offset: int) -> int | None:
        """See train.data.view.Frames; nothing is a neighbour across a gap or in another part."""
        here = int(self._kept[index])
        there = here + offset
        if not 0 <= there < len(self._runs) or self._runs[there] != self._runs[here]:
            return None
        return self._place[there]

    def __getitem__(self, index: int) -> View:
        key = int(self._kept[index])
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        view = self._cache[key] = self._read(self._entries[key])
        size = sum(a.nbytes for a in (view.image, view.right, view.depth) if a is not None)
        while len(self._cache) > max(1, self._limit // size):
            self._cache.popitem(last=False)
        return view

    def __getstate__(self):
        return {**self.__dict__, "_opened": (0, None, None), "_cache": OrderedDict()}

    def close(self) -> None:
        """Close the bag's files; the next view opens them again."""
        process, _, stack = self._opened
        if (
            stack is not None and process == os.getpid()
        ):  # what a fork inherited is its parent's to close
            stack.close()
        self._opened = (0, None, None)

    def _read(self, entry: Entry) -> View:
        """Read and decode one instant; raises InputError naming it where its messages do not
        decode.
        """
        name = f"{self.path.name}/{entry.stamp_ns}"
        try:
            camera, baseline_m, doffs_px, raw = self._geometry(entry.stamp_ns)
            images = [
                image_to_rgb(self._message(topic, at), self._grey_range)
                for topic, at in zip(self._images, entry.images)
            ]
            if any(image.shape[:2] != (camera.height, camera.width) for image in images):
                shapes = [image.shape for image in images]
                raise InputError(
                    f"expected images of {camera.width}x{camera.height} as in camera_info, "
                    f"got {shapes}"
                )
            if not self.topics.rectified:
                images = [_rectified(image, calibration) for image, calibration in zip(images, raw)]
            if doffs_px and len(images) == 2:
                images[1] = _shifted(images[1], -doffs_px)
            depth = (
                message_to_depth(self._message(self.topics.truth_depth, entry.depth))
                if entry.depth
                else None
            )
        except (DepthRosError, cv2.error) as error:
            raise InputError(f"{name}: {error}") from error
        depth = depth if depth is not None and depth.shape == images[0].shape[:2] else None
        pose, right = self._poses.at(entry.stamp_ns), images[1] if len(images) == 2 else None
        return View(
            np.array(images[0]), camera, right, baseline_m, depth, None, pose, entry.stamp_ns, name
        )

    def _find_grey_range(self) -> tuple[int, int]:
        """The range of 16-bit images, of a few from all over the recording: one for all views, in
        whatever order they are asked for.
        """
        greys = GreyRange()
        for entry in self._entries[:: max(1, len(self._entries) // _RANGE_FRAMES)]:
            try:
                stored = [
                    stored_pixels(self._message(topic, at))[0]
                    for topic, at in zip(self._images, entry.images)
                ]
            except DepthRosError:
                continue  # refused by name when it is asked for
            wide = [array for array in stored if array.dtype == np.uint16]
            if not wide:
                break
            greys.update(*wide)
        self.close()
        return greys.current

    def _geometry(self, stamp_ns: int) -> tuple[Camera, float | None, float, list[Calibration]]:
        """The rectified left camera, baseline_m, doffs_px and the camera_infos of a time."""
        infos = [timeline.at(int(stamp_ns)) for timeline in self._infos]
        if len(infos) == 1:
            return Camera.from_calibration(infos[0]), None, 0.0, infos
        rig = StereoRig.from_calibrations(*infos)
        return rig.left, rig.baseline_m, rig.doffs_px, infos

    def _message(self, topic: str, at: tuple[int, int]):
        """Read one message by its log time and stamp."""
        log_ns, stamp_ns = at
        reader = self._reader()
        try:
            connections = [c for c in reader.connections if c.topic == topic]
            for connection, _, raw in reader.messages(connections, start=log_ns, stop=log_ns + 1):
                if cdr_stamp_ns(raw) == stamp_ns:
                    return reader.deserialize(raw, connection.msgtype)
        except Exception as error:  # rosbags passes on what sqlite3, zstd and struct raise
            raise InputError(f"{topic}: expected a readable message, got: {error}") from error
        raise InputError(
            f"{topic}: expected the message of {stamp_ns} that was there before, got none: "
            "bag changed?"
        )

    def _reader(self):
        """This process's open reader: a file position shared with another process would read
        nonsense.
        """
        if self._opened[0] != os.getpid():
            stack = ExitStack()
            self._opened = (os.getpid(), stack.enter_context(open_reader(self.path)), stack)
        return self._opened[1]


def block_parts(stamps_ns: np.ndarray) -> list[str]:
    """Assign frames to parts by blocks of time, so that what is held out is another place than what
    is trained on.

    A block is 1 s, or 20 frames where that is longer, but at most a tenth of the recording; of
    every ten blocks the last but one is "test" and the last "val": together one stretch. stamps_ns:
    (N,) ascending. Returns N names.

    >>> parts = block_parts(np.arange(60) * 100_000_000)
    >>> [
    ...     parts.index("test"),
    ...     parts.count("test"),
    ...     parts.index("val"),
    ...     parts.count("val"),
    ...     parts.count("train"),
    ... ]
    [48, 6, 54, 6, 48]
    """
    count = len(stamps_ns)
    step_s = float(np.median(np.diff(stamps_ns))) / 1e9 if count > 1 else _BLOCK_S
    block = max(_LEAST_BLOCK_FRAMES, _BLOCK_S / max(step_s, 1e-9))
    blocks = max(_LEAST_BLOCKS, round(count / block))
    names = {8: "test", 9: "val"}
    return [names.get(i * blocks // count % 10, "train") for i in range(count)]


def runs(stamps_ns: np.ndarray, names: list[str], parts: tuple[str, ...] | None) -> np.ndarray:
    """Number the stretches (N,) of wanted parts without a gap; -1 for frames of parts that are
    not wanted.
    """
    steps = np.diff(stamps_ns)
    gap = steps > _GAP_STEPS * np.median(steps) if len(steps) else np.zeros(0, bool)
    wanted = np.array([parts is None or name in parts for name in names])
    edge = wanted[1:] != wanted[:-1]
    return np.where(wanted, np.cumsum(np.concatenate([[0], gap | edge])), -1)


def _index(reader, topics: Topics, tolerance_ns: int, drops: Drops) -> list[Entry]:
    """Read every image's stamp once, in the order of stamps; left and right are paired by the
    nearest.
    """
    images = tuple(topics.images.values())
    found: dict[str, dict[int, int]] = {
        topic: {} for topic in (*images, topics.truth_depth) if topic
    }
    for connection, log_ns, raw in raw_messages(reader, *found):
        stamp_ns = cdr_stamp_ns(raw)
        if stamp_ns in found[connection.topic]:
            drops.add("duplicate_stamp", f"{connection.topic}: stamp {stamp_ns} came twice")
        found[connection.topic].setdefault(stamp_ns, log_ns)
    left, others = found[images[0]], [found[topic] for topic in images[1:]]
    stamps = [sorted(other) for other in others]
    depths = found.get(topics.truth_depth, {})
    entries = []
    for stamp_ns in sorted(left):
        partners = [_nearest(candidates, stamp_ns, tolerance_ns) for candidates in stamps]
        if None in partners:
            drops.add("unmatched", "stamps of left and right that do not pair")
            continue
        places = (
            (left[stamp_ns], stamp_ns),
            *((other[at], at) for other, at in zip(others, partners)),
        )
        depth = (depths[stamp_ns], stamp_ns) if topics.rectified and stamp_ns in depths else None
        entries.append(Entry(stamp_ns, places, depth))
    return entries


def _nearest(stamps: list[int], stamp_ns: int, tolerance_ns: int) -> int | None:
    """The stamp of a sorted list nearest to another one, None where it is further off than the
    tolerance.
    """
    at = bisect.bisect_left(stamps, stamp_ns)
    near = min(
        stamps[max(0, at - 1) : at + 1], key=lambda other: abs(other - stamp_ns), default=None
    )
    return near if near is not None and abs(near - stamp_ns) <= tolerance_ns else None


def _poses(reader, topics: Topics) -> TruthPoses:
    """The true poses of the left camera; none of raw images, which are turned when they are
    rectified.
    """
    if topics.truth_odometry is None or not topics.rectified:
        return TruthPoses(())
    _, first = next(messages(reader, next(iter(topics.images.values()))))
    frames = StaticFrames(messages(reader, TF_STATIC))
    return TruthPoses(messages(reader, topics.truth_odometry), frames, str(first.header.frame_id))


@lru_cache(maxsize=4)
def _map(calibration: Calibration):
    return rectify_map(calibration)


def _rectified(image: np.ndarray, calibration: Calibration) -> np.ndarray:
    return cv2.remap(image, *_map(calibration), cv2.INTER_LINEAR)


def _shifted(image: np.ndarray, shift_px: float) -> np.ndarray:
    """Move a picture along its rows, so that both principal points agree."""
    move = np.float32([[1, 0, shift_px], [0, 1, 0]])
    return cv2.warpAffine(
        image, move, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
