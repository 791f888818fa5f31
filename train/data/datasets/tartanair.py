"""TartanAir, versions 1 and 2, in their official layouts (tartanair.org, castacks/tartanair_tools;
Wang, IROS 2020).

1   <environment>/Easy/P000/{image_left,image_right}/000000_left.png
depth_left/000000_left_depth.npy pose_left.txt 2
<environment>/Data_easy/P000/image_lcam_front/000000_lcam_front.png
depth_lcam_front/000000_lcam_front_depth.png
    pose_lcam_front.txt
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from depth_ros.core.lie import pose_to_matrix
from train.data.view import View

from .files import check_size, list_images, read_array, read_pixels, read_rgb, read_table
from .listing import Key, Listing, check_split, time_part

_BASELINE_M = 0.25
_SKY_M = 1000.0  # the sky is a sphere of the renderer, some kilometres away: not a distance
# Poses are those of axes forward, right, down; optical x = their y, optical y = their z, optical z
# = their x.
_NED_T_OPTICAL = np.array([[0.0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


@dataclass(frozen=True)
class _Layout:
    """Names of one version's left and right cameras; all have fx = fy = 320 px, cx and cy at
    width/2 and height/2.
    """

    left: str
    right: str
    depth_suffix: str


_LAYOUTS = {
    "v1": _Layout("left", "right", ".npy"),
    "v2": _Layout("lcam_front", "rcam_front", ".png"),
}


def read_tartanair(path: Path, split: str, part: str) -> Listing:
    """Open every trajectory below `path` as stereo video (mono where the right images are not
    there), depth and poses.

    split: "v1" (the default) or "v2". There are no official parts: every trajectory is cut in time.
    Raises InputError for missing or contradicting files.
    """
    version = check_split(split, tuple(_LAYOUTS), "TartanAir")
    layout = _LAYOUTS[version]
    keys = []
    for poses in sorted(path.rglob(f"pose_{layout.left}.txt")):
        images = list_images(poses.parent / f"image_{layout.left}")
        if len(images) != len(_poses(poses)):
            raise InputError(
                f"{poses}: expected a pose for each of {len(images)} images, got "
                f"{len(_poses(poses))}"
            )
        keys += time_part(
            [(str(poses.parent), int(image.name.split("_")[0])) for image in images], part
        )
    return Listing(keys, partial(_read, version), name=str(path))


def _read(version: str, key: Key) -> View:
    layout, folder = _LAYOUTS[version], Path(key[0])
    name = f"{key[1]:06d}_{layout.left}"
    image = read_rgb(folder / f"image_{layout.left}" / f"{name}.png")
    height, width = image.shape[:2]
    camera = Camera(width, height, 320.0, 320.0, width / 2, height / 2)
    right = None
    if (folder / f"image_{layout.right}").is_dir():
        right = read_rgb(folder / f"image_{layout.right}" / f"{key[1]:06d}_{layout.right}.png")
    depth = None
    if (folder / f"depth_{layout.left}").is_dir():
        depth = _depth(
            folder / f"depth_{layout.left}" / f"{name}_depth{layout.depth_suffix}", camera
        )
    world_T_camera = _poses(folder / f"pose_{layout.left}.txt")[key[1]] @ _NED_T_OPTICAL
    baseline_m = None if right is None else _BASELINE_M
    return View(
        image, camera, right, baseline_m, depth, None, world_T_camera, name=f"{folder} {key[1]}"
    )


def _depth(path: Path, camera: Camera) -> np.ndarray:
    """(H, W) float32 metres along z, the sky NaN; a PNG of version 2 has the four bytes of a
    float as channels.
    """
    if path.suffix == ".npy":
        values = read_array(path)
    else:
        channels = read_pixels(path)
        if channels.dtype != np.uint8 or channels.shape[2:] != (4,):
            raise InputError(
                f"{path}: expected four 8-bit channels, got {channels.dtype} of shape "
                f"{channels.shape}"
            )
        values = np.ascontiguousarray(channels).view("<f4")[..., 0]
    values = check_size(path, values, camera).astype(np.float32)
    return np.where((values > 0) & (values < _SKY_M), values, np.float32("nan"))


@cache
def _poses(path: Path) -> list[np.ndarray]:
    """world_T_ned (4, 4) of every line "tx ty tz qx qy qz qw"; the world's axes are north, east,
    down.
    """
    return [pose_to_matrix(row) for row in read_table(path, 7)]
