"""Export trained networks to ONNX with their ModelSpec inside, and refuse to where they do not
compute the same.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor, nn

from depth_ros.core.errors import EngineError, InputError
from depth_ros.engine.matching import matched_prior
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.spec import METADATA_KEY, RELATIVE, ModelSpec
from depth_ros.files import replacing
from depth_ros.synthetic.renderer import render
from depth_ros.synthetic.scenes import clip_pose, clip_rig, clip_scene
from train.model.stereo_cascade import DIVISOR, CascadeStereoNet, FastStereoNet
from train.objective import make_objective
from train.recipe import Recipe

OPSET = 16  # old enough for every TensorRT that we mean to support
# output: largest mean difference between PyTorch and ONNX Runtime, and its unit
_TOLERANCE = {
    "disparity": (0.01, "px"),
    "depth": (1e-3, "of the depth"),
    "pose": (1e-4, "rad and m"),
}
_TWINS_KEY = "depth_ros.twins"
_SIZES = ((192, 256), (160, 384), (256, 320))


class DepthModule(nn.Module):
    """DepthNet as the node runs it: image in, canonical depth out, and its spread where there is
    a head for it.
    """

    def __init__(self, depth: nn.Module):
        super().__init__()
        self.depth = depth

    def forward(self, image: Tensor):
        inv_depth, log_sigma = self.depth(image)
        depth = 1 / inv_depth[0][:, :1]
        return depth if log_sigma is None else (depth, log_sigma)


class PoseModule(nn.Module):
    """PoseNet of pairs: the earlier and the later picture in, first_T_second out."""

    def __init__(self, pose: nn.Module):
        super().__init__()
        self.pose = pose

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return self.pose(first, second)


def average_weights(path: Path) -> dict[str, Tensor]:
    """Read the averaged weights of a checkpoint (or of a run folder) by the names of the
    objective.
    """
    path = path / "checkpoint.pt" if path.is_dir() else path
    saved = torch.load(path, map_location="cpu", weights_only=True)
    return {
        k.removeprefix("module."): v for k, v in saved["average"].items() if k.startswith("module.")
    }


def onnx_weights(path: Path) -> tuple[ModelSpec, dict[str, Tensor]]:
    """Read the spec and the weights out of a model that export wrote, by the names of the
    objective.
    """
    spec, model = OnnxEngine(path).spec, onnx.load(path)
    found = {
        w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in model.graph.initializer
    }
    twins = next(
        (json.loads(prop.value) for prop in model.metadata_props if prop.key == _TWINS_KEY), {}
    )
    found |= {name: found[twin].clone() for name, twin in twins.items()}
    return spec, {name: weight for name, weight in found.items() if "." in name}


def export_run(
    run: Path,
    model: Path,
    network: str | None = None,
    scale_source: str | None = None,
    trained_on: str = "",
    images: list[np.ndarray] | None = None,
    weights: dict[str, Tensor] | None = None,
) -> tuple[float, str]:
    """Export a network ("depth", "pose", "stereo" or "stereo_coarse"; None: the only one or the
    depth) of a run folder.

    images: (H,W,3) uint8 to compare on; frames of the procedural room where None. weights: of the
    objective, the run's averaged ones where None. Returns the parity and its unit. Raises
    InputError for a run without that network, EngineError where the exported model does not agree.
    """
    recipe = Recipe.load(run / "recipe.yaml")
    objective = make_objective(recipe)
    objective.load_state_dict(weights or average_weights(run))
    objective.eval()
    network = network or recipe.task
    spec = make_spec(recipe, network, scale_source, trained_on, model.stem)
    if network == "stereo" and recipe.task == "stereo":
        return export(objective.net, spec, model, images)
    if (
        network == "stereo_coarse"
        and recipe.task == "stereo"
        and isinstance(objective.net, CascadeStereoNet)
    ):
        return export(FastStereoNet.of(objective.net.coarse), spec, model, images)
    if network == "depth" and recipe.task == "depth":
        return export(DepthModule(objective.depth), spec, model, images)
    if (
        network == "pose"
        and recipe.pose.use
        and recipe.pose.encoder != "shared"
        and not recipe.pose.joint
    ):
        return export(PoseModule(objective.pose), spec, model, images)
    raise InputError(
        f"{run}: expected a run with a {network} network that stands alone, got task {recipe.task}"
    )


def make_spec(
    recipe: Recipe, network: str, scale_source: str | None, trained_on: str, name: str
) -> ModelSpec:
    """Say what a network of a recipe takes and gives."""
    pixels = round(sum(h * w for h, w in recipe.data.sizes) / len(recipe.data.sizes))
    # Of the data's place only the last name: a model travels, and the folders of a machine are
    # nobody else's business.
    told = replace(recipe, data=replace(recipe.data, path=Path(recipe.data.path).name))
    common = dict(
        name=name, height=0, width=0, divisor=32, trained_on=trained_on, recipe=told.to_json()
    )
    source = scale_source or implied_scale(recipe)
    if network in ("stereo", "stereo_coarse"):
        prior_scale = 2 if network == "stereo_coarse" else recipe.network.prior_scale
        common |= dict(divisor=DIVISOR, prior_scale=prior_scale)
        return ModelSpec(
            task="stereo",
            inputs=("left", "right", "prior"),
            outputs=("disparity", "log_sigma"),
            **common,
        )
    net = recipe.network
    common |= dict(focal_px=float(net.focal_px), working_pixels=pixels, scale_source=source)
    if network == "pose":
        return ModelSpec(
            task="pose",
            inputs=("first", "second"),
            outputs=("pose",),
            pose_direction="first_T_second",
            **common,
        )
    outputs = ("depth", "log_rel_sigma") if net.log_sigma else ("depth",)
    return ModelSpec(
        task="mono",
        inputs=("image",),
        outputs=outputs,
        value_range=(float(net.min_depth_m), float(net.max_depth_m)),
        **common,
    )


def implied_scale(recipe: Recipe) -> str:
    """Name where the metres of a recipe come from; "none" where it never sees one."""
    loss = recipe.loss
    if recipe.task == "stereo" or (loss.photometric and recipe.data.stereo):
        return "stereo baseline"
    if recipe.task == "pose" or loss.silog or loss.log_l1 or loss.pose:
        return (
            "procedural metric"
            if recipe.data.reader == "clips"
            else f"ground truth of {recipe.data.reader}"
        )
    return RELATIVE


def export(
    net: nn.Module, spec: ModelSpec, path: Path, images: list[np.ndarray] | None = None
) -> tuple[float, str]:
    """Write `net` to `path`; returns the largest mean difference from PyTorch over the samples, and
    its unit.

    Raises EngineError, and leaves what was at `path` alone, where that is over the tolerance of the
    output.
    """
    path = Path(path)
    net = net.eval()
    size = {2: "height", 3: "width"}
    axes = dict.fromkeys((n for n in (*spec.inputs, *spec.outputs) if n != "pose"), size)
    if "prior" in axes:
        axes["prior"] = {2: "prior_height", 3: "prior_width"}
    with replacing(path, ".onnx") as part:
        with warnings.catch_warnings():  # about its own exporter; parity is checked below
            warnings.simplefilter("ignore")
            torch.onnx.export(
                net,
                _example(spec, 2 * spec.divisor, 3 * spec.divisor),
                str(part),
                opset_version=OPSET,
                dynamo=False,
                input_names=list(spec.inputs),
                output_names=list(spec.outputs),
                dynamic_axes=axes,
                # Batch norms stay what they are, so that a training can start from the model;
                # engines fold them.
                training=torch.onnx.TrainingMode.PRESERVE,
                do_constant_folding=False,
            )
        model = onnx.load(part)
        twins = json.dumps(_twins(net, model.graph))
        onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json(), _TWINS_KEY: twins})
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, part)
        worst = parity(net, part, images)
        limit, unit = _TOLERANCE[spec.outputs[0]]
        if not worst < limit:
            raise EngineError(
                f"{path}: expected parity within {limit} {unit}, got {worst:.4g}; not written"
            )
    return worst, unit


def _twins(net: nn.Module, graph) -> dict[str, str]:
    """Name the weights that the exporter left out because another, by value the same, is there:
    left out -> kept.
    """
    kept = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    by_value = {(value.shape, value.tobytes()): name for name, value in kept.items()}
    values = {
        k: v.numpy() for k, v in net.state_dict().items() if k not in kept and v.is_floating_point()
    }
    found = {name: by_value.get((value.shape, value.tobytes())) for name, value in values.items()}
    return {name: twin for name, twin in found.items() if twin}


def parity(net: nn.Module, path: Path, images: list[np.ndarray] | None = None) -> float:
    """Largest over samples and sizes of the mean |difference| of the first output, PyTorch against
    ONNX Runtime.

    Of depth relative to itself; px of disparity; rad and m of a pose.
    """
    engine, worst = OnnxEngine(path), 0.0
    name = engine.spec.outputs[0]
    for tensors in _samples(engine.spec, images or rendered_images()):
        with torch.no_grad():
            wanted = net(*tensors)
        wanted = (wanted[0] if isinstance(wanted, tuple) else wanted).numpy()
        got = engine.run(dict(zip(engine.spec.inputs, (x.numpy() for x in tensors))))[name]
        difference = np.abs(wanted - got) / (wanted if name == "depth" else 1.0)
        worst = max(worst, float(difference.mean()))
    return worst


def rendered_images() -> list[np.ndarray]:
    """Left and right pictures of the demo's room, (H,W,3) uint8, in that order, two instants."""
    rig = clip_rig(192, 256)
    step = np.eye(4)
    step[0, 3] = rig.baseline_m
    poses = [clip_pose(i) @ side for i in (0, 9) for side in (np.eye(4), step)]
    return [
        np.rint(255 * render(clip_scene(), rig.left, pose)["rgb"]).astype(np.uint8)
        for pose in poses
    ]


def _samples(spec: ModelSpec, images: list[np.ndarray]):
    """Input tensors at three sizes, from neighbouring images."""
    for number, (height, width) in enumerate(_SIZES):
        pair = [images[(2 * number + i) % len(images)] for i in (0, 1)]
        pair = [_resized(image, height, width) for image in pair]
        planes = [torch.from_numpy(x.transpose(2, 0, 1).copy())[None].float() / 255 for x in pair]
        if spec.task == "stereo":
            planes.append(torch.from_numpy(matched_prior(*pair, 64, spec.prior_scale))[None])
        yield tuple(planes[: len(spec.inputs)])


def _resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    tensor = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float()
    return (
        F.interpolate(tensor, (height, width), mode="area")[0]
        .permute(1, 2, 0)
        .round()
        .byte()
        .numpy()
    )


def _example(spec: ModelSpec, height: int, width: int) -> tuple[Tensor, ...]:
    return tuple(torch.rand(spec.shape(name, (height, width))) for name in spec.inputs)
