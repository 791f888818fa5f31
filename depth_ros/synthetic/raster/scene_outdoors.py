"""Streets, yards and corridors at true sizes; y = 0 is the ground."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.raster.furniture import Furniture
from depth_ros.synthetic.raster.mesh import Mesh, box
from depth_ros.synthetic.raster.placement import placed
from depth_ros.synthetic.raster.room import Box, Floor, furnish, shell, walls_of, yaw_inward
from depth_ros.synthetic.raster.scene_place import Spot
from depth_ros.synthetic.raster.stage import Stage, about_y

_ROADS = ("gravel", "gravel", "gravel", "speckle", "stone")
_PAVING = ("bricks", "gravel", "cells", "checks", "stone")
_FRONTS = ("facade", "facade", "bricks", "gravel", "clouds", "plain", "stripes")
_ROWS_M = 130.0


def street(stage: Stage, furniture: Furniture) -> Spot:
    """Build a road with pavements, houses, trees, signs and vehicles; look along it."""
    rng = stage.rng
    half, walk = rng.uniform(2.8, 8), rng.uniform(1.0, 4.5)
    _ground(stage, half, walk)
    for side in (-1, 1):
        _fronts(stage, furniture, side, half + walk)
        _roadside(stage, furniture, side, half, walk)
        _parked(stage, furniture, side, half)
    for _ in range(int(rng.integers(0, 5))):
        _vehicle(
            stage,
            furniture,
            rng.uniform(-0.5, 0.5) * half,
            rng.uniform(8, 80),
            rng.choice([0, np.pi]),
        )
    if rng.random() < 0.65:  # a vehicle's camera, else that of somebody on foot
        position = np.array([rng.uniform(-0.6, 0.6) * half, -rng.uniform(1.1, 2.2), 0])
        yaw = rng.normal(0, 0.12)
    else:
        position = np.array(
            [rng.choice([-1, 1]) * (half + rng.uniform(0, walk)), -rng.uniform(0.4, 2), 0]
        )
        yaw = rng.normal(0, 0.7)
    return Spot(position, yaw, rng.normal(-0.03, 0.05), rng.normal(0, 0.02), True, 25.0)


def _strip(stage, left, right, y, material, start=-60.0, end=260.0):
    """A flat strip along z; its rows are dense, so that light and fog bend over it."""
    rows = [start, -20, -8, 0, 4, 8, 14, 22, 35, 60, 100, 160, end]
    for near, far in zip(rows, rows[1:]):
        middle = np.array([(left + right) / 2, y, (near + far) / 2])
        stage.wall(middle, np.array([right - left, 0, 0]), np.array([0, 0, far - near]), material)


def _ground(stage, half, walk):
    rng = stage.rng
    road = stage.metric_material(_ROADS, (1.0, 6.0), 0.1)
    paving = stage.metric_material(_PAVING, (0.5, 3.0), 0.1)
    lawn = stage.metric_material(("gravel", "speckle", "clouds", "leaves"), (1.0, 6.0), 0.1)
    _strip(stage, -200, 200, 0.14, lawn)
    _strip(stage, -half, half, 0.0, road)
    for side in (-1, 1):
        inner, outer = side * half, side * (half + walk)
        _strip(stage, min(inner, outer), max(inner, outer), -0.12, paving)
        kerb = box([0.14, 0.14, 320.0]).transformed(placed(np.eye(3), [side * half, -0.06, 100]))
        stage.add([(kerb, paving)])
    if rng.random() < 0.75:
        _markings(stage, half)


def _markings(stage, half):
    """Dashes in the middle, lines along the kerbs."""
    rng = stage.rng
    white = stage.paint(rng.uniform(0.5, 0.9))
    dashes = []
    for z in np.arange(-20, 120, 6.0):
        dashes.append(box([0.14, 0.004, 3.0]).transformed(placed(np.eye(3), [0, -0.004, z])))
    for side in (-1, 1):
        line = box([0.12, 0.004, 200.0]).transformed(
            placed(np.eye(3), [side * (half - 0.3), -0.004, 80])
        )
        dashes.append(line)
    if rng.random() < 0.25:  # a crossing
        place = rng.uniform(6, 25)
        for x in np.arange(-half + 0.5, half - 0.4, 1.0):
            dashes.append(box([0.5, 0.004, 3.5]).transformed(placed(np.eye(3), [x, -0.004, place])))
    stage.add([(Mesh.joined(dashes), white)])


def _fronts(stage, furniture, side, inner):
    """Houses along the street: models where there are some, else blocks; gaps between."""
    rng = stage.rng
    z = rng.uniform(-25, -8)
    while z < _ROWS_M:
        piece = furniture.draw(rng, "building") if rng.random() < 0.6 else None
        back = rng.uniform(0.3, 9)
        if piece is not None and 3 < max(piece.entry.size_m) < 60:
            z += _house(stage, piece, side, inner + back, z)
        else:
            z += _block(stage, side, inner + back, z)
        z += rng.choice([0.0, rng.uniform(1, 14)])


def _house(stage, piece, side, x, z):
    """A model of a house with one of its sides to the street; returns its length."""
    turn = int(stage.rng.integers(4))
    width, _, depth = piece.entry.size_m
    scale = stage.rng.uniform(0.8, 1.2)
    across, along = (width, depth) if turn % 2 == 0 else (depth, width)
    spot = np.array([side * (x + across * scale / 2), 0, z + along * scale / 2])
    stage.place(piece, spot - _middle_of(piece, turn, scale), turn * np.pi / 2, scale)
    return along * scale


def _middle_of(piece, turn, scale):
    """Where the middle of a model's foot lies from its origin, turned by quarters."""
    low = np.min([mesh.vertices.min(0) for mesh, _ in piece.meshes], 0)
    high = np.max([mesh.vertices.max(0) for mesh, _ in piece.meshes], 0)
    middle = np.array([(low[0] + high[0]) / 2, high[1], (low[2] + high[2]) / 2])
    return scale * (about_y(turn * np.pi / 2) @ middle)


def _block(stage, side, x, z):
    """A building without a model."""
    rng = stage.rng
    along, across, height = rng.uniform(5, 24), rng.uniform(5, 14), rng.uniform(2.5, 18)
    body = box([across, height, along])
    spot = [side * (x + across / 2), -height / 2, z + along / 2]
    stage.add(
        [
            (
                body.transformed(placed(np.eye(3), spot)),
                stage.metric_material(_FRONTS, (2.5, 9), 0.15),
            )
        ]
    )
    return along


def _roadside(stage, furniture, side, half, walk):
    """Trees, lamps, signs, bins, people."""
    rng = stage.rng
    step = rng.uniform(5, 20)
    for z in np.arange(-6, 100, step):
        if rng.random() < 0.6:
            x = side * (half + rng.uniform(0.6, 8))
            _tree(stage, furniture, np.array([x, 0.0, z + rng.normal(0, 2)]))
        for use in ("street", "street", "person"):
            piece = furniture.draw(rng, use) if rng.random() < 0.4 else None
            if piece is not None and max(piece.entry.size_m) < 15:
                spot = np.array(
                    [side * (half + rng.uniform(0.3, walk)), -0.12, z + rng.normal(0, 3)]
                )
                stage.place(piece, spot, rng.integers(4) * np.pi / 2 + rng.normal(0, 0.1))
        if rng.random() < 0.3:
            _pole(stage, np.array([side * (half + 0.4), -0.12, z]))


def _tree(stage, furniture, spot):
    rng = stage.rng
    piece = furniture.draw(rng, "tree")
    if piece is not None and rng.random() < 0.5:
        stage.place(piece, spot, rng.uniform(0, 6.3), rng.uniform(0.6, 1.4))
    else:
        stage.standing(spot, rng.uniform(1.0, 7), ("plant",), bare=0.3)


def _pole(stage, spot):
    rng = stage.rng
    height, thick = rng.uniform(2.2, 8), rng.uniform(0.05, 0.2)
    body = box([thick, height, thick]).transformed(placed(np.eye(3), spot - [0, height / 2, 0]))
    stage.add([(body, stage.metric_material(("plain", "gravel", "wood"), (0.5, 2)))])


def _parked(stage, furniture, side, half):
    rng = stage.rng
    often = rng.random()
    z = rng.uniform(3, 14)
    while z < 90:
        if rng.random() < often:
            yaw = (0 if side > 0 else np.pi) + rng.normal(0, 0.03)
            _vehicle(stage, furniture, side * (half - rng.uniform(0.95, 1.3)), z, yaw)
        z += rng.uniform(5.5, 14)


def _vehicle(stage, furniture, x, z, yaw):
    """A vehicle with its long side along the street."""
    rng = stage.rng
    piece = furniture.draw(rng, "vehicle")
    if piece is None:
        return
    width, _, depth = piece.entry.size_m
    turn = 0 if depth >= width else 1
    scale = _vehicle_scale(piece)
    middle = _middle_of(piece, turn, scale)
    around = about_y(yaw)
    spot = np.array([x, 0, z]) - around @ middle
    stage.place(piece, spot, turn * np.pi / 2 + yaw, scale)


_TRUE_LENGTH_M = {
    "hatchback": 4.2,
    "pickup": 5.4,
    "suv": 4.7,
    "prius": 4.5,
    "ambulance": 6.0,
    "bus": 11.0,
}
_TRUE_LENGTH_M["fire_truck"] = 9.0


def _vehicle_scale(piece):
    """Some models of vehicles are not as long as their like; bring them to size."""
    if not piece.entry.source.startswith("gazebo"):
        return 1.0
    longest = max(piece.entry.size_m[0], piece.entry.size_m[2])
    for word, length in _TRUE_LENGTH_M.items():
        if word in piece.entry.name:
            return length / longest
    return 1.0


def yard(stage: Stage, furniture: Furniture) -> Spot:
    """Build a yard, garden or square of 6 to 30 m between walls, fences and sheds, with things
    standing about.
    """
    rng = stage.rng
    width, depth = rng.uniform(6, 24), rng.uniform(6, 30)
    ground = stage.metric_material((*_PAVING, *_ROADS, "clouds"), (0.6, 5), 0.1)
    stage.wall(np.array([0, 0, 60.0]), np.array([300.0, 0, 0]), np.array([0, 0, 300.0]), ground)
    room = Box(-width / 2, width / 2, -2.0, depth, 3)
    for place, across, _ in walls_of(room)[:2] + walls_of(room)[3:]:
        height = rng.choice([rng.uniform(0.8, 2.5), rng.uniform(2.5, 9)])
        if rng.random() < 0.85:
            material = stage.metric_material((*_FRONTS, "wood", "bricks"), (1, 6), 0.2)
            stage.wall(place - [0, height / 2, 0], across, np.array([0, height, 0]), material)
    for _ in range(int(rng.integers(4, 18))):
        spot = np.array([rng.uniform(-0.46, 0.46) * width, 0, rng.uniform(1.2, depth - 0.5)])
        use = rng.choice(["street", "big", "tree", "person", "vehicle", "seat", "table", "other"])
        piece = furniture.draw(rng, use)
        if use == "tree":
            _tree(stage, furniture, spot)
        elif use == "vehicle":
            _vehicle(stage, furniture, spot[0], spot[2] + 2.5, rng.uniform(0, 6.3))
        elif piece is not None and max(piece.entry.size_m) < 0.5 * width:
            stage.place(piece, spot, rng.uniform(0, 6.3))
        else:
            stage.standing(spot, np.exp(rng.uniform(np.log(0.3), np.log(2.5))))
    position = np.array(
        [rng.uniform(-0.3, 0.3) * width, -rng.uniform(0.3, 1.9), rng.uniform(-1.5, 0.5)]
    )
    return Spot(
        position,
        rng.normal(0, 0.35),
        rng.normal(-0.05, 0.1),
        rng.normal(0, 0.03),
        True,
        0.7 * depth,
    )


def corridor(stage: Stage, furniture: Furniture) -> Spot:
    """Build a corridor, hall or aisle of 6 to 45 m with doors and things along its walls; look
    along it.
    """
    rng = stage.rng
    width, depth = rng.uniform(1.3, 4.5), rng.uniform(6, 45)
    room = Box(-width / 2, width / 2, -1.0, depth, rng.uniform(2.2, 4.2))
    shell(stage, room)
    floor = Floor()
    floor.free(0, 0, width, 2.0)
    furnish(stage, furniture, room, floor, rng.uniform(0.02, 0.2))
    for place, across, inward in (walls_of(room)[1], walls_of(room)[3]):
        for z in np.arange(1.5, depth - 1, rng.uniform(1.5, 6)):
            spot = np.array([place[0], 0, z]) + inward * 0.03
            _door(stage, furniture, spot, across / np.linalg.norm(across), inward)
    position = np.array([rng.uniform(-0.3, 0.3) * width, -rng.uniform(0.3, 1.8), 0])
    return Spot(
        position,
        rng.normal(0, 0.2),
        rng.normal(-0.03, 0.1),
        rng.normal(0, 0.03),
        False,
        0.5 * depth,
    )


def _door(stage, furniture, spot, along, inward):
    rng = stage.rng
    piece = furniture.draw(rng, "opening") if rng.random() < 0.4 else None
    if piece is not None and piece.entry.elevation_m < 0.1:
        stage.place(piece, spot, yaw_inward(inward))
        return
    size = np.array([rng.uniform(0.75, 1.1), rng.uniform(1.95, 2.15)])
    material = stage.metric_material(("wood", "plain", "plain"), (0.8, 2.5), 0.4)
    stage.wall(spot - [0, size[1] / 2, 0], along * size[0], np.array([0, size[1], 0]), material)
