"""Rendered clips on which covariances are judged, kept in a folder: streets and rooms in which
things move.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.engine.matching import match_sgbm
from depth_ros.files import replacing
from depth_ros.odometry import EgoFrame
from depth_ros.synthetic.clips import is_usable, random_clip, render_clip

CACHE = Path.home() / ".cache" / "depth_ros" / "nees"
CAMERA = Camera(336, 240, 200.0, 202.0, 165.0, 118.0)
VGA = Camera(640, 480, 380.0, 382.0, 315.0, 236.0)
BASELINE_M = {"street": 0.3, "room": 0.12}
PLACES = tuple(BASELINE_M)
_PERIOD_NS = 100_000_000
_DEPTH_REL, _BLOB_PX = (
    0.03,
    10.0,
)  # error of the depth of one camera: a share of it, alike over so many pixels
_NDISP = 128


def load_clip(
    place: str, seed: int, frames: int, cache: Path = CACHE, camera: Camera = CAMERA
) -> dict:
    """Read a clip, or render and keep it: left, right (N, H, W, 3) uint8, depth (N, H, W)
    float32, poses (N, 4, 4).
    """
    path = cache / f"{place}_{camera.width}x{camera.height}_{seed}_{frames}.npz"
    if not path.exists():
        made = _rendered(place, seed, frames, camera)
        with replacing(path, ".npz") as part:
            np.savez_compressed(part, **made)
    with np.load(path) as stored:
        return {
            **{key: stored[key] for key in stored.files},
            "place": place,
            "seed": seed,
            "camera": camera,
        }


def _rendered(place: str, seed: int, frames: int, camera: Camera) -> dict:
    """Draw clips until one shows something, and render it."""
    rng = np.random.default_rng([PLACES.index(place), seed])
    clip = None
    while clip is None or not is_usable(clip):
        clip = random_clip(rng, StereoRig(camera, BASELINE_M[place]), frames, place=place)
    views = [render_clip(clip, i) for i in range(frames)]
    out = {key: np.stack([view[key] for view in views]) for key in ("left", "right", "depth")}
    own = (
        clip.rides | (clip.turn != 0) | (clip.velocity != 0).any(1)
    )  # the last value: shape -1, the sky
    out["moves"] = np.stack([np.append(own, False)[view["shape"]] for view in views])
    return {**out, "poses": np.stack([view["world_T_camera"] for view in views])}


def frames_of(clip: dict, source: str) -> list[EgoFrame]:
    """Make what ego-motion sees of a clip.

    source: "stereo" (both pictures, depth by SGBM) or "depth" (one picture and the true depth with
    an error of 3 %, alike over patches of some 25 px and drawn anew for each frame, which is told
    as sigma).
    """
    camera = clip["camera"]
    baseline_m = BASELINE_M[clip["place"]]
    made = []
    for i, left in enumerate(clip["left"]):
        stamp_ns = 1 + i * _PERIOD_NS
        if source == "stereo":
            disparity = match_sgbm(
                *(cv2.cvtColor(clip[s][i], cv2.COLOR_RGB2GRAY) for s in ("left", "right")), _NDISP
            )
            with np.errstate(divide="ignore"):
                depth = camera.fx * baseline_m / disparity
            made.append(EgoFrame(stamp_ns, left, camera, clip["right"][i], baseline_m, depth))
        else:
            noise = np.random.default_rng([clip["seed"], i]).normal(0, 1, left.shape[:2])
            error = cv2.GaussianBlur(noise, (0, 0), _BLOB_PX)
            depth = clip["depth"][i] * np.exp(_DEPTH_REL * error / error.std())
            made.append(
                EgoFrame(
                    stamp_ns,
                    left,
                    camera,
                    depth=depth.astype(np.float32),
                    sigma_m=(_DEPTH_REL * depth).astype(np.float32),
                )
            )
    return made
