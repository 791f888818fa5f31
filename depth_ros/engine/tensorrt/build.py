"""ONNX to a TensorRT engine in the cache: converted, compared, compiled, checked, written whole."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from depth_ros.core.errors import EngineError
from depth_ros.engine.base import Runnable
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.parity import check_parity, rendered_frames
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt.cache_key import UNKNOWN, CacheKey
from depth_ros.engine.tensorrt.compiler import Job, compile_apart
from depth_ros.engine.tensorrt.emulated import EmulatedGraph
from depth_ros.engine.tensorrt.request import Request, lock_file, make_key

from .api import import_library
from .cache import EngineCache, StaleEngine
from .convert import convert, input_shapes
from .fused_graph import step_shapes, with_io
from .lock import build_lock
from .tensors import Tensors

_INTERRUPTED = "interrupted: no engine was written"
_NOT_ENGINES = (b"PK", b"\x08", b"<", b"{", b"\x89PNG")  # zip, ONNX, text, pictures


@dataclass(frozen=True)
class Built:
    """An engine in the cache.

    Args:
        path: Of the engine.
        key: Of the engine.
        parity: Of the converted graph in ONNX Runtime; empty for one that was imported.
        reason: Why it was built; "" = it was not, the cache had it.
        seconds: Of wall clock.
        accuracy: What judge returned.
    """

    path: Path
    key: CacheKey
    parity: dict
    reason: str
    seconds: float
    accuracy: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Converted:
    """A graph as TensorRT gets it, serialised, with the outcome of the first gate and what judge
    returned.
    """

    model: bytes
    parity: dict
    accuracy: dict


def build(
    request: Request,
    cache: EngineCache,
    force: bool = False,
    progress: Callable[[float], None] | None = None,
    cancelled: threading.Event | None = None,
    say: Callable[[str], None] = lambda words: None,
) -> Built:
    """Return the engine of a request, from the cache where a whole one lies there.

    One process builds on a GPU at a time; where another does, that is waited for, and what it built
    is taken.

    Args:
        request: What to build.
        cache: Where it is looked for, and left.
        force: Build even what the cache has.
        progress: Called with the share done, 0 to 1.
        cancelled: Set it to stop the build.
        say: Told where another process is waited for.

    Raises:
        EngineError: Where a part is missing, the graph is refused, the converted graph differs from
        the model, the
            build crashed, or was interrupted.
        SpecError: Where the model's spec does not fit it.
    """
    start = time.monotonic()
    network = OnnxEngine(request.model)
    trt = import_library(request.library)
    key = make_key(request, trt, network.spec)
    cancelled = cancelled or threading.Event()
    found, reason = _look(cache, key, start)
    if found and not force:
        return found
    with build_lock(lock_file(key), say, cancelled) as waited:
        if waited and (other := _look(cache, key, start)[0]):
            return other
        converted = convert_checked(request, network, cancelled)
        content, tensors = compile_apart(
            _job(request, key, cache, converted.model), progress, cancelled
        )
        Tensors.of(network.spec, key.shapes).check_compiled(tensors)
        seconds = time.monotonic() - start
        about = {"conversion": converted.parity, "parity": None, "accuracy": converted.accuracy}
        path = cache.store(key, network.spec, content, **about, build_s=round(seconds, 1))
    return Built(
        path, key, converted.parity, reason or "asked to build anew", seconds, converted.accuracy
    )


def find_or_build(
    request: Request,
    cache: EngineCache,
    spec: ModelSpec,
    cancelled: threading.Event | None = None,
    say: Callable[[str], None] = lambda words: None,
) -> CacheKey:
    """Return the key of an engine that will do, see `find`; where none is there, build it. spec: of
    the model.

    Raises EngineError as build does, and for int8 that was not built ahead: its ranges come from a
    recording.
    """
    try:
        return find(request, cache, spec)
    except StaleEngine as stale:
        if request.precision == "int8" and not request.calibration:
            height, width = request.step.image_size if request.step else request.size
            cure = (
                f"depth-ros build {request.model} --shape {height}x{width} --precision int8 "
                "--calibrate BAG"
            )
            raise EngineError(
                f"int8: expected an engine that was built ahead for {width}x{height}, "
                f"got none in {cache.folder}: {cure} ({stale})"
            ) from stale
    return build(request, cache, cancelled=cancelled, say=say).key


def find(request: Request, cache: EngineCache, spec: ModelSpec) -> CacheKey:
    """Return the key of an engine in the cache that will do for a request; raises StaleEngine where
    there is none.

    spec: of the model, which is not opened.

    Where the request names no workspace, any will do; without frames of calibration, those of any
    recording.
    """
    key = make_key(request, import_library(request.library), spec)
    unknown = request.precision == "int8" and not request.calibration
    wanted = replace(
        key,
        workspace_mib=request.workspace_mib,
        calibration=UNKNOWN if unknown else key.calibration,
    )
    return cache.find(wanted)


def import_engine(request: Request, cache: EngineCache, file: Path) -> Built:
    """Put an engine that another builder made, as trtexec, into the cache, where a node looks for
    it.

    It must have been built of the same graph (`depth-ros build --save-onnx`) on this GPU: what it
    answers is compared when it is first opened. Raises EngineError for a file that cannot be read
    or is empty.
    """
    start = time.monotonic()
    spec = OnnxEngine(request.model).spec
    key = make_key(request, import_library(request.library), spec)
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise EngineError(f"{file}: expected a TensorRT engine, got {error.strerror}") from error
    if not content or content.startswith(_NOT_ENGINES):
        raise EngineError(
            f"{file}: expected a TensorRT engine, got a file of another kind ({len(content)} bytes)"
        )
    if request.precision == "int8":
        key = replace(key, calibration=f"imported {hashlib.sha256(content).hexdigest()[:16]}")
    path = cache.store(key, spec, content, conversion=None, parity=None, imported=Path(file).name)
    return Built(path, key, {}, f"imported from {file}", time.monotonic() - start)


def _look(cache: EngineCache, key: CacheKey, start: float) -> tuple[Built | None, str]:
    """What the cache has for a key, or None and why."""
    try:
        cached = cache.load(key)
    except StaleEngine as stale:
        return None, str(stale)
    parity, accuracy = (cached.about.get(name) or {} for name in ("conversion", "accuracy"))
    return Built(cached.path, key, parity, "", time.monotonic() - start, accuracy), ""


def convert_checked(request: Request, network: OnnxEngine, cancelled: threading.Event) -> Converted:
    """Convert the model of a request and pass the first gate: does the graph still answer what the
    model does?

    Raises EngineError where it is refused, and ParityError where it answers something else.
    """
    spec = network.spec
    converted = convert(request.model, spec, request.size, request.precision, request.calibration)
    accuracy = request.judge(EmulatedGraph(converted, spec.outputs)) if request.judge else {}
    reference: Runnable = request.plain or network
    frames = request.frames
    shapes = input_shapes(spec, request.size)
    if request.step is not None:
        converted = with_io(converted, spec, request.step.image_size, request.step.working)
        shapes = step_shapes(spec, request.size, request.step)
    elif not frames:
        frames = rendered_frames(spec, request.size)
    model = converted.SerializeToString()
    if cancelled.is_set():
        raise EngineError(_INTERRUPTED)
    outputs = Tensors.of(spec, shapes).outputs
    graph = EmulatedGraph(converted, outputs)
    return Converted(model, check_parity(graph, reference, request.precision, frames), accuracy)


def _job(request: Request, key: CacheKey, cache: EngineCache, model: bytes) -> Job:
    """What the compiling process is told."""
    return Job(
        model,
        key.library,
        key.precision,
        request.compute_capability,
        key.workspace_mib,
        cache.timing_file(key),
    )
