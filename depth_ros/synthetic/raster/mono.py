"""An endless supply of single pictures and short clips with exact metric depth, intrinsics and
poses.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.synthetic.raster.culling import visible
from depth_ros.synthetic.raster.places import PLACES, content, random_place
from depth_ros.synthetic.raster.renderer import Renderer
from depth_ros.synthetic.raster.scene import Scene
from depth_ros.synthetic.raster.scene_place import Spot
from depth_ros.synthetic.raster.sensor import photographed

__all__ = ["PLACES", "MonoView", "MonoWorld"]
_TRIES = 30
_NEAREST_M = {"street": 1.0, "room": 0.3, "desk": 0.12, "yard": 0.4}


@dataclass(frozen=True)
class MonoView:
    """A rendered picture.

    Attributes:
        rgb: (H, W, 3) uint8.
        depth_m: (H, W) float32, metres along z at pixel centres, NaN in the sky.
        camera: intrinsics, px.
        world_T_camera: (4, 4) float64.
        place: one of PLACES.
        instance: (H, W) int32, number of the object, 0 in the sky.
        normal: (H, W, 3) float32, unit, camera axes; NaN in the sky.
    """

    rgb: np.ndarray
    depth_m: np.ndarray
    camera: Camera
    world_T_camera: np.ndarray
    place: str
    instance: np.ndarray
    normal: np.ndarray


class MonoWorld:
    """Random places at true sizes, in equal quarters; see PLACES.

    The same seed, assets and random numbers draw the same picture.

    Args:
        assets: folder that `python -m train assets` has filled; None for procedural content alone.
        seed: of the textures, meshes and models that all places share.
        textures: how many procedural textures.
        models: how many models of the assets at most.

    Raises:
        EngineError: moderngl or EGL is missing.
        InputError: the folder holds no assets.
    """

    def __init__(
        self, assets: Path | None = None, seed: int = 0, textures: int = 120, models: int = 140
    ):
        self._assets = assets
        self._textures = textures
        self._models = models
        self._shared = content(assets, seed, textures, models)
        self._renderer = Renderer(self._shared.library.bank)

    def renew(self, seed: int) -> None:
        """Draw other textures, meshes and models."""
        self._shared = content(self._assets, seed, self._textures, self._models)
        self._renderer.use(self._shared.library.bank)

    def view(
        self, rng: np.random.Generator, size: tuple[int, int], place: str | None = None
    ) -> MonoView:
        """Draw a place and a camera, and take a picture.

        Args:
            rng: random numbers.
            size: (height, width) px.
            place: one of PLACES; None draws one.
        """
        return self.clip(rng, size, 1, place)[0]

    def clip(
        self, rng: np.random.Generator, size: tuple[int, int], frames: int, place: str | None = None
    ) -> list[MonoView]:
        """Draw a place and take pictures while the camera moves through it.

        Args:
            rng: random numbers.
            size: (height, width) px.
            frames: how many pictures.
            place: one of PLACES; None draws one.

        Raises:
            InputError: there is no such place.
        """
        for _ in range(_TRIES):
            camera = _random_camera(rng, size, place)
            scene, spot, name = random_place(rng, self._shared, camera, place)
            poses = _path(rng, spot, frames)
            parts = visible(scene.parts, [(camera, pose) for pose in poses])
            if not parts:
                continue
            self._renderer.load(Scene(parts, scene.light), spot.position)
            truths = [self._renderer.truth(camera, pose) for pose in poses]
            if all(_worth(truth, name, spot.outdoors) for truth in truths):
                return self._taken(rng, camera, name, poses, truths)
        raise AssertionError(f"{_TRIES} places in a row showed nothing")

    def _taken(self, rng, camera, place, poses, truths):
        """Take the pictures, all with one exposure."""
        views = photographed(rng, [self._renderer.picture(camera, pose) for pose in poses])
        return [
            MonoView(
                rgb,
                truth.depth,
                camera,
                pose,
                place,
                truth.instance,
                truth.normal @ pose[:3, :3].astype(np.float32),
            )
            for rgb, truth, pose in zip(views, truths, poses)
        ]


def _random_camera(rng, size, place):
    """A camera 45 to 100 degrees wide (desks: to 80), its principal point near the middle."""
    height, width = size
    degrees = rng.uniform(45, 80 if place == "desk" else 100)
    fx = width / 2 / np.tan(np.radians(degrees) / 2)
    cx = (width - 1) / 2 + rng.normal(0, 0.02) * width
    cy = (height - 1) / 2 + rng.normal(0, 0.02) * height
    return Camera(width, height, fx, fx * rng.uniform(0.97, 1.03), cx, cy)


def _path(rng, spot, frames):
    """Poses (4,4) of a camera that moves and turns evenly from a spot."""
    start = spot.pose()
    speed = 0.02 * spot.reach_m * np.exp(rng.normal(0, 0.5))
    step = rng.normal(0, 1, 3) * [0.4, 0.15, 0.4] + [0, 0, rng.choice([1.0, 1.0, -0.3])]
    turn = rng.normal(0, 0.012, 2)
    poses = []
    for number in range(frames):
        moved = Spot(
            spot.position + number * speed * (start[:3, :3] @ step),
            spot.yaw_rad + number * turn[0],
            spot.pitch_rad + number * turn[1],
            spot.roll_rad,
            spot.outdoors,
            spot.reach_m,
        )
        poses.append(moved.pose())
    return poses


def _worth(truth, place, outdoors):
    """Something is to be seen, at more than one depth, and nothing blocks the view."""
    depth = truth.depth
    seen = np.isfinite(depth)
    if seen.mean() < (0.4 if outdoors else 0.9):
        return False
    values = depth[seen]
    if np.percentile(values, 3) < _NEAREST_M[place] or np.median(values) < 2 * _NEAREST_M[place]:
        return False
    return outdoors or np.log(values).std() > 0.2
