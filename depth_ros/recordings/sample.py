"""What a bag and a folder of scenes have in common: an iterable of samples that counts what it
drops.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from depth_ros.core.depth import disparity_to_depth
from depth_ros.core.errors import InputError
from depth_ros.core.types import Frame


@dataclass(frozen=True, eq=False)
class Sample:
    """One frame and what is known about it.

    name: for people and file names. truth_disparity: (H, W) float32 pixels, or None. truth_depth:
    (H, W) float32 metres, or None; NaN where there is no truth. metric: False where focal length
    and baseline are placeholders. world_T_camera: (4, 4) true pose of the left camera as rectified,
    optical axes, metres, or None.
    """

    name: str
    frame: Frame
    truth_disparity: np.ndarray | None = None
    truth_depth: np.ndarray | None = None
    metric: bool = True
    world_T_camera: np.ndarray | None = None


class Source(Protocol):
    """An input: len() is the number of samples to expect, iterating gives them, drops says what
    could not be used.

    mode: "stereo" or "mono": whether the frames are pairs. has_poses, where there is one: frames
    follow each other in time, with true poses for some of them.
    """

    name: str
    mode: str
    drops: dict[str, int]

    def __len__(self) -> int: ...

    def __iter__(self): ...


@dataclass
class Drops:
    """Count what was dropped, by cause, and keep the first words about each cause."""

    counts: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, cause: str, reason: str = "", count: int = 1) -> None:
        """Count one more."""
        self.counts[cause] = self.counts.get(cause, 0) + count
        self.reasons.setdefault(cause, reason)


def open_source(path: str | Path, mode: str = "auto") -> Source:
    """Open a rosbag2 directory or a folder of Middlebury scenes.

    mode: "stereo"; "mono" gives single images, the left ones of pairs; "auto" is mono for a bag of
    one camera only. Raises InputError saying what was expected.
    """
    if not is_bag(path):
        from .scenes import SceneFolder

        return LeftOnly(SceneFolder(path)) if mode == "mono" else SceneFolder(path)
    from .bag import Bag, is_stereo
    from .mono_bag import MonoBag

    return (
        MonoBag(path) if mode == "mono" or (mode == "auto" and not is_stereo(path)) else Bag(path)
    )


def topic_parameters(topics) -> dict:
    """The parameters with which depth_node listens to the topics of a bag as they are: Topics or
    MonoTopics.
    """
    parameters = {
        "mode": "stereo" if len(topics.images) == 2 else "mono",
        "rectify": not topics.rectified,
        "image_transport": "compressed" if topics.compressed else "raw",
    }
    for side, image in topics.images.items():
        parameters[f"{side}_image_topic".lstrip("_")] = image.removesuffix("/compressed")
        parameters[f"{side}_info_topic".lstrip("_")] = topics.infos[side]
    return parameters


class LeftOnly:
    """The left images of a source of pairs, as a mono source; what was dropped is what the pairs
    drop.
    """

    mode = "mono"

    def __init__(self, pairs: Source):
        self.name, self._pairs = pairs.name, pairs
        self.has_poses = getattr(pairs, "has_poses", False)

    @property
    def drops(self) -> dict[str, int]:
        """What could not be used, by cause."""
        return self._pairs.drops

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self):
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


def is_bag(path: str | Path) -> bool:
    """Tell a bag, whole or not, from a folder of scenes; raises InputError where there is
    nothing.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(
            f"{path}: expected a rosbag2 directory or a folder of scenes, got nothing at this path"
        )
    names = [path.name] if path.is_file() else [child.name for child in path.iterdir()]
    return any(name == "metadata.yaml" or ".mcap" in name or ".db3" in name for name in names)
