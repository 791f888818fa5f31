"""Middlebury stereo, 2014 and 2021, in the official layout (vision.middlebury.edu/stereo/data;
Scharstein 2014).

<scene>/{im0.png,im1.png,calib.txt,disp0.pfm}; 2021 has its scenes in data/, the benchmark
disp0GT.pfm, mask0nocc.png
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np

from depth_ros.core.camera import StereoRig
from depth_ros.core.errors import InputError
from depth_ros.recordings.formats import calib_to_rig, parse_calib
from train.data.view import View

from .files import check_size, read_pfm, read_rgb, read_text
from .listing import Key, Listing, check_split, tenth_part

_TRUTHS = ("disp0.pfm", "disp0GT.pfm")


def read_middlebury(path: Path, split: str, part: str) -> Listing:
    """Open the scenes of a folder, or one scene, as stereo views; they have no neighbours in time.

    split: "" or "nocc", with unknown truth where mask0nocc.png says that the right camera does not
    see it. There are no official parts: the first of every ten scenes, by name, is val, the second
    test. Raises InputError for a missing calib.txt or image.
    """
    split = check_split(split, ("", "nocc"), "Middlebury")
    folders = [folder for folder in (path, path / "data") for folder in list_scenes(folder)]
    if (path / "im0.png").is_file():
        folders = [path]
    keys = [(str(folder), 0) for folder in tenth_part(folders, part)]
    return Listing(keys, partial(_read, split == "nocc"), name=str(path))


def list_scenes(path: Path) -> list[Path]:
    """Return the folders of `path` that have an im0.png, by name; none where there is no folder."""
    return sorted(folder for folder in path.glob("*") if (folder / "im0.png").is_file())


def scene_view(folder: Path, truth: Path | None, mask: Path | None = None) -> View:
    """Read one scene; truth is a PFM of disparities, known only where the mask, an image, is 255.

    The right image is moved by doffs = cx_right - cx_left, so that both cameras have one principal
    point and depth = fx * baseline_m / disparity, where disparity counts in the image so moved.
    """
    image = read_rgb(folder / "im0.png")
    right = read_rgb(folder / "im1.png")
    rig = calib_to_rig(
        parse_calib(read_text(folder / "calib.txt"), f"{folder}/calib.txt"), *image.shape[:2]
    )
    check_size(folder / "im1.png", right, rig.left)
    if truth is None:
        disparity = None
    else:
        disparity = check_size(truth, read_pfm(truth), rig.left) + np.float32(rig.doffs_px)
    if disparity is not None and mask is not None:
        disparity[check_size(mask, read_rgb(mask), rig.left)[..., 0] != 255] = np.nan
    if disparity is None:
        depth = None
    else:
        depth = _depth(disparity, rig)
    return View(
        image,
        rig.left,
        _moved(right, rig.doffs_px),
        rig.baseline_m,
        depth,
        disparity,
        name=folder.name,
    )


def _read(without_occluded: bool, key: Key) -> View:
    folder = Path(key[0])
    truth = next((folder / name for name in _TRUTHS if (folder / name).is_file()), None)
    if without_occluded:
        mask = folder / "mask0nocc.png"
    else:
        mask = None
    if mask is not None and truth is None:
        raise InputError(
            f"{folder}: expected {' or '.join(_TRUTHS)} for the split nocc, got neither"
        )
    return scene_view(folder, truth, mask)


def _depth(disparity: np.ndarray, rig: StereoRig) -> np.ndarray:
    """Metres; NaN where the disparity is unknown or not positive."""
    known = np.where(disparity > 0, disparity, np.float32("nan"))
    return (rig.left.fx * rig.baseline_m / known).astype(np.float32)


def _moved(image: np.ndarray, shift_px: float) -> np.ndarray:
    """The image with the content of column u + shift_px in column u; the border is repeated
    where nothing was seen.
    """
    if shift_px == 0:
        return image
    move = np.array([[1.0, 0.0, -shift_px], [0.0, 1.0, 0.0]])
    size = (image.shape[1], image.shape[0])
    return cv2.warpAffine(
        image, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
