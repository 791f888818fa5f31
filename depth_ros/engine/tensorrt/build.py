"""ONNX to a TensorRT engine in the cache: converted, compared, compiled, checked, written whole."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from depth_ros.core.errors import EngineError
from depth_ros.engine.base import Runnable
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.parity import check_parity, rendered_frames
from depth_ros.engine.spec import ModelSpec

from .api import Gpu, compile_network, find_gpu, import_library
from .cache import ANY_GPU, CacheKey, EngineCache, StaleEngine
from .convert import CONVERSION, convert, input_shapes
from .fused_graph import IO_GRAPH, Step, step_shapes, with_io
from .lock import build_lock
from .tensors import Tensors

_POLL_S = 0.2


@dataclass(frozen=True)
class Request:
    """What to build. model: an ONNX file with its spec. size: (height, width) of the tensors,
    pixels.

    precision: "fp32", "fp16" or "int8". workspace_mib: 0 = the library's choice. library: "auto",
    "tensorrt" or "tensorrt_rtx". compute_capability: "" = of this machine's GPU; others ("8.6")
    with tensorrt_rtx only. calibration: input arrays by name, for int8. frames: the same, for
    parity, and other ones; empty: rendered ones. step: not None: the whole step, see io_graph, of
    which frames are inputs then; plain: what does the same step around ONNX Runtime, with run, spec
    and outputs. judge: given what runs the converted graph, says how far from the truth it is, as
    JSON takes it.
    """

    model: Path
    size: tuple[int, int]
    precision: str = "fp16"
    workspace_mib: int = 0
    library: str = "auto"
    compute_capability: str = ""
    frames: list[dict] = field(default_factory=list)
    calibration: list[dict] = field(default_factory=list)
    step: Step | None = None
    plain: Runnable | None = None
    judge: Callable[[object], dict] | None = None


@dataclass(frozen=True)
class Built:
    """path: of the engine. parity: of the converted graph in ONNX Runtime. reason: why it was
    built; "" = it was not, the cache had it. seconds: of wall clock. accuracy: what judge said."""

    path: Path
    key: CacheKey
    parity: dict
    reason: str
    seconds: float
    accuracy: dict = field(default_factory=dict)


def build(
    request: Request,
    cache: EngineCache,
    force: bool = False,
    progress: Callable[[float], None] | None = None,
    cancelled: threading.Event | None = None,
    say: Callable[[str], None] = lambda words: None,
) -> Built:
    """Give the engine of a request, from the cache where a whole one lies there.

    progress: called with the share done, 0 to 1. cancelled: set it to stop the build. say: told
    where another process builds the same engine; that one is waited for, and what it built is
    taken. Raises EngineError or SpecError where a part is missing, the graph is refused, the
    converted graph differs from the model, or it was interrupted.
    """
    start = time.monotonic()
    network = OnnxEngine(request.model)
    trt = import_library(request.library)
    key = make_key(request, trt, network.spec)
    cancelled = cancelled or threading.Event()
    found, reason = _find(cache, key, start)
    if found and not force:
        return found
    with build_lock(cache.path(key).with_suffix(".lock"), say, cancelled) as waited:
        if waited and (other := _find(cache, key, start)[0]):
            return other
        reason = reason or "asked to build anew"
        return _build(request, network, trt, key, cache, reason, progress, cancelled)


def _find(cache: EngineCache, key: CacheKey, start: float) -> tuple[Built | None, str]:
    """What the cache has for a key, or None and why."""
    try:
        cached = cache.load(key)
    except StaleEngine as stale:
        return None, str(stale)
    parity, accuracy = (cached.about.get(name) or {} for name in ("conversion", "accuracy"))
    return Built(cached.path, key, parity, "", time.monotonic() - start, accuracy), ""


def _build(
    request: Request,
    network: OnnxEngine,
    trt,
    key: CacheKey,
    cache,
    reason: str,
    progress,
    cancelled,
) -> Built:
    """Convert, compare, compile, check, store."""
    start, spec = time.monotonic(), network.spec
    tensors = Tensors.of(spec, key.shapes)
    converted = convert(request.model, spec, request.size, request.precision, request.calibration)
    accuracy = (
        request.judge(_Graph(converted.SerializeToString(), spec.outputs)) if request.judge else {}
    )
    reference: Runnable = request.plain or network
    frames = request.frames
    if request.step is not None:
        converted = with_io(converted, spec, request.step.image_size, request.step.working)
    elif not frames:
        frames = rendered_frames(spec, request.size)
    model = converted.SerializeToString()
    if cancelled.is_set():
        raise EngineError("interrupted: no engine was written")
    parity = check_parity(_Graph(model, tensors.outputs), reference, request.precision, frames)
    content, found = _compile(trt, model, request, progress, cancelled)
    tensors.check_compiled(found)
    seconds = time.monotonic() - start
    path = cache.store(
        key,
        spec,
        content,
        conversion=parity,
        parity=None,
        accuracy=accuracy,
        build_s=round(seconds, 1),
    )
    return Built(path, key, parity, reason, seconds, accuracy)


def make_key(request: Request, trt, spec: ModelSpec) -> CacheKey:
    """Say what the engine of a request depends on, on this machine, with this library."""
    name = trt.__name__
    if name == "tensorrt" and request.compute_capability:
        raise EngineError(
            "compute capability: expected none for tensorrt, which builds for the GPU at hand"
        )
    gpu = Gpu(ANY_GPU, request.compute_capability) if request.compute_capability else find_gpu()
    options = {"workspace_mib": str(request.workspace_mib), "conversion": CONVERSION}
    if request.precision == "int8":
        options["calibration"] = frames_digest(request.calibration)
    shapes = input_shapes(spec, request.size)
    if request.step is not None:
        if request.plain is None or not request.frames:
            raise EngineError(
                "with-io: expected the plain step and frames to compare with, got none"
            )
        shapes = step_shapes(spec, request.size, request.step)
        options["with_io"] = (
            f"{IO_GRAPH}, resized to {request.step.working[0]}x{request.step.working[1]}"
        )
    return CacheKey(
        model_sha256=hashlib.sha256(Path(request.model).read_bytes()).hexdigest(),
        library=name,
        version=trt.__version__,
        gpu=ANY_GPU if name == "tensorrt_rtx" else gpu.name,
        compute_capability=gpu.compute_capability,
        precision=request.precision,
        shapes=shapes,
        options=options,
    )


def frames_digest(frames: list[dict]) -> str:
    """Sixteen hexadecimal digits of the arrays that int8 was calibrated on."""
    digest = hashlib.sha256()
    for frame in frames:
        for name in sorted(frame):
            digest.update(name.encode() + str(frame[name].shape).encode() + frame[name].tobytes())
    return digest.hexdigest()[:16]


class _Graph:
    """A converted graph in ONNX Runtime."""

    def __init__(self, model: bytes, names):
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.log_severity_level = 3
        self._names = list(names)
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise EngineError(
                f"expected a converted graph that ONNX Runtime loads, got: {error}"
            ) from error

    def run(self, inputs: dict) -> dict:
        return dict(zip(self._names, self._session.run(self._names, inputs), strict=True))


def _compile(trt, model: bytes, request: Request, progress, cancelled: threading.Event):
    """Compile in another thread, so that Ctrl-C reaches this one, which then stops that one."""
    outcome: list = []

    def work():
        try:
            outcome.append(
                compile_network(
                    trt,
                    model,
                    request.precision,
                    request.compute_capability,
                    request.workspace_mib,
                    progress,
                    cancelled,
                )
            )
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
        raise EngineError(
            f"the build failed: {type(outcome[0]).__name__}: {outcome[0]}"
        ) from outcome[0]
    return outcome[0]
