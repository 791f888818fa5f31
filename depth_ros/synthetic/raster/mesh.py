"""Triangle meshes and the primitives that scenes are built of. Axes are optical: x right, y down, z
forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

UP = np.array([0.0, -1.0, 0.0])
_TINY = 1e-12


@dataclass(frozen=True)
class Mesh:
    """Triangles with one normal and one texture coordinate a vertex.

    Attributes:
        vertices: (N, 3) float32, metres.
        normals: (N, 3) float32, unit length; either side may be seen.
        uv: (N, 2) float32, texture coordinates: metres along the surface, or 0 to 1 on cards.
        faces: (M, 3) int32, indices of vertices.
    """

    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    faces: np.ndarray

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest coordinates, (3,) each, m."""
        return self.vertices.min(0), self.vertices.max(0)

    def transformed(self, matrix: np.ndarray) -> Mesh:
        """Move the mesh by a (4, 4) affine matrix; scales and shears turn its normals rightly."""
        linear = np.asarray(matrix, np.float64)[:3, :3]
        vertices = self.vertices @ linear.T + np.asarray(matrix)[:3, 3]
        # n' ~ inv(A)^T n; the cofactor matrix is that without the division by a determinant near 0
        cofactor = _cross(linear[[1, 2, 0]], linear[[2, 0, 1]])
        normals = _unit(self.normals @ cofactor.T)
        return Mesh(vertices.astype(np.float32), normals.astype(np.float32), self.uv, self.faces)

    @staticmethod
    def joined(meshes: Sequence[Mesh]) -> Mesh:
        """Join meshes to one."""
        starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
        return Mesh(
            np.concatenate([mesh.vertices for mesh in meshes]),
            np.concatenate([mesh.normals for mesh in meshes]),
            np.concatenate([mesh.uv for mesh in meshes]),
            np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts)]),
        )


def patch(points: np.ndarray, uv: np.ndarray | None = None) -> Mesh:
    """Make a smooth surface of a grid of points.

    Args:
        points: (R, C, 3), metres.
        uv: (R, C, 2) texture coordinates; by default the lengths along the middle row and column.
    """
    points = np.asarray(points, np.float64)
    rows, columns = points.shape[:2]
    faces = grid_faces(rows, columns)
    if uv is None:
        across = _lengths(points[rows // 2])
        along = _lengths(points[:, columns // 2])
        uv = np.stack(np.broadcast_arrays(across[None, :], along[:, None]), -1)
    vertices = points.reshape(-1, 3)
    return Mesh(
        vertices.astype(np.float32),
        smooth_normals(vertices, faces).astype(np.float32),
        np.asarray(uv, np.float32).reshape(-1, 2),
        faces,
    )


def grid_faces(rows: int, columns: int) -> np.ndarray:
    """Return the (M, 3) int32 triangles of a grid of rows x columns vertices."""
    row, column = np.mgrid[: rows - 1, : columns - 1]
    first = (row * columns + column).ravel()
    upper = np.stack([first, first + 1, first + columns], 1)
    lower = np.stack([first + 1, first + columns + 1, first + columns], 1)
    return np.concatenate([upper, lower]).astype(np.int32)


def sheet(width: float, height: float, rows: int = 2, columns: int = 2, card: bool = False) -> Mesh:
    """Make a flat rectangle in the x-y plane about the origin.

    Args:
        width: along x, metres.
        height: along y, metres.
        rows: vertices along y.
        columns: vertices along x.
        card: texture coordinates run from 0 to 1 instead of in metres.
    """
    v, u = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
    points = np.stack([(u - 0.5) * width, (v - 0.5) * height, np.zeros_like(u)], -1)
    uv = np.stack([u, v], -1)
    return patch(points, uv if card else uv * [width, height])


def box(size: Sequence[float]) -> Mesh:
    """Make a box of size (x, y, z) metres about the origin, with sharp edges."""
    half = np.asarray(size, np.float64) / 2
    sides = []
    for axis in range(3):
        first, second = (axis + 1) % 3, (axis + 2) % 3
        for sign in (-1.0, 1.0):
            points = np.zeros((2, 2, 3))
            points[..., axis] = sign * half[axis]
            points[..., first] = np.array([[-1.0, -1.0], [1.0, 1.0]]) * half[first]
            points[..., second] = np.array([[-1.0, 1.0], [-1.0, 1.0]]) * half[second]
            # pictures on walls and books stand upright: v runs along y wherever a side has it
            upright = first == 1
            u_axis, v_axis = (second, first) if upright else (first, second)
            uv = points[..., [u_axis, v_axis]] + half[[u_axis, v_axis]]
            sides.append(patch(points, uv))
    return Mesh.joined(sides)


def superquadric(
    half: Sequence[float],
    vertical: float = 1.0,
    around: float = 1.0,
    rows: int = 16,
    columns: int = 24,
) -> Mesh:
    """Make a superquadric (Barr 1981): an ellipsoid at exponents 1, a box towards 0, a star above
    2.

    Args:
        half: half sizes along (x, y, z), metres.
        vertical: exponent of the profile.
        around: exponent of the cross-section.
        rows: vertices from pole to pole.
        columns: vertices around.
    """
    polar = np.linspace(0, np.pi, rows)[:, None]
    angle = np.linspace(0, 2 * np.pi, columns)[None]
    ring = _power(np.sin(polar), vertical)
    unit = np.stack(
        [
            ring * _power(np.cos(angle), around),
            -_power(np.cos(polar), vertical) + 0 * angle,
            ring * _power(np.sin(angle), around),
        ],
        -1,
    )
    radius = float(np.mean(half))
    uv = np.stack(np.broadcast_arrays(angle * radius, polar * radius), -1)
    return patch(unit * np.asarray(half), uv)


def revolved(profile: np.ndarray, columns: int = 24) -> Mesh:
    """Turn a profile of (radius, y) points (K, 2), metres, about the y axis: vases, cups, cones,
    shades.

    A profile that comes back inside makes a hollow body with a thickness.
    """
    profile = np.asarray(profile, np.float64)
    angle = np.linspace(0, 2 * np.pi, columns)[None]
    radius = profile[:, :1]
    points = np.stack(
        [radius * np.cos(angle), profile[:, 1:] + 0 * angle, radius * np.sin(angle)], -1
    )
    along = _lengths(np.pad(profile, ((0, 0), (0, 1))))[:, None]
    around = angle * max(float(radius.mean()), 1e-4)
    return patch(points, np.stack(np.broadcast_arrays(around, along), -1))


def tube(path: np.ndarray, radius: np.ndarray | float, sides: int = 8) -> Mesh:
    """Sweep a circle along a path: rods, stems, cables, handles, legs.

    Args:
        path: (K, 3) points, metres.
        radius: (K,) or one number, metres.
        sides: corners of the circle.
    """
    path = np.asarray(path, np.float64)
    tangent = _unit(np.gradient(path, axis=0))
    normal = np.empty_like(path)
    helper = np.eye(3)[np.argmin(np.abs(tangent[0]))]
    normal[0] = _unit(np.cross(tangent[0], helper)[None])[0]
    for k in range(1, len(path)):  # parallel transport: no twist where the path bends
        normal[k] = normal[k - 1] - (normal[k - 1] @ tangent[k]) * tangent[k]
    normal = _unit(normal)
    binormal = np.cross(tangent, normal)
    angle = np.linspace(0, 2 * np.pi, sides + 1)[None, :, None]
    ring = np.cos(angle) * normal[:, None] + np.sin(angle) * binormal[:, None]
    radii = np.broadcast_to(np.asarray(radius, np.float64), len(path))
    points = path[:, None] + ring * radii[:, None, None]
    around = angle[0, :, 0] * float(radii.mean())
    along = _lengths(path)
    return patch(points, np.stack(np.broadcast_arrays(around[None], along[:, None]), -1))


def extruded(polygon: np.ndarray, depth: float) -> Mesh:
    """Extrude a star-shaped polygon (K, 2) metres in x-y along z by `depth`, with both caps; sharp
    edges.
    """
    polygon = np.asarray(polygon, np.float64)
    ends = np.roll(polygon, -1, 0)
    meshes = []
    for start, end in zip(polygon, ends):
        points = np.zeros((2, 2, 3))
        points[:, :, :2] = np.stack([start, end])[None]
        points[0, :, 2] = -depth / 2
        points[1, :, 2] = depth / 2
        meshes.append(patch(points))
    count = len(polygon)
    fan = np.stack(
        [np.full(count, count), np.arange(count), (np.arange(count) + 1) % count], 1
    ).astype(np.int32)
    flat = np.concatenate([polygon, polygon.mean(0, keepdims=True)])
    for z in (-depth / 2, depth / 2):
        vertices = np.pad(flat, ((0, 0), (0, 1)), constant_values=z).astype(np.float32)
        normals = np.tile(np.float32([0, 0, np.sign(z)]), (count + 1, 1))
        meshes.append(Mesh(vertices, normals, flat.astype(np.float32), fan))
    return Mesh.joined(meshes)


def copies(mesh: Mesh, matrices: np.ndarray) -> Mesh:
    """Copy a mesh by (K, 4, 4) rigid or evenly scaled matrices into one: leaves, bars, books."""
    matrices = np.asarray(matrices, np.float64)
    linear = matrices[:, :3, :3]
    count, size = len(matrices), len(mesh.vertices)
    vertices = np.einsum("kij,nj->kni", linear, mesh.vertices) + matrices[:, None, :3, 3]
    normals = _unit(np.einsum("kij,nj->kni", linear, mesh.normals).reshape(-1, 3))
    faces = mesh.faces[None] + (np.arange(count) * size)[:, None, None]
    return Mesh(
        vertices.reshape(-1, 3).astype(np.float32),
        normals.astype(np.float32),
        np.tile(mesh.uv, (count, 1)),
        faces.reshape(-1, 3).astype(np.int32),
    )


def smooth_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return normals (N, 3) at vertices (N, 3): the mean of their triangles', weighted by area."""
    corner = vertices[faces]
    normal = _cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    total = np.zeros_like(vertices)
    for axis in range(3):
        for k in range(3):
            total[:, axis] += np.bincount(faces[:, k], normal[:, axis], len(vertices))
    return _unit(total)


def _cross(a, b):
    """Cross products of rows (N,3): three times faster than np.cross."""
    x = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    y = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    z = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return np.stack([x, y, z], 1)


def _lengths(points):
    """Length (K,) along a line of points (K,3) up to each."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def _power(x, exponent):
    return np.sign(x) * np.abs(x) ** exponent


def _unit(x):
    return x / (np.linalg.norm(x, axis=-1, keepdims=True) + _TINY)
