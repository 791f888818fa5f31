"""KITTI odometry in its official layout (cvlibs.net/datasets/kitti/eval_odometry.php; Geiger et
al., CVPR 2012).

sequences/00/{calib.txt,times.txt,image_2,image_3,velodyne} poses/00.txt
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from depth_ros.core.errors import InputError
from depth_ros.core.lie import inverse
from train.data.view import View

from .files import find_image, list_images, read_rgb, read_table
from .kitti import ODOMETRY_DRIVES, odometry_part
from .kitti_rig import odometry_rig
from .listing import Key, Listing, check_split

_rig = cache(odometry_rig)
_table = cache(read_table)


def read_odometry(path: Path, split: str, part: str) -> Listing:
    """Open KITTI odometry: the colour pair (the grey one where there is no colour), poses and lidar
    where on disk.

    train: sequences 00 to 08 without the last tenth of each, val: that tenth, test: 09 and 10;
    sequences that are not on disk, and 11 to 21, which have no poses, are left out. Raises
    InputError for missing files.
    """
    check_split(split, ("", "odometry"), "KITTI odometry")
    keys = []
    for sequence in ODOMETRY_DRIVES:
        folder = path / "sequences" / sequence
        if folder.is_dir():
            numbers = [
                int(image.stem) for image in list_images(folder / f"image_{_left_camera(folder)}")
            ]
            keys += odometry_part([(sequence, number) for number in numbers], sequence, part)
    return Listing(keys, _Odometry(path), name=f"{path}/sequences")


class _Odometry:
    """Reads the view of ("00", 0)."""

    def __init__(self, path: Path):
        self._path = path

    def __call__(self, key: Key) -> View:
        sequence, number = key
        folder = self._path / "sequences" / sequence
        left = _left_camera(folder)
        rig = _rig(folder / "calib.txt", left)
        image = read_rgb(find_image(folder / f"image_{left}" / f"{number:06d}"))
        has_pair = (folder / f"image_{left + 1}").is_dir()
        if has_pair:
            right = read_rgb(find_image(folder / f"image_{left + 1}" / f"{number:06d}"))
        else:
            right = None
        camera = rig.camera(image)
        depth = rig.lidar_depth(folder / "velodyne" / f"{number:06d}.bin", camera, "l")
        world_T_camera = self._pose(sequence, number, inverse(rig.left_T_cam0))
        times = folder / "times.txt"
        if times.is_file():
            stamp_ns = round(_table(times, 1)[number, 0] * 1e9)
        else:
            stamp_ns = None
        if has_pair:
            baseline_m = rig.baseline_m
        else:
            baseline_m = None
        return View(
            image,
            camera,
            right,
            baseline_m,
            depth,
            None,
            world_T_camera,
            stamp_ns,
            f"{sequence} {number}",
        )

    def _pose(self, sequence: str, number: int, cam0_T_left: np.ndarray) -> np.ndarray | None:
        """The pose of the left camera in use; the file has those of cam0. None without the file."""
        path = self._path / "poses" / f"{sequence}.txt"
        if not path.is_file():
            return None
        poses = _table(path, 12)
        if number >= len(poses):
            raise InputError(f"{path}: expected a pose of frame {number}, got {len(poses)} poses")
        world_T_cam0 = np.eye(4)
        world_T_cam0[:3] = poses[number].reshape(3, 4)
        return world_T_cam0 @ cam0_T_left


def _left_camera(folder: Path) -> int:
    """2, the left colour camera, or 0, the grey one, where there is no colour."""
    if (folder / "image_2").is_dir():
        return 2
    return 0
