"""What the readers share: images, depths, poses and points from files; every error names the
file.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from depth_ros.core.projection import project
from depth_ros.recordings.formats import parse_pfm

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


def read_text(path: Path) -> str:
    """Read a text file; raises InputError where it is missing or not text."""
    try:
        return path.read_text()
    except OSError as error:
        raise InputError(f"{path}: expected a file, got: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected text, got: {error}") from error


def read_pixels(path: Path, how: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    """Read an image file as OpenCV has it: (H, W) or (H, W, channels), blue first.

    Raises InputError.
    """
    content = np.frombuffer(_read_bytes(path), np.uint8)
    image = cv2.imdecode(content, how) if content.size else None
    if image is None:
        raise InputError(f"{path}: expected an image, got {content.size} bytes that do not decode")
    return image


def read_rgb(path: Path) -> np.ndarray:
    """Read an image as (H, W, 3) uint8 RGB; grey becomes three equal channels.

    Raises InputError.
    """
    return np.ascontiguousarray(read_pixels(path, cv2.IMREAD_COLOR)[..., ::-1])


def read_png16(path: Path, units_per_metre: float) -> np.ndarray:
    """Read a 16-bit PNG as (H, W) float32 metres = value / units_per_metre, 0 becomes NaN.

    Raises InputError.
    """
    values = read_pixels(path)
    if values.dtype != np.uint16 or values.ndim != 2:
        raise InputError(
            f"{path}: expected 16-bit grey, got {values.dtype} of shape {values.shape}"
        )
    return np.where(values > 0, values / np.float32(units_per_metre), np.float32("nan")).astype(
        np.float32
    )


def read_pfm(path: Path) -> np.ndarray:
    """Read a PFM as (H, W) float32, infinity becomes NaN (see core.formats). Raises InputError."""
    return parse_pfm(_read_bytes(path), str(path))


def read_array(path: Path, name: str = "") -> np.ndarray:
    """Read a .npy file, or the array `name` of a .npz file; raises InputError where it is
    missing or broken.
    """
    try:
        content = np.load(path, allow_pickle=False)
        if not name:
            return content
        with content:
            return content[name]
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise InputError(f"{path}: expected an array {name}, got: {error}") from error


def read_table(path: Path, columns: int) -> np.ndarray:
    """Read lines of numbers, "#" begins a comment, as (N, columns) float64.

    Raises InputError for another count.
    """
    rows = []
    for line in read_text(path).splitlines():
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        if len(words) != columns:
            raise InputError(f"{path}: expected {columns} numbers a line, got {line!r}")
        rows.append(words)
    try:
        return np.array(rows, np.float64).reshape(-1, columns)
    except ValueError as error:
        raise InputError(f"{path}: expected numbers, got: {error}") from error


def read_keyed(path: Path) -> dict[str, np.ndarray]:
    """Read KITTI's "key: numbers" lines as float64 arrays by key; lines of words (dates) are
    left out.
    """
    found = {}
    for line in read_text(path).splitlines():
        key, _, values = line.partition(":")
        try:
            found[key.strip()] = np.array([float(value) for value in values.split()])
        except ValueError:
            continue
    return found


def keyed(calib: dict[str, np.ndarray], key: str, shape: tuple[int, ...], path: Path) -> np.ndarray:
    """Give one entry of read_keyed in a shape; raises InputError where it is missing or has
    another count.
    """
    count = int(np.prod(shape))
    if key not in calib or calib[key].size != count:
        raise InputError(f"{path}: expected {key} with {count} numbers, got {sorted(calib)}")
    return calib[key].reshape(shape)


def nearest(stamps: Sequence[float], stamp: float, within: float) -> int | None:
    """Give the index of the nearest of ascending stamps; None where it is further than `within`;
    all in one unit.

    >>> nearest([1.0, 2.0, 3.0], 2.4, 0.5), nearest([1.0, 2.0], 2.6, 0.5)
    (1, None)
    """
    right = bisect_left(stamps, stamp)
    around = [index for index in (right - 1, right) if 0 <= index < len(stamps)]
    best = min(around, key=lambda index: abs(stamps[index] - stamp), default=None)
    return best if best is not None and abs(stamps[best] - stamp) <= within else None


def iso_to_ns(text: str) -> int:
    """Turn "2011-09-26 13:02:25.964389445", UTC, with or without T and Z, into integer nanoseconds.

    >>> iso_to_ns("1970-01-01T00:00:02.5Z")
    2500000000
    """
    whole, _, fraction = text.strip().rstrip("Z").replace("T", " ").partition(".")
    try:
        seconds = datetime.strptime(whole, "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
        return int(seconds.timestamp()) * 10**9 + int(fraction.ljust(9, "0")[:9])
    except ValueError as error:
        raise InputError(f"expected a date and a time, got {text!r}") from error


def points_to_depth(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Draw points (N, 3), metres in the optical frame, as (H, W) float32 depth; the nearest wins,
    NaN elsewhere.

    >>> float(
    ...     points_to_depth(np.array([[0, 0, 3.0], [0, 0, 2.0]]), Camera(4, 3, 5.0, 5.0, 2.0, 1.0))[
    ...         1, 2
    ...     ]
    ... )
    2.0
    """
    points = points[points[:, 2] > 0]
    u, v = np.rint(project(points, camera)).T
    inside = (u >= 0) & (u < camera.width) & (v >= 0) & (v < camera.height)
    order = np.argsort(
        -points[inside, 2], kind="stable"
    )  # far ones first: the nearest is written last
    u, v, z = u[inside][order].astype(int), v[inside][order].astype(int), points[inside, 2][order]
    depth = np.full((camera.height, camera.width), np.nan, np.float32)
    depth[v, u] = z
    return depth


def check_size(path: Path, array: np.ndarray, camera: Camera) -> np.ndarray:
    """Give array; raises InputError where it has not the size of the camera."""
    if array.shape[:2] != (camera.height, camera.width):
        raise InputError(
            f"{path}: expected {camera.width}x{camera.height}, got "
            f"{array.shape[1]}x{array.shape[0]}"
        )
    return array


def find_image(stem: Path) -> Path:
    """Give the image at a path without suffix; raises InputError naming it where there is none."""
    for suffix in IMAGE_SUFFIXES:
        path = stem.with_name(stem.name + suffix)
        if path.is_file():
            return path
    raise InputError(f"{stem}: expected an image {' or '.join(IMAGE_SUFFIXES)}, got none")


def list_images(folder: Path) -> list[Path]:
    """Give the images of a folder by name; raises InputError where the folder is missing."""
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of images, got none")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected a file, got: {error.strerror}") from error
