"""What a network must beat: depth without looking at the picture.

A predictor takes a View and gives its depth.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.depth import disparity_to_depth, resize_nearest
from depth_ros.core.errors import InputError
from train.data.view import Frames, View

Predictor = Callable[
    [View], np.ndarray
]  # a view -> (H, W) float32 metres (or up to scale), NaN unknown

_GRID = (24, 32)  # cells of the mean picture: coarse enough that a few hundred views fill them


def constant(depth_m: float) -> Predictor:
    """Predict one depth everywhere, metres.

    >>> constant(2.0)(View(np.zeros((1, 2, 3), np.uint8), Camera(2, 1, 1, 1, 0, 0))).tolist()
    [[2.0, 2.0]]
    """
    return lambda view: np.full(view.image.shape[:2], depth_m, np.float32)


def ground_plane(camera_height_m: float, far_m: float = 80.0, pitch_rad: float = 0.0) -> Predictor:
    """Predict the ground below a camera at a known height, and far_m above the horizon.

    pitch_rad: how far the camera looks down. See ground_plane_depth.
    """
    return lambda view: ground_plane_depth(view.camera, camera_height_m, far_m, pitch_rad)


def ground_plane_depth(
    camera: Camera, camera_height_m: float, far_m: float = 80.0, pitch_rad: float = 0.0
):
    """Compute the depth of a flat ground seen by a camera without roll: z = h / (sin(pitch) + y
    cos(pitch)).

    y = (v - cy) / fy; the horizon lies where y = -tan(pitch). camera_height_m: above the ground, >
    0. far_m: the most that is answered, also above the horizon. Returns (H, W) float32 metres along
    z, all known.

    >>> ground_plane_depth(Camera(1, 3, 10.0, 10.0, 0.0, 0.0), camera_height_m=2.0).tolist()
    [[80.0], [20.0], [10.0]]
    """
    if not camera_height_m > 0:
        raise InputError(f"expected a camera height above 0 m, got {camera_height_m}")
    y = (np.arange(camera.height) - camera.cy) / camera.fy
    drop = np.sin(pitch_rad) + y * np.cos(pitch_rad)
    depth = camera_height_m / np.maximum(drop, camera_height_m / far_m)
    return np.repeat(depth[:, None], camera.width, axis=1).astype(np.float32)


def mean_depth(frames: Frames, views: int = 200) -> Predictor:
    """Predict the mean of the known depth of `views` views spread over frames (a training set),
    everywhere.
    """
    return constant(float(np.mean([np.nanmean(depth) for depth in _truths(frames, views)])))


def mean_picture(frames: Frames, views: int = 200) -> Predictor:
    """Predict at each place of the picture the median depth that `views` views of frames have
    there.

    The strongest of those that do not look: it knows that the ground is near and the top is far.
    """
    grids = np.stack([resize_nearest(depth, *_GRID) for depth in _truths(frames, views)])
    cells = np.nanmedian(
        np.where(np.isfinite(grids).any(0), grids, np.nanmedian(grids)), axis=0
    ).astype(np.float32)
    return lambda view: cv2.resize(cells, view.image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def view_depth(view: View) -> np.ndarray | None:
    """Return the depth that is known of a view, measured or computed from its disparity; None
    where neither is known.
    """
    if view.depth is not None or view.disparity is None or view.baseline_m is None:
        return view.depth
    return disparity_to_depth(view.disparity, view.camera.fx, view.baseline_m)


def _truths(frames: Frames, views: int) -> list[np.ndarray]:
    """The depth maps, spread evenly, that know anything."""
    if not len(frames):
        raise InputError("expected views to take the mean of, got none")
    indices = np.unique(np.linspace(0, len(frames) - 1, min(views, len(frames))).astype(int))
    maps = [view_depth(frames[int(i)]) for i in indices]
    maps = [depth for depth in maps if depth is not None and np.isfinite(depth).any()]
    if not maps:
        raise InputError(
            f"expected depth to take the mean of, got {len(indices)} views without any"
        )
    return maps
