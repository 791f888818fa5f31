"""Trained runs and exported models side by side on one recording, beside the mean depth of the
training set.
"""

from __future__ import annotations

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


def compare_depth(
    models: list[Path],
    frames: Frames,
    training: Frames | None = None,
    alignments: tuple[str, ...] = (),
    cap_m: float = 80.0,
    crop: str = "",
    flip: bool = False,
    most: int = 0,
) -> str:
    """Make the Markdown table of run folders and ONNX models on the views of frames.

    training: where the mean depth, and the mean picture, are taken from; None: without these rows.
    alignments: () = "none" and "median" for models that know metres, "median" for those that do
    not: never metres without a source. The rest as in train.evaluate.depth. Raises InputError for
    what is neither a run nor a model with a depth network.
    """
    rows = {}
    if training is not None:
        for name, predict in (
            ("mean depth", mean_depth(training)),
            ("mean picture", mean_picture(training)),
        ):
            rows[name] = evaluate(
                predict, frames, alignments or ("none", "median"), cap_m, crop, most
            )
    for path in models:
        predict, is_metric = depth_predictor(path, flip)
        how = alignments or (("none", "median") if is_metric else ("median",))
        rows[_name(path) + (" (flip)" if flip else "")] = evaluate(
            predict, frames, how, cap_m, crop, most
        )
    return table(rows, COLUMNS)


def compare_pose(models: list[Path], frames: Frames, training: Frames, most: int = 0) -> str:
    """Make the Markdown table of pose networks on neighbours of frames, beside zero and constant
    motion.
    """
    rows = {"zero motion": zero_motion, "constant motion": constant_motion(training)}
    rows |= {_name(path): pose_predictor(path) for path in models}
    return pose_table(
        {name: evaluate_pose(predict, frames, most) for name, predict in rows.items()}
    )


def depth_predictor(path: Path, flip: bool = False) -> tuple[Predictor, bool]:
    """Load a run folder or an ONNX model; returns its predictor, and whether its answers are
    metres.
    """
    if path.suffix == ".onnx":
        engine = OnnxEngine(path)
        return onnx_predictor(engine, flip), engine.spec.is_metric
    from train.export.onnx import implied_scale

    recipe, objective = _load_run(path)
    if recipe.task != "depth":
        raise InputError(f"{path}: expected a run of the task depth, got {recipe.task!r}")
    run = torch_run(objective.depth)
    return network(run, _pixels(recipe), recipe.network.focal_px, flip), implied_scale(
        recipe
    ) != RELATIVE


def pose_predictor(path: Path) -> PredictMotion:
    """Load a run folder with a pose network of pairs, or an ONNX pose model."""
    if path.suffix == ".onnx":
        engine = OnnxEngine(path)
        if engine.spec.task != "pose":
            raise InputError(f"{path}: expected a pose model, got one for {engine.spec.task!r}")
        names = engine.spec.inputs
        mean, std = (
            np.array(v, np.float32).reshape(3, 1, 1) for v in (engine.spec.mean, engine.spec.std)
        )

        def run_onnx(first, second):
            tensors = (
                ((255 * image - mean) / std)[None].astype(np.float32) for image in (first, second)
            )
            return engine.run(dict(zip(names, tensors)))["pose"][0]

        return network_motion(
            run_onnx, engine.spec.working_pixels, engine.spec.focal_px, engine.spec.divisor
        )
    recipe, objective = _load_run(path)
    if getattr(objective, "pose", None) is None or recipe.pose.joint:
        raise InputError(f"{path}: expected a run with a pose network of pairs, got none")
    return network_motion(
        _torch_motion(objective, recipe), _pixels(recipe), recipe.network.focal_px
    )


def _torch_motion(objective, recipe):
    """Two pictures to six numbers, through the depth encoder where the pose network shares it."""
    import torch

    def run(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            views = [torch.from_numpy(image)[None] for image in (first, second)]
            if recipe.pose.encoder == "shared":
                views = [objective.depth.features(view) for view in views]
            out = objective.pose(*views)
            return (out[0] if recipe.pose.explain else out)[0].numpy()

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
    """What a model is called in a table."""
    return path.stem if path.suffix == ".onnx" else path.resolve().name
