"""How many bytes the kernels of an engine move: fp32, fp16 and int8 of each shipped model.

    python experiments/gpu/kernel_traffic.py
    python experiments/gpu/kernel_traffic.py --task stereo --capability 8.9

TensorRT-RTX compiles each converted graph for a GPU that need not be there, and lists every kernel
with the shapes and types of the tensors that it takes and leaves. Each tensor is counted once for
each kernel that takes or leaves it: caches are not modelled, and nothing runs. int8 is calibrated
on rendered frames, which decides its scales, not its bytes. A table goes to standard output.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from depth_ros.engine.onnx import OnnxEngine  # noqa: E402
from depth_ros.engine.options import PRECISIONS  # noqa: E402
from depth_ros.engine.parity import rendered_frames  # noqa: E402
from depth_ros.engine.tensorrt.convert import convert  # noqa: E402

# (height, width) of the network's tensors in the table of docs/tensorrt.md
SIZES = {"stereo": (480, 640), "mono": (192, 640), "pose": (128, 160)}
BYTES = {
    "Bool": 1,
    "Int8": 1,
    "UInt8": 1,
    "FP8": 1,
    "Half": 2,
    "BFloat16": 2,
    "Float": 4,
    "Int32": 4,
    "Int64": 8,
}
_KERNEL = re.compile(
    r"^Name: \S+, LayerType: (?P<kind>\w+), Inputs: (?P<inputs>.*), Constants: (?P<constants>.*), "
    r"Outputs: (?P<outputs>.*), TacticName: "
)
_TENSOR = re.compile(r"Name: (\S+), Dimensions: \[([\d,]*)\].*?Datatype: (\w+)")
_SYNCHRONISES = ("signal", "wait")  # layers that move nothing


@dataclass(frozen=True)
class Traffic:
    """What the kernels of one engine move.

    Args:
        activations: Bytes of inputs and outputs.
        constants: Bytes of weights.
        kernels: Their number.
    """

    activations: int
    constants: int
    kernels: int


def count_traffic(lines: Iterable[str]) -> Traffic:
    """Count the bytes that a builder's description of its kernels names.

    Args:
        lines: Messages of a builder with profiling verbosity DETAILED; others among them are
            passed over.

    Raises:
        ValueError: Where no kernel is described, as by a version that words it otherwise, or a
            type is unknown.
    """
    activations = 0
    constants = 0
    kernels = 0
    for line in lines:
        found = _KERNEL.match(line)
        if found is None or found["kind"] in _SYNCHRONISES:
            continue
        kernels += 1
        activations += _tensor_bytes(found["inputs"]) + _tensor_bytes(found["outputs"])
        constants += _tensor_bytes(found["constants"])
    if not kernels:
        raise ValueError("expected kernels in the builder's messages, got none")
    return Traffic(activations, constants, kernels)


def _tensor_bytes(tensors: str) -> int:
    """Bytes of the tensors in one list; one that is named twice is moved once."""
    sizes = {}
    for name, dimensions, kind in _TENSOR.findall(tensors):
        if kind not in BYTES:
            raise ValueError(f"tensor {name}: expected a type out of {sorted(BYTES)}, got {kind}")
        sizes[name] = BYTES[kind] * math.prod(int(side) for side in dimensions.split(",") if side)
    return sum(sizes.values())


def described_kernels(trt, onnx_bytes: bytes, capability: str) -> list[str]:
    """Compile a graph with TensorRT-RTX, and return what its builder says, message by message.

    Raises RuntimeError where the graph is not taken, or no engine comes of it.
    """

    class Logger(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)
            self.lines: list[str] = []

        def log(self, severity, message):
            self.lines.extend(message.splitlines())

    logger = Logger()
    builder = trt.Builder(logger)
    network = builder.create_network(
        1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED),
    )
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(onnx_bytes):
        raise RuntimeError(f"expected a graph that is taken, got {parser.get_error(0)}")
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.num_compute_capabilities = 1
    target = trt.ComputeCapability.__members__["SM" + capability.replace(".", "")]
    config.set_compute_capability(target, 0)
    if builder.build_serialized_network(network, config) is None:
        raise RuntimeError(f"expected an engine, got none: {logger.lines[-3:]}")
    return logger.lines


def measure(trt, task: str, precision: str, capability: str) -> Traffic:
    """Convert a shipped model as the package does, compile it, and count its bytes."""
    path = ROOT / "models" / f"{task}.onnx"
    spec = OnnxEngine(path).spec
    calibration = []
    if precision == "int8":
        calibration = rendered_frames(spec, SIZES[task])
    graph = convert(path, spec, SIZES[task], precision, calibration)
    return count_traffic(described_kernels(trt, graph.SerializeToString(), capability))


def main() -> None:
    """Print the table, a row an engine."""
    import tensorrt_rtx as trt

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=SIZES, help="one model only")
    parser.add_argument("--precision", choices=PRECISIONS, help="one precision only")
    parser.add_argument("--capability", default="8.6", help="compute capability to compile for")
    options = parser.parse_args()
    tasks = [options.task] if options.task else list(SIZES)
    precisions = [options.precision] if options.precision else ["fp32", "fp16", "int8"]
    print(f"tensorrt_rtx {trt.__version__}, compute capability {options.capability}\n")
    print("| network | precision | activations, MB | weights, MB | kernels |")
    print("|---|---|---|---|---|")
    for task in tasks:
        height, width = SIZES[task]
        for precision in precisions:
            traffic = measure(trt, task, precision, options.capability)
            megabytes = f"{traffic.activations / 1e6:.0f} | {traffic.constants / 1e6:.1f}"
            row = f"| {task} {height}x{width} | {precision} | {megabytes} | {traffic.kernels} |"
            print(row, flush=True)


if __name__ == "__main__":
    main()
