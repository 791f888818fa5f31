"""Leaves out what no camera of a scene can see: parts beside the picture, and parts too fine for
their distance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.synthetic.raster.scene import Part

_SHADOWS_FROM_M = 12.0  # parts nearer than this stay: they may cast a shadow into the picture
_LEAST_PX = 1.0
_MOST_TRIANGLES_PER_PX = 25.0

View = tuple[Camera, np.ndarray]


def visible(parts: Sequence[Part], views: Sequence[View]) -> list[Part]:
    """Return the parts that matter to some of the views (camera, world_T_camera (4, 4)).

    A part is judged by the sphere about it. Pictures and truth are drawn of the same parts, so they
    always agree.
    """
    spheres = [_sphere(part) for part in parts]
    centers = np.array([center for center, _ in spheres])
    radii = np.array([radius for _, radius in spheres])
    triangles = np.array([len(part.mesh.faces) for part in parts])
    kept = np.zeros(len(parts), bool)
    for camera, pose in views:
        kept |= _seen(camera, pose, centers, radii, triangles)
    return [part for part, keep in zip(parts, kept) if keep]


def _sphere(part):
    """Centre (3,) and radius in the world, m."""
    low, high = part.mesh.bounds
    center, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
    if part.matrix is None:
        return center, radius
    linear = part.matrix[:3, :3]
    return linear @ center + part.matrix[:3, 3], radius * float(
        np.linalg.norm(linear, axis=0).max()
    )


def _seen(camera, pose, centers, radii, triangles):
    """Which spheres reach into the picture with enough pixels for their triangles; near ones
    always.
    """
    x, y, z = ((centers - pose[:3, 3]) @ pose[:3, :3]).T
    inside = z > -radii
    for along, focal, low, high in (
        (x, camera.fx, -0.5 - camera.cx, camera.width - 0.5 - camera.cx),
        (y, camera.fy, -0.5 - camera.cy, camera.height - 0.5 - camera.cy),
    ):
        for sign, edge in ((1, high), (-1, low)):
            # outside where the sphere lies wholly beyond the plane through the eye and this edge
            slope = sign * edge / focal
            inside &= (sign * along - slope * z) / np.hypot(1, slope) < radii
    size_px = 2 * radii * camera.fx / np.maximum(z, radii)
    fine = (size_px > _LEAST_PX) & (triangles < 100 + _MOST_TRIANGLES_PER_PX * size_px**2)
    near = np.linalg.norm(centers - pose[:3, 3], axis=1) - radii < _SHADOWS_FROM_M
    return (inside & fine) | near
