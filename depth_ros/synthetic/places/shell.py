"""The shell of a room: floor, ceiling with lights, walls with what hangs on them."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.places.buildings import ground
from depth_ros.synthetic.places.materials import (
    CAR,
    FLOOR,
    METAL,
    PAPER,
    WALL,
    WOOD,
    grid,
    material,
)
from depth_ros.synthetic.renderer import BOX, QUAD


def walls(width, long):
    """Centre, inward yaw and length of the four walls; a wall's frame has its back at the wall,
    its front inwards.
    """
    return [
        ((0, long / 2), 0.0, width),
        ((0, -long / 2), np.pi, width),
        ((width / 2, 0), np.pi / 2, long),
        ((-width / 2, 0), -np.pi / 2, long),
    ]


def shell(b, style, width, long, high):
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
    for (x, z), yaw, span in walls(width, long):
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
    if style == "corridor":
        across = 1
        along = max(int(long / 3), 1)
    else:
        across = max(int(width / 3), 1)
        along = max(int(long / 3.5), 1)
    panel_x = rng.choice([0.3, 0.6])
    panel_z = rng.choice([0.6, 1.2])
    b.stand(0, 0)
    for i in range(across):
        for j in range(along):
            x = width * ((i + 0.5) / across - 0.5)
            z = long * ((j + 0.5) / along - 0.5)
            if len(lamps) < 30:
                b.box(
                    [x, -high, z],
                    [panel_x, 0.06, panel_z],
                    material(rng, WALL[:1], 0.5, 0.02),
                    glow=1.0,
                )
            lamps.append([x, -high, z])
    pick = rng.permutation(len(lamps))[: rng.integers(1, 4)]
    return np.array(lamps)[pick]
