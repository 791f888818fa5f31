"""The files of stereo scenes: pictures, calibrations and true disparities, each refused with
what was expected.
"""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.errors import InputError
from depth_ros.recordings.formats import parse_calib, parse_pfm
from depth_ros.recordings.output import write_bytes

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
_KITTI_SCALE = 256.0  # of the devkit: disparity = value / 256, 0 unknown
_SPRING_BASELINE_M = 0.065  # Mehl et al., CVPR 2023


def find_image(folder: Path, stem: str) -> Path | None:
    """Give the image file of this name, whatever it ends with; None where there is none."""
    for ending in IMAGE_ENDINGS:
        for name in (f"{stem}{ending}", f"{stem}{ending.upper()}"):
            if (folder / name).is_file():
                return folder / name
    return None


def read_calib(path: str | Path) -> dict:
    """Read calib.txt: numbers by name, cam0 and cam1 as nine; baseline in mm as there.

    Raises InputError.
    """
    return parse_calib(read_text(path), str(path))


def read_text(path: str | Path) -> str:
    """Read a text file; raises InputError where it cannot be read."""
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a readable {Path(path).name}, got: {error}") from error


def read_rgb(path: str | Path) -> np.ndarray:
    """Read an image file as (H, W, 3) uint8 RGB; raises InputError where it cannot be decoded.

    A turn that EXIF asks for is not made: the calibration is of the stored pixels.
    """
    content = _read_bytes(path, "an image file")
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(content, flags) if content.size else None
    if image is None:
        raise InputError(f"{path}: expected an image, got {content.size} bytes that do not decode")
    return np.ascontiguousarray(image[..., ::-1])


def read_pfm(path: str | Path) -> np.ndarray:
    """Read a one-channel PFM, stored bottom-up, as (H, W) float32; infinity becomes NaN.

    Raises InputError.
    """
    return parse_pfm(_read_bytes(path, "a PFM file").tobytes(), str(path))


def write_pfm(path: str | Path, disparity: np.ndarray) -> Path:
    """Write (H, W) as little-endian PFM; NaN becomes infinity, as Middlebury has it."""
    values = np.where(np.isfinite(disparity), disparity, np.inf).astype("<f4")[::-1]
    return write_bytes(
        path, f"Pf\n{values.shape[1]} {values.shape[0]}\n-1.0\n".encode() + values.tobytes()
    )


def read_mask(path: str | Path) -> np.ndarray:
    """Read mask0nocc.png: (H, W) bool, True (255) where both cameras see a pixel.

    Raises InputError.
    """
    image = cv2.imdecode(_read_bytes(path, "a mask"), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise InputError(f"{path}: expected a mask image, got what does not decode")
    return image == 255


def read_kitti_disparity(path: str | Path) -> np.ndarray:
    """Read KITTI's 16-bit PNG of disparities, (H, W) float32 pixels, NaN unknown.

    Raises InputError.
    """
    raw = cv2.imdecode(_read_bytes(path, "a disparity map"), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.dtype != np.uint16 or raw.ndim != 2:
        raise InputError(f"{path}: expected a 16-bit grey PNG of disparities, got another file")
    return np.where(raw > 0, raw / np.float32(_KITTI_SCALE), np.float32(np.nan)).astype(np.float32)


def read_kitti_rig(path: Path, left: int, height: int, width: int) -> StereoRig:
    """Read the rig of cameras left and left + 1 from calib_cam_to_cam (P_rect_02, 2015) or calib
    (P2:, 2012).
    """
    numbers = {}
    for line in read_text(path).splitlines():
        key, colon, values = line.partition(":")
        try:
            numbers[key.strip()] = [float(value) for value in values.split()] if colon else []
        except ValueError:  # calib_time: a date
            continue
    projections = []
    for camera in (left, left + 1):
        names = (f"P_rect_{camera:02d}", f"P{camera}")
        P = next((numbers[name] for name in names if len(numbers.get(name, ())) == 12), None)
        if P is None:
            raise InputError(
                f"{path}: expected {' or '.join(names)} with 12 numbers, got {sorted(numbers)}"
            )
        projections.append(P)
    P, Q = projections
    camera = Camera(width, height, P[0], P[5], P[2], P[6])
    return StereoRig(camera, (P[3] - Q[3]) / P[0], Q[2] - P[2])


def read_spring_rig(path: Path, frame: int, height: int, width: int) -> StereoRig:
    """Read the rig of a frame from Spring's cam_data/intrinsics.txt: fx fy cx cy, a line a
    frame, from 1.
    """
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    numbers = re.findall(r"[-+0-9.eE]+", lines[min(frame, len(lines)) - 1]) if lines else []
    if len(numbers) < 4:
        raise InputError(f"{path}: expected lines of fx fy cx cy, got {lines[:1]}")
    fx, fy, cx, cy = (float(number) for number in numbers[:4])
    return StereoRig(Camera(width, height, fx, fy, cx, cy), _SPRING_BASELINE_M)


def read_spring_disparity(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read Spring's .dsp5 as (H, W) float32 pixels: every other value of twice the size, NaN
    unknown.

    Raises InputError where h5py is not installed, or the file is another one.
    """
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            f"{path}: expected h5py for Spring's truth (pip install h5py), got: {error}"
        ) from error
    try:
        with h5py.File(path, "r") as file:
            disparity = np.asarray(file["disparity"], np.float32)
    except (OSError, KeyError) as error:
        raise InputError(
            f"{path}: expected HDF5 with the data set disparity, got: {error}"
        ) from error
    if disparity.shape == (2 * shape[0], 2 * shape[1]):
        disparity = disparity[::2, ::2]
    return np.where(np.isfinite(disparity) & (disparity > 0), disparity, np.float32(np.nan))


def _read_bytes(path: str | Path, what: str) -> np.ndarray:
    """The bytes of a file; raises InputError where it cannot be read."""
    try:
        return np.frombuffer(Path(path).read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(f"{path}: expected {what}, got: {error.strerror}") from error
