"""Rooms: a shell of floor, walls and ceiling with pictures and windows, and furniture that does not
collide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from depth_ros.synthetic.raster.furniture import Furniture
from depth_ros.synthetic.raster.stage import Stage, about_y

FLOORS = ("wood", "wood", "gravel", "bricks", "checks", "stone", "cells", "plain", "print", "plaid")
WALLS = ("plain", "plain", "clouds", "gravel", "bricks", "print", "stripes", "stone", "wood")
_BOARD = ("picture", "text", "map", "leaves", "print")


@dataclass(frozen=True)
class Box:
    """A box room: x from left to right, z from near to far, height; metres."""

    left: float
    right: float
    near: float
    far: float
    height: float

    @property
    def center(self) -> np.ndarray:
        """Middle of the floor (3,)."""
        return np.array([(self.left + self.right) / 2, 0.0, (self.near + self.far) / 2])


class Floor:
    """Keeps things apart: rectangles on the floor that are taken."""

    def __init__(self):
        self._taken: list[tuple[float, float, float, float]] = []

    def free(self, x: float, z: float, width: float, depth: float) -> bool:
        """Take a rectangle about (x, z) m where nothing stands; else leave it."""
        new = (x - width / 2, x + width / 2, z - depth / 2, z + depth / 2)
        for old in self._taken:
            if new[0] < old[1] and old[0] < new[1] and new[2] < old[3] and old[2] < new[3]:
                return False
        self._taken.append(new)
        return True


def shell(stage: Stage, room: Box) -> None:
    """Build floor, walls, ceiling, skirting; perhaps windows of light, doors and pictures on the
    walls.
    """
    rng = stage.rng
    width, depth = room.right - room.left, room.far - room.near
    middle = room.center
    stage.wall(
        middle,
        np.array([width, 0, 0]),
        np.array([0, 0, depth]),
        stage.metric_material(FLOORS, (0.4, 3)),
    )
    ceiling = stage.metric_material(("plain", "plain", "gravel", "bricks"), (0.6, 3), 0.7)
    stage.wall(
        middle - [0, room.height, 0], np.array([width, 0, 0]), np.array([0, 0, depth]), ceiling
    )
    paint = stage.metric_material(WALLS, (0.6, 4), 0.5)
    for place, across, inward in walls_of(room):
        material = paint if rng.random() < 0.75 else stage.metric_material(WALLS, (0.6, 4), 0.4)
        height = np.array([0, room.height, 0])
        stage.wall(place - height / 2, across, height, material)
        _boards(stage, room, place, across, inward)


def walls_of(room: Box) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return foot of the middle, vector along, and inward normal of the four walls: far, right,
    near, left.
    """
    middle = room.center
    width, depth = room.right - room.left, room.far - room.near
    return [
        (np.array([middle[0], 0, room.far]), np.array([width, 0, 0]), np.array([0, 0, -1.0])),
        (np.array([room.right, 0, middle[2]]), np.array([0, 0, depth]), np.array([-1.0, 0, 0])),
        (np.array([middle[0], 0, room.near]), np.array([width, 0, 0]), np.array([0, 0, 1.0])),
        (np.array([room.left, 0, middle[2]]), np.array([0, 0, depth]), np.array([1.0, 0, 0])),
    ]


def _boards(stage, room, place, across, inward):
    """Pictures, boards and windows on a wall."""
    rng = stage.rng
    length = np.linalg.norm(across)
    for _ in range(int(rng.poisson(length * 0.25))):
        size = rng.uniform(0.2, 1.4, 2)
        spot = place + across * rng.uniform(-0.45, 0.45) + inward * 0.02
        spot[1] = -rng.uniform(0.9, max(1.0, room.height - 0.5))
        along = across / length * size[0]
        if rng.random() < 0.3:  # a window: brighter than anything inside
            kinds, glow = ("picture", "clouds"), rng.uniform(0.3, 2.0)
        else:
            kinds, glow = _BOARD, 0.0
        material = stage.metric_material(kinds, (0.4, 1.5), 0.1)
        stage.wall(spot, along, np.array([0, size[1], 0]), replace(material, glow=glow))


def yaw_inward(inward: np.ndarray) -> float:
    """Return the yaw that turns a model's front (towards -z) along a vector (3,)."""
    return float(np.arctan2(-inward[0], -inward[2]))


def furnish(stage: Stage, furniture: Furniture, room: Box, floor: Floor, density: float) -> None:
    """Put furniture along the walls and in the middle, things on it, lamps at the ceiling."""
    rng = stage.rng
    for place, across, inward in walls_of(room):
        length = np.linalg.norm(across)
        for _ in range(int(rng.poisson(length * density))):
            use = "opening" if rng.random() < 0.12 else "big"
            piece = furniture.draw(rng, use)
            if piece is None or piece.entry.size_m[1] > room.height:
                continue
            size = piece.entry.size_m
            spot = (
                place
                + across * rng.uniform(-0.45, 0.45)
                + inward * (size[2] / 2 + rng.uniform(0.0, 0.1))
            )
            turned = abs(inward[0]) > 0.5
            if floor.free(
                spot[0], spot[2], *((size[2], size[0]) if turned else (size[0], size[2]))
            ):
                yaw = yaw_inward(inward) + rng.normal(0, 0.04)
                stage.place(piece, spot - [0, piece.entry.elevation_m, 0], yaw)
                _set_upon(stage, furniture, piece, spot)
    _middle(stage, furniture, room, floor, density)
    for _ in range(int(rng.integers(0, 4))):
        piece = furniture.draw(rng, "hanging")
        if piece is not None and piece.entry.size_m[1] < 1.2:
            spot = np.array(
                [rng.uniform(room.left, room.right), -room.height, rng.uniform(room.near, room.far)]
            )
            stage.place(piece, spot + [0, piece.entry.size_m[1], 0], rng.uniform(0, 6.3))


def _middle(stage, furniture, room, floor, density):
    """Tables with seats about them, people, and single things."""
    rng = stage.rng
    area = (room.right - room.left) * (room.far - room.near)
    for _ in range(int(rng.poisson(area * density * 0.16))):
        spot = np.array([rng.uniform(room.left, room.right), 0, rng.uniform(room.near, room.far)])
        use = rng.choice(["table", "big", "seat", "person", "small"], p=[0.35, 0.25, 0.2, 0.1, 0.1])
        piece = furniture.draw(rng, use)
        if piece is None:
            continue
        size = piece.entry.size_m
        reach = max(size[0], size[2])
        inside = (
            room.left + reach / 2 < spot[0] < room.right - reach / 2
            and room.near + reach / 2 < spot[2] < room.far - reach / 2
        )
        if not inside or not floor.free(spot[0], spot[2], reach, reach):
            continue
        yaw = rng.uniform(0, 2 * np.pi)
        stage.place(piece, spot, yaw)
        _set_upon(stage, furniture, piece, spot)
        if use == "table":
            _seats(stage, furniture, spot, yaw, size)
    if rng.random() < 0.4:  # a rug
        size = rng.uniform(0.8, 3, 2)
        spot = room.center + rng.normal(0, 0.8, 3) * [1, 0, 1] - [0, 0.006, 0]
        turn = about_y(rng.normal(0, 0.3))
        kinds = ("print", "plaid", "stripes", "gravel", "checks")
        stage.wall(
            spot,
            turn @ [size[0], 0, 0],
            turn @ [0, 0, size[1]],
            stage.metric_material(kinds, (0.3, 2)),
        )


def _seats(stage, furniture, spot, yaw, size):
    rng = stage.rng
    seat = furniture.draw(rng, "seat")
    if seat is None:
        return
    for side in range(4):
        if rng.random() < 0.55:
            angle = yaw + side * np.pi / 2
            outward = about_y(angle) @ np.array([0, 0, -1.0])
            reach = (size[2] if side % 2 == 0 else size[0]) / 2 + rng.uniform(0.0, 0.4)
            stage.place(seat, spot + outward * reach, angle + np.pi + rng.normal(0, 0.25))


def _set_upon(stage, furniture, piece, spot):
    """Put small things on top of a piece that is as high as a table."""
    rng = stage.rng
    width, height, depth = piece.entry.size_m
    if not 0.3 < height < 1.15 or rng.random() < 0.4:
        return
    for _ in range(int(rng.integers(1, 6))):
        thing = furniture.draw(rng, "small")
        if thing is None or max(thing.entry.size_m[0], thing.entry.size_m[2]) > 0.6 * min(
            width, depth
        ):
            continue
        offset = rng.uniform(-0.3, 0.3, 3) * min(width, depth) * [1, 0, 1]
        stage.place(
            thing, spot + offset - [0, height + piece.entry.elevation_m, 0], rng.uniform(0, 6.3)
        )
