"""What stands, drives and walks in a street: parked cars, traffic, people, trees and poles."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.places.materials import Builder
from depth_ros.synthetic.places.outdoors import car, person, pole, tree
from depth_ros.synthetic.places.place import Mover


def traffic(b: Builder, style: str, road: float, edge: float) -> list[Mover]:
    """Add parked and driving cars, people, trees and poles.

    Args:
        b: Collects the shapes.
        style: "town", "suburb", "country" or "square".
        road: Half the width of the road, m.
        edge: Distance of the houses from the middle, m.

    Returns:
        What may move.
    """
    _park(b, style, road)
    movers = [*_drive(b, style, road), *_walk(b, style, road, edge)]
    _line_road(b, style, road)
    return movers


def _mover(b, make, kind, x, z, yaw) -> Mover:
    """Add one thing that may move."""
    b.group()
    make(b, x, z, yaw)
    mover = Mover(b.current, kind, np.array([x, 0.0, z]), yaw)
    b.group(moving=False)
    return mover


def _park(b, style, road):
    """Cars at both kerbs; narrow roads have them half on the pavement."""
    rng = b.rng
    busy = 0.9 if style in ("town", "suburb") else 0.2
    parked = rng.random(2) * busy
    inwards = 1.05 if road > 3.6 else 0.4
    for side, share in zip((-1, 1), parked, strict=True):
        yaw = rng.choice([0.0, np.pi])
        z = rng.uniform(-6, 6)
        while z < 70:
            x = side * (road - inwards)
            if rng.random() < share and b.free(x, z, 2.4):
                car(b, x, z, yaw + rng.normal(0, 0.03))
            z += rng.uniform(5.2, 7.5)


def _drive(b, style, road):
    """Up to three cars on their lanes, on the right."""
    rng = b.rng
    for _ in range(rng.integers(0, 3 if style == "square" else 4)):
        side = rng.choice([-1, 1])
        if road < 6:
            x = side * min(road * 0.45, 2.0)
        else:  # two lanes a direction
            x = side * rng.choice([0.28, 0.72]) * road
        z = rng.uniform(7, 70)
        if b.free(x, z, 2.6):
            yield _mover(b, car, "car", x, z, 0.0 if side > 0 else np.pi)


def _walk(b, style, road, edge):
    """People, most of them on the pavements."""
    rng = b.rng
    for _ in range(rng.poisson(0.3 if style == "country" else 2.2)):
        if rng.random() < 0.75:
            x = rng.choice([-1, 1]) * rng.uniform(road + 0.3, edge + 0.4)
        else:
            x = rng.uniform(-road, road)
        z = 2 + rng.exponential(12)
        if b.free(x, z, 0.5):
            yield _mover(b, person, "person", x, z, rng.choice([0, np.pi]) + rng.normal(0, 0.4))


def _line_road(b, style, road):
    """Trees and poles at equal distances along both kerbs."""
    rng = b.rng
    spacing = rng.uniform(8, 30)
    for side in (-1, 1):
        makers = [pole]
        if rng.random() < 0.5:
            makers = [tree, pole]
        for z in np.arange(rng.uniform(0, spacing), 90, spacing):
            if style == "square":
                x = rng.uniform(-12, 12)
            else:
                x = side * (road + rng.uniform(0.3, 0.9))
            if rng.random() < 0.7 and b.free(x, z, 0.35):
                makers[rng.integers(len(makers))](b, x, z)
