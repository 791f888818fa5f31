"""Where a stereo network is wrong: errors of models and of SGBM by kind of pixel, as a Markdown
table.

python experiments/stereo/stereo_accuracy.py [FOLDER ...] [--model M ...] [--each]; FOLDER: scenes
with ground truth (Middlebury layout), default ../shared/data/pairs. Pixels: all with truth; visible
in both images; occluded; within 4 px of a depth edge (visible ones); without texture (visible
ones). An unanswered pixel is wrong. Sigma: share of errors within one and two of it (68.3 and 95.4
% of a normal distribution).
"""

from __future__ import annotations

import time
from pathlib import Path

import click
import cv2
import numpy as np

from depth_ros.engine.load import load_engine
from depth_ros.estimator.stereo import StereoEstimator
from depth_ros.recordings.scenes import SceneFolder

_DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "data" / "pairs"
_EDGE_PX, _STEP_PX = 4, 2.0  # reach of an edge in the image, and how much disparity jumps there
_FLAT = (
    2.0  # grey levels: standard deviation over 9 x 9 pixels below which there is nothing to match
)
COLUMNS = (
    "bad2",
    "bad1",
    "visible bad2",
    "visible bad1",
    "occluded bad2",
    "edge bad2",
    "flat bad2",
    "EPE px",
    "1 sigma",
    "2 sigma",
    "ms",
)


def visible(disparity: np.ndarray) -> np.ndarray:
    """Which left pixels the right camera sees, from dense true disparities (H,W) px, NaN unknown.

    A pixel lands at column u - d; of those that land within a pixel of each other the nearest is
    seen.
    """
    height, width = disparity.shape
    known = np.nan_to_num(disparity, nan=-1.0)
    column = np.rint(np.arange(width) - known).astype(int)
    inside = (known > 0) & (column >= 0)
    nearest = np.full((height, width), -1.0)
    rows = np.broadcast_to(np.arange(height)[:, None], column.shape)
    np.maximum.at(nearest, (rows[inside], column[inside]), known[inside])
    return inside & (np.take_along_axis(nearest, column.clip(0, width - 1), 1) <= known + 1)


def kinds(image: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Masks (H,W) of the kinds of pixels."""
    known = np.isfinite(truth)
    seen = visible(truth) & known
    filled = np.nan_to_num(truth, nan=0).astype(np.float32)
    low, high = (f(filled, np.ones((3, 3), np.uint8)) for f in (cv2.erode, cv2.dilate))
    side = 2 * _EDGE_PX + 1
    edge = (
        cv2.dilate(((high - low) > _STEP_PX).astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    )
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    variance = cv2.blur(grey * grey, (9, 9)) - cv2.blur(grey, (9, 9)) ** 2
    flat = variance < _FLAT**2
    return {
        "all": known,
        "visible": seen,
        "occluded": known & ~seen,
        "edge": seen & edge,
        "flat": seen & flat,
    }


def row(sample, estimator: StereoEstimator) -> list[float]:
    """The figures of COLUMNS for one scene."""
    truth = sample.truth_disparity
    began = time.process_time()
    estimate = estimator.estimate(sample.frame)
    ms = 1000 * (time.process_time() - began)
    error = np.abs(np.nan_to_num(estimate.disparity, nan=np.inf) - truth)
    masks = kinds(sample.frame.left, truth)

    def bad(kind: str, px: float) -> float:
        if masks[kind].any():
            return 100 * float((error[masks[kind]] > px).mean())
        return np.nan

    figures = [
        bad("all", 2),
        bad("all", 1),
        bad("visible", 2),
        bad("visible", 1),
        bad("occluded", 2),
        bad("edge", 2),
        bad("flat", 2),
        float(np.minimum(error[masks["all"]], 50).mean()),
    ]
    return [*figures, *_within(estimate, error, masks["all"]), ms]


def _within(estimate, error: np.ndarray, known: np.ndarray) -> list[float]:
    if estimate.sigma_m is None:
        return [np.nan, np.nan]
    # sigma of depth is z^2 / (f B) that of disparity, so relative to z it is that of disparity
    # relative to itself
    sigma_px = estimate.sigma_m / estimate.depth * (estimate.disparity + estimate.rig.doffs_px)
    use = known & np.isfinite(sigma_px)
    return [100 * float((error[use] <= k * sigma_px[use]).mean()) for k in (1, 2)]


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--model",
    "models",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="ONNX files.",
)
@click.option("--each", is_flag=True, help="A row for each scene too.")
def main(folders, models, each):
    """Print the tables."""
    engines = {Path(model).stem: load_engine(model) for model in models} or {
        "default": load_engine(None, "auto")
    }
    engines["sgbm"] = load_engine(backend="sgbm")
    for folder in folders or (_DEFAULT,):
        samples = [sample for sample in SceneFolder(folder) if sample.truth_disparity is not None]
        print(f"\n{folder}, mean of {len(samples)} scenes\n\n| | " + " | ".join(COLUMNS) + " |")
        print("|---|" + "---|" * len(COLUMNS))
        for name, engine in engines.items():
            estimator = StereoEstimator(engine)
            rows = []
            for sample in samples:
                rows.append(row(sample, estimator))
                if each:
                    print(
                        f"| {name}: {sample.name} | "
                        + " | ".join(f"{x:.2f}" for x in rows[-1])
                        + " |",
                        flush=True,
                    )
            print(
                f"| {name} | " + " | ".join(f"{x:.2f}" for x in np.nanmean(rows, 0)) + " |",
                flush=True,
            )


if __name__ == "__main__":
    main()
