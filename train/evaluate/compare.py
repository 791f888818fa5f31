"""Trained runs and exported models side by side on one recording, beside the mean depth of the
training set.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.core.errors import InputError
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.spec import RELATIVE
from train.data.view import Frames
from train.evaluate.baselines import Predictor, mean_depth, mean_picture
from train.evaluate.depth import evaluate, network, onnx_predictor, table, torch_run
from train.evaluate.pose import (
    PredictMotion,
    constant_motion,
    evaluate_pose,
    network_motion,
    pose_table,
    zero_motion,
)

COLUMNS = ("abs_rel", "rmse", "rmse_log", "delta1")


@dataclass(frozen=True)
class Judging:
    """How depth is judged.

    Attributes:
        alignments: Names of core.metrics.SCALINGS; () for "none" and "median" where a model knows
            metres, and "median" where it does not: never metres without a source.
        cap_m: Ground truth beyond it does not count.
        crop: "garg" judges the crop of Garg et al. 2016 only.
        flip: Average with the answer to the mirrored picture.
        most: Views to judge, evenly spread; 0 for all.
    """

    alignments: tuple[str, ...] = ()
    cap_m: float = 80.0
    crop: str = ""
    flip: bool = False
    most: int = 0

    def evaluate(self, predict: Predictor, frames: Frames, is_metric: bool) -> dict[str, dict]:
        """Return the figures of train.evaluate.depth.evaluate by alignment."""
        alignments = self.alignments
        if not alignments:
            if is_metric:
                alignments = ("none", "median")
            else:
                alignments = ("median",)
        return evaluate(predict, frames, alignments, self.cap_m, self.crop, self.most)


def compare_depth(
    models: list[Path],
    frames: Frames,
    training: Frames | None = None,
    judging: Judging | None = None,
) -> str:
    """Make the Markdown table of run folders and ONNX models on the views of frames.

    Args:
        models: Run folders and .onnx files.
        frames: Views to judge on.
        training: Where the mean depth and the mean picture are taken from; None leaves these rows
            out.
        judging: Alignments, cap and crop; the defaults of Judging where None.

    Returns:
        The table, a line for each model and alignment.

    Raises:
        InputError: For what is neither a run nor a model with a depth network.
    """
    judging = judging or Judging()
    rows = {}
    if training is not None:
        rows["mean depth"] = judging.evaluate(mean_depth(training), frames, True)
        rows["mean picture"] = judging.evaluate(mean_picture(training), frames, True)
    if judging.flip:
        suffix = " (flip)"
    else:
        suffix = ""
    for path in models:
        predict, is_metric = depth_predictor(path, judging.flip)
        rows[_name(path) + suffix] = judging.evaluate(predict, frames, is_metric)
    return table(rows, COLUMNS)


def compare_pose(models: list[Path], frames: Frames, training: Frames, most: int = 0) -> str:
    """Make the Markdown table of pose networks on neighbours of frames, beside zero and constant
    motion.
    """
    rows = {"zero motion": zero_motion, "constant motion": constant_motion(training)}
    rows |= {_name(path): pose_predictor(path) for path in models}
    figures = {name: evaluate_pose(predict, frames, most) for name, predict in rows.items()}
    return pose_table(figures)


def depth_predictor(path: Path, flip: bool = False) -> tuple[Predictor, bool]:
    """Load a run folder or an ONNX model; returns its predictor, and whether its answers are
    metres.
    """
    if path.suffix == ".onnx":
        engine = OnnxEngine(path)
        return onnx_predictor(engine, flip), engine.spec.is_metric
    from train.export.spec import implied_scale

    recipe, objective = _load_run(path)
    if recipe.task != "depth":
        raise InputError(f"{path}: expected a run of the task depth, got {recipe.task!r}")
    run = torch_run(objective.depth)
    predictor = network(run, _pixels(recipe), recipe.network.focal_px, flip)
    is_metric = implied_scale(recipe) != RELATIVE
    return predictor, is_metric


def pose_predictor(path: Path) -> PredictMotion:
    """Load a run folder with a pose network of pairs, or an ONNX pose model."""
    if path.suffix == ".onnx":
        engine = OnnxEngine(path)
        if engine.spec.task != "pose":
            raise InputError(f"{path}: expected a pose model, got one for {engine.spec.task!r}")
        return network_motion(
            _onnx_motion(engine),
            engine.spec.working_pixels,
            engine.spec.focal_px,
            engine.spec.divisor,
        )
    recipe, objective = _load_run(path)
    if not has_pair_network(recipe):
        raise InputError(f"{path}: expected a run with a pose network of pairs, got none")
    return network_motion(
        _torch_motion(objective, recipe), _pixels(recipe), recipe.network.focal_px
    )


def has_pair_network(recipe) -> bool:
    """Whether a recipe has a pose network that looks at one pair at a time."""
    has_network = recipe.task == "pose" or (recipe.task == "depth" and recipe.pose.use)
    return has_network and not recipe.pose.joint


def _onnx_motion(engine: OnnxEngine):
    """Two pictures to six numbers, normalised as the spec of the engine says."""
    spec = engine.spec
    mean = np.array(spec.mean, np.float32).reshape(3, 1, 1)
    std = np.array(spec.std, np.float32).reshape(3, 1, 1)

    def run(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        tensors = {}
        for name, image in zip(spec.inputs, (first, second)):
            tensors[name] = ((255 * image - mean) / std)[None].astype(np.float32)
        return engine.run(tensors)["pose"][0]

    return run


def _torch_motion(objective, recipe):
    """Two pictures to six numbers, through the depth encoder where the pose network shares it."""
    import torch

    def run(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            views = [torch.from_numpy(image)[None] for image in (first, second)]
            if recipe.pose.encoder == "shared":
                views = [objective.depth.features(view) for view in views]
            out = objective.pose(*views)
            if recipe.pose.explain:
                out, _ = out
            return out[0].numpy()

    return run


def _load_run(path: Path):
    """The recipe and the objective, with averaged weights, of a run folder."""
    from train.export.onnx import average_weights
    from train.objective import make_objective
    from train.recipe import Recipe

    if not (path / "recipe.yaml").is_file() or not (path / "checkpoint.pt").is_file():
        raise InputError(
            f"{path}: expected a run folder with recipe.yaml and checkpoint.pt, or a .onnx model"
        )
    recipe = Recipe.load(path / "recipe.yaml")
    objective = make_objective(recipe)
    objective.load_state_dict(average_weights(path))
    return recipe, objective.eval()


def _pixels(recipe) -> int:
    """The mean number of pixels of the pictures it was trained on, as export says."""
    sizes = recipe.data.sizes
    return round(sum(height * width for height, width in sizes) / len(sizes))


def _name(path: Path) -> str:
    """Name of a model in a table."""
    if path.suffix == ".onnx":
        return path.stem
    return path.resolve().name
