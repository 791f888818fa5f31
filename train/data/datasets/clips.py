"""A pool of procedural videos on disk, and the reader that gives them to a training.

One clip a file, named by its seed: a pool may grow while a training reads it, several processes may
fill it, and it is the same everywhere. Frames are stored plain (no compression), so that one frame
is read without the others.
"""

from __future__ import annotations

from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.errors import InputError
from depth_ros.files import replacing
from depth_ros.synthetic.clips import Clip, is_usable, random_clip, random_mono_camera, render_clip
from train.data.view import View

_SPLITS = ("", "far-sky", "street", "room")
_CYCLE = 12  # seeds in a cycle: the first is held out for validation, the second for the test
_SIZE_SEED = 1
_CLIP_SEED = 2


def make_clip(
    seed: int, frames: int, sizes: list[tuple[int, int]], place: str = "mix", stereo: bool = True
) -> Clip:
    """Draw clip `seed`: one of the sizes (height, width) px, a camera of 45 to 100 degrees, a
    baseline of 10 to 60 cm.

    Clips whose camera stands against something are drawn again.
    """
    for attempt in count():
        rng = np.random.default_rng((_CLIP_SEED, seed, attempt))
        height, width = sizes[rng.integers(len(sizes))]
        camera = random_mono_camera(rng, height, width)
        if stereo:
            rig = StereoRig(camera, float(rng.uniform(0.1, 0.6)))
        else:
            rig = camera
        clip = random_clip(rng, rig, frames, place)
        if is_usable(clip):
            return clip


def write_clip(path: Path, clip: Clip) -> None:
    """Render a clip into an .npz; written aside and renamed, so that no half file is ever read.

    Keys: camera (6,) width height fx fy cx cy; baseline_m (0 for mono); place; world_T_camera
    (N,4,4); and for each frame i left_i, right_i (H,W,3) uint8, depth_i (H,W) float16 m, infinite
    where the sky is.
    """
    arrays = {
        "world_T_camera": clip.world_T_camera,
        "baseline_m": clip.baseline_m or 0.0,
        "place": clip.place,
    }
    c = clip.camera
    arrays["camera"] = np.array([c.width, c.height, c.fx, c.fy, c.cx, c.cy])
    for i in range(len(clip.world_T_camera)):
        frame = render_clip(clip, i)
        arrays[f"left_{i}"] = frame["left"]
        if frame["right"] is not None:
            arrays[f"right_{i}"] = frame["right"]
        arrays[f"depth_{i}"] = np.where(frame["sky"], np.inf, frame["depth"]).astype(np.float16)
    with replacing(path) as part, open(part, "wb") as file:
        np.savez(file, **arrays)


def fill_clips(
    folder: Path,
    clips: int,
    frames: int = 3,
    sizes=((128, 224),),
    place: str = "mix",
    jobs: int = 1,
    stereo: bool = True,
    first: int = 0,
) -> None:
    """Render the clips `first` to `clips` - 1 that the folder lacks; sizes: (height, width) px,
    one drawn per clip.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    todo = [
        p for p in (folder / f"{seed:07d}.npz" for seed in range(first, clips)) if not p.exists()
    ]
    work = [(p, frames, list(sizes), place, stereo) for p in todo]
    if jobs == 1:
        for item in tqdm(work, desc=f"render {folder}", unit="clip"):
            _write(item)
        return
    with get_context("spawn").Pool(jobs) as pool:
        for _ in tqdm(
            pool.imap_unordered(_write, work), total=len(work), desc=f"render {folder}", unit="clip"
        ):
            pass


def _write(item) -> None:
    path, frames, sizes, place, stereo = item
    write_clip(path, make_clip(int(path.stem), frames, sizes, place, stereo))


class ClipFrames:
    """The frames of a pool's clips of one part, those on disk when it was opened; see
    train.data.view.Frames.

    far_m: depth that is given for the sky; NaN (unknown) unless told.
    """

    def __init__(self, files: list[Path], far_m: float = float("nan")):
        self.files = files
        self.far_m = far_m
        self.index = []
        for number, path in enumerate(files):
            with np.load(path) as data:
                self.index += [(number, i) for i in range(len(data["world_T_camera"]))]

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int) -> View:
        number, i = self.index[index]
        path = self.files[number]
        with np.load(path) as data:
            width, height, *numbers = data["camera"].tolist()
            baseline = float(data["baseline_m"])
            depth = data[f"depth_{i}"].astype(np.float32)
            return View(
                image=data[f"left_{i}"],
                camera=Camera(int(width), int(height), *numbers),
                right=data[f"right_{i}"] if baseline else None,
                baseline_m=baseline or None,
                depth=np.where(np.isinf(depth), self.far_m, depth).astype(np.float32),
                world_T_camera=data["world_T_camera"][i],
                name=f"{path.stem}/{i}",
            )

    def neighbour(self, index: int, offset: int) -> int | None:
        """Return the index of the frame `offset` later in the same clip, None without one."""
        other = index + offset
        same = 0 <= other < len(self.index) and self.index[other][0] == self.index[index][0]
        if same:
            return other
        return None


def _place(path: Path) -> str:
    with np.load(path) as data:
        return str(data["place"])


def read_clips(path: Path, split: str = "", part: str = "train") -> ClipFrames:
    """Open a pool: of every twelve seeds one is for `val`, one for `test`, the rest for `train`,
    however it grows.

    split: "" gives the sky as unknown; "far-sky" gives it a depth of 1000 m, which a network that
    answers inverse depth may learn as zero; "street" and "room" give the clips of one kind. Raises
    InputError for another split, and for a folder without such clips.
    """
    if split not in _SPLITS:
        raise InputError(f"clips: expected a split out of {_SPLITS}, got {split!r}")
    wanted = {"val": {0}, "test": {1}, "train": set(range(2, _CYCLE))}[part]
    files = [p for p in sorted(Path(path).glob("*.npz")) if int(p.stem) % _CYCLE in wanted]
    if split in ("street", "room"):
        files = [p for p in files if _place(p) == split]
    if not files:
        kind = f"{split or 'any'} clips (NNNNNNN.npz) of the part {part}"
        raise InputError(
            f"expected {kind} in {path}, found none: fill the pool first (python -m train render)"
        )
    return ClipFrames(files, 1000.0 if split == "far-sky" else float("nan"))
