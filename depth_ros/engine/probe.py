"""float32 or int8 on this CPU: measured once, and kept; what a CPU is called does not say how
fast it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import time
from pathlib import Path

import numpy as np

from depth_ros.core.errors import EngineError
from depth_ros.files import write_atomic

from .onnx import OnnxEngine
from .tensorrt.cache import default_folder

_SIZE = (
    192,
    320,
)  # large enough that convolutions, and not calls, take the time; small enough for a start
_ROUNDS = 5
_GAIN = 0.9  # int8 has to be faster by a tenth: it costs a little accuracy


def fits_cpu(model: Path, int8: Path, folder: Path | None = None) -> Path:
    """Choose between a model and its int8 form, both for ONNX Runtime, by timing them on this
    machine.

    The measurement takes less than a second or two, and is kept for this CPU, number of cores,
    version of ONNX Runtime and these files; where it cannot be written, it is made again at the
    next start.

    Args:
        model: The ONNX file in float32.
        int8: The same network in int8.
        folder: Where the measurement is kept; None: where engines are.

    Returns:
        `int8` where it takes less than 0.9 of the other's time, else `model`.
    """
    file = (folder or default_folder()) / f"probe-{_machine_digest(model, int8)}.json"
    times = _kept(file)
    if times is None:
        times = _measured(model, int8)
        with contextlib.suppress(OSError):
            write_atomic(file, json.dumps(times).encode(), durable=True)
    return int8 if times["int8_ms"] < _GAIN * times["float_ms"] else model


def _measured(model: Path, int8: Path) -> dict[str, float]:
    """Milliseconds of a frame in each, the least of some rounds, in turns: what else runs
    disturbs both alike.
    """
    engines = {"float_ms": OnnxEngine(model), "int8_ms": OnnxEngine(int8)}
    spec = engines["float_ms"].spec
    height, width = (-(-side // spec.divisor) * spec.divisor for side in _SIZE)
    size = (height, width)
    if not spec.is_dynamic:
        size = (spec.height, spec.width)
    rng = np.random.default_rng(0)
    inputs = {name: rng.random(spec.shape(name, size), np.float32) for name in spec.inputs}
    times: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(1 + _ROUNDS):
        for name, engine in engines.items():
            start = time.perf_counter()
            engine.run(inputs)
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: min(found[1:]) for name, found in times.items()}  # the first is a warm-up


def _machine_digest(*models: Path) -> str:
    """Sixteen hexadecimal digits of what the times depend on."""
    import onnxruntime

    cores = len(os.sched_getaffinity(0))
    digest = hashlib.sha256(f"{_cpu()} {cores} {onnxruntime.__version__}".encode())
    for model in models:
        try:
            digest.update(model.read_bytes())
        except OSError as error:
            raise EngineError(f"{model}: expected an ONNX file, got {error.strerror}") from error
    return digest.hexdigest()[:16]


def _cpu() -> str:
    """What the CPU is called, with what it can do: one name stands for many in virtual machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    names = ("model name", "flags", "CPU part", "Features")
    return "; ".join(sorted({line for line in lines if line.startswith(names)}))


def _kept(file: Path) -> dict[str, float] | None:
    """A measurement that was made before; None where there is none that can be read."""
    try:
        found = json.loads(file.read_text())
        return {name: float(found[name]) for name in ("float_ms", "int8_ms")}
    except (OSError, ValueError, KeyError, TypeError):
        return None
