"""The shipped networks on this CPU: ONNX Runtime and OpenVINO, float32 and int8, one thread
each.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from depth_ros.core.errors import EngineError
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.parity import arrays_of
from depth_ros.engine.quantize import to_int8
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt.emulated import EmulatedGraph
from depth_ros.synthetic.renderer import render_stereo
from depth_ros.synthetic.scenes import clip_pose, clip_rig, clip_scene, random_rig, random_scene

CALIBRATION = 16  # frames
_SIZE = (256, 320)


class OpenvinoEngine:
    """An ONNX file in OpenVINO on the CPU, one thread.

    Raises EngineError where openvino is missing or refuses it.
    """

    name = "openvino"
    model_hash = ""

    def __init__(self, path: Path, spec: ModelSpec):
        try:
            import openvino
        except ImportError as error:
            raise EngineError(
                f"expected the package openvino, got: {error} (pip install openvino)"
            ) from error
        self.spec = spec
        try:
            config = {
                "INFERENCE_NUM_THREADS": 1,
                "NUM_STREAMS": 1,
                "INFERENCE_PRECISION_HINT": "f32",
            }
            self._model = openvino.Core().compile_model(str(path), "CPU", config)
        except RuntimeError as error:
            raise EngineError(
                f"{path}: expected a model that OpenVINO takes, got: {error}"
            ) from error

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the network on arrays by name."""
        found = self._model({name: inputs[name] for name in self.spec.inputs})
        return {name: np.asarray(found[name]) for name in self.spec.outputs}

    def warmup(self) -> None:
        """Nothing to do: the first run is not measured."""


def calibration_frames(spec: ModelSpec, count: int = CALIBRATION) -> list[dict]:
    """Rendered frames for int8's ranges: random scenes in stereo, the procedural room for one
    camera. No photograph.
    """
    if spec.task == "stereo":
        pairs = [_random_pair(seed) for seed in range(count)]
    else:
        rig = clip_rig(*_SIZE)
        scene = clip_scene()
        found = [render_stereo(scene, rig, clip_pose(4 * i))["left"] for i in range(count + 1)]
        pairs = list(zip(found, found[1:]))
    return [arrays_of(spec, *pair) for pair in pairs]


def engines_of(
    path: Path, calibration: int = CALIBRATION
) -> tuple[dict[str, object], dict[str, str]]:
    """Every way of running a model here, by name, and why others are not there. calibration:
    frames for int8.
    """
    whole = OnnxEngine(path, threads=1)
    found = {"onnxruntime fp32": whole}
    absent = {}
    with tempfile.TemporaryDirectory() as folder:
        frames = calibration_frames(whole.spec, calibration)
        rounded = {form: _int8(path, frames, form, Path(folder)) for form in ("cpu", "tensorrt")}
        found["onnxruntime int8"] = OnnxEngine(rounded["cpu"], threads=1)
        for name, file in (("openvino fp32", path), ("openvino int8", rounded["cpu"])):
            try:
                found[name] = OpenvinoEngine(file, whole.spec)
            except EngineError as error:
                absent[name] = " ".join(str(error).split())
        # What a robot's GPU computes: not timed, since a CPU only emulates it.
        found["int8 as for tensorrt"] = _Emulated(rounded["tensorrt"], whole.spec)
    return found, absent


class _Emulated:
    """A graph for TensorRT, as it would compute it."""

    name = "emulated"
    model_hash = ""

    def __init__(self, path: Path, spec: ModelSpec):
        import onnx

        self.spec = spec
        self._graph = EmulatedGraph(onnx.load(str(path)), spec.outputs)

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the network on arrays by name."""
        return self._graph.run(inputs)

    def warmup(self) -> None:
        """Nothing to do."""


def _int8(path: Path, frames: list[dict], form: str, folder: Path) -> Path:
    """Write a model in int8."""
    try:
        import onnx
    except ImportError as error:
        raise EngineError(
            f"int8: expected the package onnx, got: {error} (pip install onnx)"
        ) from error
    model = onnx.load(str(path))
    del model.graph.value_info[:]
    onnx.save(to_int8(model, frames, form), str(folder / f"{form}.onnx"))
    return folder / f"{form}.onnx"


def _random_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rig = random_rig(rng, *_SIZE)
    found = render_stereo(random_scene(rng, rig), rig)
    return found["left"], found["right"]
