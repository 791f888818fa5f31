"""An ONNX model at one size and one precision, as a strongly typed TensorRT wants it: the types
stand in the graph.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from depth_ros.core.errors import EngineError
from depth_ros.engine.quantize import to_int8
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt.fold import fold, import_onnx
from depth_ros.engine.tensorrt.islands import Flow, find_islands, halve

PRECISIONS = ("fp32", "fp16", "int8")
CONVERSION = "5"  # part of the cache key: raise it where the graphs that come of this become others


def convert(
    path: Path,
    spec: ModelSpec,
    size: tuple[int, int],
    precision: str,
    calibration: Iterable[dict] = (),
):
    """Read an ONNX model and fix its sizes and its precision; inputs and outputs stay float32.

    size: (height, width) of the tensors. calibration: for int8, input arrays by name of frames like
    those to come. Returns an onnx.ModelProto without our metadata, its constants folded. Raises
    EngineError for a size or precision that does not fit, or where the packages onnx or onnxruntime
    are missing.
    """
    if precision not in PRECISIONS:
        raise EngineError(f"precision: expected one of {PRECISIONS}, got {precision!r}")
    onnx, _ = import_onnx()
    sized = at_size(onnx.load(str(path)), spec, size)
    if precision == "int8":
        return to_int8(sized, calibration)
    return to_fp16(sized) if precision == "fp16" else fold(sized)


def input_shapes(spec: ModelSpec, size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """The shape of every input at a (height, width); raises EngineError for one that the spec does
    not allow.

    >>> input_shapes(ModelSpec("m", "mono", ("image",), ("depth",), 0, 0), (192, 640))
    {'image': (1, 3, 192, 640)}
    """
    height, width = size
    if not spec.is_dynamic and size != (spec.height, spec.width):
        raise EngineError(
            f"shape: expected {spec.height}x{spec.width} as the model is fixed, got "
            f"{height}x{width}"
        )
    if min(size) <= 0 or height % spec.divisor or width % spec.divisor:
        raise EngineError(f"shape: expected multiples of {spec.divisor}, got {height}x{width}")
    return {name: spec.shape(name, size) for name in spec.inputs}


def at_size(model, spec: ModelSpec, size: tuple[int, int]):
    """Fix every input and output of the graph to a size; shapes inside it are inferred anew."""
    onnx, _ = import_onnx()
    del model.graph.value_info[:], model.metadata_props[:]
    shapes = input_shapes(spec, size) | {name: spec.shape(name, size) for name in spec.outputs}
    for value in (*model.graph.input, *model.graph.output):
        dims = value.type.tensor_type.shape.dim
        for dim, side in zip(dims, shapes[value.name], strict=True):
            dim.dim_value = side
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def to_fp16(model):
    """Fold constants, then halve the arithmetic of convolutions and of what stands between them,
    see islands.
    """
    folded = fold(model)
    return halve(folded, find_islands(Flow(folded.graph)))
