"""Does one scene through two lenses give the same metres? And do errors keep within sigma? Of a
mono model.

python experiments/mono/mono_focal.py [MODEL] [--scenes 40]

Renders streets and rooms with one camera at two focal lengths (1 and 1.5 times), estimates both,
and compares the answers where they see the same points; beside it what ignoring the focal length
would give. Prints a table.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from depth_ros.core.camera import Camera
from depth_ros.core.types import Frame
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.estimator.mono import MonoEstimator
from depth_ros.synthetic.clips import random_clip, random_mono_camera, render_clip

MODELS = Path(__file__).resolve().parents[2] / "models"
ZOOM = 1.5


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", type=click.Path(exists=True, path_type=Path), default=MODELS / "mono.onnx")
@click.option("--scenes", default=40, show_default=True)
def main(model: Path, scenes: int):
    estimator = MonoEstimator(OnnxEngine(model))
    ratios = []
    inside = []
    for seed in tqdm(range(scenes), disable=None):
        rng = np.random.default_rng((977, seed))  # not a seed of any pool
        camera = random_mono_camera(rng, 176, 352)
        clip = random_clip(rng, camera, 1)
        wide = estimator.estimate(_frame(clip, camera))
        near = replace(camera, fx=camera.fx * ZOOM, fy=camera.fy * ZOOM)
        tele = estimator.estimate(_frame(replace(clip, camera=near), near))
        u = np.rint((np.arange(352) - camera.cx) / ZOOM + camera.cx).astype(
            int
        )  # where the wide picture has the same
        v = np.rint((np.arange(176) - camera.cy) / ZOOM + camera.cy).astype(int)
        ratios.append(float(np.nanmedian(tele.depth / wide.depth[v[:, None], u[None]])))
        truth = render_clip(clip, 0)["depth"]
        error = np.abs(wide.depth - truth) / wide.sigma_m
        inside.append([np.nanmean(error[np.isfinite(truth)] < k) for k in (1, 2)])
    spread = np.percentile(ratios, [10, 50, 90])
    one, two = 100 * np.mean(inside, axis=0)
    print(
        f"| {scenes} scenes: depth at {ZOOM} times the focal length over depth at 1 | 10 "
        "%, median, 90 % |"
    )
    print("|---|---|")
    print("| answered (1 is right) | " + ", ".join(f"{value:.2f}" for value in spread) + " |")
    print(f"| the focal length ignored | {1 / ZOOM:.2f} |")
    print(f"| truth within one sigma; two | {one:.0f} %; {two:.0f} % |")


def _frame(clip, camera: Camera) -> Frame:
    return Frame(0, "camera", render_clip(clip, 0)["left"], None, None, camera=camera)


if __name__ == "__main__":
    main()
