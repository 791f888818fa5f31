"""Rays against the shapes of a procedural world: what is hit first, and what lies in shadow. NumPy
or torch.

Shapes far from a band of rays are skipped by their bounding spheres, so that a street costs what is
seen of it.
"""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.arrays import device_kw, dot, kw, nonzero, numpy, unit
from depth_ros.synthetic.shading import noise

QUAD, ELLIPSOID, BOX, TUBE = range(4)
_NEAR_M = 1e-3
_SHADOW_START_M = 0.02  # shadow rays begin this far off their surface


def rays_of(camera, world_R_camera, xp, like, shift=(0.0, 0.0)):
    """Directions (HW,3) in the world, scaled so that the ray parameter is the depth z; `shift`
    (u, v) in pixels.
    """
    v, u = np.mgrid[: camera.height, : camera.width].astype(np.float32)
    x = (u + shift[0] - camera.cx) / camera.fx
    y = (v + shift[1] - camera.cy) / camera.fy
    ray = np.stack([x, y, np.ones_like(u)], -1).reshape(-1, 3)
    return xp.asarray((ray @ world_R_camera.T).astype(np.float32), **kw(like))


def reach(scene) -> np.ndarray:
    """Radius (N,) m of the sphere about each shape's centre that holds it, NumPy."""
    kind = numpy(scene.kind)[:, None]
    half = numpy(scene.half).astype(np.float64)
    size = np.where(kind == QUAD, half * [1, 1, 0], np.where(kind == TUBE, half * [1, 1, 0], half))
    return np.where(kind[:, 0] == ELLIPSOID, size.max(1), np.linalg.norm(size, axis=1)) * 1.0001


def nearest(scene, origin, rays, xp, lattice):
    """First shape along each ray: depth (P,), shape (P,), local point and local, world unit
    normals (P,3).
    """
    depth = xp.full(rays.shape[0], float("inf"), **kw(lattice))
    shape = xp.full(rays.shape[0], -1, dtype=xp.int64, **device_kw(lattice))
    kinds = numpy(scene.kind).tolist()
    for n, index in _candidates(scene, origin, rays, depth, xp):
        start = scene.axes[n] @ (origin - scene.center[n])
        direction = rays[index] @ scene.axes[n].T
        z = hit_depth(scene, n, kinds[n], start, direction, xp, lattice)
        nearer = z < depth[index]
        depth[index] = xp.where(nearer, z, depth[index])
        shape[index] = xp.where(nearer, n, shape[index])
    return depth, shape, *hit_points(scene, kinds, origin, rays, depth, shape, xp)


def shadowed(scene, point, xp, lattice):
    """Which points (P,3) m on surfaces that face the light it does not reach, (P,) bool; flat quads
    cast no shadow.

    All shadow rays are parallel, so a shape matters only to points within its radius, seen along
    the light.
    """
    dark = xp.zeros(point.shape[0], dtype=xp.bool, **device_kw(point))
    if point.shape[0] == 0:
        return dark
    across = _across(numpy(scene.light).astype(np.float64))
    plane = xp.asarray(across.astype(np.float32), **kw(point))
    flat = point @ plane.T
    centers = numpy(scene.center) @ across.T
    kinds = numpy(scene.kind)
    radii = reach(scene)
    low = numpy(xp.min(flat, axis=0))
    high = numpy(xp.max(flat, axis=0))
    near = ((centers + radii[:, None] > low) & (centers - radii[:, None] < high)).all(1)
    for n in np.nonzero(near & (kinds != QUAD))[0].tolist():
        x = flat[:, 0] - float(centers[n, 0])
        y = flat[:, 1] - float(centers[n, 1])
        index = xp.nonzero((x * x + y * y < radii[n] ** 2) & ~dark)[0]
        if index.shape[0] == 0:
            continue
        start = (point[index] - scene.center[n] + _SHADOW_START_M * scene.light) @ scene.axes[n].T
        direction = (scene.axes[n] @ scene.light)[None] + xp.zeros_like(start)
        z = hit_depth(scene, n, int(kinds[n]), start, direction, xp, lattice)
        dark[index] = dark[index] | ~xp.isinf(z)
    return dark


def _across(light):
    """Two unit vectors (2,3) across the light."""
    side = np.cross(light, [1.0, 0, 0] if abs(light[0]) < 0.7 else [0, 1.0, 0])
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(light, side)])


def _candidates(scene, origin, rays, depth, xp):
    """Shapes that some ray may meet before `depth` (P,), nearest first, each with the indices of
    those rays.

    First all bounding spheres against the cone about the rays, then each that is left against each
    ray.
    """
    squared = dot(rays, rays)
    length = xp.sqrt(squared)
    radii = reach(scene)
    centers = (numpy(scene.center) - numpy(origin)).astype(np.float64)
    far = np.linalg.norm(centers, axis=1)
    inside = far <= radii
    met = inside | _in_cone(rays / length[:, None], centers, far, radii, xp)
    for n in np.nonzero(met)[0][np.argsort((far - radii)[met], kind="stable")].tolist():
        if inside[n]:
            yield n, xp.arange(rays.shape[0], **device_kw(rays))
        else:
            along = rays @ xp.asarray(centers[n].astype(np.float32), **kw(rays))
            meets = (along > 0) & (along * along > (far[n] ** 2 - radii[n] ** 2) * squared)
            index = xp.nonzero(meets & (depth * length > far[n] - radii[n]))[0]
            if index.shape[0]:
                yield n, index


def _in_cone(directions, centers, far, radii, xp):
    """Which spheres (N,) touch the narrowest cone about the mean of the unit directions (P,3)."""
    axis = numpy(xp.mean(directions, axis=0)).astype(np.float64)
    axis /= max(np.linalg.norm(axis), 1e-9)
    spread = float(xp.min(directions @ xp.asarray(axis.astype(np.float32), **kw(directions))))
    off = np.arccos(np.clip(centers @ axis / np.maximum(far, 1e-9), -1, 1))
    return (
        off - np.arcsin(np.clip(radii / np.maximum(far, 1e-9), 0, 1))
        <= np.arccos(np.clip(spread, -1, 1)) + 1e-3
    )


def hit_depth(scene, n, kind, start, direction, xp, lattice):
    """Depth (P,) at which rays in the shape's own axes meet shape n, infinity where they do not."""
    if start.ndim == 1:
        start = start[None]
    z = _HIT[kind](start, direction, scene.half[n], xp)
    z = xp.where(z > _NEAR_M, z, float("inf"))
    if float(scene.cutout[n]) > 0:
        point = start + xp.where(xp.isinf(z), 0.0, z)[:, None] * direction
        level = noise(point * (2 * scene.freq[n]) + scene.offset[n], lattice, xp)
        z = xp.where(level < 0.25 + 0.5 * scene.cutout[n], float("inf"), z)
    return z


def hit_points(scene, kinds, origin, rays, depth, shape, xp):
    """Local point (P,3) m, local normal and world normal (P,3) of each hit; zeros where nothing
    is hit.
    """
    local = xp.zeros_like(rays)
    normal = xp.zeros_like(rays)
    world = xp.zeros_like(rays)
    for n in np.unique(numpy(shape)).tolist():
        if n < 0:
            continue
        index = xp.nonzero(shape == n)[0]
        start = scene.axes[n] @ (origin - scene.center[n])
        point = start + depth[index][:, None] * (rays[index] @ scene.axes[n].T)
        local[index] = point
        normal[index] = unit(_NORMAL[kinds[n]](point, scene.half[n], xp), xp)
        world[index] = normal[index] @ scene.axes[n]
    return local, normal, unit(world, xp)


def _hit_quad(start, direction, half, xp):
    z = -start[:, 2] / nonzero(direction[:, 2], xp)
    x = start[:, 0] + z * direction[:, 0]
    y = start[:, 1] + z * direction[:, 1]
    return xp.where((xp.abs(x) < half[0]) & (xp.abs(y) < half[1]), z, float("inf"))


def _hit_ellipsoid(start, direction, half, xp):
    return _roots(start / half, direction / half, xp)


def _hit_tube(start, direction, half, xp):
    radius = half[0]
    z = _roots(start[:, ::2] / radius, direction[:, ::2] / radius, xp)
    height = start[:, 1] + xp.where(xp.isinf(z), 0.0, z) * direction[:, 1]
    return xp.where(xp.abs(height) < half[1], z, float("inf"))


def _hit_box(start, direction, half, xp):
    inverse = 1 / nonzero(direction, xp)
    one = (-half - start) * inverse
    other = (half - start) * inverse
    enter = xp.minimum(one, other)
    leave = xp.maximum(one, other)
    enter = xp.maximum(
        xp.maximum(enter[:, 0], enter[:, 1]), enter[:, 2]
    )  # by columns: far faster than max(axis=1)
    leave = xp.minimum(xp.minimum(leave[:, 0], leave[:, 1]), leave[:, 2])
    return xp.where(leave > xp.maximum(enter, xp.zeros_like(enter)), enter, float("inf"))


def _roots(start, direction, xp):
    """Nearest z with |start + z direction| = 1, infinity where there is none."""
    a = dot(direction, direction)
    b = dot(direction, start)
    gap = b * b - a * (dot(start, start) - 1)
    z = (-b - xp.sqrt(xp.clip(gap, 0.0, None))) / nonzero(a, xp)
    return xp.where(gap > 0, z, float("inf"))


def _face(point, half, xp):
    """Box normals: the axis on which the point lies farthest out."""
    out = xp.abs(point) / half
    farthest = xp.maximum(xp.maximum(out[:, 0], out[:, 1]), out[:, 2])
    return xp.where(out >= farthest[:, None], xp.sign(point), 0.0)


def _flat(point, half, xp):
    return xp.zeros_like(point) + xp.asarray([0.0, 0.0, 1.0], **kw(point))


_HIT = {QUAD: _hit_quad, ELLIPSOID: _hit_ellipsoid, BOX: _hit_box, TUBE: _hit_tube}
_NORMAL = {
    QUAD: _flat,
    BOX: _face,
    ELLIPSOID: lambda point, half, xp: point / half**2,
    TUBE: lambda point, half, xp: point * xp.asarray([1.0, 0.0, 1.0], **kw(point)),
}
