"""Random things of many parts: plants, fences, furniture, books, figures."""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.synthetic.raster.mesh import Mesh, box, copies, patch, revolved, superquadric, tube
from depth_ros.synthetic.raster.placement import Body, placed


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
