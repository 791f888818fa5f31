"""A faster way to render one picture in NumPy: only the pixels of its rectangle on the screen
ask for a shape.
"""

from __future__ import annotations

import array_api_compat.numpy as xp
import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.synthetic.raycast import hit_depth, hit_points, rays_of, reach
from depth_ros.synthetic.renderer import SUBPIXELS, Scene, edges
from depth_ros.synthetic.shading import RANDOM, shade, sky_color

_BAND = 1 << 14  # rays shaded at a time: what they need fits into a CPU's cache


def render_on_screen(scene: Scene, camera: Camera, world_T_camera: np.ndarray) -> dict:
    """Ray-cast one picture as world.render does, for scenes with a sky and ambient light only
    (nothing casts a shadow).

    scene: sky.ambient is 1. world_T_camera: (4, 4). Returns rgb (H, W, 3) float32 in [0, 1]; depth
    (H, W) float32 m along z, NaN where no shape is hit; shape (H, W) int64, -1 for the sky. Twice
    as fast as world.render.
    """
    pose = np.asarray(world_T_camera, np.float64)
    origin = pose[:3, 3].astype(np.float32)
    boxes, near = _rectangles(scene, camera, pose)
    rays = rays_of(camera, pose[:3, :3], xp, RANDOM)
    depth, shape = _cast_picture(scene, camera, origin, rays, boxes, near)
    edge = np.nonzero(edges(shape, xp).ravel())[0]
    more = [
        _cast_edges(scene, camera, pose, edge, shift, boxes, np.unique(shape))
        for shift in SUBPIXELS
    ]
    columns = [(rays, depth.ravel(), shape.ravel()), *more]
    colours = _colours(scene, camera, origin, *(np.concatenate(column) for column in zip(*columns)))
    rgb = colours[: len(rays)]
    extra = colours[len(rays) :].reshape(len(SUBPIXELS), -1, 3)
    rgb[edge] = (rgb[edge] + extra.sum(0)) / (1 + len(SUBPIXELS))
    depth = np.where(shape >= 0, depth, np.float32(np.nan))
    return {"rgb": rgb.reshape(camera.height, camera.width, 3), "depth": depth, "shape": shape}


def _rectangles(scene: Scene, camera: Camera, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (S, 4) of each shape on the screen, u0 u1 v0 v1 half open, and the least depth (S,) it
    can have.

    By the corners of the box about the shape where all lie before the camera; else by the sphere
    about it.
    """
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
    half = np.where((scene.kind == 3)[:, None], scene.half[:, [0, 1, 0]], scene.half)
    half = np.where((scene.kind == 0)[:, None], half * [1, 1, 0], half)
    corners = scene.center[:, None] + np.einsum(
        "ski,sij->skj", signs[None] * half[:, None], scene.axes
    )
    local = (corners - pose[:3, 3]) @ pose[:3, :3]
    depth = local[..., 2]
    whole = (depth > 0.1).all(1)
    safe = np.where(depth > 0.1, depth, 1.0)
    ranges = []
    middle = (scene.center - pose[:3, 3]) @ pose[:3, :3]
    radius = reach(scene)
    sizes = ((camera.fx, camera.cx, camera.width), (camera.fy, camera.cy, camera.height))
    for k, (focal, centre, size) in enumerate(sizes):
        on_screen = focal * local[..., k] / safe + centre
        low, high = _sphere_range(middle[:, k], middle[:, 2], radius, focal, centre)
        low = np.where(whole, on_screen.min(1), low)
        high = np.where(whole, on_screen.max(1), high)
        ranges += [np.clip(np.floor(low) - 1, 0, size), np.clip(np.ceil(high) + 2, 0, size)]
    hidden = (middle[:, 2] + radius <= 0) | (depth.max(1) <= 0)
    boxes = np.stack(ranges, axis=1).astype(int)
    boxes[hidden] = 0
    return boxes, np.where(whole, depth.min(1), np.maximum(middle[:, 2] - radius, 0.0))


def _sphere_range(x, z, radius, focal, centre):
    """Where on one axis of the screen a sphere may be seen; everywhere if the camera's plane
    cuts it.
    """
    far = np.hypot(x, z)
    angle = np.arctan2(x, z)
    spread = np.arcsin(np.clip(radius / np.maximum(far, 1e-9), 0, 1))
    cut = (far <= radius) | (np.abs(angle) + spread >= 1.5)
    with np.errstate(over="ignore"):
        low, high = (
            focal * np.tan(np.clip(angle + s * spread, -1.5, 1.5)) + centre for s in (-1, 1)
        )
    low = np.where(cut & (angle - spread < -1.5), -1e6, low)
    high = np.where(cut & (angle + spread > 1.5), 1e6, high)
    inside = far <= radius
    return np.where(inside, -1e6, low), np.where(inside, 1e6, high)


def _cast_picture(scene, camera, origin, rays, boxes, near):
    """Depth and shape (H, W) of the pixels' centres; infinity and -1 where nothing is hit."""
    depth = np.full((camera.height, camera.width), np.inf, np.float32)
    shape = np.full(depth.shape, -1, np.int64)
    rays = rays.reshape(*depth.shape, 3)
    for n in np.argsort(near):
        u0, u1, v0, v1 = boxes[n]
        if u0 >= u1 or v0 >= v1:
            continue
        part = depth[v0:v1, u0:u1]
        if part.max() < near[n]:
            continue
        z = _hit(scene, n, origin, rays[v0:v1, u0:u1].reshape(-1, 3)).reshape(part.shape)
        nearer = z < part
        np.copyto(part, z, where=nearer)
        np.copyto(shape[v0:v1, u0:u1], n, where=nearer)
    return depth, shape


def _cast_edges(scene, camera, pose, edge, shift, boxes, seen):
    """Rays, depth and shape of some pixels, shifted within the pixel, against the shapes that
    the picture shows.
    """
    rays = rays_of(camera, pose[:3, :3], xp, RANDOM, shift)[edge]
    origin = pose[:3, 3].astype(np.float32)
    depth = np.full(len(edge), np.inf, np.float32)
    shape = np.full(len(edge), -1, np.int64)
    v, u = np.divmod(edge, camera.width)
    rows = np.searchsorted(v, np.arange(camera.height + 1))  # edge is sorted: v ascends
    for n in seen[seen >= 0]:
        u0, u1, v0, v1 = boxes[n]
        first = rows[v0]
        last = rows[v1]
        index = first + np.nonzero((u[first:last] >= u0) & (u[first:last] < u1))[0]
        if len(index):
            z = _hit(scene, n, origin, rays[index])
            nearer = z < depth[index]
            depth[index[nearer]], shape[index[nearer]] = z[nearer], n
    return rays, depth, shape


def _hit(scene, n, origin, rays):
    """Depth at which rays meet shape n."""
    start = scene.axes[n] @ (origin - scene.center[n])
    return hit_depth(scene, n, int(scene.kind[n]), start, rays @ scene.axes[n].T, xp, RANDOM)


def _colours(scene, camera, origin, rays, depth, shape):
    """Colours (P, 3) of what rays hit; shape by shape, so that a band meets few of them."""
    rgb = np.empty_like(rays)
    kinds = scene.kind.tolist()
    order = np.argsort(shape, kind="stable")
    sky = order[: np.searchsorted(shape[order], 0)]
    rgb[sky] = sky_color(scene.sky, rays[sky], xp, RANDOM)
    for k in range(len(sky), len(order), _BAND):
        index = order[k : k + _BAND]
        local, own_normal, normal = hit_points(
            scene, kinds, origin, rays[index], depth[index], shape[index], xp
        )
        rgb[index] = shade(
            scene,
            shape[index],
            local,
            (own_normal, normal),
            rays[index],
            depth[index],
            None,
            camera.fx,
            origin,
            xp,
            RANDOM,
        )
    return rgb
