"""Where stereo benchmarks keep their scenes: Middlebury and ETH3D, KITTI 2012 and 2015, Spring;
nested or not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from depth_ros.core.errors import InputError

from .scene_files import IMAGE_ENDINGS, find_image

MIDDLEBURY, KITTI, SPRING = "middlebury", "kitti", "spring"
_TRUTHS = ("disp0.pfm", "disp0GT.pfm")
_MASK = "mask0nocc.png"
_KITTI_PAIRS = (("image_2", "image_3", 2), ("colored_0", "colored_1", 2), ("image_0", "image_1", 0))
_KITTI_CALIBS = ("calib_cam_to_cam", "calib")
_DEEPEST = 6


@dataclass(frozen=True)
class SceneFiles:
    """The files of one scene.

    layout: how they are written. number: the left camera of KITTI, the frame of Spring. truth: of
    all pixels; visible: KITTI's truth, or Middlebury's mask, of what both cameras see.
    """

    name: str
    layout: str
    left: Path
    right: Path
    calib: Path
    truth: Path | None = None
    visible: Path | None = None
    number: int = 0


def find_scenes(path: Path) -> list[SceneFiles]:
    """Find the scenes of a folder and of the folders below it, in the order of their paths.

    Raises InputError where a scene lacks its calibration or an image; an empty list where nothing
    looks like a scene.
    """
    found = []
    for place, folders, files in os.walk(path, followlinks=True):
        folder = Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        scenes = list(_scenes_of(folder, set(folders), set(files)))
        found += scenes
        if scenes or len(folder.relative_to(path).parts) >= _DEEPEST:
            folders.clear()
    return _named_apart(found, path)


def looks_like_scenes(path: Path) -> bool:
    """Tell whether a folder has scenes, whole or not."""
    try:
        return bool(find_scenes(path))
    except InputError:
        return True


def _scenes_of(folder: Path, folders: set[str], files: set[str]) -> Iterator[SceneFiles]:
    """The scenes that lie in this very folder."""
    if _is_middlebury(files):
        yield _middlebury(folder)
        return
    for left, right, camera in _KITTI_PAIRS:
        if {left, right} <= folders and folders & {
            *_KITTI_CALIBS,
            "disp_occ_0",
            "disp_occ",
            "disp_noc",
        }:
            yield from _kitti(folder, left, right, camera)
            return
    if {"frame_left", "frame_right"} <= folders:
        yield from _spring(folder)


def _is_middlebury(files: set[str]) -> bool:
    """True where any file of a scene is present: a scene that lacks another is then an error,
    not overlooked.
    """
    names = {f"{stem}{ending}" for stem in ("im0", "im1") for ending in IMAGE_ENDINGS}
    return bool(files & (names | {"calib.txt"}))


def _middlebury(folder: Path) -> SceneFiles:
    """One scene of Middlebury's or ETH3D's; ETH3D has the truth in a folder ..._gt beside that
    of the scenes.
    """
    images = []
    for stem in ("im0", "im1"):
        image = find_image(folder, stem)
        if image is None:
            raise InputError(f"{folder}: expected {stem}.png in the scene, got none")
        images.append(image)
    if not (folder / "calib.txt").is_file():
        raise InputError(f"{folder}: expected calib.txt in the scene, got none")
    places = (folder, folder.parent.parent / f"{folder.parent.name}_gt" / folder.name)
    truth = _first(place / name for place in places for name in _TRUTHS)
    visible = _first(place / _MASK for place in places)
    return SceneFiles(folder.name, MIDDLEBURY, *images, folder / "calib.txt", truth, visible)


def _kitti(folder: Path, left: str, right: str, camera: int) -> Iterator[SceneFiles]:
    """KITTI's scenes: frames ..._10 have truth (disp_occ_0 and disp_noc_0 in 2015, disp_occ and
    disp_noc in 2012).
    """
    for image in sorted(
        path for path in (folder / left).iterdir() if path.suffix.lower() in IMAGE_ENDINGS
    ):
        scene, _, frame = image.stem.partition("_")
        if frame not in ("10", ""):
            continue
        other = find_image(folder / right, image.stem)
        if other is None:
            raise InputError(f"{folder}: expected {right}/{image.name} in the scene, got none")
        calib = _first(folder / name / f"{scene}.txt" for name in _KITTI_CALIBS)
        if calib is None:
            raise InputError(
                f"{folder}: expected {_KITTI_CALIBS[0]}/{scene}.txt for "
                f"{left}/{image.name}, got none"
            )
        file = f"{image.stem}.png"
        truth = _first(folder / name / file for name in ("disp_occ_0", "disp_occ"))
        visible = _first(folder / name / file for name in ("disp_noc_0", "disp_noc"))
        yield SceneFiles(image.stem, KITTI, image, other, calib, truth or visible, visible, camera)


def _spring(folder: Path) -> Iterator[SceneFiles]:
    """Spring's frames of one sequence; the testing ones have no truth."""
    calib = folder / "cam_data" / "intrinsics.txt"
    if not calib.is_file():
        raise InputError(f"{folder}: expected cam_data/intrinsics.txt in the sequence, got none")
    for image in sorted(
        path for path in (folder / "frame_left").iterdir() if path.suffix.lower() in IMAGE_ENDINGS
    ):
        number = image.stem.rpartition("_")[2]
        other = find_image(folder / "frame_right", f"frame_right_{number}")
        if other is None or not number.isdigit():
            raise InputError(
                f"{folder}: expected frame_right/frame_right_{number}.png in the sequence, got none"
            )
        truth = _first([folder / "disp1_left" / f"disp1_left_{number}.dsp5"])
        yield SceneFiles(
            f"{folder.name}_{number}", SPRING, image, other, calib, truth, None, int(number)
        )


def _named_apart(scenes: list[SceneFiles], path: Path) -> list[SceneFiles]:
    """Names that tell the scenes apart: with the folders above them where two have one name."""
    names = [scene.name for scene in scenes]
    if len(set(names)) == len(names):
        return scenes
    apart = []
    for scene in scenes:
        folder = scene.left.parent.parent
        above = folder.relative_to(path).parts if folder.is_relative_to(path) else ()
        apart.append(SceneFiles(**{**vars(scene), "name": "_".join([*above, scene.name])}))
    return apart


def _first(paths) -> Path | None:
    """The first file that exists."""
    return next((path for path in paths if path.is_file()), None)
