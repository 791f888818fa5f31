"""Cut-outs: what of a card is there and what is hole. Leaves, lattices, lace, torn paper, twigs."""

from __future__ import annotations

import cv2
import numpy as np

from depth_ros.synthetic.raster.noise import fractal_noise


def procedural_cutout(rng: np.random.Generator, size: int = 128) -> np.ndarray:
    """Draw a cut-out (size, size) uint8: 255 surface, 0 hole."""
    kinds = (_foliage, _lattice, _holes, _polygon, _twigs, _patches, _frame)
    weights = (0.3, 0.2, 0.1, 0.1, 0.12, 0.1, 0.08)
    mask = kinds[rng.choice(len(kinds), p=weights)](rng, size)
    return np.where(mask, 255, 0).astype(np.uint8)


def _foliage(rng, size):
    """Leaves on a branch."""
    mask = np.zeros((size, size), np.uint8)
    slim = rng.uniform(0.12, 0.6)
    reach = size * rng.uniform(0.04, 0.16)
    for _ in range(int(rng.integers(8, 90))):
        center = (rng.random(2) * size).astype(int).tolist()
        axes = (max(1, int(reach)), max(1, int(reach * slim)))
        cv2.ellipse(mask, center, axes, rng.uniform(0, 180), 0, 360, 1, -1)
    return mask > 0


def _lattice(rng, size):
    """Fences, baskets, nets, grids; straight or diagonal."""
    v, u = np.mgrid[:size, :size] / size
    if rng.random() < 0.4:
        u, v = u + v, u - v
    across, along = int(rng.integers(2, 14)), int(rng.integers(0, 12))
    bar = rng.uniform(0.12, 0.5)
    mask = (u * across) % 1 < bar
    return mask | ((v * along) % 1 < bar * rng.uniform(0.4, 1)) if along else mask


def _holes(rng, size):
    mask = np.ones((size, size), np.uint8)
    for _ in range(int(rng.integers(1, 14))):
        center = (rng.random(2) * size).astype(int).tolist()
        axes = (size * rng.uniform(0.04, 0.22, 2)).astype(int) + 1
        cv2.ellipse(mask, center, axes.tolist(), rng.uniform(0, 180), 0, 360, 0, -1)
    return mask > 0


def _polygon(rng, size):
    mask = np.zeros((size, size), np.uint8)
    angle = np.sort(rng.random(int(rng.integers(3, 13)))) * 2 * np.pi
    radius = size * rng.uniform(0.2, 0.5, len(angle))
    corners = size / 2 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
    return mask > 0


def _twigs(rng, size):
    mask = np.zeros((size, size), np.uint8)
    for _ in range(int(rng.integers(3, 22))):
        ends = (rng.random((2, 2)) * size).astype(int).tolist()
        cv2.line(mask, ends[0], ends[1], 1, int(rng.integers(1, 6)))
    return mask > 0


def _patches(rng, size):
    level = fractal_noise(rng, size, int(rng.integers(3, 16)), 3)
    return level > rng.uniform(0.35, 0.65)


def _frame(rng, size):
    """A frame or a ring."""
    mask = np.zeros((size, size), np.uint8)
    thick = max(2, int(size * rng.uniform(0.05, 0.2)))
    if rng.random() < 0.5:
        cv2.circle(mask, (size // 2, size // 2), size // 2 - thick, 1, thick)
    else:
        cv2.rectangle(
            mask, (thick // 2, thick // 2), (size - thick // 2, size - thick // 2), 1, thick
        )
    return mask > 0
