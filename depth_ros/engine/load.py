"""Choose the engine that a user asked for; what was asked for by name is never replaced by
something else.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from depth_ros.core.errors import EngineError

from .base import Engine
from .options import BACKENDS, EngineOptions

__all__ = ["BACKENDS", "EngineOptions", "default_model", "load_engine"]
_TREE_MODELS = Path(__file__).resolve().parents[2] / "models"
_TO_BUILD = ("onnx", "filelock")
Say = Callable[[str], None]


def load_engine(
    model: str | Path | None = None,
    backend: EngineOptions | str = "auto",
    max_disparity_px: int = 128,
    task: str = "stereo",
    say: Say = lambda words: None,
) -> Engine:
    """Load an engine.

    Args:
        model: An ONNX file; None or "": the released one of the task.
        backend: A name, or options with one. "auto": the model, on TensorRT where GPU, driver, its
            binding, TensorRT and onnx are there and no execution provider was named, else on ONNX
            Runtime; SGBM only in stereo where no model was named and none is installed.
            "onnxruntime": in int8 where no model was named, see for_this_cpu. "tensorrt": ONNX
            Runtime answers until the engine is there. "sgbm": takes no model.
        max_disparity_px: What SGBM searches, pixels.
        task: "stereo", "mono" or "pose".
        say: Called with a message when engines change, in the thread that runs.

    Raises:
        EngineError: For an unknown backend, a file that is absent or corrupt, a model named beside
            "sgbm", or where "tensorrt", an engine or an execution provider was asked for and a part
            of it is missing.
        SpecError: For a spec that does not fit.

    >>> load_engine(backend="sgbm").name
    'sgbm'
    """
    options = EngineOptions.of(backend)
    path = default_model(task)
    if model:
        path = Path(model)
    if task != "stereo" and options.backend == "sgbm":
        raise EngineError(
            f"backend: expected a network's for {task}, got 'sgbm', which needs two cameras"
        )
    if options.backend == "sgbm" and model:
        raise EngineError(
            f"backend sgbm: expected no model beside it, it uses none; got {str(model)!r}"
        )
    if task == "stereo" and (
        options.backend == "sgbm" or (options.backend == "auto" and path is None)
    ):
        from .sgbm import SgbmEngine

        return SgbmEngine(max_disparity_px)
    if path is None:
        raise EngineError(
            f"expected a model ({task}) for onnxruntime, got none, and no released one is installed"
        )
    from .onnx import OnnxEngine

    if not _is_for_tensorrt(options):
        plain = model or options.providers  # a GPU's provider wants the float network
        return OnnxEngine(path if plain else for_this_cpu(path), providers=options.provider_names)
    return on_tensorrt(OnnxEngine(path, providers=options.provider_names), say, options)


def _is_for_tensorrt(options: EngineOptions) -> bool:
    """Whether TensorRT is to run the network; raises EngineError where it was asked for by name
    and cannot.
    """
    asked = options.backend == "tensorrt" or bool(options.engine)
    if not asked and (options.backend == "onnxruntime" or options.providers):
        return False
    lack = tensorrt_lacks(options)
    if asked and lack:
        raise EngineError(f"backend tensorrt: {lack}")
    return not lack


def for_this_cpu(path: Path) -> Path:
    """Return the int8 form beside a released model, <name>_int8.onnx, where it is faster here, see
    probe; else the model.
    """
    from .probe import fits_cpu

    int8 = path.with_name(f"{path.stem}_int8.onnx")
    if not int8.is_file():
        return path
    return fits_cpu(path, int8)


def tensorrt_lacks(options: EngineOptions | None = None) -> str:
    """Return what keeps this machine from running TensorRT; "" where nothing does.

    onnx and filelock are not needed for an engine that is named: nothing is built then.
    """
    from .tensorrt.api import import_library
    from .tensorrt.cuda_driver import import_cuda
    from .tensorrt.gpu import find_gpu

    options = options or EngineOptions()
    try:
        find_gpu()  # first: where there is no driver, nothing heavy is imported
        import_library()
        import_cuda(options.cuda_binding)
    except EngineError as error:
        return str(error)
    if options.engine:
        return ""
    for package in _TO_BUILD:
        if importlib.util.find_spec(package) is None:
            return (
                f"expected the package {package} to build an engine for TensorRT, got none "
                f"(pip install {package})"
            )
    return ""


def on_tensorrt(engine, say: Say, options: EngineOptions | None = None) -> Engine:
    """Have the engine of a network made ready in the background, for the size of the first frame,
    and change to it.

    Args:
        engine: The network in ONNX Runtime, which answers meanwhile, and for good where the build
        or the gate fails. say: Told of each change. options: Which engine, and whether frames wait
        for it.
    """
    from .background import UpgradingEngine
    from .parity import rendered_frames
    from .tensorrt.build import Request, find_or_build
    from .tensorrt.cache import EngineCache
    from .tensorrt.engine import open_checked

    options = options or EngineOptions()

    def prepare(inputs, cancelled):
        size = next(value.shape[2:] for value in inputs.values() if value.ndim == 4)
        frames = gate_frames(inputs, lambda: rendered_frames(engine.spec, size))
        if options.engine:
            return open_named(options, engine, engine, frames())
        cache = EngineCache()
        request = Request(
            engine.path, size, options.precision, options.workspace_mib, frames=frames()
        )
        key = find_or_build(
            request, cache, engine.spec, cancelled, lambda words: upgrading.say(words)
        )  # of then: a node's
        return open_checked(cache, key, engine, frames(), binding=options.cuda_binding)

    upgrading = UpgradingEngine(engine, prepare, say, upgrade_policy(options))
    return upgrading


def open_named(
    options: EngineOptions, network, reference, frames: Iterator[dict], read: tuple[str, ...] = ()
):
    """Open the engine file that a user named, through the gate.

    Args:
        options: With its path.
        network: The model in ONNX Runtime, of which the engine must be.
        reference: What it is compared with: the network, or the whole step around it.
        frames: Input arrays by name, the one at hand first.
        read: The outputs that are wanted, () = all.

    Raises:
        EngineError: For a file without its metadata, of another model or for other tensors, naming
        both.
    """
    from .tensorrt.cache import read_engine
    from .tensorrt.engine import open_file

    cached = read_engine(Path(options.engine))
    made_of = cached.about["key"]["model_sha256"][: len(network.model_hash)]
    if made_of != network.model_hash:
        raise EngineError(
            f"{options.engine}: expected an engine of the model {network.model_hash}, got "
            f"one of {made_of}"
        )
    first = next(frames)
    wanted = {name: list(value.shape) for name, value in first.items()}
    built_for = cached.about["key"]["shapes"]
    if wanted != built_for:
        raise EngineError(
            f"{options.engine}: expected an engine for tensors {wanted}, got one for {built_for}"
        )
    return open_file(
        cached, reference, itertools.chain([first], frames), read, options.cuda_binding
    )


def gate_frames(first: dict, rendered: Callable[[], list[dict]]) -> Callable[[], Iterator[dict]]:
    """Return what makes the frames of a gate: the one that is there, whatever it shows, and
    rendered ones.

    Those are rendered once and not before somebody asks for them, which nobody does where all gates
    were passed before.
    """
    once = functools.cache(rendered)

    def frames() -> Iterator[dict]:
        yield first
        yield from once()

    return frames


def upgrade_policy(options: EngineOptions) -> str:
    """Whether frames wait for the engine that was asked for, see background.UpgradingEngine."""
    from .background import LIVE, PATIENT, STRICT

    if not options.waits:
        return LIVE
    if options.backend == "tensorrt" or options.engine:
        return STRICT
    return PATIENT


def default_model(task: str = "stereo") -> Path | None:
    """Find the released model of a task: the source tree's models/, else share/depth_ros/models.

    The tree first, so that a model installed earlier does not stand in for the one beside the code.
    """
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    folders = [_TREE_MODELS]
    for prefix in (*prefixes, sys.prefix):
        if prefix:
            folders.append(Path(prefix) / "share" / "depth_ros" / "models")
    for folder in folders:
        path = folder / f"{task}.onnx"
        if path.is_file():
            return path
    return None
