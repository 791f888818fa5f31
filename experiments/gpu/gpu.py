"""The shipped models on a GPU: PyTorch eager, compiled, as CUDA graphs, and TensorRT where it can
be imported.

    python experiments/gpu/gpu.py                 # on the GPU machine, about 8 minutes
    python experiments/gpu/gpu.py --rehearse      # tiny, on a CPU: the same but for CUDA graphs

JSON goes to $OUT, else to experiments/results/.

The networks are the exported ONNX files themselves, operator by operator (onnx_torch.py).
"network": tensors in GPU memory in, tensors out. "step": bytes of the camera's images in pinned
memory in, metres, sigma and points in pinned memory out, both copies in it (stereo's prior is
copied in too; SGBM, which makes it on the CPU, is not in the time). PyTorch as a CUDA graph stands
in for TensorRT where that does not run, and is named so. Ahead of the rows our own parts are tried
on the driver (gpu_checks.py). The JSON is written after every row; a part that fails is a row that
says why.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent))

from gpu_checks import all_checks  # noqa: E402
from gpu_graphs import CAMERA_NUMBERS, ROOT, Model, count  # noqa: E402
from gpu_report import Report, attempt, failure, file_name, machine, percentiles, table  # noqa: E402
from gpu_tensorrt import libraries, tensorrt_rows  # noqa: E402
from onnx_torch import to_torch  # noqa: E402

# task, (height, width) of the camera's images, of the tensors where the estimator would choose
# others
CASES = (
    ("stereo", (480, 640), None),
    ("stereo", (384, 640), None),
    ("mono", (192, 640), (192, 640)),
    ("mono", (480, 640), None),
    ("pose", (480, 640), None),
)
TINY = (("stereo", (64, 96), None), ("mono", (64, 96), (64, 96)), ("pose", (64, 96), (64, 96)))
LEAST_S, GRACE_S = (
    {"eager": 0.0, "TensorRT": 20.0, "compile": 60.0},
    45.0,
)  # to begin a row; to end the last


def main() -> None:
    options = arguments()
    if not options.rehearse and not torch.cuda.is_available():
        sys.exit(
            "experiments/gpu/gpu.py: expected a GPU that PyTorch can use, got none; "
            "--rehearse runs it on a CPU"
        )
    device = torch.device("cpu" if options.rehearse else "cuda")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    found = attempt(partial(machine, device))
    path = options.out or Path(
        os.environ.get("OUT") or ROOT / "experiments" / "results"
    ) / file_name(found)
    report = Report(
        {"machine": found, "tensorrt": libraries(), "counts": {}, "seconds": {}, "rows": []}, path
    )
    last = threading.Timer(options.seconds + GRACE_S, report.give_up)
    last.daemon = True
    last.start()
    end = time.monotonic() + options.seconds
    report.part("peaks", partial(peaks, device))
    report.part("checks", all_checks)
    models = {}
    for work in plan(options):
        if time.monotonic() + max(LEAST_S[work.way], report.longest.get(work.way, 0)) > end:
            report.add(work, [{"way": work.way, "not_measured": "out of time"}])
        else:
            report.add(work, *timed_rows(work, models, report, device, options.repeats))
    last.cancel()
    print(table(report.found))
    print(path)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes on the CPU")
    parser.add_argument(
        "--repeats", type=int, default=0, help="frames measured for each row [200, rehearsal 2]"
    )
    parser.add_argument("--tasks", nargs="+", default=["stereo", "mono", "pose"])
    parser.add_argument(
        "--precisions", nargs="+", default=[], help="fp16 fp32 [both, rehearsal fp32]"
    )
    parser.add_argument(
        "--no-compile", action="store_true", help="leave torch.compile out, which takes minutes"
    )
    parser.add_argument(
        "--seconds", type=float, default=520, help="no new row is begun after so long"
    )
    parser.add_argument("--out", type=Path, help="the JSON file")
    options = parser.parse_args()
    options.repeats = options.repeats or (2 if options.rehearse else 200)
    options.precisions = options.precisions or (["fp32"] if options.rehearse else ["fp16", "fp32"])
    return options


@dataclass(frozen=True)
class Work:
    """One way to run a model: rows that belong together. way: "eager", "compile" or "TensorRT"."""

    task: str
    size: tuple[int, int]
    tensors: tuple[int, int] | None
    precision: str
    kind: str
    way: str


def plan(options) -> list[Work]:
    """What is worth most first: a lease may end before the last of it.

    Compiling takes longest, and comes last.
    """
    ways = ["eager", "TensorRT"] + ["compile"] * (not options.no_compile)
    cases = [case for case in (TINY if options.rehearse else CASES) if case[0] in options.tasks]
    return [
        Work(*case, precision, kind, way)
        for way in ways
        for precision in options.precisions
        for case in cases
        for kind in ("network", "step")
        if kind == "network" or case[0] in CAMERA_NUMBERS
    ]


def timed_rows(
    work: Work, models: dict, report: Report, device, repeats: int
) -> tuple[list[dict], str, float]:
    """The rows of a piece of work, the title of its model, and how long it took; whatever fails
    is a row.
    """
    start = time.monotonic()
    title = ""
    key = (work.task, work.size, work.tensors, work.precision)
    try:
        if key not in models:
            models[key] = Model(work.task, work.size, work.precision == "fp16", work.tensors)
        model = models[key]
        title = f"{work.task} {model.size[0]}x{model.size[1]} {work.precision}"
        if title not in report.found["counts"]:
            report.found["counts"][title] = attempt(
                partial(counted, model, report.found["peaks"], work.precision)
            )
        network = work.kind == "network"
        graph, inputs = (
            (model.network, model.inputs) if network else (model.step, model.step_inputs)
        )
        arrays = model.ordered(graph, inputs)
        wanted = float_answers(model.plain if network else model.plain_step, arrays, device)
        if work.way == "TensorRT":
            rows = list(
                tensorrt_rows(graph, arrays, wanted, work.precision, work.kind, device, repeats)
            )
        else:
            rows = torch_rows(graph, arrays, wanted, work, device, repeats)
    except Exception as error:  # noqa: BLE001 - one failure must not cost the half hour
        rows = [{"way": work.way, **failure(error)}]
    return rows, title, time.monotonic() - start


def counted(model, peak: dict, precision: str) -> dict:
    """FLOPs and bytes of the network, and the least time that they take."""
    return roofline(
        count(model.network, model.ordered(model.network, model.inputs)), peak, precision
    )


def float_answers(graph, arrays: list, device) -> list:
    """What a graph in float32 answers, in PyTorch called eagerly: what every row is compared
    with.
    """
    with torch.inference_mode():
        inputs = [torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in arrays]
        return [answer.cpu() for answer in to_torch(graph).to(device)(*inputs)]


def torch_rows(graph, arrays: list, wanted: list, work: Work, device, repeats: int) -> list[dict]:
    """Milliseconds of a graph in PyTorch, called and, on a GPU, as a CUDA graph, and its
    distance from float32.
    """
    module = to_torch(graph).to(device)
    if work.way == "compile":
        run = torch.compile(module, fullgraph=True)
    else:
        run = module
    host = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    with torch.inference_mode():
        step = Step(run, host, device, with_copies=work.kind == "step")

        def row(way):
            ms = timed(step, device, repeats)
            return {"way": way, **percentiles(ms), **difference(step.outputs(), wanted)}

        rows = [row(work.way)]
        if device.type == "cuda":
            way = f"{work.way}, CUDA graph"
            rows.append({"way": way, **attempt(lambda: step.record() or row(way))})
    return rows


class Step:
    """One frame: with or without the copies, called or, once recorded, replayed."""

    def __init__(self, run, host: list, device, with_copies: bool):
        pin = device.type == "cuda"
        self._run = run
        self._copies = with_copies
        self._host = [tensor.pin_memory() if pin else tensor for tensor in host]
        self._device = [tensor.to(device) for tensor in self._host]
        self._made = [tensor.clone() for tensor in run(*self._device)]
        self._back = [torch.empty(t.shape, dtype=t.dtype, pin_memory=pin) for t in self._made]
        self._graph = None

    def __call__(self) -> None:
        if self._graph is not None:
            self._graph.replay()
        else:
            self._frame()

    def outputs(self) -> list:
        """The answers of the last frame."""
        if self._copies:
            return self._back
        return self._made

    def _frame(self) -> None:
        if self._copies:
            for there, here in zip(self._device, self._host):
                there.copy_(here, non_blocking=True)
        self._made = self._run(*self._device)
        if self._copies:
            for here, there in zip(self._back, self._made):
                here.copy_(there, non_blocking=True)

    def record(self) -> None:
        """Replay a CUDA graph from now on."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._frame()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._frame()
        self._graph = graph


def timed(frame, device, repeats: int) -> list[float]:
    """Milliseconds from the first call of a frame to the last of its work, one frame at a time,
    after a warm-up.
    """
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
    """What this device reaches: a product of large matrices in fp16 and fp32, and a copy, in the
    same run.
    """
    size, big = (256, 1 << 20) if device.type == "cpu" else (8192, 1 << 30)
    found = {}
    for name, kind in (("fp16", torch.float16), ("fp32", torch.float32)):
        if device.type == "cpu" and name == "fp16":
            continue
        a = torch.randn(size, size, device=device, dtype=kind)
        found[f"{name}_flops"] = (
            2 * size**3 / (1e-3 * float(np.median(timed(lambda m=a: torch.mm(m, m), device, 5))))
        )
    source = torch.empty(big, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    found["bytes_per_s"] = (
        2 * big / (1e-3 * float(np.median(timed(lambda: target.copy_(source), device, 5))))
    )
    return found


def roofline(counted: dict, peak: dict, precision: str) -> dict:
    """The least time that bytes and FLOPs allow on this device, perfectly fused, and with no
    fusion at all.
    """
    if "bytes_per_s" not in peak:
        return counted
    compute_ms = 1e3 * counted["flops"] / peak.get(f"{precision}_flops", peak["fp32_flops"])
    least, unfused = (
        1e3 * counted[key] / peak["bytes_per_s"] for key in ("bytes_least", "bytes_unfused")
    )
    return {
        **counted,
        "compute_ms": compute_ms,
        "roofline_ms": max(compute_ms, least),
        "roofline_unfused_ms": max(compute_ms, unfused),
    }


def difference(got: list, wanted: list) -> dict:
    """How far answers are from those in float32, each the worst output's.

    off: mean difference, relative to the mean magnitude, over what is finite in both. not_finite:
    share of the numbers that are finite in one of the two only: these are errors, and are not left
    out.
    """
    offs = []
    lost = []
    for one, other in zip(got, wanted, strict=True):
        a, b = (tensor.detach().to("cpu", torch.float64) for tensor in (one, other))
        finite = torch.isfinite(a), torch.isfinite(b)
        known = finite[0] & finite[1]
        lost.append(float((finite[0] != finite[1]).double().mean()))
        offs.append(float((a - b).abs()[known].mean() / b.abs()[known].mean().clamp(min=1e-9)))
    return {"off": max(offs), "not_finite": max(lost)}


if __name__ == "__main__":
    main()
