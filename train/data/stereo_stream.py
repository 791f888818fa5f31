"""A stream of training crops: made ahead by a process of its own, kept in a folder, each used a few
times, then gone.

Rendering, spoiling and matching a crop costs as much as training on it; so it is done once, while
the trainer works on others. One crop a file, newest last; the producer removes the oldest beyond
`keep`. Whatever is killed, the rest goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset
from tqdm import tqdm

from depth_ros.core.errors import InputError
from depth_ros.engine.matching import matched_prior
from depth_ros.files import replacing
from train.data.stereo import crop, flip, range_px, spoil_pair

_RELIST_S = 20.0
_MOST_TRUTH_PX = 150.0  # crops nearer than that teach a range that no camera of this size is set to


@dataclass(frozen=True)
class Stream:
    """What the producer makes.

    size: (height, width) px of a crop, multiples of 32. spoilt: share of crops with camera faults.
    keep: files in the folder. share: of one CPU core that the producer takes. zoom: least and
    largest factor that a picture is resized by. crops: of each pair, which costs more to render
    than to cut.
    """

    size: tuple[int, int] = (192, 320)
    spoilt: float = 0.5
    keep: int = 1500
    share: float = 0.3
    zoom: tuple[float, float] = (0.55, 1.2)
    crops: int = 3


def produce(pairs: Iterator[dict], folder: Path, stream: Stream, seed: int, limit: int = 0) -> None:
    """Write crops of `pairs` into the folder until stopped, or until `limit` were written where
    above 0.

    pairs: left, right (H,W,3) u8 and disparity (H,W) f32 px, NaN unknown.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng((seed, time.time_ns()) if not limit else seed)
    number = 1 + max((int(p.stem) for p in folder.glob("*.npz")), default=-1)
    last = number + limit if limit else None
    with tqdm(desc=f"crops {folder.name}", unit="crop", disable=None, total=limit or None) as bar:
        while number != last:
            began = time.process_time()
            pair = next(pairs)
            for made in [make_crop(rng, pair, stream) for _ in range(stream.crops)]:
                if made is None or number == last:
                    continue
                _write(folder / f"{number:08d}.npz", made)
                number += 1
                bar.update()
            for old in sorted(folder.glob("*.npz"))[: -stream.keep]:
                old.unlink()
            if not limit:
                time.sleep((time.process_time() - began) * (1 / stream.share - 1))


def make_crop(rng: np.random.Generator, pair: dict, stream: Stream) -> dict[str, np.ndarray] | None:
    """A crop of a pair as CropStream gives it, in numpy; None where too little of it has a truth
    worth learning.
    """
    arrays = _resize(rng, stream, pair["left"], pair["right"], pair["disparity"])
    left, right, truth = crop(rng, stream.size, *arrays)
    known = np.isfinite(truth)
    if known.mean() < 0.6 or np.percentile(truth[known], 95) > _MOST_TRUTH_PX:
        return None
    ndisp = range_px(rng, truth)
    left, right, truth = flip(rng, left, right, truth)
    if rng.random() < stream.spoilt:
        left, right = spoil_pair(rng, left, right)
    return {
        "left": left,
        "right": right,
        "prior": matched_prior(left, right, ndisp, 1),
        "half_prior": matched_prior(left, right, ndisp, 2),
        "truth": truth.astype(np.float32),
        "ndisp": np.int32(ndisp),
    }


class CropStream(Dataset):
    """The crops of a folder, whichever are there: a dict of float32 tensors.

    left, right (3,H,W) in [0,1]; prior (2,H,W) and half_prior (2,H/2,W/2): filled disparity px and
    its answered mask; truth (1,H,W) px; mask (1,H,W) bool. A key is (index, epoch), which seeds the
    choice; the same key finds another crop once the folder has changed. ordered: the key's index
    counts the files instead (held-out crops).
    """

    def __init__(self, folder: Path, nominal: int = 100_000, seed: int = 0, ordered: bool = False):
        self.folder, self.nominal, self.seed, self.ordered = Path(folder), nominal, seed, ordered
        self._files: list[Path] = []
        self._listed = -np.inf
        self._list()

    def __len__(self) -> int:
        return len(self._files) if self.ordered else self.nominal

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, torch.Tensor]:
        index, epoch = key if isinstance(key, tuple) else (key, 0)
        rng = np.random.default_rng((self.seed, index, epoch))
        while True:
            self._list()
            path = (
                self._files[index] if self.ordered else self._files[rng.integers(len(self._files))]
            )
            try:
                with np.load(path, allow_pickle=False) as file:
                    return to_tensors({name: file[name] for name in file.files})
            except FileNotFoundError:  # the producer has removed it since
                self._listed = -np.inf

    def _list(self) -> None:
        if time.monotonic() - self._listed > _RELIST_S:
            self._files = sorted(self.folder.glob("*.npz"))
            self._listed = time.monotonic()
        if not self._files:
            raise InputError(f"{self.folder}: expected crops (python -m train stream), got none")


def to_tensors(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Tensors of a crop of make_crop; see CropStream."""
    truth = arrays["truth"]
    mask = np.isfinite(truth) & (truth < arrays["ndisp"])
    planes = {
        name: torch.from_numpy(arrays[name].transpose(2, 0, 1).copy()).float() / 255
        for name in ("left", "right")
    }
    return {
        **planes,
        "prior": torch.from_numpy(arrays["prior"]),
        "half_prior": torch.from_numpy(arrays["half_prior"]),
        "truth": torch.from_numpy(np.nan_to_num(truth)[None]),
        "mask": torch.from_numpy(mask[None]),
    }


def pool_pairs(folder: Path, seed: int) -> Iterator[dict]:
    """Pairs of a pool in random order without end; it may grow meanwhile."""
    rng = np.random.default_rng(seed)
    while True:
        files = sorted(folder.glob("*.npz"))
        if not files:
            raise InputError(
                f"{folder}: expected a pool of pairs (python -m train render pairs), got none"
            )
        with np.load(files[rng.integers(len(files))], allow_pickle=False) as file:
            yield {name: file[name] for name in ("left", "right", "disparity")}


def raster_pairs(
    seed: int,
    assets: Path | None = None,
    size: tuple[int, int] = (320, 512),
    renew_every: int = 300,
) -> Iterator[dict]:
    """Pairs of the rasterised world without end; disparity 0 where it is sky.

    Args:
        seed: of everything random.
        assets: folder that `python -m train assets` has filled; None: procedural content alone.
        size: (height, width) px of a picture.
        renew_every: pairs between new textures and models.
    """
    from depth_ros.synthetic.raster.stereo import StereoWorld

    world = StereoWorld(assets=assets, seed=seed)
    for number in count():
        if number % renew_every == renew_every - 1:
            world.renew(seed + number)
        pair = world.pair(np.random.default_rng((seed, number)), size=size)
        yield {"left": pair.left, "right": pair.right, "disparity": pair.disparity}


def _resize(rng, stream, left, right, truth):
    """The pair as cameras of another resolution see it, large enough for the crop."""
    least = max(need / have for need, have in zip(stream.size, truth.shape))
    low, high = (max(least, factor) for factor in stream.zoom)
    factor = np.exp(rng.uniform(np.log(low), np.log(high)))
    width = max(stream.size[1], round(truth.shape[1] * factor))
    height = max(stream.size[0], round(truth.shape[0] * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    scale = np.float32(width / truth.shape[1])
    truth = cv2.resize(truth, (width, height), interpolation=cv2.INTER_NEAREST_EXACT) * scale
    images = [cv2.resize(image, (width, height), interpolation=how) for image in (left, right)]
    return images[0], images[1], truth


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with replacing(path) as part, open(part, "wb") as file:
        np.savez(file, **arrays)
