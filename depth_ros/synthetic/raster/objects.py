"""Random things about one metre in size: solids, vessels, cloth, plants, fences, furniture, heaps.

Each maker returns bodies: a mesh standing about the origin, and which material of the object it
has.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from depth_ros.synthetic.raster.assemblies import books, doll, fence, plant, table
from depth_ros.synthetic.raster.mesh import (
    Mesh,
    box,
    extruded,
    patch,
    revolved,
    sheet,
    smooth_normals,
    superquadric,
    tube,
)
from depth_ros.synthetic.raster.noise import height_grid
from depth_ros.synthetic.raster.placement import CUT_CARD, Body, rotation


def block(rng: np.random.Generator) -> list[Body]:
    """Make a box: parcel, book, brick, board."""
    return [(box(np.exp(rng.uniform(-1.6, 0, 3))), 0)]


def blob(rng: np.random.Generator) -> list[Body]:
    """Make a superquadric, often dented: ball, egg, cushion, stone, head."""
    exponents = rng.choice([1.0, 1.0, 0.3, 0.6, 1.6], 2)
    mesh = superquadric(0.5 * np.exp(rng.uniform(-0.8, 0, 3)), *exponents)
    if rng.random() < 0.55:
        mesh = _dented(rng, mesh, rng.uniform(0.05, 0.4), rng.uniform(2, 7))
    return [(mesh, 0)]


def rock(rng: np.random.Generator) -> list[Body]:
    """Make a rough stone with facets."""
    mesh = superquadric(0.5 * np.exp(rng.uniform(-0.7, 0, 3)), 0.8, 0.8, rows=18, columns=26)
    mesh = _dented(rng, mesh, 0.3, 4)
    return [(_dented(rng, mesh, 0.08, 18), 0)]


def _dented(rng, mesh, depth, frequency):
    """Push vertices in and out by a few plane waves."""
    vertices = mesh.vertices.astype(np.float64)
    waves = rng.normal(0, frequency, (4, 3))
    level = np.sin(vertices @ waves.T + rng.uniform(0, 6.3, 4)).mean(1)
    moved = vertices * (1 + 2 * depth * level)[:, None]
    return _renewed(mesh, moved)


def _renewed(mesh, vertices):
    """The same mesh with other vertices and the normals that go with them."""
    normals = smooth_normals(vertices, mesh.faces)
    return Mesh(vertices.astype(np.float32), normals.astype(np.float32), mesh.uv, mesh.faces)


def vessel(rng: np.random.Generator) -> list[Body]:
    """Make a vase, cup, bowl, pot, bottle, bowling pin or lampshade; most are hollow, some have a
    handle.
    """
    height = np.exp(rng.uniform(-0.9, 0))
    width = np.exp(rng.uniform(-1.6, -0.4))
    rows = 14
    y = np.linspace(height / 2, -height / 2, rows)
    knots = np.clip(1 + rng.choice([0.0, 0.25, 0.5]) * rng.normal(0, 1, 5), 0.15, 2.2)
    if rng.random() < 0.4:
        knots = np.linspace(*rng.uniform(0.3, 1.2, 2), 5)
    radius = width * np.interp(np.linspace(0, 1, rows), np.linspace(0, 1, 5), knots)
    radius = cv2.blur(radius[:, None], (1, 3)).ravel()
    outside = np.stack([radius, y], 1)
    if rng.random() < 0.6:  # hollow: back down inside
        wall = width * rng.uniform(0.03, 0.12)
        inside = np.stack([np.maximum(radius - wall, 1e-3), y], 1)[::-1]
        profile = np.concatenate([[[1e-3, y[0]]], outside, inside, [[1e-3, inside[-1, 1]]]])
    else:
        profile = np.concatenate([[[1e-3, y[0]]], outside, [[1e-3, y[-1]]]])
    bodies = [(revolved(profile), 0)]
    if rng.random() < 0.25:
        bodies.append((_handle(rng, float(radius.max()), height), int(rng.integers(2))))
    return bodies


def _handle(rng, radius, height):
    angle = np.linspace(-1.2, 1.2, 9) + np.pi * 0
    reach = rng.uniform(0.3, 0.8) * height / 2
    path = np.stack([radius * 0.9 + reach * np.cos(angle), reach * np.sin(angle), 0 * angle], 1)
    return tube(path, rng.uniform(0.03, 0.08) * height, 6)


def shade(rng: np.random.Generator) -> list[Body]:
    """Make a cone or truncated cone of thin sheet, open above and below."""
    top, bottom = rng.uniform(0.005, 0.35), rng.uniform(0.2, 0.5)
    height = rng.uniform(0.4, 1.0)
    y = np.linspace(-height / 2, height / 2, 5)
    profile = np.stack([np.linspace(top, bottom, 5), y], 1)
    mesh = revolved(profile, columns=int(rng.choice([5, 7, 13, 25])))
    if rng.random() < 0.3:
        mesh = _dented(rng, mesh, 0.06, 6)
    return [(mesh, 0)]


def rods(rng: np.random.Generator) -> list[Body]:
    """Make a few thin rods, poles, pencils or cables, straight or bent."""
    bodies = []
    bend = rng.choice([0.0, 0.0, 0.15, 0.4])
    for number in range(int(rng.integers(1, 6))):
        turn = rotation(rng, rng.choice([0.15, 1.5]))
        along = np.linspace(-0.8, 0.8, 12 if bend else 3)
        path = np.stack([0 * along, along, 0 * along], 1)
        if bend:
            path += bend * height_grid(rng, len(along), 3, int(rng.integers(2, 5)))
        radius = np.exp(rng.uniform(np.log(0.004), np.log(0.04)))
        path = path @ turn.T + rng.normal(0, 0.2, 3) * (number > 0)
        bodies.append((tube(path, radius, 6), number % 2))
    return bodies


def ring(rng: np.random.Generator) -> list[Body]:
    """Make rings, hoops and links."""
    bodies = []
    for number in range(int(rng.integers(1, 4))):
        angle = np.linspace(0, 2 * np.pi, 25)
        path = 0.4 * np.stack([np.cos(angle), np.sin(angle) * rng.uniform(0.5, 1), 0 * angle], 1)
        path = path @ rotation(rng, 1.0).T + rng.normal(0, 0.25, 3) * (number > 0)
        bodies.append((tube(path, rng.uniform(0.01, 0.09), 8), number % 2))
    return bodies


def cloth(rng: np.random.Generator) -> list[Body]:
    """Make a crumpled, draped or rolling sheet."""
    rows = columns = 24
    v, u = np.mgrid[-0.5 : 0.5 : rows * 1j, -0.5 : 0.5 : columns * 1j]
    folds = rng.uniform(0.02, 0.12) * height_grid(rng, rows, columns, int(rng.integers(2, 8)))
    folds = folds + rng.uniform(0, 0.05) * height_grid(rng, rows, columns, int(rng.integers(6, 14)))
    if rng.random() < 0.4:  # hanging folds
        folds = folds + rng.uniform(0.01, 0.06) * np.sin(u * rng.uniform(10, 50) + 3 * v)
    stretch = np.exp(rng.uniform(-0.5, 0.3, 2))
    sway = 0.06 * height_grid(rng, rows, columns, 4)
    points = np.stack([(u + sway) * stretch[0], (v + sway.T) * stretch[1], folds], -1)
    return [(patch(points), 0)]


def cutting(rng: np.random.Generator) -> list[Body]:
    """Extrude a random outline: letters, toys, wooden figures, broken tiles."""
    count = int(rng.integers(3, 13))
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.uniform(-0.2, 0.2, count)
    radius = rng.uniform(0.2, 0.5, count) if rng.random() < 0.7 else np.full(count, 0.45)
    outline = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return [(extruded(outline, np.exp(rng.uniform(np.log(0.01), np.log(0.6)))), 0)]


def card(rng: np.random.Generator) -> list[Body]:
    """Make a flat or bent card with a cut-out: leaves, lattices, torn paper."""
    size = np.exp(rng.uniform(-0.6, 0.2, 2))
    mesh = sheet(*size, 6, 6, card=True)
    bend = rng.choice([0.0, 0.1, 0.25])
    vertices = mesh.vertices + [0, 0, 1] * (bend * height_grid(rng, 6, 6, 2).reshape(-1, 1))
    return [(_renewed(mesh, vertices.astype(np.float64)), CUT_CARD)]


MAKERS: dict[str, tuple[Callable[[np.random.Generator], list[Body]], float]] = {
    "block": (block, 16),
    "blob": (blob, 13),
    "rock": (rock, 5),
    "vessel": (vessel, 12),
    "shade": (shade, 6),
    "rods": (rods, 9),
    "ring": (ring, 3),
    "cloth": (cloth, 8),
    "cutting": (cutting, 7),
    "card": (card, 8),
    "plant": (plant, 6),
    "fence": (fence, 5),
    "table": (table, 4),
    "books": (books, 5),
    "doll": (doll, 7),
}
