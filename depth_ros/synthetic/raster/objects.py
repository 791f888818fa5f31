"""Random things about one metre in size: solids, vessels, cloth, plants, fences, furniture, heaps.

Each maker returns bodies: a mesh standing about the origin, and which material of the object it
has.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from depth_ros.synthetic.raster.mesh import (
    Mesh,
    box,
    copies,
    extruded,
    patch,
    revolved,
    sheet,
    smooth_normals,
    superquadric,
    tube,
)
from depth_ros.synthetic.raster.noise import height_grid

Body = tuple[Mesh, int]
CUT_CARD = -1  # material number of a card that wants a cut-out


def rotation(rng: np.random.Generator, spread_rad: float) -> np.ndarray:
    """Draw a rotation (3, 3) by about `spread_rad`."""
    return cv2.Rodrigues(rng.normal(0, spread_rad / np.sqrt(3), 3))[0]


def placed(linear: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Join a (3, 3) linear map and a position (3,) to a (4, 4) matrix."""
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = position
    return matrix


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
    """Make a vase, cup, bowl, pot, bottle, bowling pin or lampshade; most are hollow, some have
    a handle.
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


def plant(rng: np.random.Generator) -> list[Body]:
    """Make a plant: long blades from a pot, or many small leaves on stems."""
    blades = rng.random() < 0.45
    count = int(rng.integers(6, 26)) if blades else int(rng.integers(30, 160))
    length = rng.uniform(0.4, 0.8) if blades else rng.uniform(0.06, 0.2)
    leaf = _leaf(rng, length, length * rng.uniform(0.06, 0.2 if blades else 0.6))
    turns = [_turn(rng, blades) for _ in range(count)]
    places = [
        rng.normal(0, 0.02, 3) if blades else rng.normal(0, [0.25, 0.25, 0.25])
        for _ in range(count)
    ]
    scales = np.exp(rng.normal(0, 0.25, count))
    matrices = np.stack([placed(s * t, p) for s, t, p in zip(scales, turns, places)])
    bodies = [(copies(leaf, matrices), 0)]
    if not blades:
        stems = [
            tube(np.array([[0, 0.5, 0], 0.5 * place + [0, 0.1, 0], place]), 0.008, 5)
            for place in places[:: max(1, count // 12)]
        ]
        bodies.append((Mesh.joined(stems), 1))
    if rng.random() < 0.6:
        pot = np.array([[1e-3, 0.3], [0.12, 0.3], [0.18, 0.0], [0.16, 0.0], [1e-3, 0.03]])
        base = 0.0 if blades else 0.35
        bodies.append((revolved(pot).transformed(placed(np.eye(3), [0, base, 0])), 1))
    return bodies


def _leaf(rng, length, width):
    """A leaf that grows up (-y) and bends over."""
    along = np.linspace(0, 1, 8)
    spread = width * np.sin(np.pi * np.clip(along * 0.95 + 0.05, 0, 1)) ** 0.8
    bow = rng.uniform(0.1, 0.9) * along**2 * length
    across = np.array([-1.0, 0.0, 1.0])
    x = spread[:, None] * across
    y = np.repeat((-length * along + 0.3 * bow)[:, None], 3, 1)
    z = bow[:, None] + 0.3 * np.abs(x)
    return patch(np.stack([x, y, z], -1))


def _turn(rng, blades):
    lean = rng.uniform(0.1, 1.2) if blades else rng.uniform(0, np.pi)
    around = cv2.Rodrigues(np.array([0, rng.uniform(0, 2 * np.pi), 0]))[0]
    return around @ cv2.Rodrigues(np.array([lean, 0.0, 0.0]))[0]


def fence(rng: np.random.Generator) -> list[Body]:
    """Make bars, a grid, a rack or a crate's side."""
    thick = np.exp(rng.uniform(np.log(0.006), np.log(0.05)))
    count = int(rng.integers(3, 16))
    bar = box([thick, 1.0, thick * rng.uniform(0.5, 1.5)])
    x = np.linspace(-0.5, 0.5, count)
    matrices = [placed(np.eye(3), [place, 0, 0]) for place in x]
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    if rng.random() < 0.8:
        rows = int(rng.integers(2, 10))
        matrices += [
            placed(quarter, [0, place, thick * 0.8]) for place in np.linspace(-0.48, 0.48, rows)
        ]
    return [(copies(bar, np.stack(matrices)), 0)]


def table(rng: np.random.Generator) -> list[Body]:
    """Make a table, stool, chair or shelf of boards and legs."""
    width, depth, height = rng.uniform(0.4, 1.0), rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.8)
    board = rng.uniform(0.02, 0.06)
    leg = rng.uniform(0.015, 0.06)
    bodies = [(box([width, board, depth]).transformed(placed(np.eye(3), [0, -height / 2, 0])), 0)]
    corners = [(x, z) for x in (-0.46, 0.46) for z in (-0.46, 0.46)]
    legs = np.stack([placed(np.eye(3), [x * width, 0, z * depth]) for x, z in corners])
    bodies.append((copies(box([leg, height, leg]), legs), 1))
    kind = rng.random()
    if kind < 0.4:
        rest = box([width, height * 0.8, board]).transformed(
            placed(np.eye(3), [0, -0.9 * height, depth / 2])
        )
        bodies.append((rest, 0))
    elif kind < 0.7:
        shelves = [
            placed(np.eye(3), [0, y, 0])
            for y in np.linspace(-0.3, 0.45, int(rng.integers(1, 4))) * height
        ]
        bodies.append((copies(box([width, board, depth]), np.stack(shelves)), 0))
    return bodies


def books(rng: np.random.Generator) -> list[Body]:
    """Make a row or a stack of books."""
    count = int(rng.integers(3, 12))
    thick = rng.uniform(0.03, 0.12, count)
    places = np.cumsum(thick) - thick / 2
    bodies = []
    for number in range(count):
        size = [thick[number], rng.uniform(0.4, 0.6), rng.uniform(0.25, 0.4)]
        lean = cv2.Rodrigues(np.array([0, rng.normal(0, 0.06), rng.normal(0, 0.03)]))[0]
        mesh = box(size).transformed(
            placed(lean, [places[number] - places[-1] / 2, 0, rng.normal(0, 0.02)])
        )
        bodies.append((mesh, number))
    if rng.random() < 0.5:
        quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
        bodies = [
            (mesh.transformed(placed(quarter, np.zeros(3))), number) for mesh, number in bodies
        ]
    return bodies


def doll(rng: np.random.Generator) -> list[Body]:
    """Make a figure of rounded limbs: dolls, animals, statues, people."""
    trunk = superquadric(np.array([0.16, 0.24, 0.12]) * np.exp(rng.normal(0, 0.2, 3)))
    head = superquadric(np.full(3, rng.uniform(0.08, 0.18)) * np.exp(rng.normal(0, 0.1, 3)))
    bodies = [(trunk, 0), (head.transformed(placed(np.eye(3), [0, -0.36, 0])), 1)]
    for side in (-1, 1):
        for start, reach in (([0.13, -0.14, 0], 0.35), ([0.08, 0.18, 0], 0.4)):
            begin = np.array(start) * [side, 1, 1]
            middle = begin + rng.normal(0, 0.1, 3) + [side * 0.08, reach / 2, 0]
            end = middle + rng.normal(0, 0.12, 3) + [0, reach / 2, 0]
            bodies.append(
                (tube(np.stack([begin, middle, end]), [0.055, 0.05, 0.04], 8), int(rng.integers(2)))
            )
    if rng.random() < 0.5:
        hat = np.array([[0.16, -0.44], [0.12, -0.48], [0.01, -0.48 - rng.uniform(0.05, 0.3)]])
        bodies.append((revolved(hat, 12), 2))
    return bodies


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
