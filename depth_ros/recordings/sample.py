"""What a bag and a folder of scenes have in common: an iterable of samples that counts what it
drops.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from depth_ros.core.depth import disparity_to_depth
from depth_ros.core.types import Frame
from depth_ros.recordings.reader import is_bag

if TYPE_CHECKING:
    from depth_ros.recordings.topics import Asked, Topics

__all__ = [
    "Drops",
    "LeftOnly",
    "Sample",
    "Source",
    "is_bag",
    "known_depth",
    "open_source",
    "topic_parameters",
]


@dataclass(frozen=True, eq=False)
class Sample:
    """One frame and what is known about it.

    name: for people and file names. truth_disparity: (H, W) float32 pixels, or None. truth_depth:
    (H, W) float32 metres, or None; NaN where there is no truth. metric: False where focal length
    and baseline are placeholders. world_T_camera: (4, 4) true pose of the left camera as rectified,
    optical axes, metres, or None. visible_in_both: (H, W) bool, where the right camera sees what
    the left one does, or None where nobody says. recorded_depth: (H, W) float32 metres of a depth
    camera, NaN unknown, or None: for ego-motion, not truth.
    """

    name: str
    frame: Frame
    truth_disparity: np.ndarray | None = None
    truth_depth: np.ndarray | None = None
    metric: bool = True
    world_T_camera: np.ndarray | None = None
    visible_in_both: np.ndarray | None = None
    recorded_depth: np.ndarray | None = None


class Source:
    """An input: len() is the number of samples to expect, iterating gives them.

    name: for people. mode: "stereo" or "mono": whether the frames are pairs. is_sequence: they
    follow each other in time. has_poses: with true poses for some of them. topics: of a recording.
    drops: what could not be used, by cause; reasons: the first words about each. notes: sentences
    that a reader of the result must know.
    """

    name = ""
    mode = "stereo"
    is_sequence = False
    has_poses = False
    topics: Topics | None = None

    def __init__(self):
        self.drops: dict[str, int] = {}
        self.reasons: dict[str, str] = {}
        self.notes: list[str] = []

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Sample]:
        raise NotImplementedError


@dataclass
class Drops:
    """Count what was dropped, by cause, and keep the first words about each cause."""

    counts: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, cause: str, reason: str = "", count: int = 1) -> None:
        """Count one more."""
        self.counts[cause] = self.counts.get(cause, 0) + count
        self.reasons.setdefault(cause, reason)


def open_source(
    path: str | Path,
    mode: str = "auto",
    asked: Asked | None = None,
    tolerance_ns: int = 0,
    max_disparity_px: int | None = None,
) -> Source:
    """Open a recording or a folder of scenes.

    Args:
        path: A rosbag2 directory or one of its files, a ROS 1 bag, or a folder of scenes. mode:
        "stereo"; "mono" gives single images, the left ones of pairs; "auto": mono for one camera.
        asked: Topics that the user named. tolerance_ns: By how much the stamps of a recorded pair
        may differ. max_disparity_px: The range to search in scenes, whatever they say themselves;
        None: as they say.

    Returns:
        The source.

    Raises:
        InputError: Nothing usable is there; it says what was expected.
    """
    if not is_bag(path):
        from .scenes import SceneFolder

        scenes = SceneFolder(path, max_disparity_px)
        return LeftOnly(scenes) if mode == "mono" else scenes
    from .bag import Bag

    return Bag(path, mode, asked, tolerance_ns)


def topic_parameters(topics: Topics) -> dict:
    """The parameters with which depth_node listens to the topics of a recording as they are."""
    parameters = {
        "mode": "stereo" if len(topics.images) == 2 else "mono",
        "rectify": not topics.rectified,
        "image_transport": "compressed" if topics.compressed else "raw",
    }
    for side, image in topics.images.items():
        parameters[f"{side}_image_topic".lstrip("_")] = image.removesuffix("/compressed")
        parameters[f"{side}_info_topic".lstrip("_")] = topics.infos[side]
    return parameters


class LeftOnly(Source):
    """The left images of a source of pairs, as a mono source; what was dropped is what the pairs
    drop.
    """

    mode = "mono"

    def __init__(self, pairs: Source):
        self._pairs = pairs
        self.name, self.topics, self.notes = pairs.name, pairs.topics, pairs.notes
        self.has_poses, self.is_sequence = pairs.has_poses, pairs.is_sequence

    @property
    def drops(self) -> dict[str, int]:
        """What could not be used, by cause."""
        return self._pairs.drops

    @property
    def reasons(self) -> dict[str, str]:
        """The first words about each cause."""
        return self._pairs.reasons

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[Sample]:
        for sample in self._pairs:
            depth = known_depth(sample)
            yield replace(
                sample, frame=sample.frame.left_only(), truth_disparity=None, truth_depth=depth
            )


def known_depth(sample: Sample) -> np.ndarray | None:
    """Give the depth that is known: measured, or computed from known disparity; None where
    neither is.
    """
    rig = sample.frame.rig
    if sample.truth_depth is not None or sample.truth_disparity is None:
        return sample.truth_depth
    return disparity_to_depth(sample.truth_disparity, rig.left.fx, rig.baseline_m, rig.doffs_px)
