"""The shipped models on a GPU: PyTorch eager, compiled, as CUDA graphs, and TensorRT where it can be imported.

    python bench/gpu.py                 # on the GPU machine, about 8 minutes; JSON to $OUT, else bench/results/
    python bench/gpu.py --rehearse      # tiny, on a CPU: the same way but for CUDA graphs

The networks are the exported ONNX files themselves, operator by operator (onnx_torch.py). "network": tensors in GPU
memory in, tensors out. "step": bytes of the camera's images in pinned memory in, metres, sigma and points in pinned
memory out, both copies in it (stereo's prior is copied in too; SGBM, which makes it on the CPU, is not in the time).
PyTorch as a CUDA graph stands in for TensorRT where that does not run, and is named so.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from gpu_graphs import ROOT, Model, count  # noqa: E402
from gpu_tensorrt import libraries, tensorrt_rows  # noqa: E402
from onnx_torch import to_torch  # noqa: E402

# task, (height, width) of the camera's images, of the tensors where the estimator would choose others
CASES = (("stereo", (480, 640), None), ("stereo", (384, 640), None), ("mono", (192, 640), (192, 640)),
         ("mono", (480, 640), None), ("pose", (480, 640), None))  # fmt: skip
TINY = (("stereo", (64, 96), None), ("mono", (64, 96), (64, 96)), ("pose", (64, 96), (64, 96)))
AIMS_MS = {"stereo 480x640 fp16": 1.0, "mono 192x640 fp16": 0.4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes on the CPU")
    parser.add_argument("--repeats", type=int, default=0, help="frames measured for each row [200, rehearsal 2]")
    parser.add_argument("--tasks", nargs="+", default=["stereo", "mono", "pose"])
    parser.add_argument("--precisions", nargs="+", default=[], help="fp16 fp32 [both, rehearsal fp32]")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out, which takes minutes")
    parser.add_argument("--seconds", type=float, default=540, help="no new row is begun after so long")
    parser.add_argument("--out", type=Path, help="the JSON file")
    options = parser.parse_args()
    if not options.rehearse and not torch.cuda.is_available():
        sys.exit("bench/gpu.py: expected a GPU that PyTorch can use, got none; --rehearse runs it on a CPU")
    device = torch.device("cpu" if options.rehearse else "cuda")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    options.repeats = options.repeats or (2 if options.rehearse else 200)
    precisions = options.precisions or (["fp32"] if options.rehearse else ["fp16", "fp32"])
    report = {"machine": machine(device), "peaks": peaks(device), "tensorrt": libraries(), "rows": [], "counts": {}}
    path = options.out or Path(os.environ.get("OUT") or ROOT / "bench" / "results") / _name(report["machine"])
    end = time.monotonic() + options.seconds
    cases = [case for case in (TINY if options.rehearse else CASES) if case[0] in options.tasks]
    for task, size, tensors in cases:
        for precision in precisions:
            measure(report, task, size, tensors, precision, device, options, end)
            write(path, report)
    print(table(report))
    print(path)


def measure(report: dict, task, size, tensors, precision, device, options, end: float) -> None:
    """Add the rows of one model at one size and precision."""
    model = Model(task, size, precision == "fp16", tensors)
    title = f"{task} {model.size[0]}x{model.size[1]} {precision}"
    report["counts"][title] = roofline(count(model.network, model.ordered(model.network, model.inputs)),
                                       report["peaks"], precision)  # fmt: skip
    for kind, graph, inputs in (("network", model.network, model.inputs), ("step", model.step, model.step_inputs)):
        if graph is None:
            continue
        arrays = model.ordered(graph, inputs)
        for way in ways(device, not options.no_compile):
            if time.monotonic() > end:
                report["rows"].append({"name": title, "kind": kind, "way": way, "not_measured": "out of time"})
                continue
            found = attempt(partial(torch_row, graph, arrays, way, kind, device, options.repeats))
            report["rows"].append({"name": title, "kind": kind, "way": way, **found})
        for row in tensorrt_rows(graph, arrays, precision, kind, device, options.repeats):
            report["rows"].append({"name": title, "kind": kind, **row})


def ways(device, with_compile: bool) -> list[str]:
    """How PyTorch is asked."""
    found = ["eager"] + ["compile"] * with_compile
    return found if device.type == "cpu" else found + [f"{way}, CUDA graph" for way in found]


def attempt(work) -> dict:
    """What a row gives, or why it gives nothing: one failure must not cost the half hour."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001
        return {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}


def torch_row(graph, arrays: list, way: str, kind: str, device, repeats: int) -> dict:
    """Milliseconds of a graph in PyTorch, and its distance from the same graph run eagerly on the CPU in full."""
    module = to_torch(graph).to(device)
    wanted = to_torch(graph)
    host = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    run = torch.compile(module, fullgraph=True) if way.startswith("compile") else module
    with torch.inference_mode():
        step = Step(run, host, device, with_copies=kind == "step", as_graph="CUDA graph" in way)
        ms = timed(step, device, repeats)
        off = None
        if device.type == "cuda":  # in half precision a CPU takes minutes: the same module on the GPU is compared
            wanted = wanted.to(device)
        answers = wanted(*[tensor.to(device) for tensor in host])
        off = max(_off(got, answer) for got, answer in zip(step.outputs(), answers))
    return {**percentiles(ms), "off": off}


class Step:
    """One frame: with or without the copies, called or replayed."""

    def __init__(self, run, host: list, device, with_copies: bool, as_graph: bool):
        pin = device.type == "cuda"
        self._run, self._copies = run, with_copies
        self._host = [tensor.pin_memory() if pin else tensor for tensor in host]
        self._device = [tensor.to(device) for tensor in self._host]
        self._made = [tensor.clone() for tensor in run(*self._device)]
        self._back = [torch.empty(t.shape, dtype=t.dtype, pin_memory=pin) for t in self._made]
        self._graph = self._captured() if as_graph else None

    def __call__(self) -> None:
        if self._graph is not None:
            self._graph.replay()
        else:
            self._frame()

    def outputs(self) -> list:
        """The answers of the last frame."""
        return self._back if self._copies else self._made

    def _frame(self) -> None:
        if self._copies:
            for there, here in zip(self._device, self._host):
                there.copy_(here, non_blocking=True)
        self._made = self._run(*self._device)
        if self._copies:
            for here, there in zip(self._back, self._made):
                here.copy_(there, non_blocking=True)

    def _captured(self):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._frame()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._frame()
        return graph


def timed(frame, device, repeats: int) -> list[float]:
    """Milliseconds from the first call of a frame to the last of its work, one frame at a time, after a warm-up."""
    for _ in range(3 if device.type == "cpu" else 20):
        frame()
    ms = []
    for _ in range(repeats):
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        frame()
        if device.type == "cuda":
            torch.cuda.synchronize()
        ms.append(1e3 * (time.perf_counter() - start))
    return ms


def peaks(device) -> dict:
    """What this device reaches: a product of large matrices in fp16 and fp32, and a copy, in the same run."""
    size, big = (256, 1 << 20) if device.type == "cpu" else (8192, 1 << 30)
    found = {}
    for name, kind in (("fp16", torch.float16), ("fp32", torch.float32)):
        if device.type == "cpu" and name == "fp16":
            continue
        a = torch.randn(size, size, device=device, dtype=kind)
        found[f"{name}_flops"] = 2 * size**3 / (1e-3 * float(np.median(timed(lambda m=a: torch.mm(m, m), device, 5))))
    source = torch.empty(big, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    found["bytes_per_s"] = 2 * big / (1e-3 * float(np.median(timed(lambda: target.copy_(source), device, 5))))
    return found


def roofline(counted: dict, peak: dict, precision: str) -> dict:
    """The least time that bytes and FLOPs allow on this device, perfectly fused, and with no fusion at all."""
    compute_ms = 1e3 * counted["flops"] / peak.get(f"{precision}_flops", peak["fp32_flops"])
    least, unfused = (1e3 * counted[key] / peak["bytes_per_s"] for key in ("bytes_least", "bytes_unfused"))
    return {**counted, "compute_ms": compute_ms, "roofline_ms": max(compute_ms, least),
            "roofline_unfused_ms": max(compute_ms, unfused)}  # fmt: skip


def percentiles(ms: list[float]) -> dict:
    """p50, p95, p99 in milliseconds."""
    return {f"p{q}_ms": float(np.percentile(ms, q)) for q in (50, 95, 99)}


def machine(device) -> dict:
    """What was measured on, when, and with which command."""
    found = {"device": "CPU (rehearsal)", "host": platform.platform(terse=True), "torch": torch.__version__,
             "python": platform.python_version(), "date": datetime.datetime.now().isoformat(timespec="seconds"),
             "command": "python bench/gpu.py " + " ".join(sys.argv[1:])}  # fmt: skip
    if device.type == "cuda":
        asked = ["nvidia-smi", "--query-gpu=driver_version,clocks.sm,power.limit", "--format=csv,noheader"]
        driver = attempt(lambda: {"said": subprocess.run(asked, capture_output=True, text=True).stdout.strip()})
        found |= {"device": torch.cuda.get_device_name(0), "cuda": torch.version.cuda, "driver": driver,
                  "compute_capability": ".".join(map(str, torch.cuda.get_device_capability(0)))}  # fmt: skip
    return found


def table(report: dict) -> str:
    """The report for people."""
    lines = [f"{report['machine']['device']}, torch {report['machine']['torch']}; ms a frame, one at a time",
             f"{'':28}{'':10}{'':34}{'p50':>9}{'p95':>9}{'p99':>9}{'roofline':>10}{'vs eager':>10}"]  # fmt: skip
    eager = {(row["name"], row["kind"]): row.get("p50_ms") for row in report["rows"] if row.get("way") == "eager"}
    for row in report["rows"]:
        head = f"{row['name']:28}{row['kind']:10}{row['way']:34}"
        if "p50_ms" not in row:
            lines.append(head + "  " + (row.get("failed") or row.get("not_measured", "")))
            continue
        times = "".join(f"{row[f'p{q}_ms']:9.3f}" for q in (50, 95, 99))
        base = eager.get((row["name"], row["kind"]))
        ratio = f"{row['p50_ms'] / base:10.2f}" if base else ""
        lines.append(f"{head}{times}{report['counts'][row['name']]['roofline_ms']:10.4f}{ratio}")
    for name, aim in AIMS_MS.items():
        found = [row["p50_ms"] for row in report["rows"] if row["name"] == name and row["kind"] == "network"
                 and "p50_ms" in row]  # fmt: skip
        if found:
            lines.append(f"{name}: aim {aim} ms, best {min(found):.3f} ms")
    return "\n".join(lines)


def write(path: Path, report: dict) -> None:
    """Write the report whole, after every model: what was measured is kept whatever comes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(report, indent=1))
    os.replace(part, path)


def _off(got, wanted) -> float:
    """Mean relative difference over finite numbers."""
    a, b = (tensor.detach().to("cpu", torch.float64) for tensor in (got, wanted))
    known = torch.isfinite(a) & torch.isfinite(b)
    return float((a - b).abs()[known].mean() / b.abs()[known].mean().clamp(min=1e-9))


def _name(found: dict) -> str:
    words = "".join(c if c.isalnum() else "-" for c in found["device"].lower()).strip("-")
    return f"gpu-{words}-{found['date'][:10]}.json"


if __name__ == "__main__":
    main()
