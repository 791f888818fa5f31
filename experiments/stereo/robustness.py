"""How far stereo falls when the input is not perfect: bad2 of the model and of SGBM side by side,
as a Markdown table.

python experiments/stereo/robustness.py [FOLDER] [--model M]; FOLDER: scenes in the Middlebury
layout, default ../shared/data/pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import cv2
import numpy as np

from depth_ros.core.metrics import stereo_metrics
from depth_ros.core.types import Frame
from depth_ros.engine.load import load_engine
from depth_ros.estimator.stereo import StereoEstimator
from depth_ros.recordings.scenes import SceneFolder

_DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "data" / "pairs"


def shifted(offset_px: float) -> Callable:
    """Misrectification: the right image lies offset_px lower than it should."""

    def spoil(left, right):
        matrix = np.array([[1, 0, 0], [0, 1, offset_px]], np.float64)
        size = (right.shape[1], right.shape[0])
        return left, cv2.warpAffine(
            right, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )

    return spoil


def dimmed(gain: float) -> Callable:
    """Exposure: the right image is darker."""
    return lambda left, right: (left, np.rint(right * gain).astype(np.uint8))


def noisy(sigma: float) -> Callable:
    """Gaussian noise of sigma grey levels, its own in each image; the same in every run."""

    def spoil(left, right):
        random = np.random.default_rng(0)
        return tuple(
            np.clip(np.rint(i + random.normal(0, sigma, i.shape)), 0, 255).astype(np.uint8)
            for i in (left, right)
        )

    return spoil


def compressed(quality: int) -> Callable:
    """JPEG in both images."""

    def spoil(left, right):
        parameters = [cv2.IMWRITE_JPEG_QUALITY, quality]
        return tuple(
            cv2.imdecode(cv2.imencode(".jpg", image, parameters)[1], cv2.IMREAD_COLOR)
            for image in (left, right)
        )

    return spoil


SPOILERS: dict[str, Callable] = {
    "clean": lambda left, right: (left, right),
    "misrectified 0.5 px": shifted(0.5),
    "misrectified 1 px": shifted(1),
    "misrectified 2 px": shifted(2),
    "gain 0.6": dimmed(0.6),
    "noise sigma 10": noisy(10),
    "JPEG 30": compressed(30),
}


def spoiled(frame: Frame, spoil: Callable) -> Frame:
    """The frame with both images spoiled."""
    left, right = spoil(frame.left, frame.right)
    return replace(frame, left=left, right=right)


def mean_bad2(estimator: StereoEstimator, samples: list, spoil: Callable) -> float:
    """Mean bad2 over scenes, percent of all pixels with truth; no answer is wrong."""
    scores = []
    for sample in samples:
        disparity = estimator.estimate(spoiled(sample.frame, spoil)).disparity
        scores.append(stereo_metrics(disparity, sample.truth_disparity)["bad2_pct"])
    return float(np.mean(scores))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=_DEFAULT)
@click.option("--model", type=click.Path(path_type=Path), help="Default: the shipped model.")
def main(folder, model):
    """Print the table."""
    samples = [sample for sample in SceneFolder(folder) if sample.truth_disparity is not None]
    model_engine = load_engine(model, "auto")
    engines = {"sgbm": load_engine(backend="sgbm")}
    if model_engine.name != "sgbm":
        engines = {model_engine.spec.name: model_engine, **engines}
    print(f"bad2, % of all pixels with truth, mean of {len(samples)} scenes\n")
    print("| input | " + " | ".join(engines) + " |\n|---|" + "---|" * len(engines))
    for name, spoil in SPOILERS.items():
        figures = [
            mean_bad2(StereoEstimator(engine), samples, spoil) for engine in engines.values()
        ]
        print(f"| {name} | " + " | ".join(f"{figure:.1f}" for figure in figures) + " |", flush=True)


if __name__ == "__main__":
    main()
