"""The textures that one process works with: procedural ones, and whatever assets bring along."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.synthetic.raster.cutout import procedural_cutout
from depth_ros.synthetic.raster.scene import Bank
from depth_ros.synthetic.raster.texture import (
    KINDS,
    procedural_texture,
    surroundings,
    textures_of_kind,
)

_SURROUNDINGS = 12
_MOST_OF_A_KIND = 4


@dataclass(frozen=True)
class Library:
    """A bank, and which of its layers are what.

    Attributes:
        bank: textures and cut-outs.
        any: layers of all surface textures.
        kinds: layers by the kinds of procedural texture ("wood", "bricks", ...).
        environments: layers that are panoramas.
        cutouts: number of cut-outs.
    """

    bank: Bank
    any: np.ndarray
    kinds: dict[str, np.ndarray]
    environments: np.ndarray
    cutouts: int


def procedural_library(
    seed: int, count: int = 160, size: int = 256, cutouts: int = 96, extra: np.ndarray | None = None
) -> Library:
    """Draw textures and cut-outs; the same for the same arguments.

    Args:
        seed: of the random numbers.
        count: random textures, beside a few of each kind.
        size: side of the textures, px.
        cutouts: how many cut-outs.
        extra: (N, size, size, 3) uint8, textures from elsewhere, used like the others.
    """
    rng = np.random.default_rng((seed, 0x7E87))
    each = int(np.clip(count // 40, 1, _MOST_OF_A_KIND))
    groups = {kind: textures_of_kind(rng, kind, each, size) for kind in KINDS}
    free = [procedural_texture(rng, size) for _ in range(count)]
    panoramas = [surroundings(rng, size) for _ in range(_SURROUNDINGS)]
    layers = [*groups.values(), np.stack(free)]
    if extra is not None and len(extra):
        layers.append(extra)
    surfaces = sum(len(group) for group in layers)
    kinds = {kind: np.arange(each) + each * number for number, kind in enumerate(KINDS)}
    masks = np.stack([procedural_cutout(rng) for _ in range(cutouts)])
    return Library(
        Bank(np.concatenate([*layers, np.stack(panoramas)]), masks),
        any=np.arange(surfaces),
        kinds=kinds,
        environments=np.arange(surfaces, surfaces + _SURROUNDINGS),
        cutouts=cutouts,
    )
