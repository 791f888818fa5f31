"""Cars, trees, bushes, people and poles, each standing at a place on the ground."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.places.materials import (
    CAR,
    CLOTH,
    GLASS,
    METAL,
    PAPER,
    SKIN,
    WOOD,
    Builder,
    foliage,
    material,
)
from depth_ros.synthetic.renderer import BOX, ELLIPSOID, TUBE


def car(b: Builder, x, z, yaw=0.0) -> None:
    """A car of about 4.2 x 1.7 x 1.5 m, sometimes a van or a lorry; it looks along yaw."""
    rng = b.rng
    big = rng.random()
    length = rng.uniform(3.6, 4.8)
    width = rng.uniform(1.6, 1.9)
    height = rng.uniform(1.4, 1.7)
    if big > 0.93:
        length = rng.uniform(6, 11)
        width = 2.4
        height = rng.uniform(2.8, 3.8)
    elif big > 0.82:
        length = rng.uniform(4.6, 5.6)
        width = 1.95
        height = rng.uniform(1.9, 2.5)
    b.stand(x, z, yaw)
    paint = material(rng, CAR, 1.5, 0.06, mirror=rng.uniform(0.05, 0.3))
    glass = material(rng, [GLASS], 2.0, 0.08, mirror=rng.uniform(0.2, 0.5))
    black = material(rng, [(0.06, 0.06, 0.06)], 0.1, 0.05)
    wheel = rng.uniform(0.29, 0.36) * (1.4 if big > 0.93 else 1)
    waist = height * rng.uniform(0.52, 0.62)
    b.box([0, -(0.22 + waist) / 2, 0], [width, waist - 0.22, length], paint)
    if big > 0.82:
        b.box(
            [0, -(waist + height) / 2, -0.08 * length],
            [width, height - waist, length * 0.84],
            paint,
        )
        b.box(
            [0, -(waist * 1.15 + height * 0.95) / 2, 0.05 * length],
            [width * 1.002, 0.35 * (height - waist), length * 0.6],
            glass,
        )
        b.box(
            [0, -(waist * 1.1 + height * 0.9) / 2, -0.5 * length + 0.02],
            [width * 0.85, 0.3 * (height - waist), 0.05],
            glass,
        )
    else:
        back = rng.choice([-0.02, -0.1, -0.16])
        cabin = length * rng.uniform(0.48, 0.62)
        b.box(
            [0, -(waist + height) / 2, back * length], [width * 0.86, height - waist, cabin], glass
        )
        b.box([0, -height, back * length], [width * 0.84, 0.06, cabin * 0.8], paint)
        tilt = np.array([[1.0, 0, 0], [0, 0.5, -0.87], [0, 0.87, 0.5]])
        for sign in (-1, 1):
            rows = tilt * [1, 1, sign] * [[1], [1], [sign]]
            b.add(
                BOX,
                [0, -(waist + height) / 2 + 0.05, back * length + sign * cabin * 0.48],
                [width * 0.42, 0.025, 0.36],
                glass,
                rows,
            )
    for sx in (-1, 1):
        for sz in (-1, 1):
            b.add(
                ELLIPSOID,
                [sx * (width / 2 - 0.09), -wheel, sz * length * 0.31],
                [0.12, wheel, wheel],
                black,
            )
    for sx in (-1, 1):
        lamp = material(rng, [(0.6, 0.08, 0.06)], 0.5, 0.05)
        b.box([sx * width * 0.38, -waist * 0.85, -length / 2], [0.28, 0.16, 0.04], lamp)
    plate = material(rng, [(0.85, 0.85, 0.8)], 0.05, 0.3)
    b.box([0, -waist * 0.6, -length / 2], [0.5, 0.12, 0.03], plate)


def tree(b: Builder, x, z, height=None) -> None:
    """A trunk and a crown of ragged ellipsoids, 3 to 14 m tall."""
    rng = b.rng
    if height is None:
        height = rng.uniform(3, 14)
    trunk = height * rng.uniform(0.2, 0.45)
    b.stand(x, z, rng.uniform(0, 6))
    radius = 0.02 * height + rng.uniform(0.02, 0.08)
    b.add(
        TUBE,
        [0, -trunk * 0.8, 0],
        [radius, trunk * 0.8, radius],
        material(rng, WOOD[2:3], 0.2, 0.3),
    )
    bare = rng.random() < 0.12
    for _ in range(rng.integers(2, 6)):
        size = height * rng.uniform(0.15, 0.32) * rng.uniform(0.8, 1.2, 3)
        place = [
            rng.normal(0, 0.12) * height,
            -trunk - rng.uniform(0.2, 0.75) * (height - trunk),
            rng.normal(0, 0.12) * height,
        ]
        b.add(ELLIPSOID, place, size, foliage(rng, 0.7 if bare else rng.uniform(0.0, 0.35)))


def bush(b: Builder, x, z, size=None) -> None:
    """A round bush, half in the ground."""
    rng = b.rng
    size = size or b.rng.uniform(0.3, 1.2)
    b.stand(x, z)
    b.add(
        ELLIPSOID,
        [0, -0.4 * size, 0],
        size * rng.uniform(0.7, 1.2, 3),
        foliage(rng, rng.uniform(0, 0.3)),
    )


def woods(b: Builder, side, edge) -> None:
    """The edge of a wood along the road at x = side * edge: crowns down to the ground, one
    beside the other.
    """
    rng = b.rng
    z = b.rng.uniform(-12, -4)
    tall = rng.uniform(2.5, 11)
    b.stand(0, 0)
    while z < 110:
        half = np.array(
            [rng.uniform(1.5, 3.5), tall * rng.uniform(0.4, 0.65), rng.uniform(2.0, 4.5)]
        )
        place = [
            side * (edge + half[0] + rng.uniform(-0.5, 2)),
            -half[1] * rng.uniform(0.7, 0.95),
            z,
        ]
        b.add(ELLIPSOID, place, half, foliage(rng, rng.uniform(0, 0.1)))
        z += half[2] * rng.uniform(0.9, 1.5)


def person(b: Builder, x, z, yaw=0.0, height=None) -> None:
    """Somebody of 1.1 to 1.95 m: legs, body, arms, head."""
    rng = b.rng
    h = height or rng.uniform(1.5, 1.95) * (0.7 if rng.random() < 0.1 else 1)
    b.stand(x, z, yaw)
    top = material(rng, CLOTH, 0.15, 0.15)
    legs = material(rng, CLOTH, 0.15, 0.1)
    skin = material(rng, SKIN, 0.3, 0.06)
    hair = material(rng, SKIN[2:], 0.1, 0.1)
    step = rng.uniform(-0.12, 0.12) * h
    for side in (-1, 1):
        b.add(
            ELLIPSOID,
            [side * 0.055 * h, -0.27 * h, side * step / 2],
            [0.05 * h, 0.27 * h, 0.055 * h + abs(step) / 3],
            legs,
        )
        b.add(
            ELLIPSOID,
            [side * 0.14 * h, -0.62 * h, -side * step / 2],
            [0.032 * h, 0.19 * h, 0.04 * h],
            top,
        )
        b.add(
            ELLIPSOID,
            [side * 0.055 * h, -0.025 * h, side * step + 0.03],
            [0.03 * h, 0.025 * h, 0.07 * h],
            hair,
        )
    b.add(ELLIPSOID, [0, -0.65 * h, 0], [0.12 * h, 0.2 * h, 0.075 * h], top)
    b.add(ELLIPSOID, [0, -0.925 * h, 0.01], [0.045 * h, 0.072 * h, 0.055 * h], skin)
    b.add(ELLIPSOID, [0, -0.94 * h, -0.012], [0.048 * h, 0.066 * h, 0.055 * h], hair)


def pole(b: Builder, x, z) -> None:
    """A lamp post, a sign or a traffic light."""
    rng = b.rng
    height = rng.uniform(2.2, 9)
    radius = rng.uniform(0.03, 0.12)
    b.stand(x, z, rng.normal(0, 0.3))
    metal = material(rng, METAL, 0.6, 0.1)
    b.add(TUBE, [0, -height / 2, 0], [radius, height / 2, radius], metal)
    kind = rng.random()
    if x:
        side = -np.sign(x)
    else:
        side = 1.0
    if height > 4.5:  # lamp on an arm over the road
        b.box([side * 0.7, -height, 0], [1.5, 0.1, 0.1], metal)
        b.box([side * 1.4, -height, 0], [0.6, 0.12, 0.22], metal)
    elif kind < 0.6:
        sign = material(rng, PAPER + [(0.7, 0.1, 0.1)], 0.3, 0.5)
        b.add(ELLIPSOID, [0, -height + 0.3, -radius], [0.33, 0.33, 0.02], sign)
        b.add(
            ELLIPSOID,
            [0, -height + 0.3, -radius - 0.01],
            [0.24, 0.24, 0.02],
            material(rng, PAPER, 0.2, 0.6),
        )
    elif kind < 0.8:
        b.box([0, -height + 0.4, -0.1], [0.3, 0.85, 0.25], material(rng, METAL[3:], 0.3, 0.1))
