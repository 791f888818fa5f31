"""Depth from one image on real and rendered recordings beside what knows little: one Markdown
table.

python experiments/mono/mono_baselines.py [--model models/mono.onnx] [--bags FOLDER] [--fastdepth
FILE.tflite]

Rows: a constant and a ground plane, both told what no robot knows: the constant is the median depth
of the recording itself, and what lies above the horizon has the median depth that the recording has
there; FastDepth (needs ai-edge-litert and its file; left out, and said so, without); the model.
Every row as it is ("none") and with the median of each image's truth lent to it ("median").
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # train/ is not an installed package

from depth_ros.engine.onnx import OnnxEngine
from depth_ros.estimator.mono import MonoEstimator
from depth_ros.evaluation.evaluate import mono_depth
from depth_ros.recordings.sample import open_source
from train.data.view import View
from train.evaluate.baselines import constant, ground_plane
from train.evaluate.depth import evaluate, table

_ROOT = Path(__file__).resolve().parents[2]
_DATA = _ROOT.parent / "shared" / "data"
# Camera height over the floor, metres: KITTI's is published, the others are a guess at a camera
# held by hand.
CAMERA_HEIGHT_M = {"kitti_lidar_frames": 1.65, "tartanair_hospital": 1.2, "tum_fr1_piece": 1.2}
_FASTDEPTH_PX = 224
_FASTDEPTH_M = 0.0717  # metres of one count of its output (quantisation of the file)
COLUMNS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "silog", "delta1")


def read_bag(path: Path) -> list:
    """The (frame, view) of every image of a recording that has truth."""
    samples = [sample for sample in open_source(path, "mono") if sample.truth_depth is not None]
    return [
        (s.frame, View(s.frame.left, s.frame.camera, depth=s.truth_depth, name=s.name))
        for s in samples
    ]


def median_depth(views: list[View], above_horizon: bool = False) -> float:
    """The median of all known depth, or of that above the row of the principal point, metres."""
    maps = [view.depth[: round(view.camera.cy)] if above_horizon else view.depth for view in views]
    return float(np.median(np.concatenate([depth[np.isfinite(depth)] for depth in maps])))


def fastdepth(path: Path):
    """FastDepth (Wofk et al. 2019), int8, the whole picture squeezed into its square; None where
    it cannot be run.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        click.echo("no FastDepth: pip install ai-edge-litert", err=True)
        return None
    if not path.is_file():
        click.echo(f"no FastDepth: no file at {path}", err=True)
        return None
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    target = interpreter.get_output_details()[0]["index"]

    def predict(view: View) -> np.ndarray:
        size = (_FASTDEPTH_PX, _FASTDEPTH_PX)
        interpreter.set_tensor(
            source, cv2.resize(view.image, size, interpolation=cv2.INTER_AREA)[None]
        )
        interpreter.invoke()
        depth = interpreter.get_tensor(target).reshape(size).astype(np.float32) * np.float32(
            _FASTDEPTH_M
        )
        return cv2.resize(depth, view.image.shape[1::-1], interpolation=cv2.INTER_LINEAR)

    return predict


def model_predictor(path: Path, frames: dict):
    """The runtime's own path, from image to depth; frames by name, since a view has no frame_id."""
    estimator = MonoEstimator(OnnxEngine(path))
    return lambda view: mono_depth(estimator.estimate(frames[view.name]))


@click.command()
@click.option(
    "--bags",
    type=click.Path(path_type=Path),
    default=_DATA / "bags",
    help="Folder of the recordings.",
)
@click.option(
    "--fastdepth",
    "tflite",
    type=click.Path(path_type=Path),
    default=_DATA / "peers/fast_depth_224.tflite",
)
@click.option(
    "--model",
    "models",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Default: models/mono.onnx.",
)
@click.option("--cap-m", default=80.0, show_default=True, help="Truth beyond it does not count.")
def main(bags, tflite, models, cap_m):
    """Print the table."""
    models = list(models) or [path for path in [_ROOT / "models" / "mono.onnx"] if path.is_file()]
    peer = fastdepth(tflite)
    for name, height_m in CAMERA_HEIGHT_M.items():
        if not (bags / name).is_dir():
            click.echo(f"no recording at {bags / name}", err=True)
            continue
        pairs = read_bag(bags / name)
        views = [view for _, view in pairs]
        median_m = median_depth(views)
        far_m = median_depth(views, above_horizon=True)
        rows = {
            f"constant {median_m:.1f} m": constant(median_m),
            f"ground plane {height_m} m below, {far_m:.1f} m above the horizon": ground_plane(
                height_m, far_m
            ),
            **({"FastDepth (trained on NYU)": peer} if peer else {}),
            **{
                path.stem: model_predictor(path, {f"{frame.stamp_ns}": frame for frame, _ in pairs})
                for path in models
            },
        }
        if name.startswith("kitti"):
            crop = "garg"
        else:
            crop = ""
        figures = {
            row: evaluate(predict, views, ("none", "median"), cap_m, crop)
            for row, predict in rows.items()
        }
        if crop:
            words = f", crop {crop}"
        else:
            words = ""
        print(
            f"\n{name}: {len(views)} images, truth up to {cap_m:g} "
            f"m{words}\n\n{table(figures, COLUMNS)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
