"""ETH3D low-resolution two-view stereo in its official layout (eth3d.net/documentation; Schoeps et
al., CVPR 2017).

two_view_training/<scene>/{im0.png,im1.png,calib.txt}
two_view_training_gt/<scene>/{disp0GT.pfm,mask0nocc.png}, which may also lie in the scene;
two_view_testing/<scene>/
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from depth_ros.core.errors import InputError
from train.data.view import View

from .listing import Key, Listing, check_split, tenth_part
from .middlebury import list_scenes, scene_view


def read_eth3d(path: Path, split: str, part: str) -> Listing:
    """Open the two-view scenes as stereo views; they have no neighbours in time.

    split: "" or "nocc", with unknown truth where mask0nocc.png says that the right camera does not
    see it. test: the official testing scenes, without truth; val: the first of every ten training
    scenes by name. Raises InputError for a missing folder, truth or image.
    """
    split = check_split(split, ("", "nocc"), "ETH3D")
    folder = path / ("two_view_testing" if part == "test" else "two_view_training")
    scenes = list_scenes(folder)
    if part == "test":
        chosen = scenes
    else:
        chosen = tenth_part(scenes, part, test=False)
    read = partial(_read, path, part != "test", split == "nocc")
    return Listing([(str(scene), 0) for scene in chosen], read, name=str(folder))


def _read(path: Path, with_truth: bool, without_occluded: bool, key: Key) -> View:
    scene = Path(key[0])
    if not with_truth:
        return scene_view(scene, None)
    beside = path / "two_view_training_gt" / scene.name
    folder = next((one for one in (beside, scene) if (one / "disp0GT.pfm").is_file()), None)
    if folder is None:
        raise InputError(f"{beside}/disp0GT.pfm: expected the truth of the scene, got none")
    return scene_view(
        scene, folder / "disp0GT.pfm", folder / "mask0nocc.png" if without_occluded else None
    )
