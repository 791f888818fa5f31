"""Choose the engine that a user asked for; what was asked for by name is never replaced by
something else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from depth_ros.core.errors import EngineError

from .base import Engine

BACKENDS = ("auto", "onnxruntime", "tensorrt", "sgbm")
_TREE_MODELS = Path(__file__).resolve().parents[2] / "models"


def load_engine(
    model: str | Path | None = None,
    backend: str = "auto",
    max_disparity_px: int = 128,
    task: str = "stereo",
    say: Callable[[str], None] = lambda words: None,
) -> Engine:
    """Load an engine.

    model: an ONNX file; None or "" = the released one of the task. backend: "auto" = the model, on
    TensorRT where GPU, driver, TensorRT and pycuda are there, else on ONNX Runtime; SGBM only in
    stereo where no model was named and none is installed; "onnxruntime", in int8 where no model was
    named, see for_this_cpu; "tensorrt", where ONNX Runtime answers until the engine is built;
    "sgbm", which takes no model. max_disparity_px: what SGBM searches, pixels. say: told in words
    when engines change, in the thread that runs. Raises EngineError for an unknown backend, a file
    that is absent or corrupt, a model named beside "sgbm", or where "tensorrt" was asked for and a
    part of it is missing; SpecError for a spec that does not fit.

    >>> load_engine(backend="sgbm").name
    'sgbm'
    """
    if backend not in BACKENDS:
        raise EngineError(f"backend: expected one of {BACKENDS}, got {backend!r}")
    path = Path(model) if model else default_model(task)
    if task != "stereo" and backend == "sgbm":
        raise EngineError(
            f"backend: expected a network's for {task}, got 'sgbm', which needs two cameras"
        )
    if backend == "sgbm" and model:
        raise EngineError(
            f"backend sgbm: expected no model beside it, it uses none; got {str(model)!r}"
        )
    if task == "stereo" and (backend == "sgbm" or (backend == "auto" and path is None)):
        from .sgbm import SgbmEngine

        return SgbmEngine(max_disparity_px)
    if path is None:
        raise EngineError(
            f"expected a model ({task}) for onnxruntime, got none, and no released one is installed"
        )
    from .onnx import OnnxEngine

    if backend == "onnxruntime" or (backend == "auto" and tensorrt_lacks()):
        return OnnxEngine(path if model else for_this_cpu(path))
    engine = OnnxEngine(path)
    if backend == "tensorrt" and (lack := tensorrt_lacks()):
        raise EngineError(f"backend tensorrt: {lack}")
    return on_tensorrt(engine, say)


def for_this_cpu(path: Path) -> Path:
    """Give the int8 form beside a released model, <name>_int8.onnx, where there is one and the CPU
    is fast at it.

    Fast: an x86 that multiplies bytes in one instruction (VNNI), which is what was measured.
    """
    twin = path.with_name(f"{path.stem}_int8.onnx")
    return twin if twin.is_file() and _multiplies_bytes() else path


def _multiplies_bytes() -> bool:
    """True for a CPU with VNNI."""
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def tensorrt_lacks() -> str:
    """Say what keeps this machine from running TensorRT; "" where nothing does."""
    from .tensorrt.api import find_gpu, import_library
    from .tensorrt.engine import import_cuda

    try:
        find_gpu()  # first: where there is no driver, nothing heavy is imported
        import_library()
        import_cuda()
    except EngineError as error:
        return str(error)
    return ""


def on_tensorrt(engine, say: Callable[[str], None], precision: str = "fp16") -> Engine:
    """Build the engine of a network in the background, for the size of the first frame, and change
    to it then.

    engine: the network in ONNX Runtime, which answers meanwhile, and for good where the build or
    the parity gate fails.
    """
    from .background import UpgradingEngine
    from .parity import rendered_frames
    from .tensorrt.build import Request, build
    from .tensorrt.cache import EngineCache
    from .tensorrt.engine import open_checked

    def prepare(inputs, cancelled):
        size = next(value.shape[2:] for value in inputs.values() if value.ndim == 4)
        cache = EngineCache()
        key = build(Request(engine.path, size, precision), cache, cancelled=cancelled).key
        frames = [
            inputs,
            *rendered_frames(engine.spec, size),
        ]  # the frame that is there, whatever it shows, and two
        return open_checked(cache, key, engine, frames)

    return UpgradingEngine(engine, prepare, say)


def default_model(task: str = "stereo") -> Path | None:
    """Find the released model of a task: the source tree's models/, else share/depth_ros/models.

    The tree first, so that a model installed earlier does not stand in for the one beside the code.
    """
    prefixes = [
        Path(prefix)
        for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
        if prefix
    ]
    installed = [
        prefix / "share" / "depth_ros" / "models" for prefix in (*prefixes, Path(sys.prefix))
    ]
    return next(
        (
            path
            for folder in (_TREE_MODELS, *installed)
            if (path := folder / f"{task}.onnx").is_file()
        ),
        None,
    )
