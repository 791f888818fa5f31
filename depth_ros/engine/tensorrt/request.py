"""What is to be built, and the key of all that it depends on."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from depth_ros.core.errors import EngineError
from depth_ros.engine.base import Runnable
from depth_ros.engine.spec import ModelSpec

from .cache import default_folder
from .cache_key import ANY_GPU, CacheKey
from .convert import CONVERSION, input_shapes
from .fused_graph import IO_GRAPH, Step, step_shapes
from .gpu import Gpu, find_gpu, workspace_limit


@dataclass(frozen=True)
class Request:
    """What to build.

    Args:
        model: An ONNX file with its spec.
        size: (height, width) of the tensors, pixels.
        precision: "fp32", "fp16" or "int8".
        workspace_mib: Most memory for scratch; 0: the library's choice, on a GPU that shares its
            memory a part of it.
        library: "auto", "tensorrt" or "tensorrt_rtx".
        compute_capability: "": of this machine's GPU; others ("8.6") with tensorrt_rtx only.
        frames: Input arrays by name, for parity; taken once, and not at all where nothing is built;
            empty: rendered ones.
        calibration: The same for int8, other ones.
        step: Not None: the whole step, see fused_graph, of which frames are inputs then.
        plain: What does the same step around ONNX Runtime, with run, spec and outputs.
        judge: Given what runs the converted graph, returns its error against ground truth, as JSON
            takes it.
    """

    model: Path
    size: tuple[int, int]
    precision: str = "fp16"
    workspace_mib: int = 0
    library: str = "auto"
    compute_capability: str = ""
    frames: Iterable[dict] = ()
    calibration: list[dict] = field(default_factory=list)
    step: Step | None = None
    plain: Runnable | None = None
    judge: Callable[[object], dict] | None = None


def make_key(request: Request, trt, spec: ModelSpec) -> CacheKey:
    """Return what the engine of a request depends on, on this machine, with this library."""
    name = trt.__name__
    if name == "tensorrt" and request.compute_capability:
        raise EngineError(
            "compute capability: expected none for tensorrt, which builds for the GPU at hand"
        )
    if request.compute_capability:
        gpu = Gpu(ANY_GPU, request.compute_capability)
    else:
        gpu = find_gpu()
    if name == "tensorrt_rtx":
        # Finished on the device: what differs between devices is decided there.
        built_on = Gpu(ANY_GPU, gpu.compute_capability)
    else:
        built_on = gpu
    options = {"conversion": CONVERSION}
    shapes = input_shapes(spec, request.size)
    if request.step is not None:
        if request.plain is None or not request.frames:
            raise EngineError(
                "with-io: expected the plain step and frames to compare with, got none"
            )
        shapes = step_shapes(spec, request.size, request.step)
        height, width = request.step.working
        options["with_io"] = f"{IO_GRAPH}, resized to {height}x{width}"
    calibration = ""
    if request.precision == "int8":
        calibration = frames_digest(request.calibration)
    return CacheKey(
        model_sha256=hashlib.sha256(Path(request.model).read_bytes()).hexdigest(),
        library=name,
        version=trt.__version__,
        gpu=built_on.name,
        compute_capability=gpu.compute_capability,
        precision=request.precision,
        shapes=shapes,
        options=options,
        driver=built_on.driver,
        multiprocessors=built_on.multiprocessors,
        makers={package: _version(package) for package in ("onnx", "onnxruntime")},
        workspace_mib=workspace_limit(gpu, request.workspace_mib),
        calibration=calibration,
    )


def _version(package: str) -> str:
    """The version of a package that makes the graph; "" where it is not installed, and nothing
    can be built.
    """
    try:
        return importlib.import_module(package).__version__
    except ImportError:
        return ""


def frames_digest(frames: list[dict]) -> str:
    """Sixteen hexadecimal digits of the arrays that int8 was calibrated on."""
    digest = hashlib.sha256()
    for frame in frames:
        for name in sorted(frame):
            digest.update(name.encode() + str(frame[name].shape).encode() + frame[name].tobytes())
    return digest.hexdigest()[:16]


def lock_file(key: CacheKey) -> Path:
    """The file that is locked while an engine is built: one a GPU, else, where nothing is timed,
    one an engine.
    """
    if key.gpu == ANY_GPU:
        return default_folder() / f"build-{key.digest}.lock"
    gpu = hashlib.sha256(f"{key.gpu} {key.compute_capability}".encode()).hexdigest()[:16]
    return default_folder() / f"gpu-{gpu}.lock"
