"""Furniture, made around the builder's frame: its front along -z, its feet at y = 0."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.places.materials import (
    CLOTH,
    LEAVES,
    METAL,
    PAPER,
    ROOF,
    WALL,
    WOOD,
    Builder,
    grid,
    material,
)
from depth_ros.synthetic.places.tableware import on_table
from depth_ros.synthetic.renderer import BOX, ELLIPSOID, TUBE


def table(b: Builder, width=1.4, depth=0.75, height=0.74) -> None:
    """A table or desk: a board, four legs or two side panels."""
    rng = b.rng
    wood = material(b.rng, WOOD, 0.5, 0.15, stripes=b.rng.choice([0, 0.5]), stripe_m=0.08)
    b.box([0, -height + 0.015, 0], [width, 0.03, depth], wood)
    leg = material(rng, METAL + WOOD, 0.4, 0.08)
    for sx in (-1, 1):
        if rng.random() < 0.3:
            b.box(
                [sx * (width / 2 - 0.03), -height / 2 + 0.01, 0],
                [0.03, height - 0.03, depth * 0.9],
                wood,
            )
            continue
        for sz in (-1, 1):
            b.box(
                [sx * (width / 2 - 0.04), -height / 2 + 0.01, sz * (depth / 2 - 0.04)],
                [0.045, height - 0.03, 0.045],
                leg,
            )


def chair(b: Builder) -> None:
    """A chair with four legs or on a column with a foot."""
    rng = b.rng
    cloth = material(rng, CLOTH + WOOD, 0.1, 0.12)
    leg = material(rng, METAL + WOOD, 0.4, 0.06)
    b.box([0, -0.45, 0], [0.44, rng.uniform(0.04, 0.09), 0.44], cloth)
    b.box([0, -0.75, 0.21], [0.42, rng.uniform(0.3, 0.6), 0.05], cloth)
    if rng.random() < 0.5:
        for sx in (-1, 1):
            for sz in (-1, 1):
                b.box([sx * 0.19, -0.22, sz * 0.19], [0.035, 0.44, 0.035], leg)
    else:
        b.add(TUBE, [0, -0.23, 0], [0.03, 0.2, 0.03], leg)
        b.box([0, -0.05, 0], [0.6, 0.05, 0.06], leg)
        b.box([0, -0.05, 0], [0.06, 0.05, 0.6], leg)


def cabinet(b: Builder, width=None, height=None, depth=None) -> None:
    """A cupboard or a chest of drawers with doors and handles' rhythm."""
    rng = b.rng
    half = (
        np.array(
            [
                width or rng.uniform(0.4, 1.8),
                height or rng.uniform(0.5, 2.2),
                depth or rng.uniform(0.3, 0.6),
            ]
        )
        / 2
    )
    wood = material(
        rng, WOOD + METAL[:1] + WALL[:2], 0.5, 0.12, stripes=rng.choice([0, 0.4]), stripe_m=0.1
    )
    front = np.clip(wood["colors"][0] * rng.uniform(0.85, 1.2), 0.02, 0.98)
    b.add(
        BOX,
        [0, -half[1], 0],
        half,
        wood,
        cells=grid(half, [0.5, rng.choice([0.25, 0.8, 2.0]), 0]),
        fill=np.array([0.97, 0.97, 1]),
        cell_color=front,
        vary=rng.choice([0, 0.08]),
    )


def shelf(b: Builder) -> None:
    """A bookcase: a carcass, boards, rows of books of many colours."""
    rng = b.rng
    width = rng.uniform(0.6, 1.6)
    height = rng.uniform(0.9, 2.2)
    depth = rng.uniform(0.25, 0.4)
    wood = material(rng, WOOD, 0.5, 0.12)
    b.box([0, -height / 2, depth / 2 - 0.01], [width, height, 0.02], wood)
    for side in (-1, 1):
        b.box([side * width / 2, -height / 2, 0], [0.025, height, depth], wood)
    floors = int(rng.integers(2, 6))
    for n in range(floors + 1):
        b.box([0, -0.05 - n * (height - 0.06) / floors, 0], [width, 0.025, depth], wood)
    for n in range(floors):
        if rng.random() < 0.75:
            tall = (height - 0.06) / floors * rng.uniform(0.6, 0.9)
            room = width * rng.uniform(0.5, 0.96)
            half = np.array([room / 2, tall / 2, depth * 0.4])
            b.add(
                BOX,
                [-(width - room) / 2.2, -0.06 - n * (height - 0.06) / floors - half[1], 0.02],
                half,
                material(rng, PAPER, 0.05, 0.3),
                cells=grid(half, [rng.uniform(0.02, 0.05), 0, 0]),
                fill=np.array([0.92, 1, 1]),
                cell_color=rng.uniform(0.25, 0.7, 3),
                vary=rng.uniform(0.4, 1),
            )


def sofa(b: Builder) -> None:
    """A sofa, an armchair or a bed-like block with cushions."""
    rng = b.rng
    width = b.rng.uniform(0.8, 2.2)
    depth = b.rng.uniform(0.75, 1.0)
    cloth = material(
        rng, CLOTH + WALL[3:], 0.15, 0.15, stripes=rng.choice([0, 0, 0.6]), stripe_m=0.06
    )
    b.box([0, -0.22, 0], [width, 0.4, depth], cloth)
    b.box([0, -0.6, depth / 2 - 0.1], [width, 0.5, 0.2], cloth)
    for side in (-1, 1):
        b.box([side * (width / 2 - 0.08), -0.5, 0], [0.16, 0.25, depth], cloth)
    for _ in range(rng.integers(0, 3)):
        x = rng.uniform(-0.35, 0.35) * width
        b.add(ELLIPSOID, [x, -0.55, 0.1], [0.22, 0.2, 0.09], material(rng, CLOTH, 0.08, 0.4))


def bed(b: Builder) -> None:
    """A bed or a hospital trolley on legs, with pillow and blanket."""
    rng = b.rng
    width = b.rng.uniform(0.7, 1.6)
    long = b.rng.uniform(1.9, 2.1)
    high = rng.uniform(0.45, 0.9)
    frame = material(rng, METAL + WOOD, 0.4, 0.1)
    b.box([0, -high + 0.15, 0], [width, 0.08, long], frame)
    b.box(
        [0, -high + 0.02, 0],
        [width * 0.97, 0.18, long * 0.98],
        material(rng, WALL + CLOTH, 0.25, 0.12),
    )
    b.box(
        [0, -high + 0.02, -0.25], [width, 0.2, long * 0.65], material(rng, CLOTH + WALL, 0.2, 0.2)
    )
    b.add(
        ELLIPSOID,
        [0, -high - 0.1, long * 0.38],
        [width * 0.35, 0.08, 0.2],
        material(rng, WALL[:2], 0.2, 0.05),
    )
    b.box([0, -high - 0.1, long / 2], [width, 0.6, 0.05], frame)
    for sx in (-1, 1):
        for sz in (-1, 1):
            b.add(
                TUBE,
                [sx * width * 0.45, -(high - 0.15) / 2, sz * long * 0.45],
                [0.03, (high - 0.15) / 2, 0.03],
                frame,
            )


def plant(b: Builder) -> None:
    """A pot with a bushy plant."""
    rng = b.rng
    r = rng.uniform(0.1, 0.25)
    h = rng.uniform(0.2, 0.4)
    b.add(TUBE, [0, -h / 2, 0], [r, h / 2, r], material(rng, PAPER + ROOF, 0.2, 0.1))
    for _ in range(rng.integers(1, 4)):
        leaves = dict(
            material(rng, LEAVES, 0.1, 0.4), cutout=rng.uniform(0.4, 0.8), freq=rng.uniform(5, 9)
        )
        high = rng.uniform(0.2, 0.9)
        b.add(
            ELLIPSOID,
            [rng.normal(0, 0.1), -h - high / 2, rng.normal(0, 0.1)],
            [r * 1.4, high / 2, r * 1.4],
            leaves,
        )


def carton(b: Builder) -> None:
    """A box, a bin or a ball on the floor, 15 to 70 cm."""
    rng = b.rng
    kind = b.rng.random()
    if kind < 0.6:
        size = rng.uniform(0.15, 0.7, 3)
        b.box([0, -size[1] / 2, 0], size, material(rng, WOOD + PAPER, 0.25, 0.25))
    elif kind < 0.8:
        r = rng.uniform(0.12, 0.3)
        h = rng.uniform(0.25, 0.9)
        b.add(TUBE, [0, -h / 2, 0], [r, h / 2, r], material(rng, METAL + CLOTH, 0.3, 0.15))
        b.add(ELLIPSOID, [0, -h, 0], [r, 0.03, r], material(rng, METAL, 0.3, 0.1))
    else:
        r = rng.uniform(0.1, 0.35)
        b.add(ELLIPSOID, [0, -r, 0], [r, r, r], material(rng, PAPER, 0.3, 0.6))


def trolley(b: Builder) -> None:
    """A cart with two boards and a few things on it."""
    rng = b.rng
    metal = material(b.rng, METAL, 0.4, 0.08)
    w = rng.uniform(0.4, 0.7)
    d = rng.uniform(0.5, 0.9)
    h = rng.uniform(0.8, 1.1)
    for y in (0.2, h):
        b.box([0, -y, 0], [w, 0.03, d], metal)
    for sx in (-1, 1):
        for sz in (-1, 1):
            b.add(TUBE, [sx * w * 0.46, -h / 2, sz * d * 0.46], [0.015, h / 2, 0.015], metal)
    on_table(b, w, d, h + 0.015, things=int(rng.integers(0, 4)))
