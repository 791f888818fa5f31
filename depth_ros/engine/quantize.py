"""int8 in two forms: for TensorRT, which rounds the inputs of convolutions, and for ONNX Runtime
on a CPU.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterable
from pathlib import Path

from depth_ros.core.errors import EngineError

from .tensorrt.fold import fold, import_onnx
from .tensorrt.qdq import PERCENTILE, add_pairs, is_wide

FORMS = ("tensorrt", "cpu")
_FOLLOWERS = ("LeakyRelu", "Relu", "Clip", "Elu", "Add")


def to_int8(model, calibration: Iterable[dict], form: str = "tensorrt"):
    """Put Q/DQ pairs around convolutions, per channel for weights.

    What compares, chooses and mixes (correlation, soft-argmin, propagation, upsampling) has no
    convolution in it and stays float; so do the first layer, depthwise ones, and those that make
    the answer. model: an onnx.ModelProto; constants and batch norms are folded first. calibration:
    input arrays by name, at least one frame. form: "tensorrt": symmetric, float bias, see pairs;
    "cpu": what ONNX Runtime computes in integers: outputs rounded as well, behind activations and
    sums, weights of 7 bits. Returns a new ModelProto, its metadata kept. Raises EngineError without
    calibration, for an unknown form, or where packages are missing.
    """
    if form not in FORMS:
        raise EngineError(f"int8: expected a form out of {FORMS}, got {form!r}")
    frames = list(calibration)
    if not frames:
        raise EngineError("int8: expected frames for calibration, got none")
    folded = fold(model)
    made = add_pairs(folded, frames) if form == "tensorrt" else _for_cpus(folded, frames)
    del made.metadata_props[:]
    made.metadata_props.extend(model.metadata_props)
    return made


def _for_cpus(folded, frames: list[dict]):
    """The form that ONNX Runtime computes in integers.

    Activations are unsigned, weights signed and of 7 bits (reduce_range): where a CPU multiplies
    bytes without VNNI it adds two products into 16 bits that saturate at 32767. 2 * 255 * 127 =
    64770 does not fit; 2 * 255 * 64 = 32640 does, so that sums are exact on every CPU.
    """
    onnx, _ = import_onnx()
    from onnxruntime import quantization as q

    nodes = _chosen(folded.graph)
    # Of kinds that none was chosen of, nothing is measured: sums of exponentials need histograms of
    # gigabytes.
    kinds = sorted({node.op_type for node in folded.graph.node if node.name in nodes})
    with tempfile.TemporaryDirectory() as folder, quiet():
        source, quantised = Path(folder) / "folded.onnx", Path(folder) / "int8.onnx"
        onnx.save(folded, str(source))
        q.quantize_static(
            str(source),
            str(quantised),
            _reader(q, frames),
            quant_format=q.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            op_types_to_quantize=kinds,
            nodes_to_quantize=nodes,
            activation_type=q.QuantType.QUInt8,
            weight_type=q.QuantType.QInt8,
            calibrate_method=q.CalibrationMethod.Percentile,
            # One frame at a time: the histograms grow, where all frames' tensors at once would take
            # gigabytes.
            extra_options={
                "WeightSymmetric": True,
                "CalibPercentile": PERCENTILE,
                "CalibStridedMinMax": 1,
            },
        )
        return onnx.load(str(quantised))


def _reader(q, frames: list[dict]):
    """The frames as the quantiser asks for them."""

    class Reader(q.CalibrationDataReader):
        rest = iter(frames)

        def get_next(self):
            return next(self.rest, None)

        def __len__(self):
            return len(frames)

        def set_range(self, start_index, end_index):
            self.rest = iter(frames[start_index:end_index])

    return Reader()


def _chosen(graph) -> list[str]:
    """Name the nodes that become int8: convolutions but for the delicate ones, and what follows
    them alone.
    """
    shapes = {weight.name: weight.dims for weight in graph.initializer}
    nodes: list[str] = []
    made: set[str] = set()
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in shapes:
            fits = is_wide(shapes[node.input[1]])
        else:
            tensors = [name for name in node.input if name and name not in shapes]
            fits = node.op_type in _FOLLOWERS and bool(tensors) and made.issuperset(tensors)
        if fits:
            nodes.append(node.name)
            made.update(node.output)
    if not nodes:
        raise EngineError("int8: expected convolutions that are wide enough, got none")
    return nodes


@contextlib.contextmanager
def quiet():
    """Keep the quantiser's advice, which is for people who call it themselves, off the terminal."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
