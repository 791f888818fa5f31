"""KITTI raw in its official layout (cvlibs.net/datasets/kitti/raw_data.php; Geiger et al., IJRR
2013).

2011_09_26/calib_cam_to_cam.txt calib_velo_to_cam.txt
2011_09_26/2011_09_26_drive_0001_sync/{image_02,image_03,velodyne_points}/data/0000000000.{png,bin}
splits/eigen_zhou/{train,val}_files.txt splits/eigen/test_files.txt
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from depth_ros.core.errors import InputError
from train.data.view import View

from .files import find_image, iso_to_ns, list_images, read_rgb, read_text
from .kitti_rig import raw_rig
from .listing import Key, Listing, check_split, time_part

_rig = cache(raw_rig)  # a day; at module level, so that readers can be sent to other processes
# Odometry sequence -> day, drive, first and last frame of KITTI raw (the odometry development kit's
# readme).
ODOMETRY_DRIVES = {
    "00": ("2011_10_03", "0027", 0, 4540),
    "01": ("2011_10_03", "0042", 0, 1100),
    "02": ("2011_10_03", "0034", 0, 4660),
    "03": ("2011_09_26", "0067", 0, 800),
    "04": ("2011_09_30", "0016", 0, 270),
    "05": ("2011_09_30", "0018", 0, 2760),
    "06": ("2011_09_30", "0020", 0, 1100),
    "07": ("2011_09_30", "0027", 0, 1100),
    "08": ("2011_09_30", "0028", 1100, 5170),
    "09": ("2011_09_30", "0033", 0, 1590),
    "10": ("2011_09_30", "0034", 0, 1200),
}


def read_raw(path: Path, split: str, part: str) -> Listing:
    """Open KITTI raw; a view is the colour pair, with the lidar's points as depth where they are on
    disk.

    split: "eigen_zhou" (the default; Eigen 2014, Zhou 2017) or "benchmark": lines "drive frame
    side" of splits/<split>/{train,val,test}_files.txt in `path` (the test part of eigen_zhou:
    splits/eigen/test_files.txt); "odometry": the drives of sequences 00 to 08, the last tenth of
    each as val, 09 and 10 as test; "all": every drive on disk, cut in time. Neighbours outside of
    the split are found too. A frame of side "r" is the pair seen in a mirror: its right camera
    becomes the left one, and every view keeps baseline_m > 0. Raises InputError for a missing
    calibration, split file or image.
    """
    split = check_split(split, ("eigen_zhou", "benchmark", "odometry", "all"), "KITTI raw")
    if split in ("eigen_zhou", "benchmark"):
        if (split, part) == ("eigen_zhou", "test"):
            folder = "eigen"
        else:
            folder = split
        keys = _split_lines(path / "splits" / folder / f"{part}_files.txt")
        context = [
            key
            for sequence in dict.fromkeys(key[0] for key in keys)
            for key in _raw_keys(path, sequence)
        ]
        missing = sorted(set(keys) - set(context))
        if missing:
            name, number = missing[0]
            raise InputError(
                f"{path / name.split()[0]}: expected frame {number} of the split, got none"
            )
        return Listing(keys, RawDrives(path), context, str(path))
    if split == "odometry":
        keys = [
            key
            for one in ODOMETRY_DRIVES
            for key in odometry_part(_raw_range(path, one), one, part)
        ]
    else:
        drives = sorted(folder.parent for folder in path.glob("*/*_sync/image_02"))
        names = [f"{drive.parent.name}/{drive.name} l" for drive in drives]
        keys = [key for name in names for key in time_part(_raw_keys(path, name), part)]
    return Listing(keys, RawDrives(path), name=str(path))


def odometry_part(keys: list[Key], sequence: str, part: str) -> list[Key]:
    """Choose a sequence's share of a part: 09 and 10 are test; of the others the last tenth is
    val, the rest train.
    """
    if (sequence in ("09", "10")) != (part == "test"):
        return []
    end = round(0.9 * len(keys))
    return {"train": keys[:end], "val": keys[end:], "test": keys}[part]


class RawDrives:
    """Reads the view of ("2011_09_26/2011_09_26_drive_0001_sync l", 0)."""

    def __init__(self, path: Path):
        self._path = path

    def __call__(self, key: Key) -> View:
        (drive, side) = key[0].split()
        number = key[1]
        folder = self._path / drive
        rig = _rig(self._path / drive.split("/")[0])
        own, other = ("image_02", "image_03") if side == "l" else ("image_03", "image_02")
        image = read_rgb(find_image(folder / own / "data" / f"{number:010d}"))
        has_pair = (folder / other).is_dir()
        if has_pair:
            right = read_rgb(find_image(folder / other / "data" / f"{number:010d}"))
        else:
            right = None
        camera = rig.camera(image)
        stamps = _stamps(folder / own / "timestamps.txt")
        view = View(
            image,
            camera,
            right,
            rig.baseline_m if has_pair else None,
            depth=rig.lidar_depth(folder / f"velodyne_points/data/{number:010d}.bin", camera, side),
            stamp_ns=stamps[number] if number < len(stamps) else None,
            name=f"{key[0]} {number}",
        )
        if side == "l":
            return view
        return _mirrored(view)


def _split_lines(path: Path) -> list[Key]:
    """Keys of lines "drive frame side"."""
    keys = []
    for line in filter(str.strip, read_text(path).splitlines()):
        words = line.split()
        if (
            len(words) not in (2, 3)
            or not words[1].isdigit()
            or words[2:] not in ([], ["l"], ["r"])
        ):
            raise InputError(f"{path}: expected lines 'drive frame l|r', got {line!r}")
        keys.append((f"{words[0]} {(words[2:] or ['l'])[0]}", int(words[1])))
    return keys


def _raw_keys(path: Path, sequence: str) -> list[Key]:
    """Every frame on disk of "day/drive side"."""
    drive, side = sequence.split()
    folder = path / drive / ("image_02" if side == "l" else "image_03") / "data"
    return [(sequence, int(image.stem)) for image in list_images(folder)]


def _raw_range(path: Path, sequence: str) -> list[Key]:
    """The frames of an odometry sequence in KITTI raw; none where the drive is not on disk."""
    day, drive, first, last = ODOMETRY_DRIVES[sequence]
    name = f"{day}/{day}_drive_{drive}_sync"
    if (path / name).is_dir():
        keys = _raw_keys(path, f"{name} l")
    else:
        keys = []
    return [key for key in keys if first <= key[1] <= last]


@cache
def _stamps(path: Path) -> list[int]:
    if path.is_file():
        return [iso_to_ns(line) for line in read_text(path).splitlines() if line.strip()]
    return []


def _mirrored(view: View) -> View:
    """The view in a mirror: columns in reverse order, so that left and right change places."""
    image, right, depth = (
        None if array is None else np.ascontiguousarray(array[:, ::-1])
        for array in (view.image, view.right, view.depth)
    )
    camera = replace(view.camera, cx=view.camera.width - 1 - view.camera.cx)
    return replace(view, image=image, right=right, depth=depth, camera=camera)
