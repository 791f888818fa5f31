"""Write a stereo model once more in int8, for CPUs, and refuse to where that costs accuracy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from depth_ros.core.errors import EngineError, InputError
from depth_ros.core.metrics import stereo_metrics
from depth_ros.engine.matching import matched_prior
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.quantize import to_int8
from depth_ros.engine.spec import METADATA_KEY, ModelSpec
from depth_ros.files import replacing

_RANGE_PX = 128
_HELD_OUT, _COMPARED = (
    32,
    16,
)  # the first pairs of every pool are never trained on; on some of them it is compared
_TOLERANCE_PCT = 0.3  # of the pixels off by more than 2 px


def quantise(model: Path, out: Path, pool: Path, count: int = 32) -> tuple[float, float]:
    """Write `out`, the int8 form of an exported stereo model for ONNX Runtime on CPUs.

    pool: of rendered pairs; ranges come from `count` of those that are trained on. Returns the
    share of pixels off by more than 2 px on held-out pairs, %, of the float32 model and of int8.
    Raises InputError for too few pairs or another task, EngineError where int8 is worse by 0.3
    points or more; then nothing is written.
    """
    reference = OnnxEngine(model, threads=1)
    files = sorted(pool.glob("*.npz"))
    if reference.spec.task != "stereo" or len(files) <= _HELD_OUT:
        raise InputError(
            f"{model}, {pool}: expected a stereo model and more than {_HELD_OUT} pairs, "
            f"got one for {reference.spec.task!r} and {len(files)} pairs"
        )
    graph = onnx.load(str(model))
    del graph.graph.value_info[:]
    made = to_int8(
        graph, [arrays(f, reference.spec) for f in files[_HELD_OUT : _HELD_OUT + count]], "cpu"
    )
    spec = replace(reference.spec, name=out.stem)
    onnx.helper.set_model_props(made, {METADATA_KEY: spec.to_json()})
    with replacing(out, ".onnx") as part:
        onnx.save(made, str(part))
        rounded = OnnxEngine(part, threads=1)
        whole, less = (
            np.mean([_bad2(f, e) for f in files[:_COMPARED]]) for e in (reference, rounded)
        )
        if not less < whole + _TOLERANCE_PCT:
            raise EngineError(
                f"{out}: expected int8 within {_TOLERANCE_PCT} points of {whole:.2f} %, "
                f"got {less:.2f} %"
            )
    return float(whole), float(less)


def arrays(file: Path, spec: ModelSpec) -> dict[str, np.ndarray]:
    """The inputs of a stereo model for a pair of a pool."""
    with np.load(file, allow_pickle=False) as pair:
        left = pair["left"]
        right = pair["right"]
    planes = (
        np.ascontiguousarray(image.transpose(2, 0, 1)[None]) / np.float32(255)
        for image in (left, right)
    )
    prior = matched_prior(left, right, _RANGE_PX, spec.prior_scale)[None]
    return dict(zip(("left", "right", "prior"), (*planes, prior)))


def _bad2(file: Path, engine: OnnxEngine) -> float:
    with np.load(file, allow_pickle=False) as pair:
        return stereo_metrics(
            engine.run(arrays(file, engine.spec))["disparity"][0, 0], pair["disparity"]
        )["bad2_pct"]
