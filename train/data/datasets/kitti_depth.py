"""The KITTI depth set in its official layout (cvlibs.net/datasets/kitti/eval_depth.php; Uhrig et
al., 3DV 2017).

{train,val}/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000005.png   beside the
days of KITTI raw depth_selection/val_selection_cropped/{image,groundtruth_depth,intrinsics}
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from train.data.view import View

from .files import check_size, list_images, read_png16, read_rgb, read_table
from .kitti import RawDrives
from .listing import Key, Listing, check_split

_UNITS_PER_METRE = 256.0
_TRUTH = "proj_depth/groundtruth/image_02"


def read_depth(path: Path, split: str, part: str) -> Listing:
    """Open the KITTI depth set: accumulated lidar (Uhrig 2017) on the colour pairs of KITTI raw,
    which lie in `path`.

    train and val: the official ones, from `path` or its data_depth_annotated; test: the 1000 images
    of val_selection_cropped, mono. Raises InputError for missing files.
    """
    check_split(split, ("", "benchmark"), "KITTI depth")
    if part == "test":
        return _selection(
            _first_folder(path, "depth_selection/val_selection_cropped", "val_selection_cropped")
        )
    annotated = _first_folder(path, f"data_depth_annotated/{part}", part)
    keys = [
        (f"{drive.name[:10]}/{drive.name} l", int(truth.stem))
        for drive in sorted(annotated.iterdir())
        for truth in sorted((drive / _TRUTH).glob("*.png"))
    ]
    return Listing(keys, partial(_annotated, annotated, RawDrives(path)), name=str(annotated))


def _annotated(annotated: Path, drives: RawDrives, key: Key) -> View:
    """The pair of KITTI raw with the accumulated lidar of its left image."""
    view = drives(key)
    truth = annotated / key[0].split()[0].split("/")[1] / _TRUTH / f"{key[1]:010d}.png"
    return replace(view, depth=check_size(truth, read_png16(truth, _UNITS_PER_METRE), view.camera))


def _selection(folder: Path) -> Listing:
    """The frames of val_selection_cropped: files "<drive>_image_<frame>_image_02.png" and their
    namesakes.
    """
    keys = [(path.stem, 0) for path in list_images(folder / "image")]
    return Listing(keys, partial(_selected, folder), name=str(folder))


def _selected(folder: Path, key: Key) -> View:
    """One cropped image with its own intrinsics."""
    image = read_rgb(folder / "image" / f"{key[0]}.png")
    K = read_table(folder / "intrinsics" / f"{key[0]}.txt", 9).reshape(3, 3)
    camera = Camera(image.shape[1], image.shape[0], K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    truth = (
        folder / "groundtruth_depth" / f"{key[0].replace('_image_', '_groundtruth_depth_', 1)}.png"
    )
    return View(
        image,
        camera,
        depth=check_size(truth, read_png16(truth, _UNITS_PER_METRE), camera),
        name=key[0],
    )


def _first_folder(path: Path, *names: str) -> Path:
    for name in names:
        if (path / name).is_dir():
            return path / name
    raise InputError(f"{path}: expected the folder {' or '.join(names)}, got neither")
