"""Procedural textures: each a square that tiles, drawn from a random generator.

Nothing comes from photographs.
"""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.synthetic.raster.noise import blurred, cell_noise, fractal_noise, value_noise

_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
)
_LETTERS = np.array(
    list("abcdefghijklmnopqrstuvwxyzaeiouetnsrABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789&!?-+%")
)


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


def random_color(rng: np.random.Generator) -> np.ndarray:
    """Draw a colour (3,) in [0, 1]: mostly muted and warm, as paint, wood, stone and cloth are;
    some vivid.
    """
    value = rng.uniform(0.08, 1.0)
    saturation = rng.beta(1.2, 3.5) if rng.random() < 0.85 else rng.uniform(0.5, 1.0)
    hue = rng.normal(0.09, 0.07) if rng.random() < 0.5 else rng.random()
    wheel = np.clip(np.abs((hue + np.array([0.0, 2 / 3, 1 / 3])) % 1 * 6 - 3) - 1, 0, 1)
    return (value * (1 - saturation + saturation * wheel)).astype(np.float32)


def palette(rng: np.random.Generator, count: int = 8) -> np.ndarray:
    """Draw colours (count, 3) in [0, 1] that go together: from nearly one tone to all colours."""
    if rng.random() < 0.2:
        return np.stack([random_color(rng) for _ in range(count)])
    base = random_color(rng)
    spread = np.exp(rng.uniform(np.log(0.02), np.log(0.35)))
    shades = rng.normal(0, spread, (count, 1)) + 0.4 * rng.normal(0, spread, (count, 3))
    return np.clip(base + shades, 0.01, 1).astype(np.float32)


def _mapped(rng, level):
    """Colour a field in [0,1] by a palette, smoothly or in steps."""
    colors = palette(rng)
    place = np.clip(level, 0, 0.9999) * (len(colors) - 1)
    index = place.astype(int)
    share = (place - index)[..., None]
    if rng.random() < 0.3:
        share = (share > 0.5).astype(np.float32)
    return colors[index] * (1 - share) + colors[index + 1] * share


def _clouds(rng, size):
    cells = int(2 ** rng.uniform(1, 5.5))
    return _mapped(rng, fractal_noise(rng, size, cells, 7, rng.uniform(0.4, 0.95)))


def _wood(rng, size):
    """Growth rings cut along the grain."""
    v = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j][0].astype(np.float32)
    warp = fractal_noise(rng, size, int(rng.integers(1, 4)), 4)
    rings = np.sin(2 * np.pi * (int(rng.integers(4, 30)) * v + rng.uniform(0.5, 5) * warp))
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
    base = _mapped(rng, fractal_noise(rng, size, int(rng.integers(2, 30)), 6, 0.8))
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
    """Overlapping shapes of all sizes (dead leaves, Lee et al. 2001): the statistics of
    cluttered pictures.
    """
    image = np.empty((size, size, 3), np.float32)
    image[:] = random_color(rng)
    many = rng.random() < 0.3
    colors = np.stack([random_color(rng) for _ in range(40)]) if many else palette(rng, 12)
    exponent = rng.uniform(1.5, 3.0)
    for _ in range(int(rng.integers(60, 420))):
        radius = min(size / 3, 3 * (1 - rng.random()) ** (-1 / exponent) * rng.uniform(0.7, 3))
        color = np.clip(colors[rng.integers(len(colors))] + rng.normal(0, 0.05, 3), 0, 1).tolist()
        _draw_shape(rng, image, rng.random(2) * size, radius, color)
    return image


def _draw_shape(rng, image, center, radius, color):
    """Draw an ellipse, a polygon, or a stroke."""
    kind = rng.integers(3)
    x, y = int(center[0]), int(center[1])
    if kind == 0:
        axes = (max(1, int(radius)), max(1, int(radius * rng.uniform(0.2, 1))))
        cv2.ellipse(image, (x, y), axes, rng.uniform(0, 180), 0, 360, color, -1)
    elif kind == 1:
        angle = np.sort(rng.random(int(rng.integers(3, 8)))) * 2 * np.pi
        corners = center + radius * np.stack([np.cos(angle), np.sin(angle)], 1)
        cv2.fillPoly(image, [corners.astype(np.int32)], color)
    else:
        angle = rng.random() * np.pi
        reach = radius * rng.uniform(1, 5) * np.array([np.cos(angle), np.sin(angle)])
        ends = [tuple((center + sign * reach).astype(int).tolist()) for sign in (-1, 1)]
        cv2.line(image, ends[0], ends[1], color, int(rng.integers(1, 4)))


def _cells(rng, size):
    """Cobbles, crazed glaze, patchwork."""
    labels, border = cell_noise(rng, size, int(rng.integers(8, 110)))
    count = labels.max() + 1
    colors = palette(rng)[rng.integers(0, 8, count)] + rng.normal(0, 0.05, (count, 3))
    image = np.clip(colors, 0, 1).astype(np.float32)[labels]
    image[border < rng.uniform(0, 0.03)] *= rng.uniform(0.2, 0.9)
    return image


def _bricks(rng, size):
    """Courses of bricks, tiles or planks, each in its own shade."""
    across = int(rng.integers(1, 9))
    courses = int(rng.integers(2, 10)) * 2
    v, u = (np.mgrid[:size, :size].astype(np.float32) + 0.5) / size
    row = np.floor(v * courses)
    shift = rng.choice([0.0, 0.5, 0.33])
    column = u * across + shift * row
    number = (np.floor(column) % across + across * row).astype(int)
    shade = rng.random(across * courses + 1).astype(np.float32)
    image = _mapped(rng, shade[number] * rng.uniform(0.05, 1))
    joint = rng.uniform(0.02, 0.12)
    mortar = (column % 1 < joint * across / courses) | (v * courses % 1 < joint)
    image[mortar] = random_color(rng)
    return image


def _stripes(rng, size):
    v, u = np.mgrid[:size, :size].astype(np.float32) / size
    across, along = int(rng.integers(0, 30)), int(rng.integers(0, 30))
    if across + along == 0:
        across = 12
    wave = fractal_noise(rng, size, 4) * rng.choice([0.0, 0.0, rng.uniform(0, 4)])
    level = 0.5 + 0.5 * np.sin(2 * np.pi * (across * u + along * v) + wave)
    if rng.random() < 0.5:
        level = (level > rng.uniform(0.2, 0.8)) * 0.9
    return _mapped(rng, level)


def _plaid(rng, size):
    """Woven bands, across and along."""
    bands = [np.zeros(size, np.float32), np.zeros(size, np.float32)]
    for band in bands:
        for _ in range(int(rng.integers(2, 9))):
            start, width = int(rng.integers(size)), int(rng.integers(2, size // 5))
            band[np.arange(start, start + width) % size] = rng.random()
    colors = palette(rng)
    mixed = 0.5 * (bands[0][:, None] + bands[1][None, :])
    image = _interpolated(colors, mixed)
    weave = (np.add.outer(np.arange(size), np.arange(size)) % 4 < 2)[..., None]
    return image * np.where(weave, 1.0, rng.uniform(0.8, 1.0))


def _interpolated(colors, level):
    place = np.clip(level, 0, 0.9999) * (len(colors) - 1)
    index = place.astype(int)
    share = (place - index)[..., None]
    return colors[index] * (1 - share) + colors[index + 1] * share


def _checks(rng, size):
    count = 2 * int(rng.integers(1, 10))
    v, u = np.mgrid[:size, :size] * count // size
    return _mapped(rng, ((u + v) % 2) * rng.uniform(0.2, 0.8) + 0.1)


def _print(rng, size):
    """A motif printed again and again: wallpaper, cloth, wrapping paper."""
    count = int(rng.choice([2, 4, 8, 16]))
    tile = size // count
    colors = palette(rng)
    motif = np.empty((tile, tile, 3), np.float32)
    motif[:] = colors[0]
    for _ in range(int(rng.integers(2, 9))):
        color = colors[rng.integers(1, 8)].tolist()
        _draw_shape(rng, motif, rng.random(2) * tile, tile * rng.uniform(0.05, 0.35), color)
    image = np.tile(motif, (count, count, 1))
    if rng.random() < 0.5:  # every other row is set off
        rows = image.reshape(count, tile, size, 3)
        rows[1::2] = np.roll(rows[1::2], tile // 2, axis=2)
    return image


def _text(rng, size):
    """Pages, labels, posters: lines of made-up words."""
    paper = random_color(rng) if rng.random() < 0.5 else rng.uniform(0.75, 1, 3)
    image = np.empty((size, size, 3), np.uint8)  # text is drawn on bytes only
    image[:] = paper * 255
    ink = np.clip(paper + rng.choice([-1, 1]) * rng.uniform(0.3, 0.95), 0, 1)
    if paper.mean() > 0.7:
        ink = paper * rng.uniform(0, 0.5)
    base = np.exp(rng.uniform(np.log(0.25), np.log(1.6)))
    y = 0
    while y < size:
        scale = base * (rng.uniform(1.5, 3) if rng.random() < 0.1 else 1)
        y += int(26 * scale) + 3
        if rng.random() < 0.1:
            y += int(rng.integers(5, 40))
            continue
        font = _FONTS[rng.integers(len(_FONTS))]
        thick = max(1, int(scale * rng.uniform(0.8, 3)))
        line = _words(rng, int(50 / scale) + 2)
        start = (int(rng.integers(-10, 25)), y)
        cv2.putText(image, line, start, font, scale, (ink * 255).tolist(), thick, cv2.LINE_AA)
    return image.astype(np.float32) / 255


def _words(rng, length):
    words = []
    while sum(len(word) + 1 for word in words) < length:
        words.append("".join(rng.choice(_LETTERS, int(rng.integers(2, 10)))))
    return " ".join(words)


def _map(rng, size):
    """A map: coloured regions with borders, roads and labels."""
    labels, border = cell_noise(rng, size, int(rng.integers(10, 60)))
    colors = np.clip(palette(rng, 8), 0.3, 1)
    image = colors[rng.integers(0, 8, labels.max() + 1)][labels].astype(np.float32)
    image[border < 0.008] = random_color(rng) * 0.5
    for _ in range(int(rng.integers(5, 25))):
        points = np.cumsum(rng.normal(0, size / 14, (12, 2)), 0) + rng.random(2) * size
        cv2.polylines(
            image,
            [points.astype(np.int32)],
            False,
            random_color(rng).tolist(),
            int(rng.integers(1, 3)),
        )
    image = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    for _ in range(int(rng.integers(5, 50))):
        place = tuple((rng.random(2) * size).astype(int).tolist())
        scale = rng.uniform(0.2, 0.5)
        cv2.putText(image, _words(rng, 6), place, _FONTS[0], scale, (25, 25, 25), 1, cv2.LINE_AA)
    return image.astype(np.float32) / 255


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


def _facade(rng, size):
    """Windows in a wall."""
    across, floors = int(rng.integers(1, 6)), int(rng.integers(1, 7))
    image = _mapped(rng, 0.3 * fractal_noise(rng, size, 32, 3))
    width, height = rng.uniform(0.3, 0.85), rng.uniform(0.3, 0.8)
    frame = random_color(rng).tolist()
    for row in range(floors):
        for column in range(across):
            x0 = int((column + (1 - width) / 2) * size / across)
            y0 = int((row + (1 - height) / 2) * size / floors)
            x1, y1 = x0 + int(width * size / across), y0 + int(height * size / floors)
            glass = (rng.uniform(0.02, 0.5) * np.array([0.9, 1.0, 1.1])).tolist()
            cv2.rectangle(image, (x0, y0), (x1, y1), glass, -1)
            cv2.rectangle(image, (x0, y0), (x1, y1), frame, int(rng.integers(1, 4)))
            if rng.random() < 0.6:
                cv2.line(image, ((x0 + x1) // 2, y0), ((x0 + x1) // 2, y1), frame, 1)
    return image


def _blend(rng, size):
    """One texture worn through to another."""
    first = procedural_texture(rng, size).astype(np.float32) / 255
    second = procedural_texture(rng, size).astype(np.float32) / 255
    level = fractal_noise(rng, size, 4)[..., None]
    share = np.clip((level - 0.5) * rng.uniform(1, 30) + 0.5, 0, 1)
    return first * share + second * (1 - share)


def _picture(rng, size):
    """Something like a photograph: soft light, objects, a horizon."""
    v = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    horizon = rng.uniform(0.3, 0.7)
    sky, ground = palette(rng, 2)
    image = np.where((v < horizon)[..., None], sky + 0.3 * v[..., None], ground).astype(np.float32)
    image = np.broadcast_to(image, (size, size, 3)).copy()
    image += 0.3 * (fractal_noise(rng, size, 3, 6)[..., None] - 0.5)
    for _ in range(int(rng.integers(4, 40))):
        _draw_shape(
            rng,
            image,
            rng.random(2) * size,
            size * rng.uniform(0.02, 0.2),
            random_color(rng).tolist(),
        )
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 2))


_KINDS = {
    "clouds": (_clouds, 12),
    "wood": (_wood, 8),
    "stone": (_stone, 7),
    "gravel": (_gravel, 9),
    "leaves": (_leaves, 14),
    "cells": (_cells, 5),
    "bricks": (_bricks, 6),
    "stripes": (_stripes, 6),
    "plaid": (_plaid, 4),
    "checks": (_checks, 2),
    "print": (_print, 8),
    "text": (_text, 7),
    "map": (_map, 4),
    "speckle": (_speckle, 6),
    "plain": (_plain, 5),
    "facade": (_facade, 3),
    "picture": (_picture, 6),
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
    """Draw a panorama (size, size, 3) uint8 for mirrors and skies: lamps, windows or clouds over
    a dark ground.
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
