"""An endless supply of stereo pairs with exact disparity and occlusion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.synthetic.raster.culling import visible
from depth_ros.synthetic.raster.flaws import with_dots
from depth_ros.synthetic.raster.places import content, random_place
from depth_ros.synthetic.raster.renderer import Renderer
from depth_ros.synthetic.raster.scene import Scene
from depth_ros.synthetic.raster.scene_stereo import random_scene
from depth_ros.synthetic.raster.sensor import exposed

_TRIES = 20
_DOTS_SHARE = 0.05  # of pairs, seen by infrared cameras with a projector
_PLACE_SHARE = 0.3  # of pairs, at true sizes; the others are still lifes and clutter


@dataclass(frozen=True)
class StereoPair:
    """A rendered rectified pair.

    Attributes:
        left: (H, W, 3) uint8, red first.
        right: (H, W, 3) uint8.
        disparity: (H, W) float32, px at pixel centres of the left picture; 0 in the sky, which is
            infinitely far.
        occluded: (H, W) bool, the left pixel is hidden in the right picture or lies outside it.
        sky: (H, W) bool.
        instance: (H, W) int32, number of the object, 0 in the sky.
        normal: (H, W, 3) float32, unit, camera axes, towards the camera; NaN in the sky.
    """

    left: np.ndarray
    right: np.ndarray
    disparity: np.ndarray
    occluded: np.ndarray
    sky: np.ndarray
    instance: np.ndarray
    normal: np.ndarray


class StereoWorld:
    """Random stereo scenes, rendered one by one.

    The same seed of the world, assets and random numbers of the pair draw the same pair.

    Args:
        assets: folder that `python -m train assets` has filled; None for procedural content alone.
        seed: of the textures and meshes that all scenes share.
        textures: how many are drawn; more take longer to begin with.
        models: how many models of the assets at most.

    Raises:
        EngineError: moderngl or EGL is missing.
        InputError: the folder holds no assets.
    """

    def __init__(
        self, assets: Path | None = None, seed: int = 0, textures: int = 160, models: int = 140
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

    def pair(
        self, rng: np.random.Generator, size: tuple[int, int], max_disparity_px: float = 160.0
    ) -> StereoPair:
        """Draw a scene, a camera and a baseline, and render them.

        Args:
            rng: random numbers.
            size: (height, width) px.
            max_disparity_px: at most 2 % of the pixels lie above it.
        """
        for _ in range(_TRIES):
            camera = _random_camera(rng, size)
            scene, pose, distance = self._scene(rng, camera)
            self._renderer.load(scene, pose[:3, 3])
            truth = self._renderer.truth(camera, pose)
            if _worth(truth.depth, distance):
                return self._finished(rng, camera, pose, truth, max_disparity_px)
        raise AssertionError(f"{_TRIES} scenes in a row showed nothing")

    def _scene(self, rng, camera):
        """A scene, world_T_camera (4,4), and how far away its things lie, m."""
        if rng.random() < _PLACE_SHARE:
            scene, spot, _ = random_place(rng, self._shared, camera)
            pose = spot.pose()
            parts = visible(scene.parts, [(_widened(camera), pose)]) or scene.parts
            return Scene(parts, scene.light), pose, spot.reach_m
        scene, distance = random_scene(rng, self._shared, camera)
        return scene, _random_tilt(rng), distance

    def _finished(self, rng, camera, pose, truth, max_disparity_px):
        """Choose a baseline for what is seen, and render both views."""
        inverse = 1 / truth.depth
        inverse[np.isnan(inverse)] = 0
        nearest = np.percentile(inverse, 98)
        wanted = _random_disparity(rng, max_disparity_px)
        shift = wanted / nearest  # fx * baseline, px m
        right_pose = pose.copy()
        right_pose[:3, 3] += pose[:3, 0] * shift / camera.fx
        disparity = (shift * inverse).astype(np.float32)
        right_depth = self._renderer.depth(camera, right_pose)
        right_disparity = np.nan_to_num(shift / right_depth, nan=0.0)
        left = self._renderer.picture(camera, pose)
        right = self._renderer.picture(camera, right_pose)
        if rng.random() < _DOTS_SHARE:
            left, right = with_dots(rng, left, right, (disparity, right_disparity))
        left, right = exposed(rng, left, right)
        return StereoPair(
            left,
            right,
            disparity,
            occluded_by(disparity, right_disparity),
            np.isnan(truth.depth),
            truth.instance,
            truth.normal @ pose[:3, :3].astype(np.float32),
        )


def occluded_by(disparity: np.ndarray, right_disparity: np.ndarray) -> np.ndarray:
    """Which pixels (H, W) of the left view the right one does not see.

    A pixel is hidden where both neighbours of its place in the right view show something nearer, or
    lies outside.

    Args:
        disparity: (H, W) px, left view.
        right_disparity: (H, W) px, what each pixel of the right view sees first; 0 in the sky.
    """
    width = disparity.shape[1]
    place = np.arange(width, dtype=np.float32)[None] - disparity
    lower = np.clip(np.floor(place), 0, width - 1).astype(np.int64)
    upper = np.clip(lower + 1, 0, width - 1)
    seen = np.minimum(
        np.take_along_axis(right_disparity, lower, 1), np.take_along_axis(right_disparity, upper, 1)
    )
    return (seen > disparity * 1.01 + 0.5) | (place < -0.5) | (place > width - 0.5)


def _random_camera(rng, size):
    """A camera 35 to 95 degrees wide, its principal point near the middle."""
    height, width = size
    fx = width / 2 / np.tan(np.radians(rng.uniform(35, 95)) / 2)
    return Camera(
        width,
        height,
        fx,
        fx * rng.uniform(0.97, 1.03),
        width * rng.uniform(0.45, 0.55),
        height * rng.uniform(0.42, 0.58),
    )


def _widened(camera):
    """A camera that sees what both cameras of a pair see: wider by 1.5 pictures on the right."""
    return Camera(camera.width * 5 // 2, camera.height, camera.fx, camera.fy, camera.cx, camera.cy)


def _random_tilt(rng):
    """Camera pose (4,4) at the origin, pitched and rolled a little."""
    pose = np.eye(4)
    pitch, roll = rng.normal(-0.03, 0.08), rng.normal(0, 0.04)
    pose[:3, :3] = (
        cv2.Rodrigues(np.array([pitch, 0, 0]))[0] @ cv2.Rodrigues(np.array([0, 0, roll]))[0]
    )
    return pose


def _random_disparity(rng, largest):
    """Disparity (px) of the nearest things: mostly 15 to 90, from 5 up to the largest."""
    if rng.random() < 0.75:
        return float(np.exp(rng.uniform(np.log(min(15, largest / 2)), np.log(min(90, largest)))))
    return float(np.exp(rng.uniform(np.log(5), np.log(largest))))


def _worth(depth, distance):
    """Nothing fills the picture from too near, and something is to be seen."""
    seen = np.isfinite(depth)
    if seen.mean() < 0.35:
        return False
    return np.percentile(depth[seen], 60) > 0.25 * distance
