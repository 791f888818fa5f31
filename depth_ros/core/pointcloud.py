"""Depth and colour to an organised, packed point cloud."""

from __future__ import annotations

import numpy as np

from .camera import Camera
from .errors import ImageError


def depth_to_cloud(depth: np.ndarray, camera: Camera, rgb: np.ndarray | None = None) -> np.ndarray:
    """Convert a depth map to points in the optical frame (x right, y down, z forward).

    Args:
        depth: (H, W) metres, NaN unknown.
        camera: Of this size.
        rgb: (H, W, 3) uint8; None: white points.

    Returns:
        (H, W, 4) float32: x, y, z in metres, NaN unknown, and the bits 0x00RRGGBB (the "rgb" field
        of PCL).

    Raises:
        ImageError: For sizes that differ.

    >>> cloud = depth_to_cloud(np.array([[2.0, np.nan]]), Camera(2, 1, 4.0, 5.0, 1.0, 0.0))
    >>> cloud[0, 0, :3].tolist()
    [-0.5, 0.0, 2.0]
    """
    depth = np.asarray(depth, np.float32)
    if depth.shape != (camera.height, camera.width):
        raise ImageError(
            f"expected depth of {(camera.height, camera.width)} as the camera, got {depth.shape}"
        )
    cloud = np.empty((*depth.shape, 4), np.float32)
    x = ((np.arange(camera.width) - camera.cx) / camera.fx).astype(np.float32)
    y = ((np.arange(camera.height) - camera.cy) / camera.fy).astype(np.float32)
    np.multiply(depth, x[None, :], out=cloud[..., 0])
    np.multiply(depth, y[:, None], out=cloud[..., 1])
    cloud[..., 2] = depth
    cloud.view(np.uint32)[..., 3] = 0x00FFFFFF if rgb is None else _packed(rgb, depth.shape)
    return cloud


def _packed(rgb: np.ndarray, shape: tuple) -> np.ndarray:
    """(H, W, 3) uint8 to (H, W) uint32 0x00RRGGBB."""
    if rgb.shape != (*shape, 3) or rgb.dtype != np.uint8:
        raise ImageError(f"expected colour {(*shape, 3)} uint8, got {rgb.shape} {rgb.dtype}")
    wide = rgb.astype(np.uint32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
