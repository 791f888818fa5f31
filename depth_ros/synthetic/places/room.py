"""Random rooms: furnished room, view over a desk, hall, corridor."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.places.buildings import ground
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
    CAR,
    FLOOR,
    METAL,
    PAPER,
    WALL,
    WOOD,
    Builder,
    grid,
    material,
    yaw_axes,
)
from depth_ros.synthetic.places.outdoors import person
from depth_ros.synthetic.places.place import Mover, Place, camera_pose
from depth_ros.synthetic.places.tableware import on_table
from depth_ros.synthetic.renderer import BOX, QUAD
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
    lamps = _shell(b, style, width, long, high)
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


def _walls(width, long):
    """Centre, inward yaw and length of the four walls; a wall's frame has its back at the wall,
    its front inwards.
    """
    return [
        ((0, long / 2), 0.0, width),
        ((0, -long / 2), np.pi, width),
        ((width / 2, 0), np.pi / 2, long),
        ((-width / 2, 0), -np.pi / 2, long),
    ]


def _shell(b, style, width, long, high):
    """Floor, ceiling with lights, walls with doors, windows, pictures, skirting; returns lamps
    (L,3).
    """
    rng = b.rng
    tile = rng.choice([0.0, 0.15, 0.3, 0.6, 1.0])
    floor = material(
        rng,
        FLOOR,
        rng.uniform(0.1, 0.6),
        0.2,
        mirror=rng.choice([0, 0, 0.08, 0.2]),
        stripes=rng.choice([0, 0.4]),
        stripe_m=0.12,
    )
    b.stand(0, 0)
    ground(
        b,
        floor,
        0,
        0,
        width / 2 + 0.1,
        long / 2 + 0.1,
        cells=np.array([tile, tile * rng.choice([1, 1, 5]), 0]),
        fill=np.full(3, 1 - 0.008 / max(tile, 0.1)),
        cell_color=np.clip(floor["colors"][0] * 1.1, 0, 1),
        vary=rng.uniform(0.02, 0.12),
    )
    ceiling = material(rng, WALL[:3], 0.4, 0.06, wild=0.04)
    panel = rng.choice([0.0, 0.6])
    ground(
        b,
        ceiling,
        0,
        0,
        width / 2 + 0.1,
        long / 2 + 0.1,
        y=-high,
        cells=np.array([panel, panel, 0]),
        fill=np.full(3, 0.97),
        cell_color=np.clip(ceiling["colors"][0] * 1.06, 0, 1),
        vary=0.02,
    )
    wall = material(rng, WALL, rng.uniform(0.2, 1.5), rng.choice([0.04, 0.1, 0.25]), wild=0.06)
    two = material(rng, WALL, 0.5, 0.08)
    for (x, z), yaw, span in _walls(width, long):
        b.stand(x, z, yaw)
        b.add(
            QUAD,
            [0, -high / 2, 0],
            [span / 2 + 0.1, high / 2 + 0.1, 1],
            wall if rng.random() < 0.85 else two,
        )
        if rng.random() < 0.7:
            b.box([0, -0.05, 0], [span, 0.1, 0.03], material(rng, WOOD, 0.4, 0.1))
        if style == "corridor" and rng.random() < 0.4:
            b.box([0, -0.9, 0], [span, 0.14, 0.08], material(rng, WOOD + METAL, 0.4, 0.1))
        _on_wall(b, style, span, high)
    return _lights(b, style, width, long, high)


def _on_wall(b, style, span, high):
    """Doors, windows, pictures, pipes along one wall, left to right."""
    rng = b.rng
    at = -span / 2 + b.rng.uniform(0.3, 1.2)
    if style == "corridor":
        gap = 3.0
    else:
        gap = 1.5
    while at < span / 2 - 1.2:
        kind = rng.choice(
            ["door", "window", "picture", "nothing"],
            p=[0.4, 0.12, 0.23, 0.25] if style == "corridor" else [0.15, 0.3, 0.3, 0.25],
        )
        w = rng.uniform(0.8, 1.0)
        if kind == "door":
            leaf = material(
                rng, WOOD + WALL[:1] + CAR, 0.5, 0.1, stripes=rng.choice([0, 0.3]), stripe_m=0.1
            )
            b.box(
                [at + w / 2, -1.03, 0],
                [w + 0.14, 2.08, 0.06],
                material(rng, WOOD + METAL, 0.5, 0.08),
            )
            b.box([at + w / 2, -1.0, 0], [w, 2.0, 0.08], leaf)
            b.box([at + w * 0.9, -1.03, -0.07], [0.12, 0.03, 0.04], material(rng, METAL, 0.3, 0.05))
        elif kind == "window":
            w = min(rng.uniform(0.8, 2.4), span / 2 - at)
            h = rng.uniform(0.8, 1.5)
            b.box([at + w / 2, -1.7, 0], [w + 0.12, h + 0.12, 0.05], material(rng, WALL, 0.5, 0.05))
            half = np.array([w, h, 0.07]) / 2
            b.add(
                BOX,
                [at + w / 2, -1.7, 0],
                half,
                material(rng, WALL[:1], 0.5, 0.05),
                cells=grid(half, [0.7, h, 0]),
                fill=np.array([0.92, 0.95, 1]),
                cell_color=np.array([0.8, 0.9, 0.98]) * rng.uniform(0.3, 1.1),
                glow=rng.uniform(0.8, 1.0),
                vary=0.05,
            )
        elif kind == "picture":
            w = rng.uniform(0.3, 1.2)
            h = rng.uniform(0.3, 0.9)
            b.box(
                [at + w / 2, -1.55, 0],
                [w + 0.06, h + 0.06, 0.04],
                material(rng, WOOD + METAL, 0.4, 0.1),
            )
            b.box(
                [at + w / 2, -1.55, 0],
                [w, h, 0.05],
                material(rng, PAPER, rng.uniform(0.1, 0.4), 0.6, stripes=rng.choice([0, 0.7])),
            )
        at += w + rng.uniform(0.2, gap)


def _lights(b, style, width, long, high):
    """Bright panels on the ceiling; returns where light comes from, (L,3) m."""
    rng = b.rng
    lamps = []
    across, along = (
        (1, max(int(long / 3), 1))
        if style == "corridor"
        else (max(int(width / 3), 1), max(int(long / 3.5), 1))
    )
    size = rng.choice([0.3, 0.6]), rng.choice([0.6, 1.2])
    b.stand(0, 0)
    for i in range(across):
        for j in range(along):
            x = width * ((i + 0.5) / across - 0.5)
            z = long * ((j + 0.5) / along - 0.5)
            if len(lamps) < 30:
                b.box(
                    [x, -high, z],
                    [size[0], 0.06, size[1]],
                    material(rng, WALL[:1], 0.5, 0.02),
                    glow=1.0,
                )
            lamps.append([x, -high, z])
    pick = rng.permutation(len(lamps))[: rng.integers(1, 4)]
    return np.array(lamps)[pick]


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
    _line_walls(b, style, width, long)
    _fill_floor(b, style, width, long, high)
    return _loose_things(b, width, long)


def _line_walls(b, style, width, long):
    """Cabinets, shelves, sofas and plants with their backs to the walls."""
    rng = b.rng
    count = {"room": 11, "desk": 9, "hall": 24, "corridor": 8}[style]
    for _ in range(rng.integers(count // 2, count + 1)):
        center, yaw, span = _walls(width, long)[rng.integers(4)]
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
