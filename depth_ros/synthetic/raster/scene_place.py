"""Places at true sizes, furnished with models: rooms, desks, streets, yards and corridors; y = 0 is
the floor.

Every place returns where a camera may stand in it, and how it looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.synthetic.raster.furniture import Furniture
from depth_ros.synthetic.raster.mesh import box, sheet
from depth_ros.synthetic.raster.objects import placed
from depth_ros.synthetic.raster.stage import Stage, about_y

FLOORS = ("wood", "wood", "gravel", "bricks", "checks", "stone", "cells", "plain", "print", "plaid")
WALLS = ("plain", "plain", "clouds", "gravel", "bricks", "print", "stripes", "stone", "wood")
_BOARD = ("picture", "text", "map", "leaves", "print")


@dataclass(frozen=True)
class Spot:
    """Where a camera stands.

    Attributes:
        position: (3,) m.
        yaw_rad: about the vertical, 0 looks along +z.
        pitch_rad: above 0 looks up.
        roll_rad: about the line of sight.
        outdoors: under a sky.
        reach_m: how far away the place's things lie.
    """

    position: np.ndarray
    yaw_rad: float
    pitch_rad: float
    roll_rad: float
    outdoors: bool
    reach_m: float

    def pose(self) -> np.ndarray:
        """Return world_T_camera (4, 4)."""
        pitch = cv2.Rodrigues(np.array([self.pitch_rad, 0.0, 0.0]))[0]
        roll = cv2.Rodrigues(np.array([0.0, 0.0, self.roll_rad]))[0]
        return placed(about_y(self.yaw_rad) @ pitch @ roll, self.position)


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


def shell(stage: Stage, room: Box, open_side: bool = False) -> None:
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
    for number, (place, across, inward) in enumerate(walls_of(room)):
        material = paint if rng.random() < 0.75 else stage.metric_material(WALLS, (0.6, 4), 0.4)
        if not (open_side and number == 0):
            stage.wall(
                place - [0, room.height / 2, 0], across, np.array([0, room.height, 0]), material
            )
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
        values = {**vars(material), "glow": glow}
        stage.wall(spot, along, np.array([0, size[1], 0]), type(material)(**values))


def yaw_inward(inward: np.ndarray) -> float:
    """Return the yaw that turns a model's front (towards -z) along a vector (3,)."""
    return float(np.arctan2(-inward[0], -inward[2]))


def furnish(stage: Stage, furniture: Furniture, room: Box, floor: Floor, density: float) -> None:
    """Put furniture along the walls and in the middle, things on top of it, lamps at the
    ceiling.
    """
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


def furnished_room(stage: Stage, furniture: Furniture) -> Spot:
    """Build a room of 2.5 to 9 m with furniture, and look across it."""
    rng = stage.rng
    width, depth = rng.uniform(2.6, 8), rng.uniform(2.8, 9)
    room = Box(-width / 2, width / 2, 0.0, depth, rng.uniform(2.3, 3.4))
    shell(stage, room)
    floor = Floor()
    position = np.array(
        [rng.uniform(-0.42, 0.42) * width, -rng.uniform(0.35, 1.9), rng.uniform(0.06, 0.5) * depth]
    )
    floor.free(position[0], position[2], 0.9, 0.9)
    furnish(stage, furniture, room, floor, rng.uniform(0.3, 1.0))
    towards = room.center + rng.normal(0, 0.25, 3) * [width, 0, depth] - position
    yaw = float(np.arctan2(towards[0], max(towards[2], 0.3)))
    return Spot(position, yaw, rng.normal(-0.1, 0.16), rng.normal(0, 0.04), False, depth)


def ready_world(stage: Stage, furniture: Furniture) -> Spot:
    """Stand somewhere in a whole world from the assets: a house, a shop, a warehouse."""
    rng = stage.rng
    name = sorted(furniture.worlds)[rng.integers(len(furniture.worlds))]
    rows = furniture.worlds[name]
    centers = np.array([matrix[:3, 3] for _, matrix in rows])
    low, high = np.percentile(centers, 5, 0), np.percentile(centers, 95, 0)
    position = rng.uniform(low, high)
    position[1] = -rng.uniform(0.3, 1.9)
    for piece, matrix in rows:
        stage.place_at(piece, matrix)
    if "warehouse" not in name:
        top = rng.uniform(2.6, 3.2)
        span = high - low + 6
        ceiling = stage.metric_material(("plain", "gravel", "bricks"), (0.6, 3), 0.7)
        middle = (low + high) / 2 * [1, 0, 1] - [0, top, 0]
        stage.wall(middle, np.array([span[0], 0, 0]), np.array([0, 0, span[2]]), ceiling)
    return Spot(
        position, rng.uniform(0, 2 * np.pi), rng.normal(-0.1, 0.16), rng.normal(0, 0.04), False, 5.0
    )


def desk(stage: Stage, furniture: Furniture) -> Spot:
    """Look at a table top with small things on it from 0.4 to 1.6 m, a furnished room behind."""
    rng = stage.rng
    width, depth = rng.uniform(3, 7), rng.uniform(3, 7)
    room = Box(
        -rng.uniform(0.35, 0.65) * width,
        0.0,
        -rng.uniform(1.3, 2.2),
        depth - 1.5,
        rng.uniform(2.4, 3.2),
    )
    room = Box(room.left, room.left + width, room.near, room.far, room.height)
    shell(stage, room)
    floor = Floor()
    floor.free(0, 0, 2.4, 2.6)
    furnish(stage, furniture, room, floor, rng.uniform(0.2, 0.8))
    height, across, along = rng.uniform(0.66, 0.82), rng.uniform(0.8, 2.0), rng.uniform(0.55, 1.0)
    _table_top(stage, height, across, along)
    for _ in range(int(rng.integers(3, 15))):
        spot = np.array(
            [rng.uniform(-0.45, 0.45) * across, -height, rng.uniform(-0.42, 0.42) * along]
        )
        thing = furniture.draw(rng, "small") if rng.random() < 0.7 else None
        if thing is not None:
            stage.place(thing, spot, rng.uniform(0, 6.3))
        else:
            stage.standing(spot, np.exp(rng.uniform(np.log(0.06), np.log(0.4))))
    angle, distance = rng.uniform(-0.9, 0.9), rng.uniform(0.45, 1.5)
    position = np.array(
        [np.sin(angle) * distance, -height - rng.uniform(0.15, 0.9), -np.cos(angle) * distance]
    )
    position[0] = np.clip(position[0], room.left + 0.2, room.right - 0.2)
    position[2] = max(position[2], room.near + 0.2)
    towards = (
        np.array([rng.normal(0, 0.25), -height - rng.normal(0.05, 0.12), rng.normal(0.05, 0.2)])
        - position
    )
    yaw = float(np.arctan2(towards[0], towards[2])) + rng.normal(0, 0.12)
    pitch = -float(np.arctan2(towards[1], np.hypot(towards[0], towards[2]))) + rng.normal(
        0.05, 0.12
    )
    return Spot(position, yaw, pitch, rng.normal(0, 0.07), False, 1.5)


def _table_top(stage, height, across, along):
    """A desk: a board on four legs."""
    kinds = ("wood", "wood", "plain", "stone", "gravel")
    board = box([across, 0.03, along]).transformed(placed(np.eye(3), [0, -height + 0.015, 0]))
    legs = []
    for x in (-0.46, 0.46):
        for z in (-0.44, 0.44):
            leg = box([0.05, height - 0.03, 0.05])
            legs.append(
                leg.transformed(placed(np.eye(3), [x * across, -(height - 0.03) / 2, z * along]))
            )
    top = stage.metric_material(kinds, (0.4, 2), 0.3)
    metal = stage.metric_material(("plain",), (1, 2))
    stage.add([(board, top), *((leg, metal) for leg in legs)])
    if stage.rng.random() < 0.5:  # papers
        for _ in range(int(stage.rng.integers(1, 5))):
            spot = [
                stage.rng.uniform(-0.4, 0.4) * across,
                -height - 0.003,
                stage.rng.uniform(-0.35, 0.35) * along,
            ]
            flat = cv2.Rodrigues(np.array([np.pi / 2, 0, 0]))[0]
            paper = sheet(0.21, 0.297).transformed(
                placed(about_y(stage.rng.normal(0, 0.5)) @ flat, spot)
            )
            stage.add([(paper, stage.metric_material(("text", "picture"), (0.2, 0.4), 0.1))])
