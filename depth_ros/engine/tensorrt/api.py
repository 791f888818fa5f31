"""TensorRT behind a few functions: `tensorrt` 8.6, 10, 11 or `tensorrt_rtx`, whichever is there.

Imported lazily.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from depth_ros.core.errors import EngineError

LIBRARIES = ("tensorrt", "tensorrt_rtx")
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*
_NAME_BYTES = 256
_MOST_WORDS = 20
_loggers: list = []


@dataclass(frozen=True)
class Gpu:
    """name: as the driver says. compute_capability: as "8.6"."""

    name: str
    compute_capability: str


def find_gpu() -> Gpu:
    """Ask the driver for the first GPU that this process may use; raises EngineError where there is
    none.

    Through libcuda itself: neither pycuda nor nvidia-smi is needed, and CUDA_VISIBLE_DEVICES
    counts.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise EngineError(f"expected an NVIDIA driver, got: {error}") from error
    device, name = ctypes.c_int(), ctypes.create_string_buffer(_NAME_BYTES)
    numbers = [ctypes.c_int(), ctypes.c_int()]
    for code in (
        driver.cuInit(0),
        driver.cuDeviceGet(ctypes.byref(device), 0),
        driver.cuDeviceGetName(name, _NAME_BYTES, device),
        *(
            driver.cuDeviceGetAttribute(ctypes.byref(n), a, device)
            for n, a in zip(numbers, (_MAJOR, _MINOR))
        ),
    ):
        if code != 0:
            raise EngineError(
                f"expected an NVIDIA GPU that can be used, got {cuda_words(driver, code)}"
            )
    return Gpu(name.value.decode(errors="replace"), f"{numbers[0].value}.{numbers[1].value}")


def cuda_words(driver, code: int) -> str:
    """Say what a result of the driver means; driver: libcuda."""
    words = ctypes.c_char_p()
    with contextlib.suppress(AttributeError):
        driver.cuGetErrorString(code, ctypes.byref(words))
    return f"CUDA error {code}" + (
        f" ({words.value.decode(errors='replace')})" if words.value else ""
    )


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
    raise EngineError(
        f"expected TensorRT, got {'; '.join(failures)} (pip install tensorrt-rtx-cu13, or "
        "TensorRT from NVIDIA)"
    )


def logger(trt):
    """A logger of the library that keeps what it complained about last, in .words, and prints
    nothing.
    """

    class Logger(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)
            self.words: list[str] = []

        def log(self, severity, message):
            if severity <= trt.ILogger.ERROR:
                self.words.append(" ".join(message.split())[:300])
                del self.words[:-_MOST_WORDS]

    _loggers.append(
        Logger()
    )  # kept for good: the library's registry goes on using the first one that it was given
    return _loggers[-1]


def create_or_raise(log, what: str, factory: Callable, *arguments):
    """Make a builder, parser or runtime; raises EngineError with the library's words where it gives
    none.

    The bindings then raise TypeError, which says nothing but that a factory gave no object.
    """
    try:
        return factory(*arguments)
    except TypeError as error:
        raise EngineError(
            f"expected a TensorRT {what}, got none: {_said(log) if log.words else error}"
        ) from error


def compile_network(
    trt,
    onnx_bytes: bytes,
    precision: str,
    capability: str,
    workspace_mib: int = 0,
    progress: Callable[[float], None] | None = None,
    cancelled: threading.Event | None = None,
) -> tuple[bytes, dict[str, tuple]]:
    """Compile an ONNX graph, in which sizes and types are fixed already.

    capability: compute capability to build for, "" for that of this machine's GPU; tensorrt_rtx can
    build for others. workspace_mib: most memory for scratch, 0 = the library's choice. progress:
    called with the share done, 0 to 1, from another thread. cancelled: set it to stop. Returns the
    engine, and (shape, type) of each tensor by name. Raises EngineError where the graph is refused,
    the GPU is missing, or memory runs out, with the library's words.
    """
    log = logger(trt)
    builder = create_or_raise(log, "builder", trt.Builder, log)
    flags = trt.NetworkDefinitionCreationFlag
    strong = hasattr(flags, "STRONGLY_TYPED")
    network = builder.create_network(
        1 << int(flags.STRONGLY_TYPED if strong else flags.EXPLICIT_BATCH)
    )
    parser = create_or_raise(log, "parser", trt.OnnxParser, network, log)
    if not parser.parse(onnx_bytes):
        reasons = [str(parser.get_error(i)) for i in range(parser.num_errors)]
        raise EngineError(
            "expected a graph that TensorRT takes, got: "
            f"{' '.join('; '.join(reasons).split())[:500]}"
        )
    config = builder.create_builder_config()
    _configure(trt, config, precision, strong, capability, workspace_mib)
    if not strong and precision == "fp16":
        _keep_floats(trt, network, config)
    if hasattr(trt, "IProgressMonitor"):  # since 9.1; 8.6 says nothing, and stops for nobody
        config.progress_monitor = _monitor(trt, progress, cancelled)
    content = builder.build_serialized_network(network, config)
    if cancelled is not None and cancelled.is_set():
        raise EngineError("interrupted: no engine was written")
    if content is None:
        raise EngineError(f"expected an engine, got none: {_said(log)}")
    return bytes(content), network_tensors(network)


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


def _monitor(trt, progress, cancelled):
    """Follow the nested phases of a build; what is shown never goes back."""

    class Monitor(trt.IProgressMonitor):
        def __init__(self):
            trt.IProgressMonitor.__init__(self)
            self.phases: dict[str, list] = {}  # name -> [share of the whole, start of it, steps]
            self.most = 0.0

        def phase_start(self, phase_name, parent_phase, num_steps):
            share, start, steps = self.phases.get(parent_phase, [1.0, 0.0, 1])
            self.phases[phase_name] = [share / max(steps, 1), start, num_steps]

        def step_complete(self, phase_name, step):
            share, start, steps = self.phases.get(phase_name, [0.0, 0.0, 1])
            self.most = max(self.most, min(1.0, start + share * (step + 1) / max(steps, 1)))
            if progress:
                progress(self.most)
            return not (cancelled and cancelled.is_set())

        def phase_finish(self, phase_name):
            self.phases.pop(phase_name, None)

    return Monitor()


def _said(log) -> str:
    """The library's last complaints."""
    return "; ".join(log.words[-2:]) or "no reason given"
