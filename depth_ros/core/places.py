"""Random streets and rooms of true size, each with a camera in it and a list of the things in it that may move.

A network that is to see metres in one picture needs what real pictures have: a ground to stand on, a camera at the
height of a car's roof or of a hand, and cars, people, doors, tables of their everyday size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import props
from .props import LYING, Builder, material, yaw_axes
from .surfaces import Sky
from .world import BOX, ELLIPSOID, QUAD, Scene


@dataclass(frozen=True, eq=False)
class Mover:
    """Something of a place that may move: its shapes' group number, kind, pivot (3,) m and heading (yaw, rad)."""

    group: int
    kind: str
    pivot: np.ndarray
    yaw: float


@dataclass(frozen=True, eq=False)
class Place:
    """A scene (y = 0 is the ground), group (N,) int of each shape (-1: stands still), a camera's pose, the movers.

    world_T_camera: (4,4) optical; its z axis is where the camera looks. ahead: yaw (rad) in which it may drive.
    """

    scene: Scene
    group: np.ndarray
    world_T_camera: np.ndarray
    ahead: float
    movers: tuple[Mover, ...]
    kind: str


def camera_pose(x: float, z: float, height_m: float, yaw=0.0, pitch=0.0, roll=0.0) -> np.ndarray:
    """Pose (4,4) of a camera above the ground; rad; a positive pitch looks up, a positive yaw to the right.

    >>> camera_pose(1.0, 2.0, 1.5)[:3, 3].tolist()
    [1.0, -1.5, 2.0]
    """
    cp, sp, cr, sr = np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    pose = np.eye(4)
    tilt = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]]) @ np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    pose[:3, :3] = yaw_axes(yaw).T @ tilt
    pose[:3, 3] = [x, -height_m, z]
    return pose


# --- streets


def random_street(rng: np.random.Generator) -> Place:
    """Draw a town street, a suburb, a country road or a square, in daylight, with traffic and people.

    The camera is 0.2 to 2.2 m above the road (mostly 1.2 to 1.9 m) and looks along it, give or take.
    """
    b = Builder(rng)
    style = str(rng.choice(["town", "suburb", "country", "square"], p=[0.35, 0.35, 0.17, 0.13]))
    road = {"town": rng.uniform(2.6, 7), "suburb": rng.uniform(2.4, 4.5), "country": rng.uniform(2.8, 9)}.get(
        style, 9.0
    )
    walk = 0.0 if style in ("country", "square") else rng.uniform(1.2, 4.0)
    x = rng.uniform(-0.55, 0.7) * road if style != "square" else rng.uniform(-5, 5)
    height, yaw = _eye_height(rng), rng.normal(0, np.radians(4))
    if rng.random() < (0.6 if style == "square" else 0.14):
        yaw = rng.uniform(-1.2, 1.2)
    b.taken += [(x, z, 1.7) for z in (-2.0, 0.5, 3.0, 5.5)] + [
        (x + d * np.sin(yaw), d * np.cos(yaw), 1.2) for d in (2, 4)
    ]
    _road(b, style, road, walk)
    edge = road + walk
    {"town": _town, "suburb": _suburb, "country": _country, "square": _square}[style](b, edge)
    movers = _traffic(b, style, road, edge, x)
    _horizon(b)
    pose = camera_pose(x, 0.0, height, yaw, rng.normal(0, np.radians(2.2)), rng.normal(0, np.radians(1.0)))
    light = [rng.normal(), -rng.uniform(0.4, 2), rng.normal()]
    return Place(b.scene(light, _daylight(rng)), np.array(b.groups), pose, 0.0, tuple(movers), "street")


def _eye_height(rng):
    if rng.random() < 0.22:
        return rng.uniform(0.2, 1.2)
    return float(np.clip(rng.normal(1.6, 0.17), 1.1, 2.2))


def _daylight(rng) -> Sky:
    """Clear, cloudy, overcast or evening sky."""
    kind, black = rng.random(), np.zeros((0, 3), np.float32)
    zenith, horizon, cloud = np.array([0.25, 0.45, 0.8]), np.array([0.72, 0.82, 0.93]), np.full(3, 0.96)
    cover, ambient, haze = rng.uniform(0, 0.6), rng.uniform(0.35, 0.6), rng.uniform(0.0003, 0.002)
    if kind < 0.35:  # overcast: bright, hardly any shadow
        zenith = horizon = np.full(3, rng.uniform(0.7, 0.98)) * [0.97, 0.99, 1.0]
        cloud, cover, ambient, haze = (
            zenith * 0.85,
            rng.uniform(0.3, 0.8),
            rng.uniform(0.75, 0.92),
            rng.uniform(0.0005, 0.006),
        )
    elif kind < 0.45:
        zenith, horizon, haze = np.array([0.3, 0.35, 0.5]), np.array([0.9, 0.7, 0.5]), rng.uniform(0.001, 0.006)
    values = (zenith, horizon, cloud, cover, haze, ambient, black, 1.0)
    return Sky(*(np.asarray(v, np.float32) for v in values))


def _ground(b, surface, x, z, half_x, half_z, y=0.0, **changes):
    b.add(QUAD, [x, y, z], [half_x, half_z, 1], surface, LYING, **changes)


def _road(b, style, road, walk):
    """The ground, the road with its lines, kerbs and pavements."""
    rng = b.rng
    b.stand(0, 0)
    wide = props.PAVING if style in ("town", "square") else props.GRASS
    slabs = rng.uniform(0.3, 2.0) if style == "square" and rng.random() < 0.7 else 0.0
    floor = material(rng, wide, rng.uniform(0.15, 0.8), 0.25)
    _ground(b, floor, 0, 100, 400, 400, cells=np.array([slabs, slabs, 0]), fill=np.full(3, 0.97), vary=0.1,
            cell_color=np.clip(floor["colors"][0] * 1.12, 0, 1))  # fmt: skip
    if style == "square":
        return
    asphalt = material(rng, props.ASPHALT, rng.uniform(0.1, 0.5), 0.12)
    asphalt["colors"][2] = asphalt["colors"][0] * rng.uniform(0.8, 1.15)
    _ground(b, asphalt, 0, 100, road, 300, y=-0.005)
    white, marks = rng.uniform(0.65, 0.95) * np.ones(3), rng.random()
    lines = {0.0: (9.0, 0.4)} if marks < 0.6 else {}
    if style == "country" or marks < 0.35:
        lines |= {-road + 0.3: (0, 1), road - 0.3: (0, 1)}
    if road > 5.5:
        lines |= {-road / 2: (9.0, 0.4), road / 2: (9.0, 0.4)}
    for x, (period, share) in lines.items():
        cells = dict(cells=np.array([1e-3, period, 0]), fill=np.array([1, share, 1]), cell_color=white, vary=0.03)
        _ground(b, asphalt, x, 100, 0.07, 300, y=-0.01, **cells)
    if walk:
        slab = material(rng, props.PAVING, 0.3, 0.15)
        tile = rng.choice([0.0, 0.4, 0.8])
        for side in (-1, 1):
            half = np.array([walk / 2, 0.06, 300])
            b.add(BOX, [side * (road + walk / 2), -0.06, 100], half, slab, cells=np.array([tile, 0, tile]), fill=np.full(3, 0.96),
                  cell_color=slab["colors"][1], vary=0.06)  # fmt: skip
            b.add(BOX, [side * (road + 0.07), -0.065, 100], [0.07, 0.065, 300], material(rng, props.PAVING, 0.2, 0.1))


def _building(b, x, z, width, depth, height, roof):
    """A house with rows of windows, a door, sometimes a pitched roof; width along its own z, front along -x."""
    rng = b.rng
    half = np.array([depth, height, width]) / 2
    wall = material(rng, props.FACADE, rng.uniform(0.3, 2.0), 0.12, stripes=rng.choice([0, 0, 0.4]), stripe_m=0.15)
    storey, bay = rng.uniform(2.6, 3.6), rng.uniform(1.6, 4.0)
    fill = np.array([rng.uniform(0.35, 0.7), rng.uniform(0.4, 0.65), 0])
    fill[2] = fill[0]
    pane = np.array(props.GLASS) * rng.uniform(0.6, 2.4)
    b.add(
        BOX,
        [x, -half[1], z],
        half,
        wall,
        cells=props.grid(half, [bay, storey, bay]),
        fill=fill,
        cell_color=pane,
        vary=0.25,
    )
    front = -np.sign(x) * half[0]
    paint = material(rng, props.WOOD + props.CAR, 0.6, 0.1)
    b.box([x + front, -1.05, z + rng.uniform(-0.35, 0.35) * width], [0.12, 2.1, rng.uniform(0.9, 1.3)], paint)
    if rng.random() < 0.4:  # shop front or plinth
        b.box(
            [x + front, -1.6, z],
            [0.25, rng.choice([0.8, 3.2]), width * 0.98],
            material(rng, props.FACADE + props.METAL, 0.5, 0.2),
        )
    if roof:
        tile = material(rng, props.ROOF, 0.15, 0.25)
        turn = np.array([[0.7071, 0.7071, 0], [-0.7071, 0.7071, 0], [0, 0, 1]])
        b.add(BOX, [x, -height, z], [depth * 0.38, depth * 0.38, width / 2 + 0.3], tile, turn)
        if rng.random() < 0.6:
            b.box([x + front * 0.4, -height - depth * 0.45, z], [0.6, 2.0, 0.6], material(rng, props.FACADE, 0.2, 0.3))
    elif rng.random() < 0.6:
        b.box(
            [x, -height - 0.15, z], [depth + 0.5, 0.35, width + 0.4], material(rng, props.FACADE + props.ROOF, 0.4, 0.1)
        )


def _town(b, edge):
    rng = b.rng
    b.stand(0, 0)
    for side in (-1, 1):
        z, setback = rng.uniform(-25, -8), rng.uniform(0, 2.5)
        while z < rng.uniform(70, 160):
            width = rng.uniform(7, 26)
            b.stand(0, 0)
            depth = rng.uniform(8, 14)
            _building(
                b,
                side * (edge + setback + depth / 2),
                z + width / 2,
                width,
                depth,
                rng.uniform(5, 20),
                rng.random() < 0.3,
            )
            z += width + (rng.uniform(5, 14) if rng.random() < 0.22 else rng.choice([0.0, 0.05]))
    if rng.random() < 0.5:
        b.stand(0, 0)
        _building(b, 0.01, rng.uniform(60, 180), rng.uniform(10, 14), rng.uniform(30, 60), rng.uniform(6, 20), False)


def _suburb(b, edge):
    rng = b.rng
    for side in (-1, 1):
        z, hedge = rng.uniform(-20, -5), rng.random()
        while z < rng.uniform(60, 120):
            width, depth, setback = rng.uniform(7, 14), rng.uniform(7, 10), rng.uniform(2, 9)
            b.stand(0, 0)
            _building(
                b,
                side * (edge + setback + depth / 2),
                z + width / 2,
                width,
                depth,
                rng.uniform(3.2, 7.5),
                rng.random() < 0.85,
            )
            _fence(b, side * (edge + 0.4), z, width, hedge)
            for _ in range(rng.integers(0, 3)):
                props.bush(b, side * (edge + rng.uniform(0.8, setback + 0.5)), z + rng.uniform(0, width + 3))
            if rng.random() < 0.5:
                props.tree(
                    b, side * (edge + rng.uniform(1.5, setback + 1)), z + width + rng.uniform(0, 3), rng.uniform(3, 10)
                )
            z += width + rng.uniform(2, 9)


def _fence(b, x, z, width, hedge):
    rng, high = b.rng, b.rng.uniform(0.6, 2.0)
    b.stand(0, 0)
    if hedge < 0.45:
        b.box([x, -high / 2, z + width / 2], [0.7, high, width * rng.uniform(0.6, 1)], props.foliage(rng, 0.0))
    elif hedge < 0.75:
        half = np.array([0.04, high * 0.4, width / 2])
        wood = material(rng, props.WOOD + props.METAL, 0.3, 0.2)
        b.add(BOX, [x, -half[1], z + half[2]], half, wood, cells=props.grid(half, [0, 0, 0.12]), fill=np.array([1, 1, 0.8]),
              cell_color=wood["colors"][1], vary=0.1)  # fmt: skip
    elif hedge < 0.9:
        b.box([x, -0.5, z + width / 2], [0.25, 1.0, width], material(rng, props.FACADE, 0.3, 0.25))


def _country(b, edge):
    rng = b.rng
    for side in (-1, 1):
        b.stand(0, 0)
        if rng.random() < 0.35:
            steel = material(rng, props.METAL, 0.4, 0.08)
            b.box([side * (edge + 0.5), -0.62, 60], [0.06, 0.31, 160], steel)
            for z in np.arange(-4, 60, 4.0):
                b.box([side * (edge + 0.56), -0.33, z], [0.06, 0.66, 0.12], steel)
        if rng.random() < 0.4:  # a bank or a noise barrier
            bank = material(rng, props.GRASS + props.FACADE, 0.5, 0.3)
            b.box([side * (edge + rng.uniform(4, 12)), -1.2, 80], [3, rng.uniform(1.5, 4), 240], bank)
        for _ in range(rng.integers(4, 16)):
            z, x = rng.uniform(-5, 110), edge + rng.exponential(8) + 1.2
            (props.tree if rng.random() < 0.7 else props.bush)(b, side * x, z)
        if rng.random() < 0.3:
            b.stand(0, 0)
            _building(b, side * (edge + rng.uniform(14, 35)), rng.uniform(20, 90), 12, 9, rng.uniform(3, 7), True)


def _square(b, edge):
    rng = b.rng
    far = rng.uniform(14, 55)
    b.stand(0, 0)
    for x in np.arange(-60, 60, 16.0):
        _building(b, x + 0.01, far + rng.uniform(6, 14), 12, 15.5, rng.uniform(5, 22), False)
    for side in (-1, 1):
        for z in np.arange(-30, far, 15.0):
            b.stand(0, 0)
            _building(b, side * rng.uniform(18, 40), z, 14, 12, rng.uniform(5, 18), rng.random() < 0.3)
    for _ in range(rng.integers(3, 12)):
        x, z = rng.uniform(-14, 14), rng.uniform(2, far)
        if b.free(x, z, 0.8):
            thing = rng.choice(["tree", "bush", "carton", "pole"])
            b.stand(x, z, rng.uniform(0, 6))
            props.carton(b) if thing == "carton" else getattr(props, str(thing))(b, x, z)


def _traffic(b, style, road, edge, lane_x) -> list[Mover]:
    """Parked and driving cars, people, trees and poles by the road."""
    rng, movers = b.rng, []

    def mover(make, kind, x, z, yaw):
        b.group()
        make(b, x, z, yaw)
        movers.append(Mover(b.current, kind, np.array([x, 0.0, z]), yaw))
        b.group(moving=False)

    parked = rng.random(2) * (0.9 if style in ("town", "suburb") else 0.2)
    for side, share in zip((-1, 1), parked, strict=True):
        yaw, z = rng.choice([0.0, np.pi]), rng.uniform(-6, 6)
        while z < 70:
            x = side * (road - 1.05) if road > 3.6 else side * (road - 0.4)
            if rng.random() < share and b.free(x, z, 2.4):
                props.car(b, x, z, yaw + rng.normal(0, 0.03))
            z += rng.uniform(5.2, 7.5)
    for _ in range(rng.integers(0, 4 if style != "square" else 3)):
        side = rng.choice([-1, 1])
        x = side * min(road * 0.45, 2.0) if road < 6 else side * rng.choice([0.28, 0.72]) * road
        z = rng.uniform(7, 70)
        if b.free(x, z, 2.6):
            mover(props.car, "car", x, z, 0.0 if side > 0 else np.pi)
    for _ in range(rng.poisson(2.2 if style != "country" else 0.3)):
        x = (
            rng.choice([-1, 1]) * rng.uniform(road + 0.3, edge + 0.4)
            if rng.random() < 0.75
            else rng.uniform(-road, road)
        )
        z = 2 + rng.exponential(12)
        if b.free(x, z, 0.5):
            mover(props.person, "person", x, z, rng.choice([0, np.pi]) + rng.normal(0, 0.4))
    spacing = rng.uniform(8, 30)
    for side in (-1, 1):
        makers = [props.tree, props.pole] if rng.random() < 0.5 else [props.pole]
        for z in np.arange(rng.uniform(0, spacing), 90, spacing):
            x = side * (road + rng.uniform(0.3, 0.9)) if style != "square" else rng.uniform(-12, 12)
            if rng.random() < 0.7 and b.free(x, z, 0.35):
                makers[rng.integers(len(makers))](b, x, z)
    return movers


def _horizon(b):
    """Hills and woods far away, so that the ground has an end."""
    rng = b.rng
    b.stand(0, 0)
    for _ in range(rng.integers(3, 9)):
        far, angle = rng.uniform(110, 380), rng.uniform(-1.3, 1.3)
        leaves = dict(material(rng, props.LEAVES + props.GRASS, 6.0, 0.2))
        b.add(
            ELLIPSOID,
            [far * np.sin(angle), 0, far * np.cos(angle)],
            far * np.array([0.35, rng.uniform(0.03, 0.11), 0.1]),
            leaves,
        )


# --- rooms


def random_room(rng: np.random.Generator) -> Place:
    """Draw a furnished room, a hall, a corridor or the view over a desk; the camera is 0.3 to 1.8 m above the floor."""
    b = Builder(rng)
    style = str(rng.choice(["room", "desk", "hall", "corridor"], p=[0.38, 0.22, 0.18, 0.22]))
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
    values = (grey, grey, grey, 0.0, 0.0, rng.uniform(0.55, 0.85), lamps, rng.uniform(1.2, 2.5) * high)
    sky = Sky(*(np.asarray(v, np.float32) for v in values))
    return Place(b.scene(light, sky), np.array(b.groups), pose, _yaw_of(pose), tuple(movers), "room")


def _yaw_of(pose):
    return float(np.arctan2(pose[0, 2], pose[2, 2]))


def _walls(width, long):
    """Centre, inward yaw and length of the four walls; a wall's frame has its back at the wall, its front inwards."""
    return [((0, long / 2), 0.0, width), ((0, -long / 2), np.pi, width), ((width / 2, 0), np.pi / 2, long),
            ((-width / 2, 0), -np.pi / 2, long)]  # fmt: skip


def _shell(b, style, width, long, high):
    """Floor, ceiling with lights, walls with doors, windows, pictures, skirting; returns lamps (L,3)."""
    rng = b.rng
    tile = rng.choice([0.0, 0.15, 0.3, 0.6, 1.0])
    floor = material(rng, props.FLOOR, rng.uniform(0.1, 0.6), 0.2, mirror=rng.choice([0, 0, 0.08, 0.2]),
                     stripes=rng.choice([0, 0.4]), stripe_m=0.12)  # fmt: skip
    b.stand(0, 0)
    _ground(b, floor, 0, 0, width / 2 + 0.1, long / 2 + 0.1, cells=np.array([tile, tile * rng.choice([1, 1, 5]), 0]),
            fill=np.full(3, 1 - 0.008 / max(tile, 0.1)), cell_color=np.clip(floor["colors"][0] * 1.1, 0, 1), vary=rng.uniform(0.02, 0.2))  # fmt: skip
    ceiling = material(rng, props.WALL[:3], 0.4, 0.06)
    panel = rng.choice([0.0, 0.6])
    _ground(b, ceiling, 0, 0, width / 2 + 0.1, long / 2 + 0.1, y=-high, cells=np.array([panel, panel, 0]), fill=np.full(3, 0.97),
            cell_color=np.clip(ceiling["colors"][0] * 1.06, 0, 1), vary=0.02)  # fmt: skip
    wall = material(rng, props.WALL, rng.uniform(0.2, 1.5), rng.choice([0.04, 0.1, 0.25]))
    two = material(rng, props.WALL, 0.5, 0.08)
    for (x, z), yaw, span in _walls(width, long):
        b.stand(x, z, yaw)
        b.add(QUAD, [0, -high / 2, 0], [span / 2 + 0.1, high / 2 + 0.1, 1], wall if rng.random() < 0.85 else two)
        if rng.random() < 0.7:
            b.box([0, -0.05, 0], [span, 0.1, 0.03], material(rng, props.WOOD, 0.4, 0.1))
        if style == "corridor" and rng.random() < 0.4:
            b.box([0, -0.9, 0], [span, 0.14, 0.08], material(rng, props.WOOD + props.METAL, 0.4, 0.1))
        _on_wall(b, style, span, high)
    return _lights(b, style, width, long, high)


def _on_wall(b, style, span, high):
    """Doors, windows, pictures, pipes along one wall, left to right."""
    rng, at = b.rng, -span / 2 + b.rng.uniform(0.3, 1.2)
    gap = 3.0 if style == "corridor" else 1.5
    while at < span / 2 - 1.2:
        kind = rng.choice(
            ["door", "window", "picture", "nothing"],
            p=[0.4, 0.12, 0.23, 0.25] if style == "corridor" else [0.15, 0.3, 0.3, 0.25],
        )
        w = rng.uniform(0.8, 1.0)
        if kind == "door":
            leaf = material(
                rng, props.WOOD + props.WALL[:1] + props.CAR, 0.5, 0.1, stripes=rng.choice([0, 0.3]), stripe_m=0.1
            )
            b.box([at + w / 2, -1.03, 0], [w + 0.14, 2.08, 0.06], material(rng, props.WOOD + props.METAL, 0.5, 0.08))
            b.box([at + w / 2, -1.0, 0], [w, 2.0, 0.08], leaf)
            b.box([at + w * 0.9, -1.03, -0.07], [0.12, 0.03, 0.04], material(rng, props.METAL, 0.3, 0.05))
        elif kind == "window":
            w, h = min(rng.uniform(0.8, 2.4), span / 2 - at), rng.uniform(0.8, 1.5)
            b.box([at + w / 2, -1.7, 0], [w + 0.12, h + 0.12, 0.05], material(rng, props.WALL, 0.5, 0.05))
            half = np.array([w, h, 0.07]) / 2
            b.add(BOX, [at + w / 2, -1.7, 0], half, material(rng, props.WALL[:1], 0.5, 0.05), cells=props.grid(half, [0.7, h, 0]),
                  fill=np.array([0.92, 0.95, 1]), cell_color=np.array([0.8, 0.9, 0.98]) * rng.uniform(0.3, 1.1), glow=rng.uniform(0.8, 1.0),
                  vary=0.05)  # fmt: skip
        elif kind == "picture":
            w, h = rng.uniform(0.3, 1.2), rng.uniform(0.3, 0.9)
            b.box([at + w / 2, -1.55, 0], [w + 0.06, h + 0.06, 0.04], material(rng, props.WOOD + props.METAL, 0.4, 0.1))
            b.box(
                [at + w / 2, -1.55, 0],
                [w, h, 0.05],
                material(rng, props.PAPER, rng.uniform(0.1, 0.4), 0.6, stripes=rng.choice([0, 0.7])),
            )
        at += w + rng.uniform(0.2, gap)


def _lights(b, style, width, long, high):
    """Bright panels on the ceiling; returns where light comes from, (L,3) m."""
    rng, lamps = b.rng, []
    across, along = (
        (1, max(int(long / 3), 1)) if style == "corridor" else (max(int(width / 3), 1), max(int(long / 3.5), 1))
    )
    size = rng.choice([0.3, 0.6]), rng.choice([0.6, 1.2])
    b.stand(0, 0)
    for i in range(across):
        for j in range(along):
            x, z = width * ((i + 0.5) / across - 0.5), long * ((j + 0.5) / along - 0.5)
            if len(lamps) < 30:
                b.box([x, -high, z], [size[0], 0.06, size[1]], material(rng, props.WALL[:1], 0.5, 0.02), glow=1.0)
            lamps.append([x, -high, z])
    pick = rng.permutation(len(lamps))[: rng.integers(1, 4)]
    return np.array(lamps)[pick]


def _stand_point(b, style, width, long):
    """Where the camera is, and for a desk where that desk stands (x, z, yaw); keeps the space before it free."""
    rng = b.rng
    height = float(np.clip(rng.normal(1.25, 0.35), 0.3, 1.8))
    pitch, roll = rng.normal(-0.1, 0.14), rng.normal(0, 0.05) if rng.random() < 0.85 else rng.normal(0, 0.2)
    if style == "corridor":
        x, z = rng.uniform(-0.3, 0.3) * width, -long / 2 + rng.uniform(0.1, 0.5) * long
        yaw, pitch, target = rng.normal(0, 0.15), rng.normal(-0.03, 0.09), None
        if rng.random() < 0.25:
            yaw = rng.uniform(-1.3, 1.3)
    elif style == "desk":
        x, z = rng.uniform(-0.25, 0.25) * width, rng.uniform(-0.35, 0.1) * long
        yaw, far = rng.uniform(-0.6, 0.6), rng.uniform(0.7, 1.7)
        target = (x + far * np.sin(yaw), z + far * np.cos(yaw), yaw + rng.normal(0, 0.25))
        height = rng.uniform(1.0, 1.6)
        yaw, pitch = yaw + rng.normal(0, 0.2), -np.arctan2(height - 0.85, far) * rng.uniform(0.4, 1.1)
        b.taken.append((target[0], target[1], 1.0))
    else:
        side = rng.uniform(-np.pi, np.pi)
        x, z = (
            -0.33 * width * np.sin(side) + rng.normal(0, 0.06) * width,
            -0.33 * long * np.cos(side) + rng.normal(0, 0.06) * long,
        )
        yaw, target = side + rng.normal(0, 0.45), None
    pitch, roll = np.clip([pitch, roll], -0.45, 0.45)
    b.taken.append((x, z, 0.55))
    b.taken.append((x + 0.6 * np.sin(yaw), z + 0.6 * np.cos(yaw), 0.5))
    return camera_pose(x, z, height, yaw, pitch, roll), target


_BY_WALL = {
    "cabinet": (0.35, props.cabinet),
    "shelf": (0.25, props.shelf),
    "sofa": (0.55, props.sofa),
    "plant": (0.25, props.plant),
}


def _furnish(b, style, width, long, high, target) -> list[Mover]:
    """Furniture along the walls and in the middle, things on tables, people and things that may move."""
    rng, movers = b.rng, []
    if target is not None:
        _workplace(b, *target, crowded=True)
    count = {"room": 11, "desk": 9, "hall": 24, "corridor": 8}[style]
    for _ in range(rng.integers(count // 2, count + 1)):
        (cx, cz), yaw, span = _walls(width, long)[rng.integers(4)]
        kind = rng.choice(list(_BY_WALL), p=[0.45, 0.3, 0.1, 0.15])
        off, make = _BY_WALL[kind]
        slide = rng.uniform(-0.5, 0.5) * (span - 1.2)
        inward = yaw_axes(yaw)
        x, z = np.array([cx, cz]) - off * inward[2, ::2] + slide * inward[0, ::2]
        if b.free(x, z, 0.55 if style != "corridor" else 0.4):
            b.stand(x, z, yaw)
            make(b)
    for _ in range(rng.integers(1, {"room": 6, "desk": 4, "hall": 26, "corridor": 5}[style])):
        x, z, yaw = _somewhere(rng, width, long)
        if style == "corridor":
            x, yaw = np.sign(x) * (width / 2 - 0.45), rng.normal(0, 0.05)
        if b.free(x, z, 0.8 if style != "corridor" else 0.45):
            kind = rng.choice(
                ["table", "bed", "chair", "pillar"],
                p=[0.6, 0.12, 0.18, 0.1] if style != "corridor" else [0.1, 0.45, 0.45, 0],
            )
            b.stand(x, z, yaw)
            if kind == "table":
                _workplace(b, x, z, yaw, crowded=rng.random() < 0.5)
            elif kind == "pillar":
                b.box(
                    [0, -high / 2, 0],
                    [rng.uniform(0.3, 0.6), high, rng.uniform(0.3, 0.6)],
                    material(rng, props.WALL, 0.4, 0.1),
                )
            else:
                getattr(props, str(kind))(b)
    for _ in range(rng.integers(1, 8)):
        kind = str(rng.choice(["person", "carton", "chair", "trolley"], p=[0.28, 0.42, 0.15, 0.15]))
        x, z, yaw = _somewhere(rng, width, long)
        if b.free(x, z, 0.4):
            b.group()
            b.stand(x, z, yaw)
            props.person(b, x, z, yaw) if kind == "person" else getattr(props, kind)(b)
            movers.append(Mover(b.current, kind, np.array([x, 0.0, z]), yaw))
            b.group(moving=False)
    return movers


def _somewhere(rng, width, long):
    return rng.uniform(-0.5, 0.5) * (width - 1.2), rng.uniform(-0.5, 0.5) * (long - 1.2), rng.uniform(-np.pi, np.pi)


def _workplace(b, x, z, yaw, crowded):
    """A table with what lies on it and chairs around."""
    rng = b.rng
    size = rng.uniform(1.0, 2.2), rng.uniform(0.6, 1.0), rng.uniform(0.7, 0.78)
    b.stand(x, z, yaw)
    props.table(b, *size)
    props.on_table(b, *size, things=int(rng.integers(5, 14) if crowded else rng.integers(0, 5)))
    for _ in range(rng.integers(0, 3)):
        side = rng.choice([-1, 1])
        seat = (
            np.array([x, z])
            + yaw_axes(yaw)[2, ::2] * side * (size[1] / 2 + 0.25)
            + yaw_axes(yaw)[0, ::2] * rng.normal(0, 0.3)
        )
        if np.hypot(*(seat - np.array([b.taken[0][0], b.taken[0][1]]))) > 0.8:
            b.stand(*seat, yaw + (0 if side > 0 else np.pi) + rng.normal(0, 0.4))
            props.chair(b)
