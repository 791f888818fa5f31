"""What a procedural place is: a scene, a camera in it, and what in it may move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from depth_ros.synthetic.places.materials import yaw_axes
from depth_ros.synthetic.renderer import Scene


@dataclass(frozen=True, eq=False)
class Mover:
    """Something of a place that may move: its shapes' group number, kind, pivot (3,) m and
    heading (yaw, rad).
    """

    group: int
    kind: str
    pivot: np.ndarray
    yaw: float


@dataclass(frozen=True, eq=False)
class Place:
    """A scene (y = 0 is the ground), group (N,) int of each shape (-1: stands still), a camera's
    pose, the movers.

    world_T_camera: (4,4) optical; its z axis is where the camera looks. ahead: yaw (rad) in which
    it may drive.
    """

    scene: Scene
    group: np.ndarray
    world_T_camera: np.ndarray
    ahead: float
    movers: tuple[Mover, ...]
    kind: str


def camera_pose(x: float, z: float, height_m: float, yaw=0.0, pitch=0.0, roll=0.0) -> np.ndarray:
    """Pose (4,4) of a camera above the ground; rad; a positive pitch looks up, a positive yaw to
    the right.

    >>> camera_pose(1.0, 2.0, 1.5)[:3, 3].tolist()
    [1.0, -1.5, 2.0]
    """
    cp = np.cos(pitch)
    sp = np.sin(pitch)
    cr = np.cos(roll)
    sr = np.sin(roll)
    pose = np.eye(4)
    tilt = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]]) @ np.array(
        [[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]]
    )
    pose[:3, :3] = yaw_axes(yaw).T @ tilt
    pose[:3, 3] = [x, -height_m, z]
    return pose
