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

FORMS = ("tensorrt", "cpu")
_CHANNELS, _ANSWERS = 8, 2
# Share of the calibration's values that a range keeps. On rendered frames that were not calibrated
# on, models/mono.onnx is 3.7 % off its float32 with this, 4.1 % with the whole range, 5.7 % with
# 99.9; models/stereo.onnx does not care.
_PERCENTILE = 99.99
_FOLLOWERS = ("LeakyRelu", "Relu", "Clip", "Elu", "Add")


def to_int8(model, calibration: Iterable[dict], form: str = "tensorrt"):
    """Put Q/DQ pairs around convolutions, per channel for weights; the rest stays float32.

    What compares, chooses and mixes (correlation, soft-argmin, propagation, upsampling) has no
    convolution in it and stays float; so do the first layer, depthwise ones, and those that make
    the answer. model: an onnx.ModelProto; batch norms are folded first. calibration: input arrays
    by name, at least one frame. form: "tensorrt": symmetric, at the inputs only, float bias; "cpu":
    what ONNX Runtime computes in integers: outputs rounded as well, behind activations and sums.
    Returns a new ModelProto, its metadata kept. Raises EngineError without calibration, for an
    unknown form, or where packages are missing.
    """
    if form not in FORMS:
        raise EngineError(f"int8: expected a form out of {FORMS}, got {form!r}")
    frames = list(calibration)
    if not frames:
        raise EngineError("int8: expected frames for calibration, got none")
    try:
        import onnx
        from onnxruntime import quantization as q
    except ImportError as error:
        raise EngineError(
            f"int8: expected onnxruntime and onnx, got: {error} (pip install both)"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        folded, quantised = Path(folder) / "folded.onnx", Path(folder) / "int8.onnx"
        _fold(model, folded)
        graph = onnx.load(str(folded)).graph
        nodes = _chosen(graph, form)
        # Of kinds that none was chosen of, nothing is measured: sums of exponentials need
        # histograms of gigabytes.
        kinds = sorted({node.op_type for node in graph.node if node.name in nodes})
        with quiet():
            q.quantize_static(
                str(folded),
                str(quantised),
                _reader(q, frames),
                quant_format=q.QuantFormat.QDQ,
                per_channel=True,
                op_types_to_quantize=kinds,
                nodes_to_quantize=nodes,
                activation_type=q.QuantType.QInt8 if form == "tensorrt" else q.QuantType.QUInt8,
                weight_type=q.QuantType.QInt8,
                calibrate_method=q.CalibrationMethod.Percentile,
                extra_options=_options(form),
            )
        made = onnx.load(str(quantised))
    del made.metadata_props[:]
    made.metadata_props.extend(model.metadata_props)
    return made


def _options(form: str) -> dict:
    """The quantiser's options."""
    # One frame at a time: the histograms grow, where all frames' tensors at once would take
    # gigabytes.
    options = {"WeightSymmetric": True, "CalibPercentile": _PERCENTILE, "CalibStridedMinMax": 1}
    if form == "cpu":
        return options
    options |= {
        "ActivationSymmetric": True,
        "CalibTensorRangeSymmetric": True,
        "QuantizeBias": False,
    }
    # What leaves a convolution is rounded behind its activation, where its range is known: at the
    # next one's input.
    return options | {"OpTypesToExcludeOutputQuantization": ["Conv"]}


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


def _chosen(graph, form: str) -> list[str]:
    """Name the nodes that become int8: convolutions but for the delicate ones; on a CPU also what
    follows them alone.

    Delicate are those of few channels a group, as the first and depthwise ones, in which rounding
    costs the most and int8 saves the least, and those that make the answer.
    """
    shapes = {weight.name: weight.dims for weight in graph.initializer}
    nodes: list[str] = []
    made: set[str] = set()
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in shapes:
            weight = shapes[node.input[1]]
            fits = weight[1] >= _CHANNELS and weight[0] > _ANSWERS
        else:
            tensors = [name for name in node.input if name and name not in shapes]
            fits = (
                form == "cpu"
                and node.op_type in _FOLLOWERS
                and bool(tensors)
                and made.issuperset(tensors)
            )
        if fits:
            nodes.append(node.name)
            made.update(node.output)
    if not nodes:
        raise EngineError(f"int8: expected convolutions of at least {_CHANNELS} channels, got none")
    return nodes


def _fold(model, path: Path) -> None:
    """Write the model with constants and batch norms folded into its convolutions, every node
    named.
    """
    import onnx
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    folded = onnx.load(str(path))
    for number, node in enumerate(folded.graph.node):
        node.name = f"{node.op_type}.{number}"
    onnx.save(folded, str(path))


@contextlib.contextmanager
def quiet():
    """Keep the quantiser's advice, which is for people who call it themselves, off the terminal."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
