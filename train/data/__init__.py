"""Where samples come from: readers of recordings, looked up by name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from depth_ros.core.errors import InputError

PARTS = ("train", "val", "test")
# name in a recipe -> module:function; a reader is imported when it is asked for, so that its
# libraries stay optional
READERS = {
    "clips": "train.data.datasets.clips:read_clips",
    "bag": "train.data.datasets.bag:read_bag",
    "kitti_raw": "train.data.datasets.kitti:read_raw",
    "kitti_odometry": "train.data.datasets.kitti_odometry:read_odometry",
    "kitti_depth": "train.data.datasets.kitti_depth:read_depth",
    "ddad": "train.data.datasets.ddad:read_ddad",
    "nyu": "train.data.datasets.nyu:read_nyu",
    "tum": "train.data.datasets.tum:read_tum",
    "tartanair": "train.data.datasets.tartanair:read_tartanair",
    "sceneflow": "train.data.datasets.sceneflow:read_sceneflow",
    "middlebury": "train.data.datasets.middlebury:read_middlebury",
    "eth3d": "train.data.datasets.eth3d:read_eth3d",
    "folder": "train.data.datasets.folder:read_folder",
}


def read(reader: str, path: str | Path, split: str = "", part: str = "train"):
    """Open a recording as Frames (see train.data.view).

    reader: a name of READERS. split: of the data set, "" for its only one. part: train, val or
    test. Raises InputError for an unknown reader or part, and whatever the reader finds wrong.
    """
    if reader not in READERS:
        raise InputError(f"expected a reader out of {sorted(READERS)}, got {reader!r}")
    if part not in PARTS:
        raise InputError(f"expected a part out of {PARTS}, got {part!r}")
    module, function = READERS[reader].split(":")
    return getattr(import_module(module), function)(Path(path), split=split, part=part)
