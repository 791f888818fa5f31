"""Smooth random fields that tile: the raw material of textures, cloth and ground."""

from __future__ import annotations

import cv2
import numpy as np


def value_noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Return smooth noise (size, size) float32 in [0, 1] with `cells` bumps a side; it tiles."""
    cells = int(np.clip(cells, 1, size))
    lattice = rng.random((cells, cells), dtype=np.float32)
    if cells == size:
        return lattice
    margin = min(2, cells)
    wide = np.pad(lattice, margin, mode="wrap")
    scale = size / cells
    image = cv2.resize(
        wide,
        (round(wide.shape[1] * scale), round(wide.shape[0] * scale)),
        interpolation=cv2.INTER_CUBIC,
    )
    start = round(margin * scale)
    return np.clip(image[start : start + size, start : start + size], 0, 1)


def fractal_noise(
    rng: np.random.Generator, size: int, cells: int, octaves: int = 5, gain: float = 0.55
) -> np.ndarray:
    """Sum octaves of value noise: (size, size) float32, stretched to [0, 1]; it tiles."""
    total = np.zeros((size, size), np.float32)
    amplitude = 1.0
    for _ in range(octaves):
        if cells > size:
            break
        total += amplitude * value_noise(rng, size, cells)
        amplitude *= gain
        cells *= 2
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def height_grid(rng: np.random.Generator, rows: int, columns: int, bumps: int) -> np.ndarray:
    """Return smooth heights (rows, columns) about 0 with about `bumps` hills a side."""
    lattice = rng.normal(0, 1, (bumps + 1, bumps + 1)).astype(np.float32)
    return cv2.resize(lattice, (columns, rows), interpolation=cv2.INTER_CUBIC)


def cell_noise(rng: np.random.Generator, size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Scatter points and divide the tile among them (Worley 1996).

    Returns:
        (size, size) int: the nearest point; (size, size) float32: how far the border is, in tiles.
    """
    points = rng.random((count, 2), dtype=np.float32)
    tiled = np.concatenate([points + [dx, dy] for dx in (-1, 0, 1) for dy in (-1, 0, 1)])
    number = np.tile(np.arange(count), 9)
    near = ((tiled > -0.3) & (tiled < 1.3)).all(1)
    tiled, number = tiled[near], number[near]
    coarse = min(size, 128)
    axis = (np.arange(coarse, dtype=np.float32) + 0.5) / coarse
    gap = (axis[None, :, None] - tiled[:, 0]) ** 2 + (axis[:, None, None] - tiled[:, 1]) ** 2
    first = gap.argmin(-1)
    nearest = np.sqrt(np.take_along_axis(gap, first[..., None], -1))[..., 0]
    np.put_along_axis(gap, first[..., None], 9, -1)
    border = np.sqrt(gap.min(-1)) - nearest
    factor = size // coarse
    labels = number[first].repeat(factor, 0).repeat(factor, 1)
    return labels, cv2.resize(border.astype(np.float32), (size, size))


def blurred(image: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur a tile (S, S[, C]) float32 by a Gaussian; it still tiles."""
    margin = int(np.ceil(3 * sigma_px)) + 1
    pad = [(margin, margin), (margin, margin)] + [(0, 0)] * (image.ndim - 2)
    wide = cv2.GaussianBlur(np.pad(image, pad, mode="wrap"), (0, 0), sigma_px)
    return wide.reshape(*(s + 2 * margin for s in image.shape[:2]), *image.shape[2:])[
        margin:-margin, margin:-margin
    ]
