"""Random materials and light: what things are made of, and what shines on them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from depth_ros.synthetic.raster.bank import Library
from depth_ros.synthetic.raster.scene import Light, Material


@dataclass(frozen=True)
class Grain:
    """How large a texture shall appear: it is chosen by what a pixel covers, so that every distance
    has detail.

    Attributes:
        pixel_m: what one pixel covers at the surface, metres.
        tile_px: (least, most) pixels that one repetition of the texture spans.
    """

    pixel_m: float
    tile_px: tuple[float, float] = (50.0, 600.0)


def random_material(
    rng: np.random.Generator,
    library: Library,
    grain: Grain,
    bare: float = 0.18,
    kinds: tuple[str, ...] = (),
) -> Material:
    """Draw a material.

    Args:
        rng: random numbers.
        library: textures to choose from.
        grain: how large the texture shall appear.
        bare: share of surfaces with hardly any texture.
        kinds: kinds of texture to choose from; empty for all.
    """
    texture = int(rng.choice(layers_of(library, kinds)))
    low, high = grain.tile_px
    tile = grain.pixel_m * np.exp(rng.uniform(np.log(low), np.log(high)))
    stretch = np.exp(rng.normal(0, 0.1))
    contrast = rng.uniform(0.4, 1.15) if rng.random() > bare else rng.uniform(0.0, 0.2)
    brightness = np.exp(rng.normal(0.15, 0.35))
    tint = brightness * np.exp(rng.normal(0, 0.1, 3))
    material = Material(
        texture=texture,
        repeat=(stretch / tile, 1 / (stretch * tile)),
        offset=tuple(rng.random(2)),
        tint=tuple(tint),
        contrast=float(contrast),
    )
    return _with_gloss(rng, material)


def layers_of(library: Library, kinds: tuple[str, ...]) -> np.ndarray:
    """Return the layers of some kinds of texture, of all where none are named."""
    if not kinds:
        return library.any
    return np.concatenate([library.kinds[kind] for kind in kinds])


def _with_gloss(rng, material):
    """Varnish a quarter of all surfaces; a few reflect their surroundings."""
    kind = rng.random()
    if kind < 0.06:
        return replace(
            material,
            specular=rng.uniform(0.2, 1.2),
            shininess=rng.uniform(30, 300),
            mirror=rng.uniform(0.05, 0.6),
        )
    if kind < 0.26:
        return replace(material, specular=rng.uniform(0.05, 0.7), shininess=rng.uniform(8, 150))
    return material


def random_light(
    rng: np.random.Generator, library: Library, center: np.ndarray, radius: float
) -> Light:
    """Draw light for what stands within `radius` m about center (3,): daylight, a window, lamps, or
    all of it.
    """
    direction = rng.normal(0, 1, 3) * [1, 0.5, 0.6] + [0, -0.8, -0.5]
    direction /= np.linalg.norm(direction)
    warm = np.exp(rng.normal(0, 0.12) * np.array([1.0, 0.1, -1.0]))
    cold = np.exp(rng.normal(0, 0.08) * np.array([-1.0, 0.0, 1.0]))
    ambient = rng.uniform(0.15, 0.8)
    sun = rng.uniform(0, 1.1) if rng.random() < 0.8 else 0.0
    count = int(rng.integers(0, 3))
    lamps = (
        center
        + radius * rng.normal(0, 1, (count, 3)) * [0.7, 0.3, 0.7]
        - [0, 0.5 * radius, 0.4 * radius]
    )
    strength = rng.uniform(0.05, 0.5, (count, 1)) * radius**2 * 0.5
    return Light(
        towards_sun=direction,
        sun=sun * warm,
        sky=ambient * cold,
        ground=ambient * rng.uniform(0.3, 1.0) * np.exp(rng.normal(0, 0.08, 3)),
        lamps=lamps,
        lamp_colors=strength * np.exp(rng.normal(0, 0.1, (count, 3))),
        shadow_center=center if sun > 0.1 and rng.random() < 0.85 else None,
        shadow_radius=radius,
        environment=int(rng.choice(library.environments)),
    )


def daylight(
    rng: np.random.Generator, library: Library, position: np.ndarray, reach_m: float
) -> Light:
    """Draw light under an open sky, from overcast to low sun, with haze, about position (3,) m."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 1.4)
    flat = np.cos(elevation)
    towards = np.array([flat * np.sin(azimuth), -np.sin(elevation), flat * np.cos(azimuth)])
    warm = np.exp(rng.normal(0.05, 0.06) * np.array([1.0, 0.2, -1.0]))
    blue = np.exp(rng.uniform(0, 0.3) * np.array([-1.0, -0.3, 0.7]))
    sun = rng.uniform(0.0, 1.3)
    sky = rng.uniform(0.35, 0.8) * blue
    center = position + [0, 0, 0.8 * reach_m]
    return Light(
        towards_sun=towards,
        sun=sun * warm,
        sky=sky,
        ground=0.5 * sky * rng.uniform(0.5, 1.2),
        shadow_center=center if sun > 0.25 else None,
        shadow_radius=1.4 * reach_m,
        environment=int(rng.choice(library.environments)),
        fog=rng.exponential(0.003),
        sky_gain=rng.uniform(1.0, 2.6),
    )


def room_light(
    rng: np.random.Generator,
    library: Library,
    position: np.ndarray,
    ahead: np.ndarray,
    reach_m: float,
) -> Light:
    """Draw light inside a room: ambient, one or two lamps before the camera, sometimes sun that
    slants in.

    Args:
        rng: random numbers.
        library: textures.
        position: (3,) m, of the camera.
        ahead: (3,) unit, where it looks.
        reach_m: how far away things are.
    """
    light = random_light(rng, library, position + 0.5 * reach_m * ahead, max(reach_m, 2.0))
    count = int(rng.integers(1, 3))
    lamps = (
        position
        + reach_m * rng.uniform(0.1, 0.8, (count, 1)) * ahead
        + rng.normal(0, 0.8, (count, 3))
    )
    lamps[:, 1] = position[1] - rng.uniform(0.3, 1.2, count)
    strength = rng.uniform(0.2, 1.2, (count, 1)) * np.exp(rng.normal(0, 0.1, (count, 3)))
    ambient = float(np.mean(light.sky))
    return replace(
        light,
        sun=0.5 * light.sun,
        ground=light.ground * 0.8 + 0.1 * ambient,
        lamps=lamps,
        lamp_colors=strength * 0.25 * max(reach_m, 2.0),
        shadow_center=light.shadow_center if rng.random() < 0.5 else None,
    )
