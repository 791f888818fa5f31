"""A pool of rendered stereo pairs on disk: made once, in the background, reused by every run.

One pair a file, named by its seed, so that a pool can grow while a training reads it and is the
same everywhere.
"""

from __future__ import annotations

from itertools import count
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from depth_ros.engine.matching import matched_prior
from depth_ros.files import replacing
from depth_ros.synthetic.renderer import render_stereo
from depth_ros.synthetic.scenes import random_rig, random_scene

_HARDEST_PCT = 30.0
_RANGE_PX = 128


def make_pair(seed: int, height: int, width: int) -> dict:
    """Render pair `seed`: left, right (H,W,3) u8; disparity (H,W) f32 px; occluded (H,W) bool;
    depth (H,W) f32 m.

    Draws again while classical matching fails on more than 30 % of the pixels: bare walls teach
    only to guess.
    """
    for attempt in count():
        rng = np.random.default_rng((seed, attempt) if attempt else seed)
        rig = random_rig(rng, height, width)
        pair = render_stereo(random_scene(rng, rig), rig)
        if matched_bad2(pair) <= _HARDEST_PCT:
            return pair


def matched_bad2(pair: dict) -> float:
    """Share of pixels, in %, that classical matching of the clean pair misses by over 2 px."""
    matched = matched_prior(pair["left"], pair["right"], _RANGE_PX)[0]
    return 100 * float((np.abs(matched - pair["disparity"]) > 2).mean())


def write_pair(path: Path, height: int, width: int) -> None:
    """Render the pair whose seed is the file's stem."""
    pair = make_pair(int(path.stem), height, width)
    with replacing(path) as part, open(part, "wb") as file:
        np.savez(
            file,
            left=pair["left"],
            right=pair["right"],
            disparity=pair["disparity"],
            occluded=pair["occluded"],
        )


def fill_pool(folder: Path, pairs: int, height: int = 320, width: int = 448, jobs: int = 1) -> None:
    """Render the pairs 0 to pairs - 1 that the folder lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    todo = [p for p in (folder / f"{seed:07d}.npz" for seed in range(pairs)) if not p.exists()]
    with get_context("spawn").Pool(jobs) as pool:
        work = pool.imap_unordered(_write, [(p, height, width) for p in todo])
        for _ in tqdm(work, total=len(todo), desc=f"render {folder}", unit="pair"):
            pass


def _write(args) -> None:
    write_pair(*args)
