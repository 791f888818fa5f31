"""TensorRT or TensorRT-RTX for experiments/gpu/gpu.py, on PyTorch's memory and stream: neither
pycuda nor the cache is needed.
"""

from __future__ import annotations

import importlib
import time

import numpy as np
import torch
from gpu_report import attempt, failure, percentiles

_NAMES = ("tensorrt", "tensorrt_rtx")
# An engine for another architecture may or may not run: each is tried, and what comes of it is
# written down.
_CAPABILITIES = {"tensorrt": ("",), "tensorrt_rtx": ("", "8.0", "8.9", "12.0")}
_REHEARSED = "8.6"
_TYPES = {"float32": torch.float32, "float16": torch.float16, "uint8": torch.uint8}


def libraries() -> dict:
    """Which of the libraries can be imported, and why the others cannot."""
    found = {}
    for name in _NAMES:
        try:
            found[name] = importlib.import_module(name).__version__
        except Exception as error:  # noqa: BLE001 - a stub raises whatever it likes
            found[name] = f"absent: {' '.join(str(error).split())[:200]}"
    return found


def tensorrt_rows(
    graph, arrays: list, wanted: list, precision: str, kind: str, device, repeats: int
):
    """Rows of every library that is here, for each target it can be built for until one runs."""
    for name in _NAMES:
        try:
            trt = importlib.import_module(name)
            trt.Builder  # noqa: B018
        except Exception:  # noqa: BLE001
            continue
        if device.type == "cpu" and name == "tensorrt_rtx":
            targets = (_REHEARSED,)
        else:
            targets = _CAPABILITIES[name]
        for target in targets:
            row = {"way": f"{name} {trt.__version__}" + (f" for {target}" if target else "")}
            try:
                row |= _row(trt, graph, arrays, wanted, precision, kind, device, repeats, target)
            except Exception as error:  # noqa: BLE001
                row |= failure(error)
            yield row
            if "p50_ms" in row:
                break


def _row(trt, graph, arrays, wanted, precision, kind, device, repeats, target) -> dict:
    from gpu import difference, timed

    from depth_ros.engine.tensorrt.api import compile_network, logger

    start = time.perf_counter()
    content, _ = compile_network(trt, graph.SerializeToString(), precision, target)
    built = {"build_s": round(time.perf_counter() - start, 1), "engine_bytes": len(content)}
    if device.type == "cpu":
        return {
            **built,
            "not_measured": f"built ({built['engine_bytes']} bytes); a CPU cannot run it",
        }
    log = logger(trt)
    runtime = trt.Runtime(log)
    engine = runtime.deserialize_cuda_engine(content)
    if engine is None:
        raise RuntimeError(f"not for this GPU: {'; '.join(log.words)}")
    context = engine.create_execution_context()
    host = [torch.from_numpy(np.ascontiguousarray(array)).pin_memory() for array in arrays]
    there = {item.name: tensor.to(device) for item, tensor in zip(graph.graph.input, host)}
    for item in graph.graph.output:
        shape = tuple(engine.get_tensor_shape(item.name))
        dtype = _TYPES[np.dtype(trt.nptype(engine.get_tensor_dtype(item.name))).name]
        there[item.name] = torch.empty(shape, dtype=dtype, device=device)
    for name, tensor in there.items():
        context.set_tensor_address(name, tensor.data_ptr())
    back = {
        item.name: torch.empty_like(there[item.name], device="cpu").pin_memory()
        for item in graph.graph.output
    }

    def frame():
        if kind == "step":
            for item, tensor in zip(graph.graph.input, host):
                there[item.name].copy_(tensor, non_blocking=True)
        if not context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise RuntimeError("; ".join(log.words) or "the engine failed")
        if kind == "step":
            for name, tensor in back.items():
                tensor.copy_(there[name], non_blocking=True)

    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):  # on the default stream TensorRT waits more often
        plain = percentiles(timed(frame, device, repeats))
    off = difference([there[item.name] for item in graph.graph.output], wanted)
    replayed = attempt(lambda: percentiles(timed(_recorded(frame), device, repeats)))
    found = {**built, **plain, **off, "without_graph": plain}
    if "p50_ms" in replayed:
        return {**found, **replayed}
    return {**found, "graph": replayed["failed"]}


def _recorded(frame):
    """A frame as a CUDA graph."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        frame()
    return graph.replay
