"""Where a training on a recording starts, and the recipe that it follows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from depth_ros.core.errors import InputError
from train.data.datasets.bag import BagFrames
from train.evaluate.depth import fitted_size
from train.export.onnx import average_weights, onnx_weights
from train.finetune.check_bag import BagReport
from train.recipe import Data, Fit, Loss, Recipe

_SMOOTHNESS = 1e-3  # Godard 2019, section 4
_RATES = {True: 1e-4, False: 3e-4}  # learning rate, with and without weights to start from
# A model that can see already needs no coarse scales to find its way, and an exported one has lost
# their heads.
_WARM = {"pretrained": False, "freeze_norm": True, "scales": 1}
_CHECKPOINT_S = 30.0
_LOOKS = 4
_BATCH = 6


def load_init(path: Path | None) -> tuple[Recipe, dict[str, Tensor]]:
    """Read the recipe and the weights to start from; defaults and no weights for None.

    path: a mono model that export wrote (the weights of pose.onnx beside it come along), a
    checkpoint beside its recipe.yaml, or a run folder. Raises InputError for anything else.
    """
    if path is None:
        return Recipe(), {}
    if path.suffix == ".onnx":
        return _load_onnx(path)
    if path.is_dir():
        folder = path
    else:
        folder = path.parent
    if not (folder / "recipe.yaml").is_file():
        raise InputError(f"{path}: expected a .onnx, or a checkpoint.pt beside its recipe.yaml")
    recipe = Recipe.load(folder / "recipe.yaml")
    if recipe.task != "depth":
        raise InputError(f"{path}: expected a run of task depth, got {recipe.task}")
    return recipe, average_weights(path)


def _load_onnx(path: Path) -> tuple[Recipe, dict[str, Tensor]]:
    spec, weights = onnx_weights(path)
    if spec.task != "mono" or not spec.recipe:
        raise InputError(
            f"{path}: expected a mono model with its recipe inside, got task {spec.task!r}"
        )
    recipe = Recipe.from_dict(json.loads(spec.recipe), str(path))
    beside = path.with_name("pose.onnx")
    if beside.is_file():
        pose_spec, pose_weights = onnx_weights(beside)
        recipe = replace(
            recipe, pose=Recipe.from_dict(json.loads(pose_spec.recipe), str(beside)).pose
        )
        weights = {**weights, **pose_weights}
    return recipe, weights


def bag_recipe(
    report: BagReport, start: Recipe, warm: bool, minutes: float, threads: int, samples: int
) -> Recipe:
    """Make the recipe for a recording: from stereo alone where it has two cameras, else from
    motion.

    start: the recipe of the weights to start from, its networks are kept; warm: there are such
    weights, so their batch statistics stay. samples: how many there are to train on. Pictures keep
    their aspect and, about, their pixels.
    """
    stereo = report.baseline_m is not None
    pixels = round(sum(h * w for h, w in start.data.sizes) / len(start.data.sizes))
    size = fitted_size(report.camera.height, report.camera.width, pixels)
    if warm:
        focal_px = start.network.focal_px
    else:
        focal_px = float(round(report.camera.resized(*size).fx))
    network = replace(start.network, focal_px=focal_px, **(_WARM if warm else {}))
    if stereo:
        offsets = ()
    else:
        offsets = (-report.step, report.step)
    return Recipe(
        task="depth",
        data=Data("bag", str(report.path), "", (size,), offsets, stereo),
        network=network,
        pose=replace(start.pose, use=not stereo, encoder="separate", joint=False, explain=False),
        loss=Loss(photometric=1.0, smoothness=_SMOOTHNESS),
        fit=Fit(
            minutes=minutes,
            batch=max(1, min(_BATCH, samples)),
            learning_rate=_RATES[warm],
            threads=threads,
            checkpoint_s=_CHECKPOINT_S,
            score_s=max(60.0, 60 * minutes / _LOOKS),
        ),
    )


def start_weights(
    objective: nn.Module, weights: dict[str, Tensor], name: str = ""
) -> dict[str, Tensor]:
    """Return the objective's state with the weights put in; raises InputError where one of the
    depth network is missing.

    A pose network of another form stays as it was made.
    """
    state = objective.state_dict()
    fitting = {
        key: value
        for key, value in weights.items()
        if key in state and state[key].shape == value.shape
    }
    needed = {
        key
        for key, value in state.items()
        if key.startswith("depth.") and value.is_floating_point()
    }
    if weights and (missing := sorted(needed - set(fitting))):
        raise InputError(
            f"{name}: expected the weights of this depth network, got none for {missing[:3]}"
        )
    if not {
        key for key, value in state.items() if key.startswith("pose.") and value.is_floating_point()
    } <= set(fitting):
        fitting = {key: value for key, value in fitting.items() if not key.startswith("pose.")}
    return {key: fitting.get(key, value).clone() for key, value in state.items()}


def samples_of(frames: BagFrames, report: BagReport) -> int:
    """Count the frames that a sample can be made of."""
    if report.baseline_m is not None:
        offsets = ()
    else:
        offsets = (-report.step, report.step)
    return sum(
        all(frames.neighbour(i, step) is not None for step in offsets) for i in range(len(frames))
    )


def widest_step(report: BagReport, parts: list[BagFrames]) -> BagReport:
    """Return the report with a step between frames that leaves samples in every part; InputError
    where none does.
    """
    step = report.step
    while step and not all(samples_of(frames, replace(report, step=step)) for frames in parts):
        step //= 2
    if not step:
        raise InputError(
            f"{report.path}: expected frames to train on and to hold out, got "
            f"{report.frames} in pieces"
        )
    return replace(report, step=step)


def saved_minutes(run: Path) -> float:
    """Read how many minutes a run has been trained; 0 where it has not begun."""
    if not (run / "checkpoint.pt").is_file():
        return 0.0
    return torch.load(run / "checkpoint.pt", map_location="cpu", weights_only=True)["spent"] / 60
