"""Paths of a camera through a procedural place: driven like a car, or carried by hand."""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.places import Place, camera_pose


def _pose(x, y, z, yaw, pitch, roll):
    """Pose at a position in world axes, y down."""
    return camera_pose(x, z, -y, yaw, pitch, roll)


def _angles(pose):
    """Yaw, pitch and roll of camera_pose, from its matrix."""
    R = pose[:3, :3]
    return (
        np.arctan2(R[0, 2], R[2, 2]),
        np.arcsin(np.clip(-R[1, 2], -1, 1)),
        np.arctan2(R[1, 0], R[1, 1]),
    )


def drive(rng: np.random.Generator, place: Place, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Path (N,4,4) of a car at the camera and the camera's poses on it: speed, a curve, pitching
    and rolling.
    """
    if rng.random() < 0.04:
        speed = 0.0
    else:
        speed = rng.uniform(0.2, 1.2)
    yaw, pitch, roll = _angles(place.world_T_camera)
    x, y, z = place.world_T_camera[:3, 3]
    heading = place.ahead
    curve = rng.normal(0, 0.012)
    path = []
    poses = []
    shake = rng.uniform(0.0005, 0.006)
    for _ in range(frames):
        path.append(_pose(x, y, z, yaw + heading - place.ahead, 0.0, 0.0))
        jitter = rng.normal(0, shake, 3) * [0.3, 1, 0.7]
        lift = rng.normal(0, 0.01)
        poses.append(
            _pose(
                x,
                y + lift,
                z,
                yaw + heading - place.ahead + jitter[0],
                pitch + jitter[1],
                roll + jitter[2],
            )
        )
        x = x + speed * np.sin(heading)
        z = z + speed * np.cos(heading)
        heading = heading + curve
        speed = max(speed * (1 + rng.normal(0, 0.03)), 0.0)
    return np.stack(path), np.stack(poses)


def carry(rng: np.random.Generator, place: Place, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Path and poses of a carried camera: a smooth drift in any direction, mostly ahead, with
    smooth turning.
    """
    yaw, pitch, roll = _angles(place.world_T_camera)
    position = place.world_T_camera[:3, 3].copy()
    direction = yaw + (rng.normal(0, 0.4) if rng.random() < 0.6 else rng.uniform(-np.pi, np.pi))
    step = rng.uniform(0.02, 0.15) * np.array(
        [np.sin(direction), rng.normal(0, 0.15), np.cos(direction)]
    )
    turn = np.radians(rng.uniform(0, 4)) * rng.normal(0, 1, 3).clip(-1, 1) * [1, 0.5, 0.4]
    path = []
    poses = []
    for _ in range(frames):
        path.append(_pose(*position, yaw, 0.0, 0.0))
        poses.append(_pose(*position, yaw, pitch, roll))
        position = position + step * (1 + rng.normal(0, 0.1, 3))
        position[1] = min(position[1], -0.2)
        yaw, pitch, roll = np.array([yaw, pitch, roll]) + turn * (1 + rng.normal(0, 0.15, 3))
    return np.stack(path), np.stack(poses)
