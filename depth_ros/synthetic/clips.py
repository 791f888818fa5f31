"""Short videos of a random street or room: a camera that drives or is carried, things that move,
exact ground truth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.errors import InputError
from depth_ros.synthetic.arrays import numpy
from depth_ros.synthetic.camera_paths import carry, drive
from depth_ros.synthetic.places import Place, random_room, random_street
from depth_ros.synthetic.places.materials import yaw_axes
from depth_ros.synthetic.renderer import Scene, render

PLACES = {"street": random_street, "room": random_room}
# A picture with more than a twentieth of its pixels nearer than this shows nothing.
_TOO_NEAR_M = 0.25
_FEWEST_SHAPES = 7  # that fill over a hundredth of the picture each: a bare wall teaches nothing


@dataclass(frozen=True, eq=False)
class Clip:
    """N frames in one place.

    scene: at frame 0. world_T_camera (N,4,4), optical. velocity (S,3) m/frame, turn (S,) rad/frame
    about the vertical through pivot (S,3) m: how each shape moves. rides (S,) bool: the shape keeps
    its place before the camera's own smooth path, world_T_path (N,4,4) (a car ahead at our speed:
    the case that auto-masking is for). look: exposure, gamma and colour of the camera. baseline_m:
    None for one camera.
    """

    scene: Scene
    camera: Camera
    baseline_m: float | None
    world_T_camera: np.ndarray
    world_T_path: np.ndarray
    velocity: np.ndarray
    turn: np.ndarray
    pivot: np.ndarray
    rides: np.ndarray
    look: Look
    place: str


@dataclass(frozen=True)
class Look:
    """How a camera renders light: target mean brightness, gamma, gains (r, g, b), saturation,
    noise (of 1).
    """

    brightness: float
    gamma: float
    gains: tuple[float, float, float]
    saturation: float
    noise: float


def random_mono_camera(
    rng: np.random.Generator, height: int, width: int, hfov_deg=(45.0, 100.0)
) -> Camera:
    """Draw a camera: horizontal field of view within hfov_deg, nearly square pixels, centre near
    the middle.
    """
    fx = width / 2 / np.tan(np.radians(rng.uniform(*hfov_deg)) / 2)
    fy = fx * rng.uniform(0.98, 1.02)
    return Camera(
        width,
        height,
        fx,
        fy,
        width * rng.uniform(0.46, 0.54) - 0.5,
        height * rng.uniform(0.43, 0.57) - 0.5,
    )


def random_clip(
    rng: np.random.Generator, camera: Camera | StereoRig, frames: int, place="mix", moving=True
) -> Clip:
    """Draw a place, a path of the camera through it and the motion of what is in it.

    camera: one camera or a rectified pair. place: "street" (like a car: 0.2 to 1.2 m a frame,
    gentle curves, pitching), "room" (like a hand or a robot: 2 to 15 cm, up to 4 degrees a frame)
    or "mix". moving=False: only the camera moves. Raises InputError for another place.
    """
    if place == "mix":
        place = str(rng.choice(list(PLACES)))
    if place not in PLACES:
        raise InputError(f"expected a place out of {[*PLACES, 'mix']}, got {place!r}")
    drawn = PLACES[place](rng)
    travel = drive if place == "street" else carry
    path, poses = travel(rng, drawn, frames)
    velocity, turn, pivot, rides = _motion(rng, drawn, path, moving)
    baseline_m = None
    if isinstance(camera, StereoRig):
        baseline_m = camera.baseline_m
        camera = camera.left
    return Clip(
        scene=drawn.scene,
        camera=camera,
        baseline_m=baseline_m,
        world_T_camera=poses,
        world_T_path=path,
        velocity=velocity,
        turn=turn,
        pivot=pivot,
        rides=rides,
        look=_look(rng),
        place=place,
    )


def scene_at(clip: Clip, i: int) -> Scene:
    """Return the scene at frame i: centres and axes of moving shapes changed, the rest as at frame
    0.
    """
    center = clip.scene.center.astype(np.float64)
    axes = clip.scene.axes.astype(np.float64)
    for n in np.nonzero(clip.rides | (clip.turn != 0) | (clip.velocity != 0).any(1))[0]:
        if clip.rides[n]:
            step = clip.world_T_path[i] @ np.linalg.inv(clip.world_T_path[0])
        else:
            step = np.eye(4)
            step[:3, :3] = yaw_axes(clip.turn[n] * i).T
            step[:3, 3] = clip.pivot[n] + clip.velocity[n] * i - step[:3, :3] @ clip.pivot[n]
        center[n] = step[:3, :3] @ center[n] + step[:3, 3]
        axes[n] = axes[n] @ step[:3, :3].T
    return replace(clip.scene, center=center.astype(np.float32), axes=axes.astype(np.float32))


def render_clip(clip: Clip, i: int, xp=np, device=None) -> dict:
    """Render frame i of a clip.

    Returns NumPy arrays: left (H,W,3) uint8; right (H,W,3) uint8, or None for one camera; depth
    (H,W) float32 m, NaN where the sky is; sky (H,W) bool; shape (H,W) int64; world_T_camera (4,4)
    float64.
    """
    scene = scene_at(clip, i)
    pose = clip.world_T_camera[i]
    views = [render(scene, clip.camera, pose, xp, device)]
    if clip.baseline_m is not None:
        step = np.eye(4)
        step[0, 3] = clip.baseline_m
        views.append(render(scene, clip.camera, pose @ step, xp, device))
    views = [{name: numpy(array) for name, array in view.items()} for view in views]
    gain = _exposure(views[0]["rgb"], clip.look)
    pictures = [
        _develop(view["rgb"], clip.look, gain, seed=2 * i + k) for k, view in enumerate(views)
    ]
    depth = views[0]["depth"].astype(np.float32)
    shape = views[0]["shape"]
    return {
        "left": pictures[0],
        "right": pictures[1] if len(pictures) > 1 else None,
        "depth": depth,
        "sky": shape < 0,
        "shape": shape,
        "world_T_camera": pose,
    }


def is_usable(clip: Clip) -> bool:
    """Whether the clip's ends show some shapes and none of them against the lens, judged by
    small previews.
    """
    for i in (0, len(clip.world_T_camera) - 1):
        small = clip.camera.resized(24, 24 * clip.camera.width // clip.camera.height)
        view = render(replace(scene_at(clip, i), sky=None), small, clip.world_T_camera[i])
        shapes, pixels = np.unique(view["shape"], return_counts=True)
        seen = (pixels[shapes >= 0] > 0.01 * view["shape"].size).sum()
        if (
            (view["depth"] < _TOO_NEAR_M).mean() > 0.05
            or (view["shape"] < 0).mean() > 0.7
            or seen < _FEWEST_SHAPES
        ):
            return False
    return True


_SPEED = {
    "car": (0.2, 1.3),
    "person": (0.02, 0.15),
    "carton": (0.02, 0.12),
    "chair": (0.02, 0.08),
    "trolley": (0.03, 0.12),
}


def _motion(rng, place: Place, path, moving):
    """velocity, turn, pivot, rides of every shape."""
    count = len(place.group)
    velocity = np.zeros((count, 3))
    turn = np.zeros(count)
    pivot = np.zeros((count, 3))
    rides = np.zeros(count, bool)
    driven = len(path) > 1 and np.linalg.norm(path[1, :3, 3] - path[0, :3, 3]) > 0.01
    for mover in place.movers:
        draw = rng.random()
        own = place.group == mover.group
        speed = rng.uniform(*_SPEED[mover.kind])
        spin = rng.normal(0, 0.03)
        if not moving or draw > 0.75:
            continue
        ahead = np.cos(mover.yaw - place.ahead) > 0.8
        if driven and draw < 0.28 and (place.kind == "room" or (mover.kind == "car" and ahead)):
            rides |= own
            continue
        velocity[own] = speed * np.array([np.sin(mover.yaw), 0, np.cos(mover.yaw)])
        turn[own] = 0.0 if mover.kind == "car" else spin
        pivot[own] = mover.pivot
    return velocity, turn, pivot, rides


def _look(rng) -> Look:
    warm = rng.normal(0, 0.06)
    gains = (1 + warm, 1 + rng.normal(0, 0.02), 1 - warm)
    return Look(
        rng.uniform(0.36, 0.6),
        rng.uniform(0.8, 1.25),
        gains,
        rng.uniform(0.35, 1.15),
        rng.uniform(0.0, 0.02),
    )


def _exposure(rgb, look: Look) -> float:
    """Gain that brings the picture's mean most of the way to the look's brightness, as automatic
    exposure does.
    """
    return float((look.brightness / max(rgb.mean(), 0.05)) ** 0.85)


def _develop(rgb, look: Look, gain, seed) -> np.ndarray:
    """The sensor's picture (H,W,3) uint8 of linear-ish light (H,W,3): exposure, colour, gamma,
    noise.
    """
    grey = rgb.mean(-1, keepdims=True)
    colours = grey + (rgb - grey) * look.saturation
    light = np.clip(colours * gain * np.array(look.gains, np.float32), 0, 1)
    out = light**look.gamma
    noise = np.random.default_rng(seed).normal(0, 1, out.shape).astype(np.float32) * look.noise
    return np.rint(255 * np.clip(out + noise, 0, 1)).astype(np.uint8)
