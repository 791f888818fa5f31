"""Folders of stereo scenes as a source: every scene a pair with its calibration, its range and
what truth it has.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from depth_ros.core.camera import StereoRig
from depth_ros.core.errors import InputError
from depth_ros.core.types import Frame
from depth_ros.recordings.disparity_range import disparity_reach, range_of
from depth_ros.recordings.scene_files import (
    read_calib,
    read_kitti_disparity,
    read_kitti_rig,
    read_mask,
    read_pfm,
    read_rgb,
    read_spring_disparity,
    read_spring_rig,
    write_pfm,
)
from depth_ros.recordings.scene_layouts import KITTI, MIDDLEBURY, SceneFiles, find_scenes

from .formats import calib_to_rig
from .sample import Sample, Source

__all__ = ["SceneFolder", "read_calib", "read_pfm", "read_scene", "write_pfm"]
_LEAST_RANGE_PX = 16


class SceneFolder(Source):
    """The scenes of a folder (or the folder as one scene), in the order of their paths.

    max_disparity_px: the range to search, whatever the scenes say; None: ndisp in calib.txt, or,
    where that is missing or impossible, an estimate from matched features, which notes then says.
    Raises InputError where no scene is found, or a scene lacks its calibration or an image, or has
    a broken one.
    """

    def __init__(self, path: str | Path, max_disparity_px: int | None = None):
        super().__init__()
        self.path = Path(path)
        self.name = self.path.resolve().name
        self._asked_px = max_disparity_px
        self._estimated: dict[str, int | None] = {}
        if not self.path.is_dir():
            raise InputError(
                f"{path}: expected a rosbag2 directory or a folder of scenes, got a file"
            )
        self.scenes = find_scenes(self.path)
        if not self.scenes:
            raise InputError(
                f"{path}: expected metadata.yaml (a bag) or folders with im0.png and "
                "calib.txt (Middlebury, ETH3D), "
                "image_2, image_3 and calib_cam_to_cam (KITTI) or frame_left and "
                "frame_right (Spring), got none of them"
            )

    def __len__(self) -> int:
        return len(self.scenes)

    def __iter__(self) -> Iterator[Sample]:
        for files in self.scenes:
            sample, said_px = _read(files)
            yield replace(
                sample, frame=replace(sample.frame, max_disparity_px=self._range(sample, said_px))
            )

    def _range(self, sample: Sample, said_px: float | None) -> int | None:
        """The range to search in a scene; None where only the estimator's own is left."""
        if self._asked_px is not None:
            return None
        width = sample.frame.left.shape[1]
        if said_px is not None and math.isfinite(said_px) and _LEAST_RANGE_PX <= said_px <= width:
            return int(said_px)
        reach_px = disparity_reach(sample.frame.left, sample.frame.right)
        self._estimated[sample.name] = (
            None if reach_px is None else min(range_of(reach_px), 16 * (width // 16))
        )
        self._say_estimates(
            "is missing" if said_px is None else f"of {said_px:g} is no range of {width} px"
        )
        return self._estimated[sample.name]

    def _say_estimates(self, fault: str) -> None:
        """Keep one sentence about all scenes whose range was estimated."""
        known = [px for px in self._estimated.values() if px is not None]
        first, count = next(iter(self._estimated)), len(self._estimated)
        where = first if count == 1 else f"{first} and {count - 1} more"
        ends = f"{min(known)} px" if known and min(known) == max(known) else ""
        ends = ends or (
            f"{min(known)} to {max(known)} px" if known else "too few matches: the default"
        )
        self.notes[:] = [
            f"ndisp {fault} ({where}): range from matched features, {ends} "
            "(--max-disparity-px says it)."
        ]


def read_scene(folder: str | Path) -> Sample:
    """Read one scene; stamp_ns is 0.

    Raises InputError for a missing, truncated or contradicting file.
    """
    return next(iter(SceneFolder(folder)))


def _read(files: SceneFiles) -> tuple[Sample, float | None]:
    """One scene, and the range that its calibration says."""
    left, right = read_rgb(files.left), read_rgb(files.right)
    if left.shape != right.shape:
        sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (left, right)]
        raise InputError(
            f"{files.left}: expected two images of one size, got {sizes[0]} and {sizes[1]}"
        )
    rig, calib = _rig(files, *left.shape[:2])
    truth, visible = _truth(files, left.shape[:2])
    frame = Frame(0, "left_optical", left, right, rig)
    metric = not calib.get("nominal", 0)
    sample = Sample(
        files.name, frame, truth_disparity=truth, metric=metric, visible_in_both=visible
    )
    return sample, calib.get("ndisp")


def _rig(files: SceneFiles, height: int, width: int) -> tuple[StereoRig, dict]:
    """The rig of a scene, and what else its calibration says."""
    if files.layout == KITTI:
        return read_kitti_rig(files.calib, files.number, height, width), {}
    if files.layout != MIDDLEBURY:
        return read_spring_rig(files.calib, files.number, height, width), {}
    calib = read_calib(files.calib)
    if (calib.get("width", width), calib.get("height", height)) != (width, height):
        said = f"{calib.get('width', width):.0f}x{calib.get('height', height):.0f}"
        raise InputError(
            f"{files.calib.parent}: calib.txt says {said}, {files.left.name} is {width}x{height}"
        )
    return calib_to_rig(calib, height, width), calib


def _truth(
    files: SceneFiles, shape: tuple[int, int]
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The true disparity of all pixels, and where both cameras see; None where it is not known."""
    if files.truth is None:
        return None, None
    if files.layout == KITTI:
        truth = read_kitti_disparity(files.truth)
        visible = (
            None if files.visible is None else np.isfinite(read_kitti_disparity(files.visible))
        )
    elif files.layout == MIDDLEBURY:
        truth = read_pfm(files.truth)
        visible = None if files.visible is None else read_mask(files.visible)
    else:
        truth, visible = read_spring_disparity(files.truth, shape), None
    for what, found in ((files.truth, truth), (files.visible, visible)):
        if found is not None and found.shape != shape:
            words = (
                f"expected {what.name} of {shape[1]}x{shape[0]}, got "
                f"{found.shape[1]}x{found.shape[0]}"
            )
            raise InputError(f"{files.left.parent}: {words}")
    return truth, visible
