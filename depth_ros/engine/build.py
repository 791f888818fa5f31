"""ONNX to a TensorRT engine in the cache: converted, compared, compiled, checked, written whole."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import EngineError
from .cache import ANY_GPU, CacheKey, EngineCache, StaleEngine
from .convert import CONVERSION, convert, input_shapes
from .onnx_engine import OnnxEngine
from .parity import check_parity, rendered_frames
from .spec import OUTPUTS, ModelSpec
from .tensorrt_library import Gpu, compile_network, find_gpu, import_library

_POLL_S = 0.2


@dataclass(frozen=True)
class Request:
    """What to build. model: an ONNX file with its spec. size: (height, width) of the tensors, pixels.

    precision: "fp32", "fp16" or "int8". workspace_mib: 0 = the library's choice. library: "auto", "tensorrt" or
    "tensorrt_rtx". compute_capability: "" = of this machine's GPU; others ("8.6") with tensorrt_rtx only.
    frames: input arrays by name, for parity and int8's calibration; empty: rendered ones for parity.
    """

    model: Path
    size: tuple[int, int]
    precision: str = "fp16"
    workspace_mib: int = 0
    library: str = "auto"
    compute_capability: str = ""
    frames: list[dict] = field(default_factory=list)


@dataclass(frozen=True)
class Built:
    """path: of the engine. parity: of the converted graph in ONNX Runtime. reason: why it was built; "" = it was not,
    the cache had it. seconds: of wall clock."""

    path: Path
    key: CacheKey
    parity: dict
    reason: str
    seconds: float


def build(
    request: Request, cache: EngineCache, force: bool = False, progress: Callable[[float], None] | None = None,
    cancelled: threading.Event | None = None,
) -> Built:  # fmt: skip
    """Give the engine of a request, from the cache where a whole one lies there.

    progress: called with the share done, 0 to 1. cancelled: set it to stop the build. Raises EngineError or SpecError
    where a part is missing, the graph is refused, the converted graph differs from the model, or it was interrupted.
    """
    start = time.monotonic()
    reference = OnnxEngine(request.model)
    trt = import_library(request.library)
    key = make_key(request, trt, reference.spec)
    try:
        cached = cache.load(key)
        if not force:
            return Built(cached.path, key, cached.about.get("conversion", {}), "", time.monotonic() - start)
        reason = "asked to build anew"
    except StaleEngine as stale:
        reason = str(stale)
    model = convert(request.model, reference.spec, request.size, request.precision, request.frames).SerializeToString()
    frames = request.frames or rendered_frames(reference.spec, request.size)
    parity = check_parity(_Graph(model, reference.spec), reference, request.precision, frames)
    content, tensors = _compile(trt, model, key, request, progress, cancelled or threading.Event())
    check_tensors(tensors, reference.spec, request.size)
    seconds = time.monotonic() - start
    path = cache.store(key, reference.spec, content, conversion=parity, parity=None, build_s=round(seconds, 1))
    return Built(path, key, parity, reason, seconds)


def make_key(request: Request, trt, spec: ModelSpec) -> CacheKey:
    """Say what the engine of a request depends on, on this machine, with this library."""
    name = trt.__name__
    if name == "tensorrt" and request.compute_capability:
        raise EngineError("compute capability: expected none for tensorrt, which builds for the GPU at hand")
    gpu = Gpu(ANY_GPU, request.compute_capability) if request.compute_capability else find_gpu()
    options = {"workspace_mib": str(request.workspace_mib), "conversion": CONVERSION}
    if request.precision == "int8":
        options["calibration"] = frames_digest(request.frames)
    return CacheKey(
        model_sha256=hashlib.sha256(Path(request.model).read_bytes()).hexdigest(),
        library=name, version=trt.__version__, gpu=ANY_GPU if name == "tensorrt_rtx" else gpu.name,
        compute_capability=gpu.compute_capability, precision=request.precision,
        shapes=input_shapes(spec, request.size), options=options,
    )  # fmt: skip


def check_tensors(tensors: dict[str, tuple], spec: ModelSpec, size: tuple[int, int]) -> None:
    """Raise EngineError unless a compiled network has exactly the inputs and outputs of the spec, float32, of a size.

    tensors: (shape, name of type) by name.
    """
    outputs = {name: (*OUTPUTS[name][:2], *size) if len(OUTPUTS[name]) == 4 else OUTPUTS[name] for name in spec.outputs}
    expected = {name: (tuple(s), "float") for name, s in (input_shapes(spec, size) | outputs).items()}
    found = {name: (tuple(shape), "float" if kind in ("float", "float32") else kind)
             for name, (shape, kind) in tensors.items()}  # fmt: skip
    if found != expected:
        raise EngineError(f"compiled network: expected {expected}, got {found}")


def frames_digest(frames: list[dict]) -> str:
    """Sixteen hexadecimal digits of the arrays that int8 was calibrated on."""
    digest = hashlib.sha256()
    for frame in frames:
        for name in sorted(frame):
            digest.update(name.encode() + str(frame[name].shape).encode() + frame[name].tobytes())
    return digest.hexdigest()[:16]


class _Graph:
    """A converted graph in ONNX Runtime."""

    def __init__(self, model: bytes, spec: ModelSpec):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 3
        self._names = list(spec.outputs)
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise EngineError(f"expected a converted graph that ONNX Runtime loads, got: {error}") from error

    def run(self, inputs: dict) -> dict:
        return dict(zip(self._names, self._session.run(self._names, inputs), strict=True))


def _compile(trt, model: bytes, key: CacheKey, request: Request, progress, cancelled: threading.Event):
    """Compile in another thread, so that Ctrl-C reaches this one, which then stops that one."""
    outcome: list = []

    def work():
        try:
            outcome.append(compile_network(trt, model, request.precision, key.compute_capability,
                                           request.workspace_mib, progress, cancelled))  # fmt: skip
        except Exception as error:  # noqa: BLE001 - raised again below, in the caller's thread
            outcome.append(error)

    thread = threading.Thread(target=work, name="build", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_POLL_S)
    except BaseException:
        cancelled.set()
        thread.join()
        raise
    if isinstance(outcome[0], EngineError):
        raise outcome[0]
    if isinstance(outcome[0], Exception):
        raise EngineError(f"the build failed: {type(outcome[0]).__name__}: {outcome[0]}") from outcome[0]
    return outcome[0]
