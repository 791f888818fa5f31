"""Open ground for stereo: asphalt to the horizon, walls along it, things of all kinds upon it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from depth_ros.synthetic.raster.scene import Material
from depth_ros.synthetic.raster.stage import Stage

_CAR = ("block", "blob", "cutting")
_STREET = ("block", "rods", "fence", "plant", "card", "vessel", "doll", "table")


def open_ground(stage: Stage) -> float:
    """Ground to the horizon under a sky, with walls, poles, trees and vehicle-like things."""
    rng = stage.rng
    eye = rng.uniform(0.4, 2.5)
    stage.wall(
        np.array([0, eye, 100]),
        np.array([400.0, rng.normal(0, 3), 0]),
        np.array([0, rng.normal(0, 1), 400.0]),
        _ground_material(stage),
    )
    half = rng.uniform(2.5, 9)
    for side in (-1, 1):
        z = rng.uniform(-5, 10)
        while z < 110 and rng.random() < 0.96:
            z = _building(stage, side * (half + rng.uniform(0, 8)), z, eye)
    for _ in range(int(rng.integers(5, 40))):
        z = np.exp(rng.uniform(np.log(2.5), np.log(60)))
        x = rng.uniform(-1.6, 1.6) * half
        kinds, size = (
            (_CAR, rng.uniform(1.5, 5)) if rng.random() < 0.35 else (_STREET, rng.uniform(0.4, 5))
        )
        if abs(x) > 0.4 * size or z > 2 + size:
            stage.standing(np.array([x, eye, z]), size, kinds)
    return 15.0


def _ground_material(stage) -> Material:
    """Asphalt, paving, gravel, grass; its texture repeats every few metres."""
    kinds = ("gravel", "gravel", "gravel", "speckle", "stone", "bricks", "clouds", "cells")
    return replace(stage.metric_material(kinds, (0.6, 6.0), 0.15), mirror=0.0)


def _building(stage, x, z, eye):
    """A wall along the street, with its front to the camera; returns where it ends."""
    rng = stage.rng
    length, height = rng.uniform(3, 25), rng.uniform(1, 14)
    kinds = (
        "facade",
        "facade",
        "bricks",
        "clouds",
        "stone",
        "plain",
        "stripes",
        "gravel",
        "leaves",
    )
    material = stage.material(0.5 * abs(z) + 8, 0.25, kinds)
    middle = np.array([x, eye - height / 2, z + length / 2])
    stage.wall(middle, np.array([0, 0, length]), np.array([0, height, 0]), material)
    if z > 3:
        outward = np.sign(x) * 6.0
        stage.wall(
            np.array([x + outward / 2, eye - height / 2, z]),
            np.array([outward, 0, 0]),
            np.array([0, height, 0]),
            material,
        )
    return z + length + rng.choice([0.0, 0.0, rng.uniform(0, 12)])
