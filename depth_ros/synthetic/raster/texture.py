"""Procedural textures: each a square that tiles, drawn from a random generator. Nothing comes from
photographs.
"""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.synthetic.raster import pattern
from depth_ros.synthetic.raster.color import mapped, palette, random_color
from depth_ros.synthetic.raster.noise import blurred, cell_noise, fractal_noise, value_noise
from depth_ros.synthetic.raster.pattern import draw_shape


def procedural_texture(rng: np.random.Generator, size: int = 256) -> np.ndarray:
    """Draw a texture (size, size, 3) uint8, as a display shows it."""
    names = list(_KINDS)
    weights = np.array([_KINDS[name][1] for name in names], np.float64)
    kind = names[rng.choice(len(names), p=weights / weights.sum())]
    image = _KINDS[kind][0](rng, size)
    if rng.random() < 0.6:  # dirt, wear, uneven dye
        stain = fractal_noise(rng, size, int(2 ** rng.uniform(1, 6)))
        image = image * (1 + rng.uniform(0.02, 0.35) * (stain[..., None] - 0.5))
    if rng.random() < 0.35:
        grain = rng.normal(0, rng.uniform(0.005, 0.05), (size, size, 1))
        image = image + grain
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def _clouds(rng, size):
    cells = int(2 ** rng.uniform(1, 5.5))
    return mapped(rng, fractal_noise(rng, size, cells, 7, rng.uniform(0.4, 0.95)))


def _wood(rng, size):
    """Growth rings cut along the grain."""
    v = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j][0].astype(np.float32)
    warp = fractal_noise(rng, size, int(rng.integers(1, 4)), 4)
    rings = np.sin(2 * np.pi * (int(rng.integers(4, 30)) * v + rng.uniform(0.2, 2) * warp))
    fibre = cv2.blur(rng.random((size, size), dtype=np.float32), (int(rng.integers(15, 60)), 1))
    fibre = (fibre - fibre.mean()) / (fibre.std() + 1e-6)
    level = 0.5 + 0.3 * rings + rng.uniform(0.02, 0.15) * fibre
    light = np.array([0.75, 0.55, 0.35]) * rng.uniform(0.4, 1.25) * np.exp(rng.normal(0, 0.1, 3))
    dark = light * rng.uniform(0.45, 0.9)
    return dark + (light - dark) * np.clip(level, 0, 1)[..., None]


def _stone(rng, size):
    """Veins where two turbulent fields cross."""
    field = fractal_noise(rng, size, int(rng.integers(2, 8)), 6, 0.6)
    other = fractal_noise(rng, size, int(rng.integers(2, 8)), 6, 0.6)
    vein = np.exp(-np.abs(field - other) * rng.uniform(6, 60))
    base = mapped(rng, fractal_noise(rng, size, int(rng.integers(2, 30)), 6, 0.8))
    return base + (random_color(rng) - base) * (vein * rng.uniform(0.2, 0.9))[..., None]


def _gravel(rng, size):
    """Asphalt, sand, concrete, carpet: fine grain of little contrast."""
    grain = rng.normal(0, 1, (size, size)).astype(np.float32)
    grain = blurred(grain, rng.uniform(0.4, 1.6))
    grain /= grain.std() + 1e-6
    wide = fractal_noise(rng, size, int(rng.integers(1, 6)), 5) - 0.5
    gray = rng.uniform(0.12, 0.75)
    level = gray * (1 + rng.uniform(0.03, 0.3) * grain + rng.uniform(0.05, 0.4) * wide)
    return level[..., None] * np.exp(rng.normal(0, 0.07, 3))


def _leaves(rng, size):
    """Overlapping shapes of all sizes (dead leaves, Lee et al. 2001): the statistics of cluttered
    pictures.
    """
    image = np.empty((size, size, 3), np.float32)
    image[:] = random_color(rng)
    many = rng.random() < 0.3
    colors = np.stack([random_color(rng) for _ in range(40)]) if many else palette(rng, 12)
    exponent = rng.uniform(1.5, 3.0)
    for _ in range(int(rng.integers(60, 420))):
        radius = min(size / 3, 3 * (1 - rng.random()) ** (-1 / exponent) * rng.uniform(0.7, 3))
        color = np.clip(colors[rng.integers(len(colors))] + rng.normal(0, 0.05, 3), 0, 1).tolist()
        draw_shape(rng, image, rng.random(2) * size, radius, color)
    return image


def _cells(rng, size):
    """Cobbles, crazed glaze, patchwork."""
    labels, border = cell_noise(rng, size, int(rng.integers(8, 110)))
    count = labels.max() + 1
    colors = palette(rng)[rng.integers(0, 8, count)] + rng.normal(0, 0.05, (count, 3))
    image = np.clip(colors, 0, 1).astype(np.float32)[labels]
    image[border < rng.uniform(0, 0.03)] *= rng.uniform(0.2, 0.9)
    return image


def _speckle(rng, size):
    channels = 1 if rng.random() < 0.6 else 3
    noise = rng.normal(0, 1, (size, size, channels)).astype(np.float32)
    noise = blurred(noise, rng.uniform(0.3, 2.5))
    contrast = np.exp(rng.uniform(np.log(0.02), np.log(0.4)))
    return random_color(rng) + contrast * noise / (noise.std() + 1e-6)


def _plain(rng, size):
    image = np.empty((size, size, 3), np.float32)
    image[:] = random_color(rng)
    wide = fractal_noise(rng, size, int(rng.integers(1, 4)), 3) - 0.5
    return image * (1 + rng.uniform(0, 0.08) * wide[..., None])


def _blend(rng, size):
    """One texture worn through to another."""
    first = procedural_texture(rng, size).astype(np.float32) / 255
    second = procedural_texture(rng, size).astype(np.float32) / 255
    level = fractal_noise(rng, size, 4)[..., None]
    share = np.clip((level - 0.5) * rng.uniform(1, 30) + 0.5, 0, 1)
    return first * share + second * (1 - share)


_KINDS = {
    "clouds": (_clouds, 12),
    "wood": (_wood, 8),
    "stone": (_stone, 7),
    "gravel": (_gravel, 9),
    "leaves": (_leaves, 14),
    "cells": (_cells, 5),
    "bricks": (pattern.bricks, 6),
    "stripes": (pattern.stripes, 6),
    "plaid": (pattern.plaid, 4),
    "checks": (pattern.checks, 2),
    "print": (pattern.wallpaper, 8),
    "text": (pattern.text, 7),
    "map": (pattern.chart, 4),
    "speckle": (_speckle, 6),
    "plain": (_plain, 5),
    "facade": (pattern.facade, 3),
    "picture": (pattern.picture, 6),
    "blend": (_blend, 6),
}
KINDS = tuple(_KINDS)


def textures_of_kind(
    rng: np.random.Generator, kind: str, count: int, size: int = 256
) -> np.ndarray:
    """Draw `count` textures (count, size, size, 3) uint8 of one of KINDS."""
    drawn = [np.clip(_KINDS[kind][0](rng, size), 0, 1) for _ in range(count)]
    return np.stack([(image * 255 + 0.5).astype(np.uint8) for image in drawn])


def surroundings(rng: np.random.Generator, size: int = 256) -> np.ndarray:
    """Draw a panorama (size, size, 3) uint8 for mirrors and skies: lamps, windows or clouds over a
    dark ground.
    """
    image = 0.35 * fractal_noise(rng, size, 3, 6)[..., None] + 0.1 * random_color(rng)
    image = np.ascontiguousarray(image.astype(np.float32))
    if rng.random() < 0.5:
        image += (value_noise(rng, size, 5) > 0.6)[..., None] * rng.uniform(0.2, 0.6)
    for _ in range(int(rng.integers(1, 7))):
        x, y = (rng.random(2) * [size, size * 0.55]).astype(int)
        w, h = (rng.uniform(0.02, 0.2, 2) * size).astype(int)
        cv2.rectangle(image, (int(x), int(y)), (int(x + w), int(y + h)), (1.0, 1.0, 1.0), -1)
    image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 3))
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)
