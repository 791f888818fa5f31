"""Export a trained network to ONNX with its ModelSpec inside, and refuse to if it does not compute the same."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import torch

from depth_ros.core.errors import EngineError
from depth_ros.engine.onnx_engine import OnnxEngine
from depth_ros.engine.spec import METADATA_KEY, ModelSpec
from train.data.stereo import StereoPairs
from train.model.stereo import DIVISOR, StereoNet

OPSET = 16  # old enough for every TensorRT that we mean to support
_TOLERANCE_PX = 0.01


def load_average(checkpoint: Path) -> StereoNet:
    """The averaged weights of a checkpoint as a network ready to run."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    weights = {k.removeprefix("module."): v for k, v in saved["average"].items() if k.startswith("module.")}
    net = StereoNet(weights["entry.0.weight"].shape[0])
    net.load_state_dict(weights)
    return net.eval()


def export_stereo(net: StereoNet, path: Path, trained_on: str, pool: Path | None = None) -> float:
    """Write `net` to `path` and return the largest mean disparity difference, px, between PyTorch and ONNX Runtime.

    Checked at three sizes on held-out pairs of the pool (random images where there is none). Raises EngineError, and
    leaves what was at `path` alone, where it is over 0.01 px.
    """
    spec = ModelSpec(
        name="stereo", task="stereo", inputs=("left", "right", "prior"), outputs=("disparity", "log_sigma"),
        height=0, width=0, divisor=DIVISOR, trained_on=trained_on,
    )  # fmt: skip
    part = path.with_suffix(".part.onnx")
    path.parent.mkdir(parents=True, exist_ok=True)
    example = tuple(torch.rand(1, c, 2 * DIVISOR, 3 * DIVISOR) for c in (3, 3, 2))
    size = {2: "height", 3: "width"}
    torch.onnx.export(
        net, example, str(part), opset_version=OPSET, dynamo=False, input_names=list(spec.inputs),
        output_names=list(spec.outputs), dynamic_axes={n: size for n in (*spec.inputs, *spec.outputs)},
    )  # fmt: skip
    model = onnx.load(part)
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, part)
    try:
        worst = parity(net, part, pool)
        if not worst < _TOLERANCE_PX:
            raise EngineError(f"{path}: expected parity within {_TOLERANCE_PX} px, got {worst:.4f} px; not written")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return worst


def parity(net: StereoNet, path: Path, pool: Path | None = None) -> float:
    """Largest over samples of the mean |difference| of disparity, px, PyTorch against ONNX Runtime."""
    engine, worst = OnnxEngine(path), 0.0
    for sample in _samples(pool):
        with torch.no_grad():
            wanted = net(*sample)[0].numpy()
        got = engine.run(dict(zip(engine.spec.inputs, (x.numpy() for x in sample))))["disparity"]
        worst = max(worst, float(np.abs(wanted - got).mean()))
    return worst


def _samples(pool: Path | None):
    files = sorted(Path(pool).glob("*.npz"))[:3] if pool else []
    sizes = ((192, 256), (256, 320), (320, 448))
    for file, size in zip(files, sizes):
        item = StereoPairs([file], size, spoil=False)[0]
        yield tuple(item[k][None] for k in ("left", "right", "prior"))
    if not files:
        generator = torch.Generator().manual_seed(0)
        for size in sizes:
            yield tuple(torch.rand(1, c, *size, generator=generator) * s for c, s in ((3, 1), (3, 1), (2, 30)))
