"""ONNX Runtime: the embedded default, on any machine."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from depth_ros.core.errors import EngineError, SpecError

from .base import blank_inputs, check_inputs
from .spec import INPUTS, METADATA_KEY, OUTPUTS, ModelSpec

_CPU = "CPUExecutionProvider"
_PROVIDERS = {
    "cpu": _CPU,
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "rocm": "ROCMExecutionProvider",
}
# Operators by which an int8 graph is known.
_INTEGERS = (b"QuantizeLinear", b"QLinearConv", b"ConvInteger")


class OnnxEngine:
    """A network in an ONNX file that carries its ModelSpec in the metadata.

    Args:
        path: The file.
        threads: Of ONNX Runtime; 0 = all cores but one, at least one.
        providers: Execution providers, best first: "cuda", "openvino", ... or ONNX Runtime's own
            names. The CPU is always the last of them, for what the others cannot run.

    Raises:
        EngineError: For a file that is absent or corrupt, or a provider that is not there or does
            not start.
        SpecError: Where the spec is absent or unlike the graph.
    """

    name = "onnxruntime"

    def __init__(self, path: str | Path, threads: int = 0, providers: tuple[str, ...] = ()):
        self.path = Path(path)
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise EngineError(
                f"{self.path}: expected an ONNX file, got {error.strerror}"
            ) from error
        self.model_hash = hashlib.sha256(content).hexdigest()[:12]
        self.precision = "fp32"
        if any(name in content for name in _INTEGERS):
            self.precision = "int8"
        self._session = _open(self.path, threads, providers)
        text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if text is None:
            raise SpecError(
                f"{self.path}: expected the metadata key {METADATA_KEY!r}, got none: not a "
                "depth_ros model?"
            )
        self.spec = ModelSpec.from_json(text)
        _check_tensors("inputs", self._session.get_inputs(), self.spec.inputs, INPUTS, self.spec)
        _check_tensors(
            "outputs", self._session.get_outputs(), self.spec.outputs, OUTPUTS, self.spec
        )

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the network on float32 arrays by name; raises EngineError for inputs that do not
        fit, or if it fails.
        """
        check_inputs(self.spec, inputs)
        feed = {name: inputs[name] for name in self.spec.inputs}
        try:
            values = self._session.run(list(self.spec.outputs), feed)
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise EngineError(f"{self.path}: the network failed: {error}") from error
        return dict(zip(self.spec.outputs, values, strict=True))

    def warmup(self) -> None:
        """Run once on a blank input."""
        self.run(blank_inputs(self.spec))


def _open(path: Path, threads: int, providers: tuple[str, ...]):
    """Open an inference session."""
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise EngineError(
            f"expected ONNX Runtime to run {path}, got: {error} (pip install onnxruntime)"
        ) from error
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or max(1, len(os.sched_getaffinity(0)) - 1)
    options.inter_op_num_threads = 1
    # Two spinning threads on a shared machine are slower than one that works.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    names = _provider_names(providers, ort.get_available_providers())
    try:
        # A weight that is float in the file stays so: between two pairs ONNX Runtime would round
        # it, per tensor.
        kept_float = ["WeightBiasQuantization"]
        session = ort.InferenceSession(
            str(path), options, providers=names, disabled_optimizers=kept_float
        )
    except Exception as error:  # ONNX Runtime's errors have no common base
        raise EngineError(
            f"{path}: expected an ONNX model, got a file that does not load: {error}"
        ) from error
    if missing := [name for name in names if name not in session.get_providers()]:
        raise EngineError(
            f"providers: expected {', '.join(missing)} to start, got "
            f"{session.get_providers()}: their "
            "libraries are missing or do not fit"
        )
    return session


def _provider_names(asked: tuple[str, ...], available: list[str]) -> list[str]:
    """ONNX Runtime's names of execution providers, the CPU last; raises EngineError for one that is
    not installed.

    >>> _provider_names(("CUDA",), ["CUDAExecutionProvider", "CPUExecutionProvider"])
    ['CUDAExecutionProvider', 'CPUExecutionProvider']
    """
    known = {name.lower(): name for name in available}
    names = []
    for name in asked:
        full = _PROVIDERS.get(name.lower(), name)
        if full.lower() not in known:
            short = {value: key for key, value in _PROVIDERS.items()}
            here = [short.get(name, name) for name in available]
            cure = (
                "others come with their own ONNX Runtime, as onnxruntime-gpu or "
                "onnxruntime-openvino"
            )
            raise EngineError(f"providers: expected one of {here}, got {name!r}: {cure}")
        names.append(known[full.lower()])
    return list(dict.fromkeys([*names, _CPU]))


def _check_tensors(kind: str, tensors, names: tuple, shapes: dict, spec: ModelSpec) -> None:
    """Raise SpecError unless the graph has exactly these tensors, float32, in the shapes of the
    spec.
    """
    found = {tensor.name: tensor for tensor in tensors}
    if set(found) != set(names):
        raise SpecError(
            f"spec {kind}: expected {sorted(names)} as the spec says, got {sorted(found)} "
            "in the graph"
        )
    for name in names:
        tensor = found[name]
        expected = shapes[name]
        if len(expected) == 4:
            size = (spec.height, spec.width)
            expected = (*expected[:2], *(side or None for side in spec.shape(name, size)[2:]))
        if tensor.type != "tensor(float)" or not _fits(tensor.shape, expected):
            wanted = ["any" if side is None else side for side in expected]
            raise SpecError(
                f"spec {kind} {name}: expected float32 {wanted}, got {tensor.type} "
                f"{tensor.shape} in the graph"
            )


def _fits(shape, expected: tuple) -> bool:
    """True where each side is the expected number; sides the graph leaves open are checked when
    it runs.
    """
    if len(shape) != len(expected):
        return False
    return all(
        not isinstance(side, int) or side == wanted
        for side, wanted in zip(shape, expected, strict=True)
    )
