"""A pool of rendered stereo pairs on disk: made once, in the background, reused by every run.

One pair a file, named by its seed, so that a pool can grow while a training reads it and is the same everywhere.
"""

from __future__ import annotations

import os
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from depth_ros.core.scenes import random_rig, random_scene
from depth_ros.core.world import render_stereo


def make_pair(seed: int, height: int, width: int) -> dict:
    """Render pair `seed`: left, right (H,W,3) u8; disparity (H,W) f32 px; occluded (H,W) bool; depth (H,W) f32 m."""
    rng = np.random.default_rng(seed)
    rig = random_rig(rng, height, width)
    return render_stereo(random_scene(rng, rig), rig)


def write_pair(path: Path, height: int, width: int) -> None:
    """Render the pair whose seed is the file's stem; written aside and renamed, so that no half file is ever read."""
    pair = make_pair(int(path.stem), height, width)
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        np.savez(file, left=pair["left"], right=pair["right"], disparity=pair["disparity"], occluded=pair["occluded"])
    os.replace(part, path)


def fill_pool(folder: Path, count: int, height: int = 320, width: int = 448, jobs: int = 1) -> None:
    """Render the pairs 0..count-1 that the folder lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    todo = [p for p in (folder / f"{seed:07d}.npz" for seed in range(count)) if not p.exists()]
    with get_context("spawn").Pool(jobs) as pool:
        work = pool.imap_unordered(_write, [(p, height, width) for p in todo])
        for _ in tqdm(work, total=len(todo), desc=f"render {folder}", unit="pair"):
            pass


def _write(args) -> None:
    write_pair(*args)
