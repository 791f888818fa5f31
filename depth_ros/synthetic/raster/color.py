"""Random colours that go together, and fields coloured by them."""

from __future__ import annotations

import numpy as np


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


def mapped(rng: np.random.Generator, level: np.ndarray) -> np.ndarray:
    """Colour a field (H, W) in [0, 1] by a random palette, smoothly or in steps; (H, W, 3)."""
    colors = palette(rng)
    place = np.clip(level, 0, 0.9999) * (len(colors) - 1)
    index = place.astype(int)
    share = (place - index)[..., None]
    if rng.random() < 0.3:
        share = (share > 0.5).astype(np.float32)
    return colors[index] * (1 - share) + colors[index + 1] * share


def interpolated(colors: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Colour a field (H, W) in [0, 1] by the colours (N, 3) in their order; (H, W, 3)."""
    place = np.clip(level, 0, 0.9999) * (len(colors) - 1)
    index = place.astype(int)
    share = (place - index)[..., None]
    return colors[index] * (1 - share) + colors[index + 1] * share
