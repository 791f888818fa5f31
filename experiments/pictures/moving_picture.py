"""The moving picture of the README: a stereo camera goes through a rendered place.

python experiments/pictures/moving_picture.py docs/demo.webp [--model M] [--assets FOLDER] [--place
room]

Left image; inverse depth by the network; one standard deviation of depth relative to itself. Needs
the extra [synthetic] (moderngl) and Pillow, which matplotlib brings. ASSETS: what `python -m train
assets` has filled.
"""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import numpy as np
from PIL import Image

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.types import Frame
from depth_ros.engine.load import load_engine
from depth_ros.estimator.stereo import StereoEstimator
from depth_ros.synthetic.raster.culling import visible
from depth_ros.synthetic.raster.places import PLACES, content, random_place
from depth_ros.synthetic.raster.renderer import Renderer
from depth_ros.synthetic.raster.scene import Scene
from depth_ros.synthetic.raster.sensor import photographed

_HEIGHT, _WIDTH = 288, 384
_BASELINE_M = {"street": 0.4, "room": 0.1, "desk": 0.05, "yard": 0.2}
_FRAME_MS = 90
_WIDEST_SIGMA = 0.2  # relative, drawn in the hottest colour


def stereo_clip(place: str, seed: int, frames: int, assets: Path | None):
    """Pairs (left, right) uint8 along a gentle arc through a place, and their rig."""
    rng = np.random.default_rng(seed)
    fx = 0.62 * _WIDTH
    camera = Camera(_WIDTH, _HEIGHT, fx, 1.01 * fx, 0.51 * _WIDTH, 0.48 * _HEIGHT)
    shared = content(assets, seed, 120, 140)
    renderer = Renderer(shared.library.bank)
    scene, spot, _ = random_place(rng, shared, camera, place)
    lefts = [_moved(spot.pose(), spot.reach_m, number / frames) for number in range(frames)]
    rights = [pose @ _shift(_BASELINE_M[place]) for pose in lefts]
    poses = [pose for pair in zip(lefts, rights) for pose in pair]
    parts = visible(scene.parts, [(camera, pose) for pose in poses])
    renderer.load(Scene(parts, scene.light), spot.position)
    images = photographed(rng, [renderer.picture(camera, pose) for pose in poses])
    return list(zip(images[::2], images[1::2])), StereoRig(camera, _BASELINE_M[place])


def _moved(start: np.ndarray, reach_m: float, turn: float) -> np.ndarray:
    """The pose on a small ellipse around the start, (4,4); turn 0 and 1 are the same place."""
    angle = 2 * np.pi * turn
    along = 0.05 * reach_m * np.array([np.sin(angle), 0.2 * np.sin(2 * angle), 1 - np.cos(angle)])
    yaw = 0.06 * np.sin(angle)
    moved = np.eye(4)
    moved[:3, :3] = cv2.Rodrigues(np.array([0.0, yaw, 0.0]))[0]
    moved[:3, 3] = along
    return start @ moved


def _shift(metres: float) -> np.ndarray:
    shifted = np.eye(4)
    shifted[0, 3] = metres
    return shifted


def panel(frame: Frame, estimator: StereoEstimator, nearest: list[float]) -> np.ndarray:
    """One frame of the picture, (H,3W,3) uint8; nearest: inverse depth of the hottest colour,
    kept over frames.
    """
    estimate = estimator.estimate(frame)
    inv_depth = np.nan_to_num(1 / estimate.depth)
    if not nearest:
        nearest.append(float(np.percentile(inv_depth, 98)))
    parts = [frame.left, _coloured(inv_depth / nearest[0], cv2.COLORMAP_TURBO)]
    if estimate.sigma_m is not None:
        relative = np.nan_to_num(estimate.sigma_m / estimate.depth, nan=_WIDEST_SIGMA)
        parts.append(_coloured(relative / _WIDEST_SIGMA, cv2.COLORMAP_INFERNO))
    return np.concatenate(parts, axis=1)


def _coloured(values: np.ndarray, colours: int) -> np.ndarray:
    levels = np.clip(255 * values, 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(levels, colours), cv2.COLOR_BGR2RGB)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--model", type=click.Path(path_type=Path, exists=True), help="Default: the shipped one."
)
@click.option(
    "--assets", type=click.Path(path_type=Path, exists=True), help="Models to furnish with."
)
@click.option("--place", type=click.Choice(PLACES), default="room", show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--frames", default=32, show_default=True)
def main(out, model, assets, place, seed, frames):
    """Write the picture."""
    pairs, rig = stereo_clip(place, seed, frames, assets)
    estimator = StereoEstimator(load_engine(model))
    nearest: list[float] = []
    shown = []
    for left, right in pairs:
        shown.append(Image.fromarray(panel(Frame(0, "left", left, right, rig), estimator, nearest)))
    shown[0].save(
        out,
        save_all=True,
        append_images=shown[1:],
        duration=_FRAME_MS,
        loop=0,
        quality=70,
        method=6,
    )
    click.echo(f"{out}: {out.stat().st_size / 1e6:.2f} MB, {len(shown)} frames")


if __name__ == "__main__":
    main()
