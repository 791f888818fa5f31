"""Augmentation of stereo pairs: crops, flips, and what cameras do to images."""

from __future__ import annotations

import cv2
import numpy as np

_RANGES_PX = (48, 64, 80, 96, 128, 160)


def spoil_pair(
    rng: np.random.Generator, left: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Add what real cameras add: exposure, colour, blur, noise, compression, a right camera not
    quite level.
    """
    if rng.random() < 0.3:
        right = _tilt(right, rng.uniform(-1.2, 1.2), rng.normal(0, 0.1))
    if rng.random() < 0.15:
        left, right = (
            cv2.cvtColor(cv2.cvtColor(i, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
            for i in (left, right)
        )
    gain, gamma = np.exp(rng.normal(0, 0.25)), np.exp(rng.normal(0, 0.25))
    noise = rng.exponential(3.0) if rng.random() < 0.6 else 0.0
    blur = rng.uniform(0.3, 1.0) if rng.random() < 0.3 else 0.0
    quality = int(rng.integers(30, 96)) if rng.random() < 0.25 else 0
    levels = np.linspace(0, 1, 256)[
        :, None
    ]  # a table per colour: powers of every pixel cost twenty times as much
    both = []
    for image in (left, right):
        own = np.exp(rng.normal(0, 0.15, 3) * rng.choice([0, 0.3, 1])) * np.exp(rng.normal(0, 0.1))
        x = cv2.LUT(image, (255 * levels**gamma * gain * own).astype(np.float32)[None])
        if blur and rng.random() < 0.7:
            x = cv2.GaussianBlur(x, (0, 0), blur)
        x = x + rng.standard_normal(x.shape, np.float32) * np.float32(noise) if noise else x
        image = np.clip(x, 0, 255).astype(np.uint8)
        if quality:
            image = cv2.imdecode(
                cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1],
                cv2.IMREAD_COLOR,
            )
        both.append(image)
    return both[0], both[1]


def range_px(rng: np.random.Generator, truth: np.ndarray) -> int:
    """A range to search that holds nearly all of the truth, as its owner would set it, or a
    wider one.
    """
    enough = [r for r in _RANGES_PX if r > np.nanpercentile(truth, 99)] or _RANGES_PX[-1:]
    return int(enough[0] if rng.random() < 0.6 else rng.choice(enough))


def crop(rng: np.random.Generator, size: tuple[int, int], *arrays: np.ndarray) -> list[np.ndarray]:
    """Cut the same random (height, width) out of arrays (H,W,...) of one size."""
    height, width = size
    top = int(rng.integers(0, arrays[0].shape[0] - height + 1))
    column = int(rng.integers(0, arrays[0].shape[1] - width + 1))
    return [
        np.ascontiguousarray(array[top : top + height, column : column + width]) for array in arrays
    ]


def flip(
    rng: np.random.Generator, left: np.ndarray, right: np.ndarray, truth: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upside down half the time (a pair stays a pair), and colours in another order."""
    order = rng.permutation(3)
    step = -1 if rng.random() < 0.5 else 1
    images = [np.ascontiguousarray(image[::step, :, order]) for image in (left, right)]
    return images[0], images[1], np.ascontiguousarray(truth[::step])


def _tilt(image, shift_px, angle_deg):
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle_deg, 1.0)
    turn[1, 2] += shift_px
    return cv2.warpAffine(
        image, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
