"""Made patterns: walls, cloth, print, maps, fronts of houses; each (size, size, 3) float32 in [0,
1].
"""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.synthetic.raster.color import interpolated, mapped, palette, random_color
from depth_ros.synthetic.raster.noise import cell_noise, fractal_noise

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


def bricks(rng: np.random.Generator, size: int) -> np.ndarray:
    """Courses of bricks, tiles or planks, each in its own shade."""
    across = int(rng.integers(1, 9))
    courses = int(rng.integers(2, 10)) * 2
    v, u = (np.mgrid[:size, :size].astype(np.float32) + 0.5) / size
    row = np.floor(v * courses)
    shift = rng.choice([0.0, 0.5, 0.33])
    column = u * across + shift * row
    number = (np.floor(column) % across + across * row).astype(int)
    shade = rng.random(across * courses + 1).astype(np.float32)
    image = mapped(rng, shade[number] * rng.uniform(0.05, 1))
    joint = rng.uniform(0.02, 0.12)
    mortar = (column % 1 < joint * across / courses) | (v * courses % 1 < joint)
    image[mortar] = random_color(rng)
    return image


def stripes(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw stripes."""
    v, u = np.mgrid[:size, :size].astype(np.float32) / size
    across, along = int(rng.integers(0, 30)), int(rng.integers(0, 30))
    if across + along == 0:
        across = 12
    wave = fractal_noise(rng, size, 4) * rng.choice([0.0, 0.0, rng.uniform(0, 4)])
    level = 0.5 + 0.5 * np.sin(2 * np.pi * (across * u + along * v) + wave)
    if rng.random() < 0.5:
        level = (level > rng.uniform(0.2, 0.8)) * 0.9
    return mapped(rng, level)


def plaid(rng: np.random.Generator, size: int) -> np.ndarray:
    """Woven bands, across and along."""
    bands = [np.zeros(size, np.float32), np.zeros(size, np.float32)]
    for band in bands:
        for _ in range(int(rng.integers(2, 9))):
            start, width = int(rng.integers(size)), int(rng.integers(2, size // 5))
            band[np.arange(start, start + width) % size] = rng.random()
    colors = palette(rng)
    mixed = 0.5 * (bands[0][:, None] + bands[1][None, :])
    image = interpolated(colors, mixed)
    weave = (np.add.outer(np.arange(size), np.arange(size)) % 4 < 2)[..., None]
    return image * np.where(weave, 1.0, rng.uniform(0.8, 1.0))


def checks(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw checks."""
    count = 2 * int(rng.integers(1, 10))
    v, u = np.mgrid[:size, :size] * count // size
    return mapped(rng, ((u + v) % 2) * rng.uniform(0.2, 0.8) + 0.1)


def wallpaper(rng: np.random.Generator, size: int) -> np.ndarray:
    """A motif printed again and again: wallpaper, cloth, wrapping paper."""
    count = int(rng.choice([2, 4, 8, 16]))
    tile = size // count
    colors = palette(rng)
    motif = np.empty((tile, tile, 3), np.float32)
    motif[:] = colors[0]
    for _ in range(int(rng.integers(2, 9))):
        color = colors[rng.integers(1, 8)].tolist()
        draw_shape(rng, motif, rng.random(2) * tile, tile * rng.uniform(0.05, 0.35), color)
    image = np.tile(motif, (count, count, 1))
    if rng.random() < 0.5:  # every other row is set off
        rows = image.reshape(count, tile, size, 3)
        rows[1::2] = np.roll(rows[1::2], tile // 2, axis=2)
    return image


def text(rng: np.random.Generator, size: int) -> np.ndarray:
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


def chart(rng: np.random.Generator, size: int) -> np.ndarray:
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


def facade(rng: np.random.Generator, size: int) -> np.ndarray:
    """Windows in a wall."""
    across, floors = int(rng.integers(1, 6)), int(rng.integers(1, 7))
    image = mapped(rng, 0.3 * fractal_noise(rng, size, 32, 3))
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


def picture(rng: np.random.Generator, size: int) -> np.ndarray:
    """Something like a photograph: soft light, objects, a horizon."""
    v = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    horizon = rng.uniform(0.3, 0.7)
    sky, ground = palette(rng, 2)
    image = np.where((v < horizon)[..., None], sky + 0.3 * v[..., None], ground).astype(np.float32)
    image = np.broadcast_to(image, (size, size, 3)).copy()
    image += 0.3 * (fractal_noise(rng, size, 3, 6)[..., None] - 0.5)
    for _ in range(int(rng.integers(4, 40))):
        draw_shape(
            rng,
            image,
            rng.random(2) * size,
            size * rng.uniform(0.02, 0.2),
            random_color(rng).tolist(),
        )
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 2))


def draw_shape(
    rng: np.random.Generator,
    image: np.ndarray,
    center: np.ndarray,
    radius: float,
    color: list[float],
) -> None:
    """Draw an ellipse, a polygon, or a stroke into an image (H, W, 3) float32, about center (2,)
    px.
    """
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
