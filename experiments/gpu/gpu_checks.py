"""Our own parts on a real driver, for experiments/gpu/gpu.py: each says what came of it, none stops
the rest.

"engine" is the package's TensorrtEngine with pycuda, pinned buffers and its CUDA graph, around a
TensorRT that is a fake and copies its input: it runs where pycuda is and TensorRT is not.
"tensorrt" is the whole chain: build, open, gate. They run in a process of their own (python
experiments/gpu/gpu_checks.py): a fault of the GPU ends it for a whole process.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import subprocess
import sys
import tempfile
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from gpu_graphs import ROOT, arrays_of, images
from gpu_report import attempt

from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt import engine as tensorrt_engine
from depth_ros.engine.tensorrt.api import import_library
from depth_ros.engine.tensorrt.build import Request, build
from depth_ros.engine.tensorrt.cache import CacheKey, EngineCache
from depth_ros.engine.tensorrt.cuda_graph import CudaGraph
from depth_ros.engine.tensorrt.engine import TensorrtEngine, import_cuda, open_checked
from depth_ros.engine.tensorrt.gpu import find_gpu

_SHAPE = (1, 1, 64, 96)
_FRAMES = 50
_LIMIT_S = 150


def all_checks() -> dict:
    """Every check by name: what it gave, or why it failed."""
    done = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, timeout=_LIMIT_S
    )
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"check"')]
    outcomes = {item.pop("check"): item for item in found}
    if done.returncode == 0:
        return outcomes
    return {**outcomes, "ended": {"failed": done.stderr[-500:]}}


def main() -> None:
    """Print each outcome as a line of JSON as soon as it is known."""
    for check in (driver, graph, pycuda, engine, tensorrt):
        print(json.dumps({"check": check.__name__, **attempt(check)}), flush=True)


def driver() -> dict:
    """The GPU as the package sees it."""
    gpu = find_gpu()
    return {"gpu": gpu.name, "compute_capability": gpu.compute_capability}


def graph() -> dict:
    """Our CudaGraph records copies and a kernel, and replays them on other numbers."""
    stream = torch.cuda.Stream()
    here, back = (torch.zeros(1000, pin_memory=True) for _ in range(2))
    there = torch.zeros(1000, device="cuda")
    doubled = torch.zeros(1000, device="cuda")

    def enqueue():
        with torch.cuda.stream(stream):
            there.copy_(here, non_blocking=True)
            torch.mul(there, 2, out=doubled)
            back.copy_(doubled, non_blocking=True)

    torch.cuda.synchronize()
    enqueue()
    stream.synchronize()
    recorded = CudaGraph.capture(stream.cuda_stream, enqueue)
    here.fill_(21)
    recorded.launch()
    stream.synchronize()
    recorded.free()
    assert bool((back == 42).all()), f"expected 42, got {back[:3]}"
    return {"replayed": True}


def pycuda() -> dict:
    """pycuda as the package imports it."""
    import_cuda()
    import pycuda as package

    return {"version": package.VERSION_TEXT}


def engine() -> dict:
    """TensorrtEngine: opened in one thread, run and closed in another; what comes back is what
    went in.
    """
    spec = ModelSpec("copy", "mono", ("image",), ("depth",), 0, 0, divisor=8)
    shapes = {"image": (1, 3, *_SHAPE[2:])}
    key = CacheKey("ab" * 32, "tensorrt", "fake", "any", "9.0", "fp32", shapes)
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(tensorrt_engine, "import_library", _copying),
    ):
        cache = EngineCache(folder)
        cache.store(key, spec, b"engine")
        with ThreadPoolExecutor(1) as other:
            found = other.submit(lambda: TensorrtEngine(cache.load(key))).result()
        with contextlib.closing(found):
            for number in range(_FRAMES):
                frame = np.full(shapes["image"], number, np.float32)
                answer = found.run({"image": frame})["depth"]
                assert np.all(answer == number), f"frame {number}: got {answer.ravel()[:3]}"
    return {"frames": _FRAMES, "note": found.note or "replayed as a CUDA graph"}


def tensorrt() -> dict:
    """A shipped model built, opened and compared on this GPU with ONNX Runtime, in every
    precision but int8.
    """
    import_cuda()
    library = import_library()
    outcome = {}
    path = ROOT / "models" / "stereo.onnx"
    size = (96, 128)
    reference = OnnxEngine(path)
    frames = [arrays_of(reference.spec, *images(size))]
    for precision in ("fp16", "fp32"):
        with tempfile.TemporaryDirectory() as folder:
            cache = EngineCache(Path(folder))
            built = build(Request(path, size, precision, frames=frames), cache)
            with contextlib.closing(open_checked(cache, built.key, reference, frames)) as found:
                outcome[precision] = {
                    "build_s": round(built.seconds, 1),
                    "note": found.note,
                    "parity": cache.load(built.key).about["parity"],
                }
    return {"library": f"{library.__name__} {library.__version__}", **outcome}


def _copying(name: str):
    """A TensorRT whose one engine copies the first plane of "image" to "depth", on the GPU."""
    driver = ctypes.CDLL("libcuda.so.1")
    tensors = {"image": (1, 3, *_SHAPE[2:]), "depth": _SHAPE}
    addresses: dict[str, int] = {}

    def execute(stream: int) -> bool:
        size = ctypes.c_size_t(4 * int(np.prod(_SHAPE)))
        there, here = (ctypes.c_uint64(addresses[n]) for n in ("depth", "image"))
        return driver.cuMemcpyDtoDAsync_v2(there, here, size, ctypes.c_void_p(stream)) == 0

    execution = types.SimpleNamespace(
        set_tensor_address=lambda tensor, address: addresses.update({tensor: address}) or True,
        execute_async_v3=execute,
    )
    found = types.SimpleNamespace(
        num_io_tensors=2,
        get_tensor_name=list(tensors).__getitem__,
        get_tensor_shape=tensors.__getitem__,
        get_tensor_dtype=lambda tensor: "DataType.FLOAT",
        create_execution_context=lambda: execution,
    )
    runtime = types.SimpleNamespace(deserialize_cuda_engine=lambda content: found)
    return types.SimpleNamespace(
        ILogger=type("ILogger", (), {"ERROR": 1}), Runtime=lambda log: runtime
    )


if __name__ == "__main__":
    main()
