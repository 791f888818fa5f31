"""TUM RGB-D in its official layout (cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats; Sturm
et al., IROS 2012).

rgbd_dataset_freiburg1_desk/{rgb.txt,depth.txt,groundtruth.txt,rgb/,depth/}
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from depth_ros.core.camera import Calibration, Camera
from depth_ros.core.errors import InputError
from depth_ros.core.lie import pose_to_matrix
from depth_ros.core.rectify import rectify_map
from train.data.view import View

from .files import check_size, nearest, read_png16, read_rgb, read_table, read_text
from .listing import Key, Listing, check_split, time_part

_WITHIN_NS = 20_000_000  # as the data set's own association does
_UNITS_PER_METRE = 5000.0
# fx fy cx cy, then k1 k2 p1 p2 k3 of the colour camera: the calibration that the data set publishes
_CAMERAS = {
    "freiburg1": ((517.3, 516.5, 318.6, 255.3), (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)),
    "freiburg2": ((520.9, 521.0, 325.1, 249.7), (0.2312, -0.7849, -0.0033, -0.0001, 0.9172)),
    "freiburg3": ((535.4, 539.2, 320.1, 247.6), ()),
}
_HEIGHT, _WIDTH = 480, 640


def read_tum(path: Path, split: str, part: str) -> Listing:
    """Open one sequence, or all of a folder, as mono video with depth and poses, undistorted.

    Colour, depth and pose of a view are at most 0.02 s apart; colour images without a depth are
    left out, without a pose they have None. A sequence's name must hold freiburg1, 2 or 3, which
    says the camera. There are no official parts: every sequence is cut in time. Raises InputError
    for missing files.
    """
    check_split(split, ("",), "TUM RGB-D")
    sequences = (
        [path]
        if (path / "rgb.txt").is_file()
        else sorted(one.parent for one in path.glob("*/rgb.txt"))
    )
    keys = []
    for sequence in sequences:
        _calibration(sequence)
        keys += time_part(
            [(str(sequence), number) for number in range(len(_pairs(sequence)))], part
        )
    return Listing(keys, _read, name=f"{path}/rgb.txt")


def _read(key: Key) -> View:
    sequence = Path(key[0])
    stamp_ns, colour, depth_name = _pairs(sequence)[key[1]]
    calibration = _calibration(sequence)
    camera = Camera.from_calibration(calibration)
    image = check_size(sequence / colour, read_rgb(sequence / colour), camera)
    depth = check_size(
        sequence / depth_name, read_png16(sequence / depth_name, _UNITS_PER_METRE), camera
    )
    if calibration.D:
        maps = _maps(calibration)
        image = cv2.remap(image, *maps, cv2.INTER_LINEAR)
        depth = cv2.remap(depth, *maps, cv2.INTER_NEAREST, borderValue=float("nan"))
    world_T_camera = _pose(sequence, stamp_ns)
    name = f"{sequence.name} {key[1]}"
    return View(
        image, camera, depth=depth, world_T_camera=world_T_camera, stamp_ns=stamp_ns, name=name
    )


@cache
def _pairs(sequence: Path) -> list[tuple[int, str, str]]:
    """(stamp_ns, colour file, depth file) of every colour image that has a depth."""
    colours, depths = _file_list(sequence / "rgb.txt"), _file_list(sequence / "depth.txt")
    stamps_ns = [stamp_ns for stamp_ns, _ in depths]
    met = [(stamp_ns, name, nearest(stamps_ns, stamp_ns, _WITHIN_NS)) for stamp_ns, name in colours]
    return [
        (stamp_ns, name, depths[index][1]) for stamp_ns, name, index in met if index is not None
    ]


def _pose(sequence: Path, stamp_ns: int) -> np.ndarray | None:
    """world_T_camera at a stamp; the file's poses are those of the colour camera's optical
    frame.
    """
    rows = _trajectory(sequence / "groundtruth.txt")
    index = nearest(rows[:, 0] * 1e9, stamp_ns, _WITHIN_NS)
    return None if index is None else pose_to_matrix(rows[index, 1:])


@cache
def _trajectory(path: Path) -> np.ndarray:
    return read_table(path, 8) if path.is_file() else np.empty((0, 8))


def _file_list(path: Path) -> list[tuple[int, str]]:
    """(stamp_ns, file) of every line "stamp file", in time."""
    words = [
        line.split()
        for line in read_text(path).splitlines()
        if line.strip() and not line.startswith("#")
    ]
    try:
        return sorted((int(Decimal(stamp) * 10**9), name) for stamp, name in words)
    except (ValueError, ArithmeticError) as error:
        raise InputError(f"{path}: expected lines 'stamp file', got: {error}") from error


def _calibration(sequence: Path) -> Calibration:
    for name, ((fx, fy, cx, cy), D) in _CAMERAS.items():
        if name in sequence.resolve().name:
            K, P = (fx, 0, cx, 0, fy, cy, 0, 0, 1), (fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0)
            return Calibration(_WIDTH, _HEIGHT, "plumb_bob", D, K, (1, 0, 0, 0, 1, 0, 0, 0, 1), P)
    raise InputError(
        f"{sequence}: expected a name with one of {sorted(_CAMERAS)}, which says the camera"
    )


_maps = cache(rectify_map)
