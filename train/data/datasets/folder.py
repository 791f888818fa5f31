"""A folder of images with a calibration as ROS camera_calibration writes it: anybody's own
recording.

mono     calibration.yaml images/000000.png ... stereo   left.yaml right.yaml left/000000.png ...
right/000000.png ... depth    depth/000000.png (16-bit millimetres, 0 unknown) or .npy (metres), of
the rectified (left) image; optional The layout of the YAML: wiki.ros.org/camera_calibration and
camera_info_manager (image_width, camera_matrix, ...).
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
import yaml

from depth_ros.core.camera import Calibration, Camera, StereoRig
from depth_ros.core.errors import InputError
from depth_ros.core.rectify import rectify_map
from train.data.view import View

from .files import check_size, list_images, read_array, read_png16, read_rgb, read_text
from .listing import Key, Listing, check_split, time_part

_UNITS_PER_METRE = 1000.0
_ARRAYS = ("distortion_coefficients", "camera_matrix", "rectification_matrix", "projection_matrix")


def read_folder(path: Path, split: str, part: str) -> Listing:
    """Open a folder of images as video in the order of their names, cut in time into parts.

    split: "raw" (the default): images as the camera sends them, rectified here by D, R and P;
    "rectified": they are already. Pairs have one name in left and right. A name of at least 16
    digits is the stamp in nanoseconds. Raises InputError for missing files or an image of another
    size, CalibrationError for a camera without calibration.
    """
    split = check_split(split, ("raw", "rectified"), "folder")
    stereo = (path / "left").is_dir()
    images = list_images(path / ("left" if stereo else "images"))
    _cameras(path, stereo)
    if stereo:
        missing = [image.name for image in images if not (path / "right" / image.name).is_file()]
        if missing:
            raise InputError(
                f"{path / 'right' / missing[0]}: expected the partner of "
                f"left/{missing[0]}, got none"
            )
    names = tuple(image.name for image in images)
    keys = time_part([(str(path), number) for number in range(len(names))], part)
    return Listing(keys, partial(_read, stereo, split == "raw", names), name=str(path))


def read_calibration(path: Path) -> Calibration:
    """Read a camera_calibration YAML; raises InputError for a file or a field that is missing or
    has another shape.
    """
    try:
        content = yaml.safe_load(read_text(path))
        D, K, R, P = (tuple(content[name]["data"]) for name in _ARRAYS)
        model = content["distortion_model"]
        return Calibration(
            int(content["image_width"]), int(content["image_height"]), model, D, K, R, P
        )
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(f"{path}: expected a camera_calibration YAML, got: {error!r}") from error


@cache
def _cameras(path: Path, stereo: bool) -> tuple[list[Calibration], Camera, StereoRig | None]:
    """The calibrations of the files, the rectified (left) camera, and the rig of a pair."""
    if stereo:
        names = ("left.yaml", "right.yaml")
    else:
        names = ("calibration.yaml",)
    calibrations = [read_calibration(path / name) for name in names]
    if stereo:
        rig = StereoRig.from_calibrations(*calibrations)
    else:
        rig = None
    if rig and rig.doffs_px:
        raise InputError(
            f"{path}: expected one principal point in both P matrices, got {rig.doffs_px} "
            "px between them"
        )
    return calibrations, Camera.from_calibration(calibrations[0]), rig


def _read(stereo: bool, raw: bool, names: tuple[str, ...], key: Key) -> View:
    path = Path(key[0])
    name = names[key[1]]
    calibrations, camera, rig = _cameras(path, stereo)
    images = []
    for side, calibration in zip(("left", "right") if stereo else ("images",), calibrations):
        image = check_size(path / side / name, read_rgb(path / side / name), camera)
        images.append(cv2.remap(image, *_map(calibration), cv2.INTER_LINEAR) if raw else image)
    stem = Path(name).stem
    if stem.isdigit() and len(stem) >= 16:
        stamp_ns = int(stem)
    else:
        stamp_ns = None
    right, baseline_m = (images[1], rig.baseline_m) if stereo else (None, None)
    depth = _depth(path / "depth", stem, camera)
    return View(images[0], camera, right, baseline_m, depth, stamp_ns=stamp_ns, name=name)


def _depth(folder: Path, stem: str, camera: Camera) -> np.ndarray | None:
    """(H, W) float32 metres; None where the folder or this frame's file is not there."""
    for path in (folder / f"{stem}.png", folder / f"{stem}.npy"):
        if path.is_file():
            if path.suffix == ".png":
                depth = read_png16(path, _UNITS_PER_METRE)
            else:
                depth = read_array(path)
            depth = check_size(path, depth, camera).astype(np.float32)
            return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32("nan"))
    return None


_map = cache(rectify_map)
