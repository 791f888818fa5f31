"""Random rooms: furnished room, view over a desk, hall, corridor."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.places.furniture import (
    bed,
    cabinet,
    carton,
    chair,
    plant,
    shelf,
    sofa,
    table,
    trolley,
)
from depth_ros.synthetic.places.materials import (
    WALL,
    Builder,
    material,
    yaw_axes,
)
from depth_ros.synthetic.places.outdoors import person
from depth_ros.synthetic.places.place import Mover, Place, camera_pose
from depth_ros.synthetic.places.shell import shell, walls
from depth_ros.synthetic.places.tableware import on_table
from depth_ros.synthetic.shading import Sky


def random_room(rng: np.random.Generator) -> Place:
    """Draw a furnished room, a hall, a corridor or the view over a desk; the camera is 0.3 to
    1.8 m above the floor.
    """
    b = Builder(rng)
    style = str(rng.choice(["room", "desk", "hall", "corridor"], p=[0.33, 0.3, 0.15, 0.22]))
    width, long, high = {
        "room": (rng.uniform(2.8, 8), rng.uniform(3, 9), rng.uniform(2.3, 3.2)),
        "desk": (rng.uniform(3, 9), rng.uniform(3, 10), rng.uniform(2.4, 3.4)),
        "hall": (rng.uniform(7, 22), rng.uniform(10, 32), rng.uniform(2.8, 5.5)),
        "corridor": (rng.uniform(1.5, 3.6), rng.uniform(8, 40), rng.uniform(2.3, 3.3)),
    }[style]
    lamps = shell(b, style, width, long, high)
    pose, target = _stand_point(b, style, width, long)
    movers = _furnish(b, style, width, long, high, target)
    light = [rng.normal(0, 0.35), -1.0, rng.normal(0, 0.35)]
    grey = np.full(3, 0.5)
    values = (
        grey,
        grey,
        grey,
        0.0,
        0.0,
        rng.uniform(0.55, 0.85),
        lamps,
        rng.uniform(1.2, 2.5) * high,
    )
    sky = Sky(*(np.asarray(v, np.float32) for v in values))
    return Place(
        b.scene(light, sky), np.array(b.groups), pose, _yaw_of(pose), tuple(movers), "room"
    )


_STANDING = {"bed": bed, "chair": chair}
_MOVING = {"carton": carton, "chair": chair, "trolley": trolley}


def _yaw_of(pose):
    return float(np.arctan2(pose[0, 2], pose[2, 2]))


def _stand_point(b, style, width, long):
    """Where the camera is, and for a desk where that desk stands (x, z, yaw); keeps the space
    before it free.
    """
    rng = b.rng
    height = float(np.clip(rng.normal(1.25, 0.35), 0.3, 1.8))
    pitch = rng.normal(-0.1, 0.14)
    if rng.random() < 0.85:
        roll = rng.normal(0, 0.05)
    else:
        roll = rng.normal(0, 0.2)
    if style == "corridor":
        x = rng.uniform(-0.3, 0.3) * width
        z = -long / 2 + rng.uniform(0.1, 0.5) * long
        yaw = rng.normal(0, 0.15)
        pitch = rng.normal(-0.03, 0.09)
        target = None
        if rng.random() < 0.25:
            yaw = rng.uniform(-1.3, 1.3)
    elif style == "desk":
        x = rng.uniform(-0.25, 0.25) * width
        z = rng.uniform(-0.35, 0.1) * long
        yaw = rng.uniform(-np.pi, np.pi)
        far = rng.uniform(0.5, 1.5)
        height = rng.uniform(1.0, 1.7)
        target = (x + far * np.sin(yaw), z + far * np.cos(yaw), yaw + rng.normal(0, 0.3))
        yaw = yaw + rng.normal(0, 0.25)
        pitch = -np.arctan2(height - 0.8, far) * rng.uniform(0.4, 1.15)
        b.taken.append((target[0], target[1], 1.0))
    else:
        side = rng.uniform(-np.pi, np.pi)
        x = -0.33 * width * np.sin(side) + rng.normal(0, 0.06) * width
        z = -0.33 * long * np.cos(side) + rng.normal(0, 0.06) * long
        yaw = side + rng.normal(0, 0.45)
        target = None
    pitch, roll = np.clip([pitch, roll], -0.7, 0.4)
    b.taken.append((x, z, 0.55))
    b.taken.append((x + 0.6 * np.sin(yaw), z + 0.6 * np.cos(yaw), 0.5))
    return camera_pose(x, z, height, yaw, pitch, roll), target


_BY_WALL = {
    "cabinet": (0.35, cabinet),
    "shelf": (0.25, shelf),
    "sofa": (0.55, sofa),
    "plant": (0.25, plant),
}


def _furnish(b, style, width, long, high, target) -> list[Mover]:
    """Furniture along the walls and in the middle, things on tables, people and things that may
    move.
    """
    if target is not None:
        x, z, yaw = target
        _workplace(b, x, z, yaw, crowded=True)
        if b.rng.random() < 0.5:  # a second desk beside the first
            side = b.rng.choice([-2.1, 2.1]) * yaw_axes(yaw)[0, ::2]
            _workplace(b, x + side[0], z + side[1], yaw, crowded=True)
    _linewalls(b, style, width, long)
    _fill_floor(b, style, width, long, high)
    return _loose_things(b, width, long)


def _linewalls(b, style, width, long):
    """Cabinets, shelves, sofas and plants with their backs to the walls."""
    rng = b.rng
    count = {"room": 11, "desk": 9, "hall": 24, "corridor": 8}[style]
    for _ in range(rng.integers(count // 2, count + 1)):
        center, yaw, span = walls(width, long)[rng.integers(4)]
        off, make = _BY_WALL[rng.choice(list(_BY_WALL), p=[0.45, 0.3, 0.1, 0.15])]
        along = yaw_axes(yaw)[0, ::2]
        outward = yaw_axes(yaw)[2, ::2]
        x, z = np.array(center) - off * outward + rng.uniform(-0.5, 0.5) * (span - 1.2) * along
        if b.free(x, z, 0.55 if style != "corridor" else 0.4):
            b.stand(x, z, yaw)
            make(b)


def _fill_floor(b, style, width, long, high):
    """Tables with chairs, beds, chairs and pillars in the middle; in a corridor along its sides."""
    rng = b.rng
    corridor = style == "corridor"
    if corridor:
        shares = [0.1, 0.45, 0.45, 0]
    else:
        shares = [0.6, 0.12, 0.18, 0.1]
    few, many = {"room": (1, 6), "desk": (1, 4), "hall": (8, 28), "corridor": (1, 5)}[style]
    for _ in range(rng.integers(few, many)):
        x, z, yaw = _somewhere(rng, width, long)
        if corridor:
            x = np.sign(x) * (width / 2 - 0.45)
            yaw = rng.normal(0, 0.05)
        if not b.free(x, z, 0.45 if corridor else 0.8):
            continue
        kind = rng.choice(["table", "bed", "chair", "pillar"], p=shares)
        b.stand(x, z, yaw)
        if kind == "table":
            _workplace(b, x, z, yaw, crowded=rng.random() < 0.5)
        elif kind == "pillar":
            size = [rng.uniform(0.3, 0.6), high, rng.uniform(0.3, 0.6)]
            b.box([0, -high / 2, 0], size, material(rng, WALL, 0.4, 0.1))
        else:
            _STANDING[kind](b)


def _loose_things(b, width, long) -> list[Mover]:
    """People, cartons, chairs and trolleys that may move."""
    rng = b.rng
    movers = []
    for _ in range(rng.integers(1, 8)):
        kind = str(rng.choice(["person", "carton", "chair", "trolley"], p=[0.28, 0.42, 0.15, 0.15]))
        x, z, yaw = _somewhere(rng, width, long)
        if not b.free(x, z, 0.4):
            continue
        b.group()
        b.stand(x, z, yaw)
        if kind == "person":
            person(b, x, z, yaw)
        else:
            _MOVING[kind](b)
        movers.append(Mover(b.current, kind, np.array([x, 0.0, z]), yaw))
        b.group(moving=False)
    return movers


def _somewhere(rng, width, long):
    return (
        rng.uniform(-0.5, 0.5) * (width - 1.2),
        rng.uniform(-0.5, 0.5) * (long - 1.2),
        rng.uniform(-np.pi, np.pi),
    )


def _workplace(b, x, z, yaw, crowded):
    """A table with what lies on it and chairs around."""
    rng = b.rng
    size = rng.uniform(1.0, 2.0), rng.uniform(0.6, 1.0), rng.uniform(0.7, 0.78)
    b.stand(x, z, yaw)
    table(b, *size)
    on_table(b, *size, things=int(rng.integers(5, 16) if crowded else rng.integers(0, 5)))
    for _ in range(rng.integers(0, 3)):
        side = rng.choice([-1, 1])
        seat = (
            np.array([x, z])
            + yaw_axes(yaw)[2, ::2] * side * (size[1] / 2 + 0.25)
            + yaw_axes(yaw)[0, ::2] * rng.normal(0, 0.3)
        )
        if np.hypot(*(seat - np.array([b.taken[0][0], b.taken[0][1]]))) > 0.8:
            b.stand(*seat, yaw + (0 if side > 0 else np.pi) + rng.normal(0, 0.4))
            chair(b)
