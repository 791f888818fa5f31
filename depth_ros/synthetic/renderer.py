"""A procedural world of textured shapes, ray-cast with exact depth: NumPy or torch, CPU or GPU.

Everything is analytic, so the depth, disparity and occlusion that come with a picture are exact,
not estimated. World and camera axes are optical (x right, y down, z forward), lengths are metres.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace

import array_api_compat
import numpy as np

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.synthetic.arrays import dot, kw, numpy
from depth_ros.synthetic.raycast import BOX, ELLIPSOID, QUAD, TUBE, nearest, rays_of, shadowed
from depth_ros.synthetic.shading import RANDOM, Sky, shade, sky_color

__all__ = [
    "BOX",
    "ELLIPSOID",
    "QUAD",
    "TUBE",
    "Scene",
    "Sky",
    "occluded_pixels",
    "render",
    "render_stereo",
]
SUBPIXELS = ((-0.33, -0.17), (0.33, 0.17))  # and the centre
_TILE = 64  # pixels
_BAND = 1 << 14  # rays at a time: what they need fits into a CPU's cache


@dataclass(frozen=True)
class Scene:
    """N shapes and their surfaces; every field is an array with N rows (float32 unless said).

    kind (N,) int; center (N,3) m; axes (N,3,3), rows are the shape's own axes in the world; half
    (N,3) m: half sizes or radii (a quad uses the first two, a tube is round about its second axis);
    cutout (N,) in [0,1): share of the surface that is holes; freq (N,) 1/m: base frequency of the
    texture; gain (N,): octave gain; stripes (N,): weight of stripes; stripe_dir (N,3) 1/m; sharp
    (N,): contrast; colors (N,3,3): palette in [0,1]; mirror (N,): share of reflected light; offset
    (N,3): where in the noise the shape was cut from. light (3,): unit, towards the light. cells
    (N,3) m, 0 for none: period of a grid of rectangles along each own axis (windows, tiles, books);
    fill (N,3): their share of the period; cell_color (N,3); vary (N,): how much a rectangle's
    colour differs from its neighbour's; glow (N,): brightness of what shines by itself, 0 for the
    rest. With a sky there are shadows, haze and smooth edges; without one (and then without cells)
    pictures are as plain as the stereo scenes need them.
    """

    kind: np.ndarray
    center: np.ndarray
    axes: np.ndarray
    half: np.ndarray
    cutout: np.ndarray
    freq: np.ndarray
    gain: np.ndarray
    stripes: np.ndarray
    stripe_dir: np.ndarray
    sharp: np.ndarray
    colors: np.ndarray
    mirror: np.ndarray
    offset: np.ndarray
    light: np.ndarray
    cells: np.ndarray | None = None
    fill: np.ndarray | None = None
    cell_color: np.ndarray | None = None
    vary: np.ndarray | None = None
    glow: np.ndarray | None = None
    sky: Sky | None = None


def render(scene: Scene, camera: Camera, world_T_camera=None, xp=np, device=None) -> dict:
    """Ray-cast one picture.

    world_T_camera: (4,4), identity where None. Returns arrays of `xp`: rgb (H,W,3) float32 in
    [0,1]; depth (H,W) float32 m along z, NaN where no shape is hit; shape (H,W) int64 index of the
    shape, -1 where none (the sky).
    """
    if device is None:
        where = {}
    else:
        where = {"device": device}
    lattice = xp.asarray(RANDOM, **where)
    xp = array_api_compat.array_namespace(lattice)
    scene = _on(scene, xp, where)
    if world_T_camera is None:
        pose = np.eye(4)
    else:
        pose = np.asarray(world_T_camera, np.float64)
    origin = xp.asarray(pose[:3, 3].astype(np.float32), **kw(lattice))
    if device in (None, "cpu"):
        band = _BAND
    else:
        band = camera.height * camera.width
    order = xp.asarray(_tile_order(camera.height, camera.width), **where)

    def cast(rays):
        parts = [
            _cast(scene, camera, origin, rays[i : i + band], xp, lattice)
            for i in range(0, rays.shape[0], band)
        ]
        return [xp.concat(column) for column in zip(*parts, strict=True)]

    back = xp.argsort(order)
    rgb, depth, shape = (x[back] for x in cast(rays_of(camera, pose[:3, :3], xp, lattice)[order]))
    size = (camera.height, camera.width)
    shape = xp.reshape(shape, size)
    if scene.sky is not None:
        edge = order[xp.reshape(edges(shape, xp), (-1,))[order]]
        views = [rays_of(camera, pose[:3, :3], xp, lattice, shift)[edge] for shift in SUBPIXELS]
        if edge.shape[0]:  # one band holds all views of its edges
            views = xp.reshape(xp.stack(views, axis=1), (-1, 3))
            more = xp.reshape(cast(views)[0], (-1, len(SUBPIXELS), 3))
            rgb[edge] = (rgb[edge] + xp.sum(more, axis=1)) / (1 + len(SUBPIXELS))
    return {"rgb": xp.reshape(rgb, size + (3,)), "depth": xp.reshape(depth, size), "shape": shape}


def render_stereo(scene: Scene, rig: StereoRig, world_T_camera=None, xp=np, device=None) -> dict:
    """Ray-cast a rectified pair with its exact truth.

    Returns NumPy arrays: left, right (H,W,3) uint8; depth (H,W) float32 m; disparity (H,W) float32
    px; occluded (H,W) bool: pixels of the left camera that the right one does not see (hidden or
    outside its picture).
    """
    if world_T_camera is None:
        pose = np.eye(4)
    else:
        pose = np.asarray(world_T_camera, np.float64)
    step = np.eye(4)
    step[0, 3] = rig.baseline_m
    right_camera = replace(rig.left, cx=rig.left.cx + rig.doffs_px)
    left = {k: numpy(v) for k, v in render(scene, rig.left, pose, xp, device).items()}
    right = {k: numpy(v) for k, v in render(scene, right_camera, pose @ step, xp, device).items()}
    disparity = (rig.left.fx * rig.baseline_m / left["depth"] - rig.doffs_px).astype(np.float32)
    return {
        "left": _to_uint8(left["rgb"]),
        "right": _to_uint8(right["rgb"]),
        "depth": left["depth"].astype(np.float32),
        "disparity": disparity,
        "occluded": occluded_pixels(left["depth"], right["depth"], disparity),
    }


def occluded_pixels(depth, right_depth, disparity, tolerance=0.01) -> np.ndarray:
    """Mark left pixels (H,W) that the right camera does not see: there its own depth is nearer
    by over `tolerance`.
    """
    height, width = depth.shape
    u = np.arange(width)[None] - disparity
    column = np.clip(np.nan_to_num(np.rint(u)), 0, width - 1).astype(int)
    seen = np.take_along_axis(right_depth, column, axis=1)
    hidden = seen < depth * (1 - tolerance)
    return hidden | ~((u >= 0) & (u <= width - 1))


def _cast(scene, camera, origin, rays, xp, lattice):
    """Colour (P,3), depth (P,) and shape (P,) of some rays."""
    depth, shape, local, own_normal, normal = nearest(scene, origin, rays, xp, lattice)
    hit = shape >= 0
    index = xp.where(hit, shape, 0)
    near = xp.where(hit, depth, 1.0)
    lit = None
    if (
        scene.sky is not None and float(scene.sky.ambient) < 1
    ):  # else nothing is darker in the shade
        facing = (normal @ scene.light) * -xp.sign(dot(normal, rays))
        faces = xp.nonzero(hit & (facing > 0))[0]
        lit = xp.zeros_like(near)
        lit[faces] = xp.where(
            shadowed(scene, (origin + near[:, None] * rays)[faces], xp, lattice), 0.0, 1.0
        )
    normals = (own_normal, normal)
    rgb = shade(scene, index, local, normals, rays, near, lit, camera.fx, origin, xp, lattice)
    rgb = xp.where(hit[:, None], rgb, 0.5)
    if scene.sky is not None:
        missed = xp.nonzero(~hit)[0]
        rgb[missed] = sky_color(scene.sky, rays[missed], xp, lattice)
    return rgb, xp.where(hit, depth, float("nan")), shape


def _tile_order(height, width):
    """Pixel numbers (HW,) tile by tile: neighbouring rays in one band meet few shapes."""
    v, u = np.mgrid[:height, :width].reshape(2, -1)
    return np.lexsort((u, v, u // _TILE, v // _TILE))


def edges(shape, xp):
    """Pixels (H,W) bool whose shape differs from that of a neighbour."""
    edge = xp.zeros(shape.shape, dtype=xp.bool, device=array_api_compat.device(shape))
    down = shape[1:] != shape[:-1]
    right = shape[:, 1:] != shape[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return edge


def _on(scene, xp, where):
    """Return the scene with its arrays as those of `xp` on the device."""
    values = {f.name: getattr(scene, f.name) for f in fields(scene)}
    for name, value in values.items():
        if is_dataclass(value):
            values[name] = _on(value, xp, where)
        elif value is not None:
            values[name] = xp.asarray(value, **where)
    return type(scene)(**values)


def _to_uint8(rgb):
    return np.rint(255 * rgb).astype(np.uint8)
