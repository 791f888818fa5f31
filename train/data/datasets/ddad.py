"""DDAD in its official layout (github.com/TRI-ML/DDAD, format of github.com/TRI-ML/dgp; Guizilini
et al., CVPR 2020).

ddad.json: {"scene_splits": {"0": {"filenames": ["000000/scene_....json", ...]}, "1": ...}}, 0
train, 1 val 000000/scene_....json: data (images, clouds, poses), samples (which of them belong
together, which calibration) 000000/{rgb/CAMERA_01/....png, point_cloud/LIDAR/....npz,
calibration/....json}
"""

from __future__ import annotations

import json
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from depth_ros.core.lie import inverse, pose_to_matrix
from depth_ros.core.projection import transform_points
from train.data.view import View

from .files import check_size, iso_to_ns, points_to_depth, read_array, read_rgb, read_text
from .listing import Key, Listing, check_split

_CAMERAS = tuple(f"CAMERA_{number:02d}" for number in (1, 5, 6, 7, 8, 9))
_PARTS = {"train": "0", "val": "1"}


def read_ddad(path: Path, split: str, part: str) -> Listing:
    """Open one camera of DDAD as mono video with lidar depth and poses.

    split: the camera, "CAMERA_01" (ahead, the default), 05, 06, 07, 08 or 09. There is no truth for
    the official test images: part test is refused, val is what is reported in papers. Raises
    InputError for missing files or fields.
    """
    camera = check_split(split, _CAMERAS, "DDAD")
    if part not in _PARTS:
        raise InputError(
            f"DDAD: expected a part out of {sorted(_PARTS)} (the test images have no "
            f"truth), got {part!r}"
        )
    index = path / "ddad.json"
    try:
        names = _json(index)["scene_splits"][_PARTS[part]]["filenames"]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{index}: expected scene_splits with filenames, got no {error}"
        ) from error
    scenes = [path / name for name in names]
    keys = [
        (str(scene), number) for scene in scenes for number in range(len(_samples(scene, camera)))
    ]
    return Listing(keys, partial(_read, camera), name=str(index))


def _read(camera_name: str, key: Key) -> View:
    scene = Path(key[0])
    sample = _samples(scene, camera_name)[key[1]]
    image_path = scene.parent / sample["image"]["filename"]
    image = read_rgb(image_path)
    camera = _camera(
        scene.parent / "calibration" / f"{sample['calibration']}.json", camera_name, image
    )
    check_size(image_path, image, camera)
    world_T_camera = _transform(sample["image"]["pose"])
    depth = None
    if sample["cloud"] is not None:
        points = read_array(scene.parent / sample["cloud"]["filename"], "data")[:, :3]
        camera_T_lidar = inverse(world_T_camera) @ _transform(sample["cloud"]["pose"])
        depth = points_to_depth(transform_points(camera_T_lidar, points), camera)
    stamp_ns = iso_to_ns(sample["stamp"])
    name = f"{scene.parent.name} {camera_name} {key[1]}"
    return View(
        image, camera, depth=depth, world_T_camera=world_T_camera, stamp_ns=stamp_ns, name=name
    )


@lru_cache(maxsize=1024)
def _samples(scene: Path, camera_name: str) -> list[dict]:
    """What one camera needs of a scene: image and cloud with their poses, calibration and stamp
    of each sample.
    """
    content = _json(scene)
    try:
        data = {datum["key"]: datum for datum in content["data"]}
        samples = []
        for sample in content["samples"]:
            named = {data[key]["id"]["name"]: data[key] for key in sample["datum_keys"]}
            cloud = named["LIDAR"]["datum"]["point_cloud"] if "LIDAR" in named else None
            image = named[camera_name]
            samples.append(
                {
                    "image": {name: image["datum"]["image"][name] for name in ("filename", "pose")},
                    "cloud": cloud and {name: cloud[name] for name in ("filename", "pose")},
                    "calibration": sample["calibration_key"],
                    "stamp": image["id"]["timestamp"],
                }
            )
        return samples
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{scene}: expected a scene with {camera_name} in every sample, got no {error}"
        ) from error


def _camera(path: Path, name: str, image: np.ndarray) -> Camera:
    """The intrinsics of one camera, for an image of its size."""
    calibration = _json(path)
    try:
        K = calibration["intrinsics"][calibration["names"].index(name)]
        return Camera(image.shape[1], image.shape[0], K["fx"], K["fy"], K["cx"], K["cy"])
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}: expected intrinsics of {name}, got: {error}") from error


def _transform(sensor: dict) -> np.ndarray:
    """world_T_sensor (4, 4) of a pose; camera axes are optical."""
    t, q = sensor["translation"], sensor["rotation"]
    return pose_to_matrix([*(t[axis] for axis in "xyz"), *(q[f"q{axis}"] for axis in "xyzw")])


def _json(path: Path) -> dict:
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: expected JSON, got: {error}") from error
