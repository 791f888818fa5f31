"""What lies on tables: screens, keyboards, books, cups, balls, boxes, paper, bottles."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.places.materials import (
    GLASS,
    LEAVES,
    METAL,
    PAPER,
    WOOD,
    Builder,
    grid,
    material,
    yaw_axes,
)
from depth_ros.synthetic.renderer import BOX, ELLIPSOID, TUBE


def _screen(b, rng):
    w = rng.uniform(0.35, 0.7)
    h = w * rng.uniform(0.55, 0.75)
    dark = material(rng, METAL[3:] + METAL[:1], 0.4, 0.05)
    b.box([0, -0.12 - h / 2, 0], [w, h, 0.04], dark)
    picture = material(rng, PAPER + [GLASS], 0.1, rng.choice([0.05, 0.5]), mirror=0.1)
    b.box(
        [0, -0.12 - h / 2, -0.021],
        [w * 0.93, h * 0.9, 0.01],
        picture,
        glow=rng.choice([0.0, 0.9]),
        cells=np.array([w * 0.93 / 8, h * 0.9 / 12, 0]),
        fill=np.array([0.8, 0.5, 1]),
        cell_color=rng.uniform(0, 1, 3),
        vary=rng.uniform(0, 0.8),
    )
    b.box([0, -0.06, 0.03], [0.06, 0.13, 0.04], dark)
    b.box([0, -0.01, 0.02], [0.24, 0.02, 0.18], dark)


def _keyboard(b, rng):
    half = np.array([0.22, 0.015, 0.075])
    b.add(
        BOX,
        [0, -0.015, -0.1],
        half,
        material(rng, METAL, 0.3, 0.04),
        cells=grid(half, [0.022, 0, 0.024]),
        fill=np.array([0.8, 1, 0.8]),
        cell_color=rng.choice([0.1, 0.85]) * np.ones(3),
        vary=0.1,
    )
    b.add(ELLIPSOID, [0.3, -0.015, -0.1], [0.03, 0.02, 0.055], material(rng, METAL, 0.3, 0.05))


def _books(b, rng):
    y = 0.0
    for _ in range(rng.integers(1, 5)):
        size = [rng.uniform(0.14, 0.3), rng.uniform(0.015, 0.05), rng.uniform(0.18, 0.3)]
        b.box(
            [rng.normal(0, 0.015), -y - size[1] / 2, rng.normal(0, 0.015)],
            size,
            material(rng, PAPER, 0.08, 0.35),
        )
        y += size[1]


def _cup(b, rng):
    r = rng.uniform(0.03, 0.05)
    h = rng.uniform(0.08, 0.13)
    clay = material(rng, PAPER, 0.06, 0.25)
    b.add(TUBE, [0, -h / 2, 0], [r, h / 2, r], clay)
    b.add(
        ELLIPSOID,
        [0, -h * 0.85, 0],
        [r * 0.98, 0.012, r * 0.98],
        material(rng, WOOD[2:3], 0.1, 0.05),
    )


def _ball(b, rng):
    r = rng.uniform(0.03, 0.14)
    b.add(
        ELLIPSOID,
        [0, -r, 0],
        [r, r, r],
        material(rng, PAPER, 0.1, 0.5, mirror=rng.choice([0, 0.15])),
    )


def _carton(b, rng):
    size = rng.uniform(0.07, 0.32, 3)
    b.box([0, -size[1] / 2, 0], size, material(rng, PAPER + WOOD, 0.12, 0.3))


def _paper(b, rng):
    b.box([0, -0.002, 0], [0.21, 0.004, 0.3], material(rng, PAPER[:1], 0.03, 0.4))


def _bottle(b, rng):
    r = rng.uniform(0.03, 0.045)
    h = rng.uniform(0.16, 0.3)
    glass = material(rng, PAPER + LEAVES, 0.06, 0.3, mirror=0.15)
    b.add(TUBE, [0, -h / 2, 0], [r, h / 2, r], glass)
    b.add(ELLIPSOID, [0, -h, 0], [r, r, r], glass)


_TABLEWARE = {
    "screen": _screen,
    "keyboard": _keyboard,
    "books": _books,
    "cup": _cup,
    "ball": _ball,
    "box": _carton,
    "paper": _paper,
    "bottle": _bottle,
}


def on_table(b: Builder, width, depth, height, things=6) -> None:
    """What lies on a table of this size: screens, keyboards, books, cups, balls, boxes, paper."""
    rng, origin, frame = b.rng, *b._frame
    for _ in range(things):
        x = rng.uniform(-0.42, 0.42) * width
        z = rng.uniform(-0.4, 0.4) * depth
        kind = rng.choice(
            ["screen", "keyboard", "books", "cup", "ball", "box", "paper", "bottle"],
            p=[0.2, 0.13, 0.17, 0.12, 0.08, 0.12, 0.1, 0.08],
        )
        if kind == "screen":
            z = 0.2 * depth
        b._frame = (
            origin + np.array([x, -height, z]) @ frame,
            yaw_axes(rng.normal(0, 0.35)) @ frame,
        )
        _TABLEWARE[kind](b, rng)
    b._frame = (origin, frame)
