"""Export trained networks to ONNX with their ModelSpec inside, and refuse to where they do not
compute the same.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from depth_ros.core.errors import EngineError, InputError
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.spec import METADATA_KEY, ModelSpec
from depth_ros.files import replacing
from train.export.parity import example_inputs, parity
from train.export.spec import make_spec
from train.model.stereo_cascade import CascadeStereoNet, FastStereoNet
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
        if log_sigma is None:
            return depth
        return (depth, log_sigma)


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
    if path.is_dir():
        path = path / "checkpoint.pt"
    averaged = torch.load(path, map_location="cpu", weights_only=True)["average"]
    prefix = "module."  # AveragedModel keeps the objective under this name
    return {k.removeprefix(prefix): v for k, v in averaged.items() if k.startswith(prefix)}


def onnx_weights(path: Path) -> tuple[ModelSpec, dict[str, Tensor]]:
    """Read the spec and the weights out of a model that export wrote, by the names of the
    objective.
    """
    spec = OnnxEngine(path).spec
    model = onnx.load(path)
    found = {}
    for initializer in model.graph.initializer:
        found[initializer.name] = torch.from_numpy(numpy_helper.to_array(initializer).copy())
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    for name, twin in json.loads(metadata.get(_TWINS_KEY, "{}")).items():
        found[name] = found[twin].clone()
    return spec, {name: weight for name, weight in found.items() if "." in name}


@dataclass(frozen=True)
class Provenance:
    """What a model's spec says about its origin.

    Attributes:
        scale_source: Where its metres come from; None for what the recipe implies.
        trained_on: What it was trained on, for people.
    """

    scale_source: str | None = None
    trained_on: str = ""


def export_run(
    run: Path,
    model: Path,
    network: str | None = None,
    provenance: Provenance | None = None,
    images: list[np.ndarray] | None = None,
    weights: dict[str, Tensor] | None = None,
) -> tuple[float, str]:
    """Export a network of a run folder.

    Args:
        run: Folder with recipe.yaml and checkpoint.pt.
        model: The .onnx file to write.
        network: "depth", "pose", "stereo" or "stereo_coarse"; None for the one that the recipe's
            task names.
        provenance: What the spec says about the model's origin.
        images: (H,W,3) uint8 RGB to compare on; frames of the procedural room where None.
        weights: Of the objective; the averaged ones of the run where None.

    Returns:
        The parity with PyTorch, and its unit.

    Raises:
        InputError: For a run without that network.
        EngineError: Where the exported model does not agree with PyTorch.
    """
    recipe = Recipe.load(run / "recipe.yaml")
    objective = make_objective(recipe)
    objective.load_state_dict(weights or average_weights(run))
    objective.eval()
    network = network or recipe.task
    provenance = provenance or Provenance()
    source = provenance.scale_source
    spec = make_spec(recipe, network, source, provenance.trained_on, model.stem)
    module = _module(objective, recipe, network)
    if module is None:
        raise InputError(
            f"{run}: expected a run with a {network} network that stands alone, "
            f"got task {recipe.task}"
        )
    return export(module, spec, model, images)


def _module(objective: nn.Module, recipe: Recipe, network: str) -> nn.Module | None:
    """The network of an objective as a module with the model's inputs; None where it has none."""
    if recipe.task == "stereo":
        if network == "stereo":
            return objective.net
        if network == "stereo_coarse" and isinstance(objective.net, CascadeStereoNet):
            return FastStereoNet.of(objective.net.coarse)
        return None
    if network == "depth" and recipe.task == "depth":
        return DepthModule(objective.depth)
    stands_alone = recipe.pose.encoder != "shared" and not recipe.pose.joint
    if network == "pose" and recipe.pose.use and stands_alone:
        return PoseModule(objective.pose)
    return None


def export(
    net: nn.Module, spec: ModelSpec, path: Path, images: list[np.ndarray] | None = None
) -> tuple[float, str]:
    """Write a network as ONNX with its spec inside, after a comparison with PyTorch.

    Args:
        net: Takes the inputs of the spec in their order.
        spec: Its contract.
        path: The .onnx file.
        images: (H,W,3) uint8 RGB to compare on; rendered ones where None.

    Returns:
        The parity (see train.export.parity), and its unit.

    Raises:
        EngineError: Where the difference is over the tolerance of the output; what was at `path`
            stays.
    """
    path = Path(path)
    net = net.eval()
    with replacing(path, ".onnx") as part:
        _write_graph(net, spec, part)
        # The spec travels in the file's metadata, beside the names of weights left out.
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


def _write_graph(net: nn.Module, spec: ModelSpec, path: Path) -> None:
    """Trace the network with free heights and widths."""
    size = {2: "height", 3: "width"}
    axes = {name: size for name in (*spec.inputs, *spec.outputs) if name != "pose"}
    if "prior" in axes:
        axes["prior"] = {2: "prior_height", 3: "prior_width"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch about its own exporter; parity is checked
        torch.onnx.export(
            net,
            example_inputs(spec, 2 * spec.divisor, 3 * spec.divisor),
            str(path),
            opset_version=OPSET,
            dynamo=False,
            input_names=list(spec.inputs),
            output_names=list(spec.outputs),
            dynamic_axes=axes,
            # Batch norms stay what they are, so that a training can start from the model; engines
            # fold them.
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
        )


def _twins(net: nn.Module, graph) -> dict[str, str]:
    """Name the weights that the exporter left out because another, by value the same, is there:
    left out -> kept.
    """
    kept = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    by_value = {(value.shape, value.tobytes()): name for name, value in kept.items()}
    twins = {}
    for name, tensor in net.state_dict().items():
        if name in kept or not tensor.is_floating_point():
            continue
        value = tensor.numpy()
        twin = by_value.get((value.shape, value.tobytes()))
        if twin:
            twins[name] = twin
    return twins
