"""Houses, fences, stretches of ground and far hills."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.places.materials import (
    CAR,
    FACADE,
    GLASS,
    GRASS,
    LEAVES,
    LYING,
    METAL,
    ROOF,
    WOOD,
    foliage,
    grid,
    material,
)
from depth_ros.synthetic.renderer import BOX, ELLIPSOID, QUAD


def ground(b, surface, x, z, half_x, half_z, y=0.0, **changes):
    b.add(QUAD, [x, y, z], [half_x, half_z, 1], surface, LYING, **changes)


def building(b, x, z, width, depth, height, roof):
    """A house with rows of windows, a door, sometimes a pitched roof; width along its own z,
    front along -x.
    """
    rng = b.rng
    half = np.array([depth, height, width]) / 2
    wall = material(
        rng, FACADE, rng.uniform(0.3, 2.0), 0.12, stripes=rng.choice([0, 0, 0.4]), stripe_m=0.15
    )
    storey = rng.uniform(2.6, 3.6)
    bay = rng.uniform(1.6, 4.0)
    fill = np.array([rng.uniform(0.35, 0.7), rng.uniform(0.4, 0.65), 0])
    fill[2] = fill[0]
    pane = np.array(GLASS) * rng.uniform(0.6, 2.4)
    b.add(
        BOX,
        [x, -half[1], z],
        half,
        wall,
        cells=grid(half, [bay, storey, bay]),
        fill=fill,
        cell_color=pane,
        vary=0.25,
    )
    front = -np.sign(x) * half[0]
    paint = material(rng, WOOD + CAR, 0.6, 0.1)
    b.box(
        [x + front, -1.05, z + rng.uniform(-0.35, 0.35) * width],
        [0.12, 2.1, rng.uniform(0.9, 1.3)],
        paint,
    )
    if rng.random() < 0.4:  # shop front or plinth
        b.box(
            [x + front, -1.6, z],
            [0.25, rng.choice([0.8, 3.2]), width * 0.98],
            material(rng, FACADE + METAL, 0.5, 0.2),
        )
    if roof:
        tile = material(rng, ROOF, 0.15, 0.25)
        turn = np.array([[0.7071, 0.7071, 0], [-0.7071, 0.7071, 0], [0, 0, 1]])
        b.add(BOX, [x, -height, z], [depth * 0.38, depth * 0.38, width / 2 + 0.3], tile, turn)
        if rng.random() < 0.6:
            b.box(
                [x + front * 0.4, -height - depth * 0.45, z],
                [0.6, 2.0, 0.6],
                material(rng, FACADE, 0.2, 0.3),
            )
    elif rng.random() < 0.6:
        b.box(
            [x, -height - 0.15, z],
            [depth + 0.5, 0.35, width + 0.4],
            material(rng, FACADE + ROOF, 0.4, 0.1),
        )


def fence(b, x, z, width, hedge):
    rng = b.rng
    high = b.rng.uniform(0.6, 2.0)
    b.stand(0, 0)
    if hedge < 0.45:
        b.box(
            [x, -high / 2, z + width / 2],
            [0.7, high, width * rng.uniform(0.6, 1)],
            foliage(rng, 0.0),
        )
    elif hedge < 0.75:
        half = np.array([0.04, high * 0.4, width / 2])
        wood = material(rng, WOOD + METAL, 0.3, 0.2)
        b.add(
            BOX,
            [x, -half[1], z + half[2]],
            half,
            wood,
            cells=grid(half, [0, 0, 0.12]),
            fill=np.array([1, 1, 0.8]),
            cell_color=wood["colors"][1],
            vary=0.1,
        )
    elif hedge < 0.9:
        b.box([x, -0.5, z + width / 2], [0.25, 1.0, width], material(rng, FACADE, 0.3, 0.25))


def horizon(b):
    """Hills and woods far away, so that the ground has an end."""
    rng = b.rng
    b.stand(0, 0)
    for _ in range(rng.integers(3, 9)):
        far = rng.uniform(110, 380)
        angle = rng.uniform(-1.3, 1.3)
        leaves = dict(material(rng, LEAVES + GRASS, 6.0, 0.2))
        b.add(
            ELLIPSOID,
            [far * np.sin(angle), 0, far * np.cos(angle)],
            far * np.array([0.35, rng.uniform(0.03, 0.11), 0.1]),
            leaves,
        )
