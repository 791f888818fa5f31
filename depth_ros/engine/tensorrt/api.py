"""TensorRT behind a few functions: `tensorrt` 8.6, 10, 11 or `tensorrt_rtx`, whichever is there.

Imported lazily.
"""

from __future__ import annotations

import contextlib
import importlib
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from depth_ros.core.errors import EngineError
from depth_ros.engine.tensorrt.progress import progress_monitor
from depth_ros.files import write_atomic

LIBRARIES = ("tensorrt", "tensorrt_rtx")
_MOST_WORDS = 20
NO_REASON = "no reason given"
# for good: the library goes on using what it was given after our last reference is gone
_kept: list = []


@dataclass(frozen=True)
class BuildOptions:
    """What else a builder is told.

    Args:
        workspace_mib: Most memory for scratch; 0: the library's choice. timing: File in which the
        times of kernels are kept from one build to the next; None: they are not.
    """

    workspace_mib: int = 0
    timing: Path | None = None


_AS_EVER = BuildOptions()


def import_library(name: str = "auto"):
    """Import TensorRT; name: one of LIBRARIES, or "auto" for the first that is there.

    Raises EngineError where it is missing, with what to install.
    """
    if name not in ("auto", *LIBRARIES):
        raise EngineError(f"library: expected one of {('auto', *LIBRARIES)}, got {name!r}")
    failures = []
    for candidate in LIBRARIES if name == "auto" else (name,):
        try:
            module = importlib.import_module(candidate)
            module.Builder  # noqa: B018 - a stub that only downloads the library has none
        except Exception as error:  # noqa: BLE001 - stubs and halves of installations raise whatever they like
            failures.append(f"{candidate}: {error}")
            continue
        return module
    raise EngineError(f"expected TensorRT, got {'; '.join(failures)} ({_cure(platform.machine())})")


def _cure(machine: str) -> str:
    """Where TensorRT comes from on a machine; TensorRT-RTX has wheels for x86-64 only.

    >>> _cure("x86_64")
    'pip install tensorrt-rtx-cu13, or TensorRT from NVIDIA'
    """
    if machine in ("x86_64", "AMD64"):
        return "pip install tensorrt-rtx-cu13, or TensorRT from NVIDIA"
    return (
        f"on {machine} it comes with the system, never by pip: apt install "
        "python3-libnvinfer on JetPack; "
        "a virtual environment needs --system-site-packages to see it"
    )


def logger(trt):
    """A logger of the library that keeps what it complained about last, in .words, and prints
    nothing.

    For the few messages of a runtime: a builder sends tens of thousands, each through Python; see
    error_recorder.
    """

    class Logger(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)
            self.words: list[str] = []

        def log(self, severity, message):
            if severity <= trt.ILogger.ERROR:
                self.words.append(" ".join(message.split())[:300])
                del self.words[:-_MOST_WORDS]

    _kept.append(Logger())
    return _kept[-1]


def native_logger(trt):
    """The library's own logger, which drops all but errors before they reach Python, and prints
    those to stderr.
    """
    _kept.append(trt.Logger(trt.Logger.ERROR))
    return _kept[-1]


def error_recorder(trt):
    """What a builder and all that it makes report errors to, and nothing else; they are kept in
    .words.
    """

    class Recorder(trt.IErrorRecorder):
        def __init__(self):
            trt.IErrorRecorder.__init__(self)
            self.errors: list[tuple] = []

        @property
        def words(self) -> list[str]:
            return [" ".join(text.split())[:300] for _, text in self.errors]

        def num_errors(self):
            return len(self.errors)

        def get_error_code(self, index):
            return self.errors[index][0]

        def get_error_desc(self, index):
            return self.errors[index][1]

        def has_overflowed(self):
            return False

        def clear(self):
            self.errors.clear()

        def report_error(self, code, text):
            self.errors.append((code, text))
            del self.errors[:-_MOST_WORDS]
            return False  # not fatal by itself: the call that failed says so

    _kept.append(Recorder())
    return _kept[-1]


def create_or_raise(log, what: str, factory: Callable, *arguments):
    """Make a builder, parser or runtime; raises EngineError with the library's words where it gives
    none.

    The bindings then raise TypeError, which says nothing but that a factory gave no object. log:
    what has .words.
    """
    try:
        return factory(*arguments)
    except TypeError as error:
        raise EngineError(f"expected a TensorRT {what}, got none: {_said(log)}") from error


def compile_network(
    trt,
    onnx_bytes: bytes,
    precision: str,
    capability: str = "",
    options: BuildOptions = _AS_EVER,
    progress: Callable[[float], None] | None = None,
) -> tuple[bytes, dict[str, tuple]]:
    """Compile an ONNX graph, in which sizes and types are fixed already; minutes, in which nothing
    can stop it.

    Args:
        trt: TensorRT, as import_library returns it.
        onnx_bytes: A serialised onnx.ModelProto.
        precision: "fp32", "fp16" or "int8".
        capability: Compute capability to build for, "" for this machine's GPU; tensorrt_rtx can
            build for others.
        options: What else may differ.
        progress: Called with the share done, 0 to 1, from another thread; 8.6 never calls it.

    Returns:
        The engine, and (shape, type) of each tensor by name.

    Raises:
        EngineError: Where the graph is refused, the GPU is missing, or memory runs out, with the
        library's words.
    """
    log = native_logger(trt)
    said = error_recorder(trt)
    builder = create_or_raise(said, "builder", trt.Builder, log)
    flags = trt.NetworkDefinitionCreationFlag
    strong = hasattr(flags, "STRONGLY_TYPED")
    network = builder.create_network(
        1 << int(flags.STRONGLY_TYPED if strong else flags.EXPLICIT_BATCH)
    )
    parser = create_or_raise(said, "parser", trt.OnnxParser, network, log)
    if not parser.parse(onnx_bytes):
        reasons = [str(parser.get_error(i)) for i in range(parser.num_errors)]
        raise EngineError(
            "expected a graph that TensorRT takes, got: "
            f"{' '.join('; '.join(reasons).split())[:500]}"
        )
    builder.error_recorder = (
        said  # after the parser: one made under a recorder takes the network down with itself
    )
    config = builder.create_builder_config()
    _configure(trt, config, precision, strong, capability, options.workspace_mib)
    _load_timing(trt, config, options.timing)
    if not strong and precision == "fp16":
        _keep_floats(trt, network, config)
    if hasattr(trt, "IProgressMonitor"):  # since 9.1; 8.6 says nothing
        config.progress_monitor = progress_monitor(trt, progress)
    content = builder.build_serialized_network(network, config)
    if content is None:
        raise EngineError(f"expected an engine, got none: {_said(said)}")
    _store_timing(trt, config, options.timing)
    return bytes(content), network_tensors(network)


def _load_timing(trt, config, file: Path | None) -> None:
    """Let a builder know what was measured before; tensorrt_rtx measures nothing while it
    builds.
    """
    if file is None or trt.__name__ != "tensorrt":
        return
    try:
        known = file.read_bytes()
    except OSError:
        known = b""
    cache = config.create_timing_cache(known) or config.create_timing_cache(
        b""
    )  # a damaged one is begun anew
    if not config.set_timing_cache(cache, False):  # of another GPU or version
        config.set_timing_cache(config.create_timing_cache(b""), False)


def _store_timing(trt, config, file: Path | None) -> None:
    """Keep what was measured; where that cannot be written, it is measured again."""
    if file is None or trt.__name__ != "tensorrt":
        return
    with contextlib.suppress(OSError):
        timing = bytes(config.get_timing_cache().serialize())
        write_atomic(file, timing, durable=True)


def network_tensors(network) -> dict[str, tuple]:
    """(shape, name of type) of each input and output of a network, by name."""
    tensors = [network.get_input(i) for i in range(network.num_inputs)]
    tensors += [network.get_output(i) for i in range(network.num_outputs)]
    return {t.name: (tuple(t.shape), type_name(t.dtype)) for t in tensors}


def type_name(dtype) -> str:
    """The name of a type of the library, as "float"."""
    return str(dtype).rsplit(".", 1)[-1].lower()


def _configure(
    trt, config, precision: str, strong: bool, capability: str, workspace_mib: int
) -> None:
    """Set what differs between the versions: builder flags before strong types, the target in
    tensorrt_rtx.
    """
    if workspace_mib:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_mib << 20)
    if precision == "fp32" and hasattr(trt.BuilderFlag, "TF32"):
        config.clear_flag(trt.BuilderFlag.TF32)  # who asks for fp32 wants its digits
    if not strong and precision != "fp32":
        config.set_flag(getattr(trt.BuilderFlag, precision.upper()))
    if hasattr(
        trt.BuilderFlag, "REQUIRE_USER_ALLOCATION"
    ):  # tensorrt_rtx: else its frames need not be recordable
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    if not hasattr(config, "num_compute_capabilities"):
        return
    known = trt.ComputeCapability.__members__
    target = "SM" + capability.replace(".", "") if capability else "CURRENT"
    if target not in known:
        choices = [f"{name[2:-1]}.{name[-1]}" for name in known if name.startswith("SM")]
        raise EngineError(
            f"compute capability: expected one of {', '.join(choices)}, got {capability}"
        )
    config.num_compute_capabilities = 1
    config.set_compute_capability(known[target], 0)


def _keep_floats(trt, network, config) -> None:
    """Hold the layers whose answers are float32 in the graph to it: before strong types the flag
    frees them all.

    In half precision colours cannot be packed and metres are rounded. Preferred, not demanded: the
    gate judges.
    """
    config.set_flag(trt.BuilderFlag.PREFER_PRECISION_CONSTRAINTS)
    free = (trt.LayerType.CONSTANT, trt.LayerType.CAST, trt.LayerType.SHAPE)
    for layer in (network.get_layer(i) for i in range(network.num_layers)):
        answers = [layer.get_output(i) for i in range(layer.num_outputs)]
        if layer.type not in free and all(
            a.dtype == trt.DataType.FLOAT and not a.is_shape_tensor for a in answers
        ):
            layer.precision = trt.DataType.FLOAT
            for i in range(layer.num_outputs):
                layer.set_output_type(i, trt.DataType.FLOAT)


def _said(log) -> str:
    """The library's last complaints; log: what has .words."""
    return "; ".join(log.words[-2:]) or NO_REASON
