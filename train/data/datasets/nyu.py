"""NYU Depth v2 in its official layout (cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html; Silberman et
al., ECCV 2012).

nyu_depth_v2_labeled.mat splits.mat                              the 1449 labelled frames; needs
h5py, splits.mat scipy {train,test}/<scene>/{rgb_00045.jpg,sync_depth_00045.png}        the
synchronised raw frames, depth in millimetres
"""

from __future__ import annotations

from functools import cache, partial
from importlib import import_module
from pathlib import Path

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from train.data.view import View

from .files import check_size, find_image, read_png16, read_rgb
from .listing import Key, Listing, check_split, tenth_part

# The colour camera of the official toolbox (camera_params.m), 640x480; depth is registered to it.
_CAMERA = Camera(
    640, 480, 518.85790117450188, 519.46961112127485, 325.58244941119034, 253.73616633400465
)
_UNITS_PER_METRE = 1000.0
_LABELLED = "nyu_depth_v2_labeled.mat"
_SPLITS = "splits.mat"


def read_nyu(path: Path, split: str, part: str) -> Listing:
    """Open NYU Depth v2, mono: the labelled frames where their file is in `path`, else the folders
    of PNGs.

    split, of the labelled frames: "" for depths with holes filled in, "raw" for those measured (0
    becomes NaN). test: the official 654 frames of splits.mat, or the folder test; val: of train the
    first of every ten frames (labelled) or scenes (folders). The frames of a scene's folder are
    video, labelled frames are single. Raises InputError for missing files, and for a missing h5py
    or scipy.
    """
    if (path / _LABELLED).is_file():
        depths = {"": "depths", "raw": "rawDepths"}[
            check_split(split, ("", "raw"), "NYU Depth v2, labelled")
        ]
        numbers = _official(path / _SPLITS, "testNdxs" if part == "test" else "trainNdxs")
        if part == "test":
            chosen = numbers
        else:
            chosen = tenth_part(numbers, part, test=False)
        # each is a sequence of its own: the frame before it in the file is another moment
        keys = [(f"{path / _LABELLED}::{number}", 0) for number in chosen]
        return Listing(keys, partial(_labelled, depths), name=str(path))
    check_split(split, ("",), "NYU Depth v2, folders")
    folder = path / ("test" if part == "test" else "train")
    if not folder.is_dir():
        raise InputError(f"{path}: expected {_LABELLED} or a folder {folder.name}, got neither")
    scenes = sorted(scene for scene in folder.iterdir() if scene.is_dir())
    if part == "test":
        chosen = scenes
    else:
        chosen = tenth_part(scenes, part, test=False)
    keys = [
        (str(scene), int(depth.stem.split("_")[-1]))
        for scene in chosen
        for depth in sorted(scene.glob("sync_depth_*.png"))
    ]
    return Listing(keys, _read, name=str(folder))


def _read(key: Key) -> View:
    """One synchronised frame of a scene's folder."""
    scene = Path(key[0])
    number = f"{key[1]:05d}"
    path = find_image(scene / f"rgb_{number}")
    image = check_size(path, read_rgb(path), _CAMERA)
    path = scene / f"sync_depth_{number}.png"
    depth = check_size(path, read_png16(path, _UNITS_PER_METRE), _CAMERA)
    return View(image, _CAMERA, depth=depth, name=f"{scene.name} {number}")


def _labelled(depths: str, key: Key) -> View:
    """One labelled frame; MATLAB's arrays come in reverse order: images (N, 3, W, H), depths (N,
    W, H) in metres.
    """
    path, number = key[0].split("::")
    with _library("h5py").File(path, "r") as file:
        for name in ("images", depths):
            if name not in file:
                raise InputError(f"{path}: expected the array {name}, got {sorted(file)}")
        image = np.ascontiguousarray(file["images"][int(number)].transpose(2, 1, 0))
        depth = np.ascontiguousarray(file[depths][int(number)].T).astype(np.float32)
    check_size(Path(path), image, _CAMERA)
    check_size(Path(path), depth, _CAMERA)
    return View(
        image,
        _CAMERA,
        depth=np.where(depth > 0, depth, np.float32("nan")),
        name=f"labelled {number}",
    )


@cache
def _official(path: Path, name: str) -> list[int]:
    """The frames of a part, from 0; the file counts from 1."""
    if not path.is_file():
        raise InputError(f"{path}: expected the official split beside {_LABELLED}, got none")
    found = _library("scipy.io").loadmat(str(path))
    if name not in found:
        raise InputError(f"{path}: expected {name}, got {sorted(found)}")
    return [int(number) - 1 for number in found[name].ravel()]


def _library(name: str):
    """A library that only this reader needs."""
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(
            f"expected the library {name.split('.')[0]} (pip install it), got: {error}"
        ) from error
