"""Folders of stereo scenes in the Middlebury 2014 layout: im0.png im1.png calib.txt disp0.pfm."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from depth_ros.core.errors import InputError
from depth_ros.core.types import Frame

from .formats import calib_to_rig, parse_calib, parse_pfm
from .output import write_bytes
from .sample import Sample


class SceneFolder:
    """The scenes of a folder (or the folder as one scene), in the order of their names.

    Raises InputError where no scene is found, or a scene lacks calib.txt, an image, or has a broken
    one.
    """

    mode = "stereo"

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.name = self.path.resolve().name
        self.drops: dict[str, int] = {}
        if not self.path.is_dir():
            raise InputError(
                f"{path}: expected a rosbag2 directory or a folder of scenes, got a file"
            )
        is_scene = (self.path / "im0.png").exists() or (self.path / "calib.txt").exists()
        folders = (
            [self.path]
            if is_scene
            else [child for child in sorted(self.path.iterdir()) if child.is_dir()]
        )
        self.scenes = [folder for folder in folders if is_scene or _looks_like_scene(folder)]
        if not self.scenes:
            raise InputError(
                f"{path}: expected metadata.yaml (a bag) or folders with im0.png and "
                "calib.txt, got neither"
            )
        for folder in self.scenes:
            for name in ("calib.txt", "im0.png", "im1.png"):
                if not (folder / name).is_file():
                    raise InputError(f"{folder}: expected {name} in the scene, got none")

    def __len__(self) -> int:
        return len(self.scenes)

    def __iter__(self):
        return (read_scene(folder) for folder in self.scenes)


def read_scene(folder: str | Path) -> Sample:
    """Read one scene; stamp_ns is 0.

    Raises InputError for a missing, truncated or contradicting file.
    """
    folder = Path(folder)
    calib = read_calib(folder / "calib.txt")
    left, right = read_rgb(folder / "im0.png"), read_rgb(folder / "im1.png")
    height, width = left.shape[:2]
    if (calib.get("width", width), calib.get("height", height)) != (width, height):
        raise InputError(
            f"{folder}: calib.txt says {calib['width']:.0f}x{calib['height']:.0f}, im0.png "
            f"is {width}x{height}"
        )
    rig = calib_to_rig(calib, height, width)
    ndisp = int(calib["ndisp"]) if "ndisp" in calib else None
    truth = None
    if (folder / "disp0.pfm").exists():
        truth = read_pfm(folder / "disp0.pfm")
        if truth.shape != (height, width):
            raise InputError(
                f"{folder}: expected disp0.pfm of {width}x{height}, got "
                f"{truth.shape[1]}x{truth.shape[0]}"
            )
    frame = Frame(0, "left_optical", left, right, rig, max_disparity_px=ndisp)
    return Sample(
        folder.resolve().name, frame, truth_disparity=truth, metric=not calib.get("nominal", 0)
    )


def read_calib(path: str | Path) -> dict:
    """Read calib.txt: numbers by name, cam0 and cam1 as nine; baseline in mm as there.

    Raises InputError.
    """
    path = Path(path)
    try:
        return parse_calib(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a readable calib.txt, got: {error}") from error


def read_rgb(path: str | Path) -> np.ndarray:
    """Read an image file as (H, W, 3) uint8 RGB; raises InputError where it cannot be decoded."""
    try:
        content = np.frombuffer(Path(path).read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(f"{path}: expected an image file, got: {error.strerror}") from error
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    if image is None:
        raise InputError(f"{path}: expected an image, got {content.size} bytes that do not decode")
    return np.ascontiguousarray(image[..., ::-1])


def read_pfm(path: str | Path) -> np.ndarray:
    """Read a one-channel PFM, stored bottom-up, as (H, W) float32; infinity becomes NaN.

    Raises InputError.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected a PFM file, got: {error.strerror}") from error
    return parse_pfm(content, str(path))


def write_pfm(path: str | Path, disparity: np.ndarray) -> Path:
    """Write (H, W) as little-endian PFM; NaN becomes infinity, as Middlebury has it."""
    values = np.where(np.isfinite(disparity), disparity, np.inf).astype("<f4")[::-1]
    return write_bytes(
        path, f"Pf\n{values.shape[1]} {values.shape[0]}\n-1.0\n".encode() + values.tobytes()
    )


def _looks_like_scene(folder: Path) -> bool:
    """True where any file of a scene is present: a scene that lacks another is then an error,
    not overlooked.
    """
    return any(
        (folder / name).exists() for name in ("im0.png", "im1.png", "calib.txt", "disp0.pfm")
    )
