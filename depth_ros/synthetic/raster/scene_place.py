"""Places indoors at true sizes: rooms, desks, and whole worlds of the assets; y = 0 is the floor.

Every place returns where a camera may stand in it, and how it looks.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from depth_ros.synthetic.raster.furniture import Furniture
from depth_ros.synthetic.raster.mesh import box, sheet
from depth_ros.synthetic.raster.placement import placed
from depth_ros.synthetic.raster.room import Box, Floor, furnish, shell
from depth_ros.synthetic.raster.stage import Stage, about_y


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
    furnish(stage, furniture, room, floor, rng.uniform(0.5, 1.6))
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
