"""What stands in the procedural world: random scenes for training, one fixed room and camera
path for the demo.
"""

from __future__ import annotations

import numpy as np

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.synthetic.renderer import BOX, ELLIPSOID, QUAD, TUBE, Scene


def random_rig(rng: np.random.Generator, height: int, width: int) -> StereoRig:
    """Draw a stereo rig: horizontal field of view 35 to 100 degrees, baseline 2 cm to 1 m."""
    fx = width / 2 / np.tan(np.radians(rng.uniform(35, 100)) / 2)
    fy = fx * rng.uniform(0.97, 1.03)
    cx = width * rng.uniform(0.45, 0.55)
    cy = height * rng.uniform(0.45, 0.55)
    return StereoRig(
        Camera(width, height, fx, fy, cx, cy), float(np.exp(rng.uniform(np.log(0.02), 0.0)))
    )


def random_scene(
    rng: np.random.Generator, rig: StereoRig, max_disparity_px: float = 110.0
) -> Scene:
    """Draw a scene for one rig, laid out in disparity so that every baseline sees near and far.

    A slanted background, perhaps floor and side walls, and 4 to 28 shapes (thin ones, curved ones,
    ones with holes) between the background's disparity and `max_disparity_px`.
    """
    far = np.exp(rng.uniform(np.log(2.0), np.log(0.45 * max_disparity_px)))
    near = rng.uniform(1.3 * far, max(1.4 * far, max_disparity_px))
    shapes = _backdrop(rng, rig, far)
    for _ in range(rng.integers(4, 29)):
        shapes.append(
            _random_shape(rng, rig, rng.uniform(far, near) if rng.random() < 0.8 else far * 1.1)
        )
    return _scene(shapes, rng)


def _z(rig: StereoRig, disparity_px: float) -> float:
    return rig.left.fx * rig.baseline_m / disparity_px


def _ray(rig: StereoRig, u: float, v: float) -> np.ndarray:
    camera = rig.left
    return np.array([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, 1.0])


def _backdrop(rng, rig, far):
    z = _z(rig, far)
    span = 40 * z
    tilt = _rotation(rng, 0.9 if rng.random() < 0.5 else 0.2)
    shapes = [_shape(rng, QUAD, [0, 0, z], tilt, [span, span, 1], rig, z)]
    shapes.append(
        _shape(rng, QUAD, [0, 0, 2 * z], np.eye(3), [span, span, 1], rig, 2 * z)
    )  # behind a tilted first one
    if rng.random() < 0.6:  # floor, seen from 0.2 to 0.7 depths above it
        lie = _rotation(rng, 0.12) @ np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
        shapes.append(
            _shape(rng, QUAD, [0, z * rng.uniform(0.2, 0.7), z], lie, [span, span, 1], rig, z)
        )
    for side in (-1, 1):
        if rng.random() < 0.3:
            stand = _rotation(rng, 0.3) @ np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
            shapes.append(
                _shape(
                    rng,
                    QUAD,
                    [side * z * rng.uniform(0.3, 0.9), 0, z],
                    stand,
                    [span, span, 1],
                    rig,
                    z,
                )
            )
    return shapes


def _random_shape(rng, rig, disparity):
    z = _z(rig, disparity)
    width = rig.left.width
    height = rig.left.height
    center = z * _ray(rig, rng.uniform(-0.05, 1.05) * width, rng.uniform(-0.05, 1.05) * height)
    size = z * width / rig.left.fx * np.exp(rng.uniform(np.log(0.03), np.log(0.28)))
    kind = rng.choice([QUAD, ELLIPSOID, BOX, TUBE], p=[0.35, 0.2, 0.25, 0.2])
    half = size * np.exp(rng.uniform(-0.9, 0.5, 3))
    if kind == TUBE or rng.random() < 0.12:  # thin: 1 to 8 pixels
        half[0] = (
            z
            / rig.left.fx
            * np.exp(rng.uniform(np.log(0.6), np.log(4.0 if rng.random() < 0.6 else 25.0)))
        )
        half[1] = size * rng.uniform(1, 8)
    if kind == ELLIPSOID and rng.random() < 0.3:
        half *= 2.5
    half = np.minimum(half, 0.7 * z)
    axes = _rotation(rng, 1.0 if rng.random() < 0.6 else 0.25)
    if kind == TUBE and rng.random() < 0.3:
        axes = axes @ _rotation(rng, 3.0)
    if kind == QUAD and rng.random() < 0.45:
        cutout = rng.uniform(0.2, 0.9)
    else:
        cutout = 0.0
    return _shape(rng, kind, center, axes, half, rig, z, cutout)


def _shape(rng, kind, center, axes, half, rig, z, cutout=0.0):
    """One row of the scene with a random surface whose grain spans 3 to 120 pixels."""
    freq = rig.left.fx / z / np.exp(rng.uniform(np.log(6), np.log(120)))
    base = np.clip(rng.uniform(0.1, 0.8) + rng.normal(0, 0.13, 3), 0, 1)
    contrast = rng.uniform(0.2, 0.7) * np.where(base.mean() > 0.45, -1, 1)
    colors = np.stack([base, base + contrast + rng.normal(0, 0.1, 3), base + rng.normal(0, 0.2, 3)])
    if rng.random() < 0.2:
        colors[1:] = base + rng.normal(0, 0.03, (2, 3))  # hardly any texture
    stripe = (
        _unit(rng.normal(size=3)) * rig.left.fx / z / np.exp(rng.uniform(np.log(5), np.log(60)))
    )
    return dict(
        kind=kind,
        center=center,
        axes=axes.T,
        half=half,
        cutout=cutout,
        freq=freq,
        gain=rng.uniform(0.5, 1.05),
        stripes=rng.uniform(0.2, 1) if rng.random() < 0.25 else 0.0,
        stripe_dir=stripe,
        sharp=np.exp(rng.uniform(1.0, 3.0)),
        colors=np.clip(colors, 0.02, 0.98),
        mirror=rng.uniform(0.1, 0.5) if rng.random() < 0.15 else 0.0,
        offset=rng.uniform(0, 60, 3),
    )


def _scene(shapes, rng):
    light = _unit(rng.normal(size=3) * [1, 0.5, 0.5] + [0, -1, -0.7])
    columns = {k: np.array([s[k] for s in shapes], np.float32) for k in shapes[0] if k != "kind"}
    return Scene(
        kind=np.array([s["kind"] for s in shapes], np.int64),
        light=light.astype(np.float32),
        **columns,
    )


def _rotation(rng, spread_rad):
    """Random rotation (3,3): the exponential of a normal rotation vector (Rodrigues)."""
    w = rng.normal(0, spread_rad / np.sqrt(3), 3)
    angle = np.linalg.norm(w)
    k = np.array([[0, -w[2], w[1]], [w[2], 0, -w[0]], [-w[1], w[0], 0]]) / angle
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k


def _unit(x):
    return x / np.linalg.norm(x)


# --- the demo's room


def clip_rig(height: int = 480, width: int = 640) -> StereoRig:
    """The demo's stereo camera: 69 degrees wide, 12 cm baseline, off-centre principal point."""
    scale = width / 640
    return StereoRig(
        Camera(width, height, 465.0 * scale, 463.0 * scale, 323.5 * scale, 236.0 * scale), 0.12
    )


def clip_scene() -> Scene:
    """A room of 6 x 7 m with a table, balls, poles, a plant-like cut-out and boxes; always the
    same.
    """
    rng = np.random.default_rng(57)
    rig = clip_rig()
    lie = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    side = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    eye = np.eye(3)
    rows = [
        (QUAD, [0, 0, 6.0], eye, [4, 3, 1], 0),
        (QUAD, [0, 1.2, 3], lie, [4, 4, 1], 0),
        (QUAD, [-3, 0, 3], side, [4, 3, 1], 0),
        (QUAD, [3, 0, 3], side, [4, 3, 1], 0),
        (QUAD, [0, -1.6, 3], lie, [4, 4, 1], 0),
        (BOX, [-0.9, 0.75, 3.4], _rotation(rng, 0.5), [0.5, 0.45, 0.4], 0),
        (BOX, [0.9, 0.9, 2.6], _rotation(rng, 0.3), [0.3, 0.3, 0.3], 0),
        (ELLIPSOID, [0.95, 0.42, 2.6], eye, [0.2, 0.2, 0.2], 0),
        (ELLIPSOID, [-1.0, 0.1, 3.4], eye, [0.3, 0.22, 0.3], 0),
        (TUBE, [0.25, 0, 2.2], eye, [0.025, 1.2, 0.025], 0),
        (TUBE, [-1.9, 0, 4.2], eye, [0.12, 1.6, 0.12], 0),
        (QUAD, [1.8, 0.3, 4.2], _rotation(rng, 0.3), [0.7, 0.9, 1], 0.5),
        (QUAD, [-0.2, -0.6, 5.2], _rotation(rng, 0.4), [0.9, 0.5, 1], 0),
        (ELLIPSOID, [-0.35, 0.95, 2.0], eye, [0.2, 0.25, 0.2], 0),
    ]
    shapes = [
        _shape(rng, kind, c, axes, half, rig, max(c[2], 2.0), hole)
        for kind, c, axes, half, hole in rows
    ]
    for shape in shapes[:5]:
        shape.update(mirror=0.0, gain=0.85)
    return _scene(shapes, rng)


def clip_pose(i: int, frames: int = 30) -> np.ndarray:
    """Camera of frame i, world_T_camera (4,4): a slow arc of about 1 m through the room that
    looks at its middle.
    """
    t = i / max(frames - 1, 1)
    yaw = 0.25 * np.sin(2 * np.pi * t)
    pose = np.eye(4)
    pose[:3, :3] = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    pose[:3, 3] = [-0.5 * np.sin(2 * np.pi * t), -0.1 + 0.08 * np.cos(2 * np.pi * t), 0.3 + 0.5 * t]
    return pose
