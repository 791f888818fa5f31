"""Files that people open: PNG, NPY, PLY, JSON. Each appears whole or not at all."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np

from depth_ros.core.depth import depth_to_mm
from depth_ros.core.errors import InputError
from depth_ros.core.pointcloud import depth_to_cloud
from depth_ros.core.types import Estimate
from depth_ros.files import write_atomic

_NEAR_M = 0.3  # colour scale where nothing is known


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write a file as a whole; raises InputError where the disk refuses."""
    try:
        return write_atomic(path, content)
    except OSError as error:
        raise InputError(
            f"{path}: expected to write a file here, got: {error.strerror or error}"
        ) from error


def write_json(path: str | Path, value: dict) -> Path:
    """Write JSON that every reader takes: NaN and infinity are errors here, not text in the
    file.
    """
    return write_bytes(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def encode_image(image: np.ndarray, suffix: str = ".png", quality: int = 85) -> bytes:
    """Encode (H, W, 3) uint8 RGB or (H, W) uint8 or uint16 as PNG or JPEG."""
    parameters = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix == ".jpg" else []
    array = np.ascontiguousarray(image[..., ::-1] if image.ndim == 3 else image)
    return cv2.imencode(suffix, array, parameters)[1].tobytes()


def inverse_depth_range(depth: np.ndarray) -> tuple[float, float]:
    """Give the range of 1/depth to colour, 2nd to 98th percentile, 1/m; a fixed one where
    nothing is known.
    """
    known = depth[np.isfinite(depth) & (depth > 0)]
    if known.size == 0:
        return 0.0, 1.0 / _NEAR_M
    low, high = np.percentile(1.0 / known, (2, 98))
    return float(low), float(max(high, low + 1e-6))


def colour_inverse_depth(
    depth: np.ndarray, limits: tuple[float, float] | None = None
) -> np.ndarray:
    """Colour depth by its inverse: near is red, far is blue, unknown is black.

    depth: (H, W) metres, NaN unknown. limits: (far, near) as 1/m; by default the picture's own
    range. Returns (H, W, 3) uint8 RGB.
    """
    known = np.isfinite(depth) & (depth > 0)
    low, high = limits or inverse_depth_range(depth)
    inverse = np.divide(1.0, depth, out=np.zeros(depth.shape, np.float32), where=known)
    level = np.clip((inverse - low) * (255.0 / (high - low)), 0, 255).astype(np.uint8)
    colours = cv2.applyColorMap(level, cv2.COLORMAP_TURBO)[..., ::-1].copy()
    colours[~known] = 0
    return colours


def colour_error(error: np.ndarray, full_scale: float) -> np.ndarray:
    """Colour an error (H, W) as (H, W, 3) uint8 RGB: white is 0, dark red full_scale or more,
    grey unknown.
    """
    known = np.isfinite(error)
    level = np.clip(np.where(known, np.abs(error), 0) / full_scale, 0, 1)[..., None]
    colours = (1 - level) * np.array([255, 255, 255]) + level * np.array([150, 0, 20])
    colours = np.rint(colours).astype(np.uint8)
    colours[~known] = 128
    return colours


def encode_npy(array: np.ndarray) -> bytes:
    """The bytes of a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def encode_ply(depth: np.ndarray, rig_camera, rgb: np.ndarray) -> bytes:
    """The bytes of a binary PLY: x, y, z metres in the optical frame, with colour; unknown
    points are left out.
    """
    xyz = depth_to_cloud(depth, rig_camera, None)[..., :3]
    known = np.isfinite(xyz[..., 2])
    points = np.empty(int(known.sum()), [("xyz", "<f4", 3), ("rgb", "u1", 3)])
    points["xyz"], points["rgb"] = xyz[known], rgb[known]
    fields = [f"property float {axis}" for axis in "xyz"] + [
        f"property uchar {c}" for c in ("red", "green", "blue")
    ]
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"element vertex {len(points)}",
        *fields,
        "end_header",
        "",
    ]
    return "\n".join(header).encode() + points.tobytes()


def write_estimate(
    folder: str | Path, name: str, estimate: Estimate, metric: bool = True
) -> list[Path]:
    """Write one estimate as files NAME_*; where the scale is a placeholder (metric False), only
    disparity and colours.

    _depth.png: 16-bit millimetres, 0 unknown (up to 65.535 m). _depth.npy: float32 metres, NaN
    unknown. _color.png: coloured inverse depth. _cloud.ply: coloured points. _disparity.npy:
    float32 pixels. Mono without a scale writes _inv_depth.npy instead of metres: float32, relative.
    """
    metric = metric and estimate.depth is not None
    relative = estimate.disparity if estimate.disparity is not None else estimate.inv_depth
    colours = colour_inverse_depth(estimate.depth if metric else 1.0 / np.maximum(relative, 1e-3))
    files = {"_color.png": encode_image(colours)}
    if metric:
        files["_depth.png"] = encode_image(depth_to_mm(estimate.depth))
        files["_depth.npy"] = encode_npy(estimate.depth)
        files["_cloud.ply"] = encode_ply(estimate.depth, estimate.camera, estimate.left)
    else:
        files["_inv_depth.npy" if estimate.disparity is None else "_disparity.npy"] = encode_npy(
            relative
        )
    return [
        write_bytes(Path(folder) / f"{name}{suffix}", content) for suffix, content in files.items()
    ]
