"""What a camera makes of light: exposure, white balance, tone, noise; how two cameras differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_NOISE = np.random.default_rng(0).standard_normal(1 << 21, dtype=np.float32)


def exposed(
    rng: np.random.Generator, left: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Expose two pictures as a pair of like cameras does.

    Both share exposure, white balance and tone; gains, noise and black level differ slightly.

    Args:
        rng: random numbers.
        left: (H, W, 3) float32, square root of linear light.
        right: the same from the right.

    Returns:
        Two pictures (H, W, 3) uint8.
    """
    film = _drawn_film(rng, left)
    apart = rng.choice([0.0, 0.005, 0.03]) * rng.normal(0, 1, 4)
    views = []
    for image, sign in ((left, -0.5), (right, 0.5)):
        factor = film.gain * np.exp(sign * apart[:3] + sign * apart[3])
        views.append(_developed(rng, image * factor.astype(np.float32), film))
    return views[0], views[1]


def photographed(rng: np.random.Generator, frames: list[np.ndarray]) -> list[np.ndarray]:
    """Expose the pictures (H, W, 3) float32 (square root of linear light) of one camera alike;
    returns uint8.
    """
    film = _drawn_film(rng, frames[0])
    return [_developed(rng, frame * film.gain.astype(np.float32), film) for frame in frames]


@dataclass(frozen=True)
class _Film:
    """Gain (3,) of exposure and white balance; bend of the tone curve; black level; noise in grey
    levels.
    """

    gain: np.ndarray
    curve: float
    black: float
    noise: float


def _drawn_film(rng, image):
    """Choose exposure by what the picture shows, and the rest at random."""
    exposure = rng.uniform(0.28, 0.68) / max(float(image.mean()), 1e-3)
    if rng.random() < 0.6:  # most cameras save the highlights
        brightest = float(np.percentile(image[::8, ::8], 96))
        exposure = min(exposure, rng.uniform(0.85, 1.1) / max(brightest, 1e-3))
    return _Film(
        gain=exposure * np.exp(rng.normal(0, 0.03, 3)),
        curve=rng.normal(0, 0.15),
        black=rng.uniform(0, 0.05) if rng.random() < 0.4 else 0.0,
        noise=np.exp(rng.uniform(np.log(0.3), np.log(3.5))) if rng.random() < 0.8 else 0.0,
    )


def _developed(rng, light, film):
    """Bend the tones, lift the black, add noise that grows with the light (shot noise)."""
    np.clip(light, 0, 1, out=light)
    if film.noise:
        grain = light * np.float32(0.6 * film.noise)
        grain += np.float32(0.4 * film.noise)
        grain *= random_grain(rng, light.shape)
    light *= np.float32(1 + film.curve) - np.float32(film.curve) * light
    light *= np.float32(255 * (1 - film.black))
    light += np.float32(255 * film.black + 0.5)
    if film.noise:
        light += grain
    return np.clip(light, 0, 255, out=light).astype(np.uint8)


def random_grain(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Cut normal noise of a shape, float32, out of a stored strip: drawing it anew costs as much as
    a picture.
    """
    count = int(np.prod(shape))
    if count >= len(_NOISE):
        return rng.standard_normal(shape, dtype=np.float32)
    start = int(rng.integers(len(_NOISE) - count))
    strip = _NOISE[start : start + count]
    return (strip if rng.random() < 0.5 else strip[::-1]).reshape(shape)
