"""A world of flat pictures that face north, drawn by homographies: exact truth in milliseconds."""

import cv2
import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.lie import inverse
from depth_ros.odometry import EgoFrame

CAMERA = Camera(320, 240, 210.0, 214.0, 155.0, 124.0)
BASELINE_M = 0.15


def texture(seed: int, size: int = 256) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.random((size, size, 3)).astype(np.float32)
    mixed = sum(cv2.GaussianBlur(noise, (0, 0), s) * s for s in (1.5, 4, 10))
    mixed = (mixed - mixed.min()) / (mixed.max() - mixed.min())
    return np.clip((mixed - 0.5) * 3 * 255 + 128, 20, 235).astype(np.uint8)


def boards(seed: int = 0) -> list[tuple]:
    """(x, y, z of the middle, width, height, texture), farthest first; a backdrop fills the
    view.
    """
    rng = np.random.default_rng(seed)
    out = [(0.0, 0.0, 14.0, 60.0, 44.0, texture(seed + 100, 1024))]
    for i, z in enumerate(np.linspace(9, 3, 10)):
        x, y = rng.uniform(-0.6, 0.6) * z, rng.uniform(-0.4, 0.4) * z
        out.append((x, y, z, 0.32 * z, 0.3 * z, texture(seed + i)))
    return out


def upright(x, y, z, width, height, picture):
    """The map (4, 3) from a picture's pixels to the world, of one that stands facing north."""
    size = picture.shape[0]
    plane = [
        [width / size, 0, x - width / 2],
        [0, height / size, y - height / 2],
        [0, 0, z],
        [0, 0, 1.0],
    ]
    return np.array(plane), picture


def ground(height_m: float, seed: int = 50, size: int = 1024, metres: float = 12.0) -> tuple:
    """A floor so far under the first camera; y points down."""
    step = metres / size
    plane = [[step, 0, -metres / 2], [0, 0, height_m], [0, -step, metres + 0.3], [0, 0, 1.0]]
    return np.array(plane), texture(seed, size)


def view(scene, world_T_camera: np.ndarray, camera: Camera = CAMERA):
    """Picture (H, W, 3) uint8 and depth (H, W) float32."""
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    depth = np.full((camera.height, camera.width), np.nan, np.float32)
    T = inverse(world_T_camera)
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    for board in scene:
        plane, picture = board if len(board) == 2 else upright(*board)
        size = picture.shape[0]
        H = camera.K @ (T[:3] @ plane)
        mask = (
            cv2.warpPerspective(np.ones((size, size), np.uint8), H, (camera.width, camera.height))
            > 0
        )
        drawn = cv2.warpPerspective(
            picture, H, (camera.width, camera.height), flags=cv2.INTER_LINEAR
        )
        image[mask] = drawn[mask]
        scale = np.linalg.inv(H)[
            2
        ]  # third row gives 1 / z of the plane's points up to H's normalisation
        depth[mask] = (1 / (scale[0] * u + scale[1] * v + scale[2]))[mask]
    return image, depth


def frame(
    scene, i: int, pose: np.ndarray, right: bool = True, period_ns: int = 100_000_000, **changes
) -> EgoFrame:
    """The frame number i at a pose (world_T_camera, world = optical axes of the first camera)."""
    image, depth = view(scene, pose)
    other = None
    if right:
        step = np.eye(4)
        step[0, 3] = BASELINE_M
        other = view(scene, pose @ step)[0]
    values = {
        "image": image,
        "right": other,
        "baseline_m": BASELINE_M if right else None,
        "depth": depth,
    }
    return EgoFrame(1 + i * period_ns, camera=CAMERA, **{**values, **changes})
