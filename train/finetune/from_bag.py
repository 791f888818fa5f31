"""Train on your own recording: check it, hold a part out, fine-tune without labels, say what it
brought, export.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from depth_ros.core.errors import InputError
from depth_ros.recordings.requested_topics import Asked
from train.data.batches import Sizes, held_out_keys
from train.data.datasets.bag import HELD_OUT, BagFrames, topic_words
from train.evaluate.depth import evaluate, network, torch_run
from train.export.onnx import Provenance, average_weights, export_run
from train.finetune.bag_recipe import (
    bag_recipe,
    load_init,
    samples_of,
    saved_minutes,
    start_weights,
    widest_step,
)
from train.finetune.check_bag import BagReport, check_bag
from train.fit import fit
from train.losses import photometric
from train.objective import make_objective
from train.recipe import Recipe

DEFAULT_INIT = Path(__file__).resolve().parents[2] / "models" / "mono.onnx"
KEEP = 0.5  # what its authors recommend without knowing the data
_JUDGED = 64  # held-out frames


@dataclass(frozen=True)
class Result:
    """What a training on a recording brought: figures on the frames held out, before and after, and
    where the model is.

    minutes: trained so far, of what was asked. parity: largest mean difference between PyTorch and
    ONNX Runtime, relative to depth.
    """

    model: Path
    before: dict[str, float]
    after: dict[str, float]
    minutes: float
    parity: float
    metric: bool

    def __str__(self) -> str:
        lines = [f"{'held out':28s}{'before':>10s}{'after':>10s}"]
        lines += [
            f"{name:28s}{value:10.4f}{self.after[name]:10.4f}"
            for name, value in self.before.items()
        ]
        scale = "relative: one camera alone cannot know its scale"
        if self.metric:
            scale = "metric, by the baseline"
        lines.append(
            f"{self.model}: {self.minutes:.1f} minutes trained, {scale}; ONNX agrees "
            f"within {self.parity:.1g}"
        )
        return "\n".join(
            [*lines, f"ros2 launch depth_ros mono.launch.py model:={self.model.resolve()}"]
        )


@dataclass(frozen=True)
class Options:
    """How to train on a recording.

    Attributes:
        init: See load_init; models/mono.onnx where None, an encoder trained on ImageNet where that
            is not there either.
        minutes: Budget; a further call with more trains on.
        threads: Of the CPU; 0 for all but one.
        start: A recipe to start from instead of `init`, with fresh weights.
        keep: Share of the starting model in the result, 0 to 1, see mixed; fresh weights have no
            share.
        asked: Topics that the user named.
    """

    init: Path | None = None
    minutes: float = 10.0
    threads: int = 0
    start: Recipe | None = None
    keep: float = KEEP
    asked: Asked = field(default_factory=Asked)


def from_bag(bag: Path, out: Path, options: Options | None = None, say=print) -> Result:
    """Fine-tune a depth network on a rosbag2 recording without labels, and export it.

    Two cameras teach metres by their baseline; one camera teaches relative depth by its motion. An
    interrupted training exports what it has; the same call trains on, from the checkpoints beside
    `out`.

    Args:
        bag: The rosbag2 directory.
        out: The .onnx file to write.
        options: Start, budget and topics; the defaults of Options where None.
        say: Prints a text.

    Returns:
        The figures on the frames held out, before and after.

    Raises:
        InputError: For a recording that cannot teach (see check_bag), or a run folder of another
            one.
        EngineError: Where the exported model does not agree with PyTorch.
    """
    options = options or Options()
    # 1. Can the recording teach at all?
    report = check_bag(bag, asked=options.asked)
    say(str(report))
    if report.refusals:
        raise InputError("\n".join(str(error) for error in report.refusals))
    # 2. A part of it is held out.
    frames = BagFrames(bag, ("train",), asked=options.asked)
    held_out = BagFrames(bag, HELD_OUT, asked=options.asked)
    say(f"read as {frames.topics.sentence()}")
    report = widest_step(report, [frames, held_out])
    # 3. The recipe follows from the recording and from the weights to start from.
    start, weights, origin = _beginning(options.init, options.start)
    threads = options.threads or max(1, (os.cpu_count() or 2) - 1)
    samples = samples_of(frames, report)
    recipe = bag_recipe(report, start, bool(weights), options.minutes, threads, samples)
    recipe = replace(recipe, data=replace(recipe.data, split=topic_words(options.asked)))
    run = out.with_suffix(".run")
    _same_run(run, recipe)
    torch.set_num_threads(threads)
    torch.manual_seed(recipe.fit.seed)
    objective = make_objective(recipe)
    objective.load_state_dict(start_weights(objective, weights, origin))
    # 4. Judge, train, mix with the start, judge again.
    before = judge(objective, recipe, held_out)
    initial = {name: value.clone() for name, value in objective.state_dict().items()}
    say(f"start: {origin}; " + ", ".join(f"{name} {value:.4f}" for name, value in before.items()))
    if saved_minutes(run) < options.minutes:
        fit(recipe, run, frames, held_out, init=initial)
    if weights:
        keep = options.keep
    else:
        keep = 0.0
    result = mixed(initial, average_weights(run), keep)
    objective.load_state_dict(result)
    after = judge(objective, recipe, held_out)
    # 5. Export what was judged.
    parity = _export(run, out, report, origin, held_out, result)
    is_metric = report.baseline_m is not None
    return Result(out, before, after, saved_minutes(run), parity, is_metric)


def mixed(start: dict[str, Tensor], trained: dict[str, Tensor], keep: float) -> dict[str, Tensor]:
    """Return keep * start + (1 - keep) * trained for each weight of the depth network, and the
    others as trained.

    Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", eq. 1: nearly all that was
    learned of this place stays, and less of all others is forgotten. Raises InputError for a share
    outside 0 to 1.
    """
    if not 0 <= keep <= 1:
        raise InputError(f"keep: expected a share from 0 to 1, got {keep}")
    result = dict(trained)
    for name, value in trained.items():
        if name.startswith("depth.") and value.is_floating_point():
            result[name] = keep * start[name] + (1 - keep) * value
    return result


def judge(objective: nn.Module, recipe: Recipe, held_out: BagFrames) -> dict[str, float]:
    """Judge a DepthObjective on the frames held out.

    "photometric": the error (0.85 SSIM + 0.15 L1, Godard 2019, eq. 2) of frames seen through the
    right picture or their neighbours, the least of these; "photometric, not moved": the same of
    these pictures as they are, which a network must beat. With ground truth: "abs_rel" (metric
    recordings) and "abs_rel, median-scaled".
    """
    device = next(objective.parameters()).device
    samples = make_samples(objective, held_out)
    objective.eval()
    # Auto-masking would leave out the pixels that a still picture explains better.
    trained_recipe = objective.recipe
    objective.recipe = replace(recipe, loss=replace(recipe.loss, auto_mask=False))
    errors = []
    try:
        with torch.no_grad():
            for key in held_out_keys(samples, _JUDGED):
                errors.append(_errors(objective, samples[key], device))
    finally:
        objective.recipe = trained_recipe
    seen, still = torch.tensor(errors).mean(0).tolist()
    figures = {"photometric": seen, "photometric, not moved": still}
    return figures | _truth_figures(objective, recipe, held_out)


def make_samples(objective: nn.Module, frames: BagFrames) -> Sizes:
    """Return the samples of frames as they are: not augmented."""
    return objective.samples("val", frames)


def _errors(objective, sample: dict[str, Tensor], device) -> tuple[float, float]:
    """The photometric error through the predicted depth, and of the sources where they are."""
    batch = {name: value[None].to(device) for name, value in sample.items()}
    features = objective.depth.features(batch["image_aug"])
    finest = objective.metric(objective.depth.decode(features).inv_depth[0], batch)
    poses, _ = objective.motion(batch, features)
    error = objective.reprojection(batch, [finest], poses, None)
    sources = []
    if "sources" in batch:
        sources += batch["sources"].unbind(1)
    if "right" in batch:
        sources.append(batch["right"])
    still = torch.cat([photometric(source, batch["image"]) for source in sources], 1).amin(1)
    return float(error), float(still.mean())


def _truth_figures(objective, recipe: Recipe, held_out: BagFrames) -> dict[str, float]:
    """abs_rel against the recording's own ground truth, nothing where it has none."""
    if held_out[0].depth is None:
        return {}
    predict = network(
        torch_run(objective.depth, next(objective.parameters()).device),
        recipe.data.sizes[0],
        recipe.network.focal_px,
    )
    names = {"none": "abs_rel", "median": "abs_rel, median-scaled"}
    alignments = ("median",)
    if recipe.data.stereo:
        alignments = ("none", "median")
    figures = evaluate(predict, held_out, alignments, most=_JUDGED)
    return {names[name]: figures[name]["abs_rel"] for name in alignments}


def _beginning(init: Path | None, start: Recipe | None) -> tuple[Recipe, dict[str, Tensor], str]:
    """The recipe and weights to start from, and their name."""
    if start is not None:
        return start, {}, "fresh weights"
    if init is None and DEFAULT_INIT.is_file():
        init = DEFAULT_INIT
    recipe, weights = load_init(init)
    origin = str(init or "an encoder trained on ImageNet")
    return recipe, weights, origin


def _same_run(run: Path, recipe: Recipe) -> None:
    """Refuse to go on with checkpoints of another recording or network."""
    if not (run / "recipe.yaml").is_file():
        return
    old = Recipe.load(run / "recipe.yaml")
    if old.data != recipe.data or old.network != recipe.network or old.pose != recipe.pose:
        raise InputError(
            f"{run}: expected checkpoints of {recipe.data.path}, got those of another "
            "recording or network, "
            f"{old.data.path}; choose another --out or remove the folder"
        )


def _export(
    run: Path, out: Path, report: BagReport, origin: str, held_out: BagFrames, weights: dict
) -> float:
    """Export the network of a run, compared on frames held out; returns the parity."""
    images = [held_out[i].image for i in range(min(4, len(held_out)))]
    source = "none"
    if report.baseline_m is not None:
        source = "from bag: stereo baseline"
    history = (
        f"{report.path.resolve().name}, {report.frames} frames without labels, from "
        f"{Path(origin).name}"
    )
    parity, _ = export_run(run, out, "depth", Provenance(source, history), images, weights)
    return parity
