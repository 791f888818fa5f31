"""Projections from the world to OpenGL's clip space, for cameras and for the sun."""

from __future__ import annotations

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.synthetic.raster.scene import Light

NEAR_M = 0.05
FAR_M = 600.0


def clip_T_camera(camera: Camera) -> np.ndarray:
    """Return the (4, 4) OpenGL projection of a camera; row v of the picture becomes row v of the
    framebuffer.

    An integer is a pixel centre, so that u lies at 2 (u + 0.5) / width - 1 in normalised device
    coordinates.
    """
    matrix = np.zeros((4, 4))
    matrix[0, 0] = 2 * camera.fx / camera.width
    matrix[0, 2] = 2 * (camera.cx + 0.5) / camera.width - 1
    matrix[1, 1] = 2 * camera.fy / camera.height
    matrix[1, 2] = 2 * (camera.cy + 0.5) / camera.height - 1
    matrix[2, 2] = (FAR_M + NEAR_M) / (FAR_M - NEAR_M)
    matrix[2, 3] = -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    matrix[3, 2] = 1
    return matrix


def clip_T_world_of_sun(light: Light) -> np.ndarray:
    """Return the (4, 4) orthographic projection along the sunlight, about the shadows' centre."""
    forward = -np.asarray(light.towards_sun, np.float64)
    side = np.cross(forward, np.eye(3)[np.argmin(np.abs(forward))])
    side /= np.linalg.norm(side)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([side, np.cross(forward, side), forward]) / light.shadow_radius
    matrix[2] /= 3  # what stands well before the shadowed region still casts into it
    matrix[:3, 3] = -matrix[:3, :3] @ light.shadow_center
    return matrix
