"""SceneFlow (FlyingThings3D, Driving, Monkaa) in its official layout
(lmb.informatik.uni-freiburg.de; Mayer 2016).

frames_cleanpass/TRAIN/A/0000/{left,right}/0006.png   and frames_finalpass/
disparity/TRAIN/A/0000/left/0006.pfm camera_data/TRAIN/A/0000/camera_data.txt Driving and Monkaa
have other folders in the place of TRAIN/A/0000, such as 15mm_focallength/scene_forwards/fast.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from train.data.view import View

from .files import check_size, list_images, read_pfm, read_rgb, read_text
from .listing import Key, Listing, check_split, tenth_part, time_part

_HEIGHT = 540
_WIDTH = 960
_CX = 479.5
_CY = 269.5
_FX = 1050.0
_FX_15MM = 450.0
_BASELINE = 1.0  # of a scene without camera_data.txt: all were rendered with one unit
# Blender's camera has y up and looks along -z.
_BLENDER_T_OPTICAL = np.diag([1.0, -1.0, -1.0, 1.0])


def read_sceneflow(path: Path, split: str, part: str) -> Listing:
    """Open one of the three sets, or a folder of them, as stereo video with poses and dense
    disparity.

    split: "cleanpass" (the default) or "finalpass". Lengths are the renderer's units, called metres
    here: the baseline is one. FlyingThings3D: train and val (one of ten sequences) are its TRAIN,
    test its TEST; Driving and Monkaa, which have no official parts, are cut in time. Raises
    InputError for a missing folder, disparity or image.
    """
    frames = f"frames_{check_split(split, ('cleanpass', 'finalpass'), 'SceneFlow')}"
    roots = [root for root in (path, *sorted(path.glob("*"))) if (root / frames).is_dir()]
    keys = [key for root in roots for key in _part_of_set(root, frames, part)]
    return Listing(keys, partial(_read, frames), name=f"{path}/{frames}")


def _part_of_set(root: Path, frames: str, part: str) -> list[Key]:
    """The keys of one set: a sequence is "<root>::<folder below the frames>"."""
    below = [
        str(left.parent.relative_to(root / frames))
        for left in sorted((root / frames).rglob("left"))
    ]
    if part == "test":
        official = [one for one in below if one.startswith("TEST")]
    else:
        official = tenth_part([one for one in below if one.startswith("TRAIN")], part, test=False)
    keys = [key for one in official for key in _sequence(root, frames, one)]
    for one in below:
        if not one.startswith(("TRAIN", "TEST")):
            keys += time_part(_sequence(root, frames, one), part)
    return keys


def _sequence(root: Path, frames: str, below: str) -> list[Key]:
    return [
        (f"{root}::{below}", int(image.stem))
        for image in list_images(root / frames / below / "left")
    ]


def _read(frames: str, key: Key) -> View:
    """One stereo frame; disparities may be stored as negative numbers, left is what counts."""
    root, below = key[0].split("::")
    root = Path(root)
    name = f"{key[1]:04d}"
    if "15mm_focallength" in below:
        fx = _FX_15MM
    else:
        fx = _FX
    camera = Camera(_WIDTH, _HEIGHT, fx, fx, _CX, _CY)
    sides = [root / frames / below / side / f"{name}.png" for side in ("left", "right")]
    left, right = (check_size(side, read_rgb(side), camera) for side in sides)
    truth = root / "disparity" / below / "left" / f"{name}.pfm"
    disparity = np.abs(check_size(truth, read_pfm(truth), camera))
    disparity[disparity == 0] = np.nan
    cameras = root / "camera_data" / below / "camera_data.txt"
    world_T_left = None
    baseline = _BASELINE
    if cameras.is_file():
        poses = _cameras(cameras)
        if key[1] in poses:  # a few frames of the sets have none
            world_T_left, world_T_right = (pose @ _BLENDER_T_OPTICAL for pose in poses[key[1]])
            baseline = float(np.linalg.norm(world_T_right[:3, 3] - world_T_left[:3, 3]))
    depth = (fx * baseline / disparity).astype(np.float32)
    return View(
        left, camera, right, baseline, depth, disparity, world_T_left, None, f"{below} {name}"
    )


@cache
def _cameras(path: Path) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Blender's camera-to-world matrices (4, 4), left and right, by frame: lines "Frame 6", "L
    ...", "R ...".
    """
    words = [line.split() for line in read_text(path).splitlines() if line.strip()]
    found = {}
    for frame, left, right in zip(words[::3], words[1::3], words[2::3]):
        if (frame[0], left[0], right[0]) != ("Frame", "L", "R") or {len(left), len(right)} != {17}:
            raise InputError(
                f"{path}: expected lines Frame, L and R with 16 numbers, got {' '.join(frame)!r}"
            )
        found[int(frame[1])] = tuple(
            np.array(side[1:], np.float64).reshape(4, 4) for side in (left, right)
        )
    return found
