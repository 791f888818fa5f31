"""Places with a light and a camera spot: what pictures, clips and stereo pairs are taken of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from depth_ros.synthetic.raster.assets import AssetFolder
from depth_ros.synthetic.raster.bank import Library, procedural_library
from depth_ros.synthetic.raster.furniture import Furniture, furnished
from depth_ros.synthetic.raster.look import daylight, room_light
from depth_ros.synthetic.raster.scene import Scene
from depth_ros.synthetic.raster.scene_outdoors import corridor, street, yard
from depth_ros.synthetic.raster.scene_place import Spot, desk, furnished_room, ready_world
from depth_ros.synthetic.raster.shapes import Stock
from depth_ros.synthetic.raster.stage import Stage

PLACES = ("street", "room", "desk", "yard")  # yard: yards and corridors
_WORLD_SHARE = 0.35  # of rooms, where the assets hold whole worlds


@dataclass(frozen=True)
class Content:
    """What all scenes of a process are made of.

    Attributes:
        library: textures.
        stock: procedural things.
        furniture: models of the assets, perhaps none.
    """

    library: Library
    stock: Stock
    furniture: Furniture


def content(assets: Path | None, seed: int, textures: int, models: int) -> Content:
    """Draw textures, things and models; the same for the same arguments.

    Args:
        assets: folder that `python -m train assets` has filled; None for procedural content alone.
        seed: of the random numbers.
        textures: how many procedural textures, beside a few of each kind; a sixth as many things of
            each kind.
        models: how many models at most.

    Raises:
        InputError: the folder holds no assets.
    """
    library = procedural_library(seed, textures)
    furniture = Furniture({}, {})
    if assets is not None:
        library, furniture = furnished(library, AssetFolder(assets), seed, models)
    return Content(library, Stock(seed, max(4, textures // 6)), furniture)


def random_place(
    rng: np.random.Generator, shared: Content, camera: Camera, place: str | None = None
) -> tuple[Scene, Spot, str]:
    """Build a place; returns its scene, where the camera stands, and which of PLACES it is.

    Args:
        rng: random numbers.
        shared: textures and things.
        camera: whose pixels textures are scaled by.
        place: one of PLACES; None draws one.

    Raises:
        InputError: there is no such place.
    """
    if place is None:
        place = PLACES[rng.integers(len(PLACES))]
    if place not in PLACES:
        raise InputError(f"expected a place out of {PLACES}, got {place!r}")
    stage = Stage(rng, shared.library, shared.stock, camera)
    spot = _built(stage, shared.furniture, place)
    if spot.outdoors:
        light = daylight(rng, shared.library, spot.position, spot.reach_m)
    else:
        light = room_light(rng, shared.library, spot.position, spot.pose()[:3, 2], spot.reach_m)
    return Scene(stage.parts, light), spot, place


def _built(stage: Stage, furniture: Furniture, place: str) -> Spot:
    rng = stage.rng
    if place == "street":
        return street(stage, furniture)
    if place == "desk":
        return desk(stage, furniture)
    if place == "yard":
        return (yard if rng.random() < 0.5 else corridor)(stage, furniture)
    if furniture.worlds and rng.random() < _WORLD_SHARE:
        return ready_world(stage, furniture)
    return furnished_room(stage, furniture)
