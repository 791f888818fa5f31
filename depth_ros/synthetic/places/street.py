"""Random streets: town, suburb, country road, square."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.places.buildings import building, fence, ground, horizon
from depth_ros.synthetic.places.furniture import carton
from depth_ros.synthetic.places.materials import (
    ASPHALT,
    FACADE,
    GRASS,
    METAL,
    PAVING,
    Builder,
    material,
)
from depth_ros.synthetic.places.outdoors import bush, pole, tree, woods
from depth_ros.synthetic.places.place import Place, camera_pose
from depth_ros.synthetic.places.traffic import traffic
from depth_ros.synthetic.renderer import BOX
from depth_ros.synthetic.shading import Sky


def random_street(rng: np.random.Generator) -> Place:
    """Draw a town street, a suburb, a country road or a square, in daylight, with traffic and
    people.

    The camera is 0.2 to 2.2 m above the road (mostly 1.2 to 1.9 m) and looks along it, give or
    take.
    """
    b = Builder(rng)
    style = str(rng.choice(["town", "suburb", "country", "square"], p=[0.35, 0.35, 0.17, 0.13]))
    road = {
        "town": rng.uniform(2.6, 7),
        "suburb": rng.uniform(2.4, 4.5),
        "country": rng.uniform(2.8, 9),
    }.get(style, 9.0)
    if style in ("country", "square"):
        walk = 0.0
    else:
        walk = rng.uniform(1.2, 4.0)
    if style != "square":
        x = rng.uniform(-0.55, 0.7) * road
    else:
        x = rng.uniform(-5, 5)
    height = _eye_height(rng)
    yaw = rng.normal(0, np.radians(4))
    if rng.random() < (0.6 if style == "square" else 0.14):
        yaw = rng.uniform(-1.2, 1.2)
    b.taken += [(x, z, 1.7) for z in (-2.0, 0.5, 3.0, 5.5)] + [
        (x + d * np.sin(yaw), d * np.cos(yaw), 1.2) for d in (2, 4)
    ]
    _road(b, style, road, walk)
    edge = road + walk
    {"town": _town, "suburb": _suburb, "country": _country, "square": _square}[style](b, edge)
    movers = traffic(b, style, road, edge)
    horizon(b)
    pose = camera_pose(
        x, 0.0, height, yaw, rng.normal(0, np.radians(2.2)), rng.normal(0, np.radians(1.0))
    )
    light = [rng.normal(), -rng.uniform(0.4, 2), rng.normal()]
    return Place(
        b.scene(light, _daylight(rng)), np.array(b.groups), pose, 0.0, tuple(movers), "street"
    )


def _eye_height(rng):
    if rng.random() < 0.22:
        return rng.uniform(0.2, 1.2)
    return float(np.clip(rng.normal(1.6, 0.17), 1.1, 2.2))


_THINGS = {"tree": tree, "bush": bush, "pole": pole}


def _daylight(rng) -> Sky:
    """Clear, cloudy, overcast or evening sky."""
    kind = rng.random()
    black = np.zeros((0, 3), np.float32)
    zenith = np.array([0.25, 0.45, 0.8])
    horizon = np.array([0.72, 0.82, 0.93])
    cloud = np.full(3, 0.96)
    cover = rng.uniform(0, 0.6)
    ambient = rng.uniform(0.35, 0.6)
    haze = rng.uniform(0.0003, 0.002)
    if kind < 0.35:  # overcast: bright, hardly any shadow
        zenith = horizon = np.full(3, rng.uniform(0.7, 0.98)) * [0.97, 0.99, 1.0]
        cloud = zenith * 0.85
        cover = rng.uniform(0.3, 0.8)
        ambient = rng.uniform(0.75, 0.92)
        haze = rng.uniform(0.0005, 0.006)
    elif kind < 0.45:
        zenith = np.array([0.3, 0.35, 0.5])
        horizon = np.array([0.9, 0.7, 0.5])
        haze = rng.uniform(0.001, 0.006)
    values = (zenith, horizon, cloud, cover, haze, ambient, black, 1.0)
    return Sky(*(np.asarray(v, np.float32) for v in values))


def _road(b, style, road, walk):
    """The ground, the road with its lines, kerbs and pavements."""
    b.stand(0, 0)
    _far_ground(b, style)
    if style == "square":
        return
    _lanes(b, style, road)
    if walk:
        _pavements(b, road, walk)


def _far_ground(b, style):
    """What lies beside the road, to the horizon: paving or grass, slabs on some squares."""
    rng = b.rng
    bases = PAVING if style in ("town", "square") else GRASS
    slabs = 0.0
    if style == "square" and rng.random() < 0.7:
        slabs = rng.uniform(0.3, 2.0)
    floor = material(rng, bases, rng.uniform(0.15, 0.8), 0.25, wild=0.05)
    joints = dict(
        cells=np.array([slabs, slabs, 0]),
        fill=np.full(3, 0.97),
        vary=0.1,
        cell_color=np.clip(floor["colors"][0] * 1.12, 0, 1),
    )
    ground(b, floor, 0, 100, 400, 400, **joints)


def _lanes(b, style, road):
    """Asphalt and its lines: dashed ones between lanes, whole ones at the edges."""
    rng = b.rng
    asphalt = material(rng, ASPHALT, rng.uniform(0.06, 0.35), 0.08, wild=0.03)
    asphalt["colors"][2] = asphalt["colors"][0] * rng.uniform(0.8, 1.15)
    ground(b, asphalt, 0, 100, road, 300, y=-0.005)
    white = rng.uniform(0.65, 0.95) * np.ones(3)
    marks = rng.random()
    lines = {}  # x -> period in m (0: whole), painted share
    if marks < 0.6:
        lines[0.0] = (9.0, 0.4)
    if style == "country" or marks < 0.35:
        lines |= {-road + 0.3: (0, 1), road - 0.3: (0, 1)}
    if road > 5.5:
        lines |= {-road / 2: (9.0, 0.4), road / 2: (9.0, 0.4)}
    for x, (period, share) in lines.items():
        dashes = dict(
            cells=np.array([1e-3, period, 0]),
            fill=np.array([1, share, 1]),
            cell_color=white,
            vary=0.03,
        )
        ground(b, asphalt, x, 100, 0.07, 300, y=-0.01, **dashes)


def _pavements(b, road, walk):
    """Slabs and a kerb on both sides."""
    rng = b.rng
    slab = material(rng, PAVING, 0.3, 0.15)
    tile = rng.choice([0.0, 0.4, 0.8])
    joints = dict(
        cells=np.array([tile, 0, tile]),
        fill=np.full(3, 0.96),
        cell_color=slab["colors"][1],
        vary=0.06,
    )
    for side in (-1, 1):
        center = [side * (road + walk / 2), -0.06, 100]
        b.add(BOX, center, np.array([walk / 2, 0.06, 300]), slab, **joints)
        kerb = material(rng, PAVING, 0.2, 0.1)
        b.add(BOX, [side * (road + 0.07), -0.065, 100], [0.07, 0.065, 300], kerb)


def _town(b, edge):
    rng = b.rng
    b.stand(0, 0)
    for side in (-1, 1):
        z = rng.uniform(-25, -8)
        setback = rng.uniform(0, 2.5)
        while z < rng.uniform(70, 160):
            width = rng.uniform(7, 26)
            b.stand(0, 0)
            depth = rng.uniform(8, 14)
            building(
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
        building(
            b,
            0.01,
            rng.uniform(60, 180),
            rng.uniform(10, 14),
            rng.uniform(30, 60),
            rng.uniform(6, 20),
            False,
        )


def _suburb(b, edge):
    rng = b.rng
    for side in (-1, 1):
        if rng.random() < 0.2:
            woods(b, side, edge + rng.uniform(2, 5))
            continue
        z = rng.uniform(-20, -5)
        hedge = rng.random()
        while z < rng.uniform(60, 120):
            width = rng.uniform(7, 14)
            depth = rng.uniform(7, 10)
            setback = rng.uniform(2, 9)
            b.stand(0, 0)
            building(
                b,
                side * (edge + setback + depth / 2),
                z + width / 2,
                width,
                depth,
                rng.uniform(3.2, 7.5),
                rng.random() < 0.85,
            )
            fence(b, side * (edge + 0.4), z, width, hedge)
            for _ in range(rng.integers(0, 3)):
                bush(
                    b,
                    side * (edge + rng.uniform(0.8, setback + 0.5)),
                    z + rng.uniform(0, width + 3),
                )
            if rng.random() < 0.5:
                tree(
                    b,
                    side * (edge + rng.uniform(1.5, setback + 1)),
                    z + width + rng.uniform(0, 3),
                    rng.uniform(3, 10),
                )
            z += width + rng.uniform(2, 9)


def _country(b, edge):
    rng = b.rng
    for side in (-1, 1):
        b.stand(0, 0)
        if rng.random() < 0.35:
            steel = material(rng, METAL, 0.4, 0.08)
            b.box([side * (edge + 0.5), -0.62, 60], [0.06, 0.31, 160], steel)
            for z in np.arange(-4, 60, 4.0):
                b.box([side * (edge + 0.56), -0.33, z], [0.06, 0.66, 0.12], steel)
        if rng.random() < 0.35:
            woods(b, side, edge + rng.uniform(3, 10))
        if rng.random() < 0.4:  # a bank or a noise barrier
            bank = material(rng, GRASS + FACADE, 0.5, 0.3)
            b.box(
                [side * (edge + rng.uniform(4, 12)), -1.2, 80], [3, rng.uniform(1.5, 4), 240], bank
            )
        for _ in range(rng.integers(4, 16)):
            z = rng.uniform(-5, 110)
            x = edge + rng.exponential(8) + 1.2
            (tree if rng.random() < 0.7 else bush)(b, side * x, z)
        if rng.random() < 0.3:
            b.stand(0, 0)
            building(
                b,
                side * (edge + rng.uniform(14, 35)),
                rng.uniform(20, 90),
                12,
                9,
                rng.uniform(3, 7),
                True,
            )


def _square(b, edge):
    rng = b.rng
    far = rng.uniform(14, 55)
    b.stand(0, 0)
    for x in np.arange(-60, 60, 16.0):
        building(b, x + 0.01, far + rng.uniform(6, 14), 12, 15.5, rng.uniform(5, 22), False)
    for side in (-1, 1):
        for z in np.arange(-30, far, 15.0):
            b.stand(0, 0)
            building(
                b, side * rng.uniform(18, 40), z, 14, 12, rng.uniform(5, 18), rng.random() < 0.3
            )
    for _ in range(rng.integers(3, 12)):
        x = rng.uniform(-14, 14)
        z = rng.uniform(2, far)
        if b.free(x, z, 0.8):
            thing = rng.choice(["tree", "bush", "carton", "pole"])
            b.stand(x, z, rng.uniform(0, 6))
            if thing == "carton":
                carton(b)
            else:
                _THINGS[thing](b, x, z)
