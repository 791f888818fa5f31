"""Flaws of real cameras: vignetting, blur, dirt, compression, lost level, row exposure, and
projected dots.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from depth_ros.core.errors import ImageError

_DOTS_PX = 1024


@dataclass(frozen=True)
class Flaws:
    """Shares of pictures that have a flaw, each in [0, 1].

    Attributes:
        vignette: darker corners.
        blur: out of focus, or moved while exposed.
        dirt: spots on the lens, of each camera its own.
        jpeg: compressed.
        level: the right camera of a pair is not level: up to about one pixel and 0.15 degrees.
        grey: no colour.
    """

    vignette: float = 0.25
    blur: float = 0.3
    dirt: float = 0.06
    jpeg: float = 0.3
    level: float = 0.25
    grey: float = 0.12


def flawed_pair(
    rng: np.random.Generator, left: np.ndarray, right: np.ndarray, flaws: Flaws | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Give a rendered pair (H, W, 3) uint8 the flaws of real cameras; returns new pictures."""
    flaws = Flaws() if flaws is None else flaws
    if rng.random() < flaws.level:
        right = unlevel(right, rng.uniform(-1.2, 1.2), rng.normal(0, 0.08))
    first, second = _flawed(rng, [left, right], flaws)
    return first, second


def flawed(rng: np.random.Generator, image: np.ndarray, flaws: Flaws | None = None) -> np.ndarray:
    """Give a rendered picture (H, W, 3) uint8 the flaws of real cameras; returns a new one."""
    return _flawed(rng, [image], Flaws() if flaws is None else flaws)[0]


def _flawed(rng, images, flaws):
    """What cameras of one kind share is drawn once, dirt for each."""
    if rng.random() < flaws.grey:
        images = [_grey(image) for image in images]
    if rng.random() < flaws.vignette:
        mask = _vignette(images[0].shape[:2], rng.uniform(0.1, 0.6))
        images = [(image * mask).astype(np.uint8) for image in images]
    images = [_dirty(rng, image) if rng.random() < flaws.dirt else image for image in images]
    if rng.random() < flaws.blur:
        kernel = _blur_kernel(rng)
        images = [
            cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE) for image in images
        ]
    if rng.random() < flaws.jpeg:
        quality = int(rng.integers(30, 96))
        images = [_compressed(image, quality) for image in images]
    return images


def _grey(image):
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


@lru_cache(maxsize=16)
def _radius(height, width):
    """Squared distance from the middle (H,W,1), 1 in the corners."""
    v = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    u = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    return (v * v + u * u) / 2


def _vignette(shape, strength):
    """Factor (H,W,1): the fourth power of the cosine looks about like this."""
    return 1 - np.float32(strength) * _radius(*shape)


def _blur_kernel(rng):
    """A Gaussian out of focus, or a short straight motion."""
    size = 9
    if rng.random() < 0.6:
        line = cv2.getGaussianKernel(size, rng.uniform(0.35, 1.3))
        return (line @ line.T).astype(np.float32)
    kernel = np.zeros((size, size), np.float32)
    angle = rng.normal(0, 0.5) if rng.random() < 0.7 else rng.uniform(0, np.pi)
    reach = rng.uniform(0.7, 3.5) * np.array([np.cos(angle), np.sin(angle)])
    steps = np.linspace(-1, 1, 33)[:, None] * reach + size // 2
    for x, y in steps:
        kernel[int(round(y)), int(round(x))] += 1
    return cv2.GaussianBlur(kernel, (0, 0), 0.4) / kernel.sum()


def _dirty(rng, image):
    """Soft spots: what they hide is spread over them."""
    height, width = image.shape[:2]
    mask = np.zeros((height // 4, width // 4), np.float32)
    for _ in range(int(rng.integers(1, 7))):
        center = (int(rng.integers(width // 4)), int(rng.integers(height // 4)))
        axes = (rng.uniform(0.01, 0.07, 2) * width / 4 + 1).astype(int).tolist()
        cv2.ellipse(
            mask, center, axes, rng.uniform(0, 180), 0, 360, float(rng.uniform(0.2, 0.8)), -1
        )
    mask = cv2.resize(cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.8, 4)), (width, height))[
        ..., None
    ]
    veil = cv2.resize(
        cv2.blur(cv2.resize(image, (width // 8, height // 8)), (5, 5)), (width, height)
    )
    tone = rng.uniform(0.5, 1.1)
    return np.clip(image * (1 - mask) + tone * mask * veil, 0, 255).astype(np.uint8)


def _compressed(image, quality):
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ImageError(f"expected a picture that JPEG can hold, got {image.shape} {image.dtype}")
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


def unlevel(image: np.ndarray, shift_px: float, angle_deg: float) -> np.ndarray:
    """Shift a picture down by shift_px and turn it: a camera that is not quite level any more."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle_deg, 1.0)
    turn[1, 2] += shift_px
    return cv2.warpAffine(
        image, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def row_exposed(
    image: np.ndarray, depth_m: np.ndarray, skew_px: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Skew a picture and its depth as a rolling shutter does while the camera turns.

    Args:
        image: (H, W, 3) uint8.
        depth_m: (H, W) float32; moves along, by nearest pixels.
        skew_px: how far the last row is exposed from the first, to the right and down.
    """
    height, width = depth_m.shape
    share = (np.arange(height, dtype=np.float32) / height - np.float32(0.5))[:, None]
    u = np.arange(width, dtype=np.float32)[None] + share * np.float32(skew_px[0])
    v = np.arange(height, dtype=np.float32)[:, None] + share * np.float32(skew_px[1]) + 0 * u
    moved = cv2.remap(image, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    depth = cv2.remap(depth_m, u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return moved, depth


def with_dots(
    rng: np.random.Generator,
    left: np.ndarray,
    right: np.ndarray,
    disparities: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Light a pair by a projector of infrared dots between its cameras, and make it grey.

    A dot that the projector sends along its pixel (u, v) meets a surface of disparity d; the left
    camera sees it at u + a d and the right one at u - (1 - a) d, where a is the share of the
    baseline from the left camera to it. The dots grow weaker with the square of the distance.

    Args:
        rng: random numbers.
        left: (H, W, 3) float32, square root of linear light.
        right: the same from the right.
        disparities: (H, W) px of the left and of the right view, 0 in the sky.
    """
    share = rng.uniform(0.2, 0.8)
    dots = _dot_pattern(rng)
    strength = np.exp(rng.uniform(np.log(0.5), np.log(8)))
    offset = rng.uniform(0, _DOTS_PX / 2, 2)
    nearest = max(float(np.percentile(disparities[0], 90)), 1e-3)
    views = []
    for image, disparity, sign in (
        (left, disparities[0], -share),
        (right, disparities[1], 1 - share),
    ):
        height, width = disparity.shape
        u = (
            np.arange(width, dtype=np.float32)[None]
            + np.float32(sign) * disparity
            + np.float32(offset[0])
        )
        v = np.arange(height, dtype=np.float32)[:, None] + np.float32(offset[1]) + 0 * u
        light = cv2.remap(dots, 2 * u, 2 * v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        fall = np.minimum((disparity / np.float32(nearest)) ** 2, 2.0)
        grey = image.mean(-1)
        lit = grey * np.sqrt(1 + np.float32(strength) * fall * light)
        views.append(np.repeat(lit[..., None], 3, 2).astype(np.float32))
    return views[0], views[1]


def _dot_pattern(rng):
    """Random dots at twice the resolution of the pictures, (S,S) float32, about 1 in the middle of
    a dot.
    """
    dots = np.zeros((_DOTS_PX, _DOTS_PX), np.float32)
    count = int(_DOTS_PX**2 / rng.uniform(60, 700))
    dots[rng.integers(0, _DOTS_PX, count), rng.integers(0, _DOTS_PX, count)] = rng.uniform(
        0.4, 1, count
    )
    sigma = rng.uniform(0.7, 1.8)
    peak = 1 / (2 * np.pi * sigma**2)  # of one dot after the blur
    return np.minimum(cv2.GaussianBlur(dots, (0, 0), sigma) / np.float32(peak), 1.5)
