"""A rosbag2 recording as training views: an index in memory, the messages read from the bag when
they are asked for.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import ExitStack
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
)
from depth_ros.recordings.decode import image_to_rgb, stored_pixels
from depth_ros.recordings.ground_truth import TruthPoses, message_to_depth
from depth_ros.recordings.requested_topics import Asked
from depth_ros.recordings.sample import Drops
from depth_ros.recordings.static_frames import TF_STATIC, StaticFrames
from train.data.datasets.bag_index import Entry, block_parts, index_entries, runs
from train.data.view import View

HELD_OUT = ("val", "test")
_RANGE_FRAMES = 8  # that say which of their 16 bits are used


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
        self.path = Path(path)
        self._limit = cache_mb << 20
        self._opened = (0, None, None)
        self._cache: OrderedDict[int, View] = OrderedDict()
        drops = Drops()
        self.drops = drops.counts
        self.reasons = drops.reasons
        with open_reader(self.path) as reader:
            self.topics = find_topics(reader, "auto", asked)
            self._images = tuple(self.topics.images.values())
            self._infos = [
                InfoTimeline(reader, topic, drops) for topic in self.topics.infos.values()
            ]
            self._entries = index_entries(reader, self.topics, tolerance_ns, drops)
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
        # What a fork inherited is its parent's to close.
        if stack is not None and process == os.getpid():
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
            depth = None
            if entry.depth:
                depth = message_to_depth(self._message(self.topics.truth_depth, entry.depth))
        except (DepthRosError, cv2.error) as error:
            raise InputError(f"{name}: {error}") from error
        if depth is not None and depth.shape != images[0].shape[:2]:
            depth = None
        pose = self._poses.at(entry.stamp_ns)
        return View(
            image=np.array(images[0]),
            camera=camera,
            right=images[1] if len(images) == 2 else None,
            baseline_m=baseline_m,
            depth=depth,
            world_T_camera=pose,
            stamp_ns=entry.stamp_ns,
            name=name,
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
