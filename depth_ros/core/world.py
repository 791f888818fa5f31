"""A procedural world of textured shapes, ray-cast with exact depth: NumPy or torch, CPU or GPU.

Everything is analytic, so the depth, disparity and occlusion that come with a picture are exact, not estimated.
World and camera axes are optical (x right, y down, z forward), lengths are metres.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import array_api_compat
import numpy as np

from depth_ros.core.camera import Camera, StereoRig

QUAD, ELLIPSOID, BOX, TUBE = range(4)
_LATTICE = 64  # side of the periodic random lattice behind the noise
_NEAR_M = 1e-3
_BAND = 1 << 14  # rays at a time: what they need fits into a CPU's cache


@dataclass(frozen=True)
class Scene:
    """N shapes and their surfaces; every field is an array with N rows (float32 unless said).

    kind (N,) int; center (N,3) m; axes (N,3,3), rows are the shape's own axes in the world; half (N,3) m: half sizes
    or radii (a quad uses the first two, a tube is round about its second axis); cutout (N,) in [0,1): share of a quad
    that is holes; freq (N,) 1/m: base frequency of the texture; gain (N,): octave gain; stripes (N,): weight of
    stripes; stripe_dir (N,3) 1/m; sharp (N,): contrast; colors (N,3,3): palette in [0,1]; mirror (N,): share of
    reflected light; offset (N,3): where in the noise the shape was cut from. light (3,): unit, towards the light.
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


def render(scene: Scene, camera: Camera, world_T_camera=None, xp=np, device=None) -> dict:
    """Ray-cast one picture.

    world_T_camera: (4,4), identity where None. Returns arrays of `xp`: rgb (H,W,3) float32 in [0,1]; depth (H,W)
    float32 m along z, NaN where no shape is hit; shape (H,W) int64 index of the shape, -1 where none.
    """
    xp, scene, lattice = _on(scene, xp, device)
    pose = np.eye(4) if world_T_camera is None else np.asarray(world_T_camera, np.float64)
    rays = _rays(camera, pose[:3, :3], xp, lattice)
    origin = xp.asarray(pose[:3, 3].astype(np.float32), **_kw(lattice))
    band = _BAND if device in (None, "cpu") else rays.shape[0]
    parts = [_cast(scene, camera, origin, rays[i : i + band], xp, lattice) for i in range(0, rays.shape[0], band)]
    rgb, depth, shape = (xp.concat(column) for column in zip(*parts, strict=True))
    size = (camera.height, camera.width)
    return {"rgb": xp.reshape(rgb, size + (3,)), "depth": xp.reshape(depth, size), "shape": xp.reshape(shape, size)}


def render_stereo(scene: Scene, rig: StereoRig, world_T_camera=None, xp=np, device=None) -> dict:
    """Ray-cast a rectified pair with its exact truth.

    Returns NumPy arrays: left, right (H,W,3) uint8; depth (H,W) float32 m; disparity (H,W) float32 px; occluded (H,W)
    bool: pixels of the left camera that the right one does not see (hidden or outside its picture).
    """
    pose = np.eye(4) if world_T_camera is None else np.asarray(world_T_camera, np.float64)
    step = np.eye(4)
    step[0, 3] = rig.baseline_m
    right_camera = replace(rig.left, cx=rig.left.cx + rig.doffs_px)
    left = {k: _numpy(v) for k, v in render(scene, rig.left, pose, xp, device).items()}
    right = {k: _numpy(v) for k, v in render(scene, right_camera, pose @ step, xp, device).items()}
    disparity = (rig.left.fx * rig.baseline_m / left["depth"] - rig.doffs_px).astype(np.float32)
    return {
        "left": _to_uint8(left["rgb"]),
        "right": _to_uint8(right["rgb"]),
        "depth": left["depth"].astype(np.float32),
        "disparity": disparity,
        "occluded": occluded_pixels(left["depth"], right["depth"], disparity),
    }


def occluded_pixels(depth, right_depth, disparity, tolerance=0.01) -> np.ndarray:
    """Mark left pixels (H,W) that the right camera does not see: there its own depth is nearer by over `tolerance`."""
    height, width = depth.shape
    u = np.arange(width)[None] - disparity
    column = np.clip(np.nan_to_num(np.rint(u)), 0, width - 1).astype(int)
    seen = np.take_along_axis(right_depth, column, axis=1)
    hidden = seen < depth * (1 - tolerance)
    return hidden | ~((u >= 0) & (u <= width - 1))


# --- rays and shapes


def _rays(camera, world_R_camera, xp, like):
    """Directions (HW,3) in the world, scaled so that the ray parameter is the depth z."""
    v, u = np.mgrid[: camera.height, : camera.width].astype(np.float32)
    ray = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u)], -1).reshape(-1, 3)
    return xp.asarray((ray @ world_R_camera.T).astype(np.float32), **_kw(like))


def _cast(scene, camera, origin, rays, xp, lattice):
    """Colour (P,3), depth (P,) and shape (P,) of some rays."""
    depth, shape, local, normal = _nearest(scene, origin, rays, xp, lattice)
    hit = shape >= 0
    footprint = xp.where(hit, depth, 1.0) / camera.fx
    rgb = _shade(scene, xp.where(hit, shape, 0), local, normal, rays, footprint, xp, lattice)
    return xp.where(hit[:, None], rgb, 0.5), xp.where(hit, depth, float("nan")), shape


def _nearest(scene, origin, rays, xp, lattice):
    """First shape along each ray: depth (P,), shape (P,), local point (P,3) m, unit normal in the world (P,3)."""
    count = rays.shape[0]
    depth = xp.full(count, float("inf"), **_kw(lattice))
    shape = xp.full(count, -1, dtype=xp.int64, **_device(lattice))
    local, normal = xp.zeros_like(rays), xp.zeros_like(rays)
    for n, kind in enumerate(_numpy(scene.kind).tolist()):
        axes, half = scene.axes[n], scene.half[n]
        start = axes @ (origin - scene.center[n])
        direction = rays @ axes.T
        z = _HIT[kind](start, direction, half, xp)
        z = xp.where((z > _NEAR_M) & (z < depth), z, float("inf"))
        point = start + xp.where(xp.isinf(z), 0.0, z)[:, None] * direction
        if kind == QUAD and float(scene.cutout[n]) > 0:
            level = _noise(point * (2 * scene.freq[n]) + scene.offset[n], lattice, xp)
            z = xp.where(level < 0.25 + 0.5 * scene.cutout[n], float("inf"), z)
        nearer = z < depth
        depth, shape = xp.where(nearer, z, depth), xp.where(nearer, n, shape)
        local = xp.where(nearer[:, None], point, local)
        normal = xp.where(nearer[:, None], _NORMAL[kind](point, half, xp) @ axes, normal)
    return depth, shape, local, _unit(normal, xp)


def _hit_quad(start, direction, half, xp):
    z = -start[2] / _nonzero(direction[:, 2], xp)
    inside = (xp.abs(start[0] + z * direction[:, 0]) < half[0]) & (xp.abs(start[1] + z * direction[:, 1]) < half[1])
    return xp.where(inside, z, float("inf"))


def _hit_ellipsoid(start, direction, half, xp):
    return _roots(start / half, direction / half, xp)


def _hit_tube(start, direction, half, xp):
    radius = half[0]
    z = _roots(start[::2] / radius, direction[:, ::2] / radius, xp)
    height = start[1] + xp.where(xp.isinf(z), 0.0, z) * direction[:, 1]
    return xp.where(xp.abs(height) < half[1], z, float("inf"))


def _hit_box(start, direction, half, xp):
    inverse = 1 / _nonzero(direction, xp)
    one, other = (-half - start) * inverse, (half - start) * inverse
    enter = xp.max(xp.minimum(one, other), axis=1)
    leave = xp.min(xp.maximum(one, other), axis=1)
    return xp.where(leave > xp.maximum(enter, xp.zeros_like(enter)), enter, float("inf"))


def _roots(start, direction, xp):
    """Nearest z with |start + z direction| = 1, infinity where there is none."""
    a = xp.sum(direction * direction, axis=1)
    b = direction @ start
    gap = b * b - a * (xp.sum(start * start) - 1)
    z = (-b - xp.sqrt(xp.clip(gap, 0.0, None))) / a
    return xp.where(gap > 0, z, float("inf"))


def _face(point, half, xp):
    """Box normals: the axis on which the point lies farthest out."""
    out = xp.abs(point) / half
    return xp.where(out >= xp.max(out, axis=1)[:, None], xp.sign(point), 0.0)


def _flat(point, half, xp):
    return xp.zeros_like(point) + xp.asarray([0.0, 0.0, 1.0], **_kw(point))


_HIT = {QUAD: _hit_quad, ELLIPSOID: _hit_ellipsoid, BOX: _hit_box, TUBE: _hit_tube}
_NORMAL = {
    QUAD: _flat,
    BOX: _face,
    ELLIPSOID: lambda point, half, xp: point / half**2,
    TUBE: lambda point, half, xp: point * xp.asarray([1.0, 0.0, 1.0], **_kw(point)),
}


# --- surfaces


def _shade(scene, index, local, normal, rays, footprint, xp, lattice):
    """Colours (P,3) in [0,1]: band-limited noise and stripes in a palette, lit, with a reflected environment."""
    freq, sharp = scene.freq[index], scene.sharp[index]
    position = local * freq[:, None] + scene.offset[index]
    grain = _fbm(position, scene.gain[index], footprint * freq, lattice, xp)
    phase = xp.sum(local * scene.stripe_dir[index], axis=1)
    width = footprint * xp.sqrt(xp.sum(scene.stripe_dir[index] ** 2, axis=1))
    stripe = 0.5 + 0.5 * _fade(width) * xp.sin(6.2832 * phase + 4 * grain)
    level = grain + (stripe - grain) * scene.stripes[index]
    level = 1 / (1 + xp.exp(-(level - 0.5) * sharp))
    patch = _noise(position * 0.23 + 7.7, lattice, xp)
    palette = scene.colors[index]
    rgb = palette[:, 0] + (palette[:, 1] - palette[:, 0]) * level[:, None]
    rgb = rgb + (palette[:, 2] - rgb) * xp.clip(4 * patch - 2, 0.0, 1.0)[:, None]
    view = _unit(rays, xp)
    facing = xp.sum(view * normal, axis=1)
    normal = normal * xp.where(facing > 0, -1.0, 1.0)[:, None]
    light = 0.55 + 0.45 * xp.clip(xp.sum(normal * scene.light, axis=1), 0.0, 1.0)
    mirrored = view - 2 * xp.sum(view * normal, axis=1)[:, None] * normal
    shine = xp.clip(3 * _noise(mirrored * 2.5 + 31.0, lattice, xp) - 1, 0.0, 1.0)
    share = scene.mirror[index][:, None]
    return xp.clip(rgb * light[:, None] * (1 - share) + share * shine[:, None], 0.0, 1.0)


def _fbm(position, gain, footprint, lattice, xp, octaves=5):
    """Fractal noise (P,) about 0.5; octaves finer than the pixel's footprint fade out, so that nothing aliases."""
    total, weight, scale = 0.0, 0.0, 1.0
    amplitude = xp.ones_like(gain)
    for octave in range(octaves):
        layer = _noise(position * scale + 17.3 * octave, lattice, xp) - 0.5
        total = total + amplitude * _fade(footprint * scale) * layer
        weight = weight + amplitude
        amplitude, scale = amplitude * gain, scale * 2.17
    return 0.5 + 1.8 * total / weight


def _fade(cycles_per_pixel):
    """1 while a pattern is resolved, 0 from the Nyquist rate on."""
    clip = array_api_compat.array_namespace(cycles_per_pixel).clip
    return 1 - clip((cycles_per_pixel - 0.2) / 0.3, 0.0, 1.0)


def _noise(position, lattice, xp):
    """Value noise (P,) in [0,1]: smooth interpolation of a periodic random lattice at position (P,3)."""
    cell = xp.floor(position)
    t = position - cell
    t = t * t * (3 - 2 * t)
    cell = xp.astype(cell, xp.int64) % _LATTICE
    step = (cell + 1) % _LATTICE
    x = (cell[:, 0] * _LATTICE**2, step[:, 0] * _LATTICE**2)
    y = (cell[:, 1] * _LATTICE, step[:, 1] * _LATTICE)
    z = (cell[:, 2], step[:, 2])

    def mix(a, b, k):
        return a + (b - a) * t[:, k]

    rows = [mix(lattice[x[i] + y[j] + z[0]], lattice[x[i] + y[j] + z[1]], 2) for i in (0, 1) for j in (0, 1)]
    return mix(mix(rows[0], rows[1], 1), mix(rows[2], rows[3], 1), 0)


# --- plumbing between NumPy and torch

_RANDOM = np.random.default_rng(20).random(_LATTICE**3).astype(np.float32)


def _on(scene, xp, device):
    """The scene and the lattice as arrays of `xp` on the device."""
    kw = {} if device is None else {"device": device}
    lattice = xp.asarray(_RANDOM, **kw)
    xp = array_api_compat.array_namespace(lattice)
    return xp, Scene(**{f.name: xp.asarray(getattr(scene, f.name), **kw) for f in fields(scene)}), lattice


def _device(like):
    return {"device": array_api_compat.device(like)}


def _kw(like):
    return {"dtype": like.dtype, **_device(like)}


def _numpy(x):
    return x if isinstance(x, np.ndarray) else x.cpu().numpy()


def _to_uint8(rgb):
    return np.rint(255 * rgb).astype(np.uint8)


def _nonzero(x, xp):
    return xp.where(xp.abs(x) < 1e-9, 1e-9, x)


def _unit(x, xp):
    return x / xp.sqrt(xp.clip(xp.sum(x * x, axis=1), 1e-12, None))[:, None]
