"""An ONNX model with what is constant computed and batch norms within their convolutions, every
node named.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from depth_ros.core.errors import EngineError


def fold(model):
    """Compute what does not depend on the inputs, once and for all.

    model: an onnx.ModelProto; the more of its sizes are fixed, the more is constant. Returns a new
    ModelProto with the types and shapes of its tensors and without metadata. Raises EngineError
    where onnx or onnxruntime are missing, or refuse the model.
    """
    onnx, ort = import_onnx()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(path)
        try:
            ort.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise EngineError(f"expected a graph that ONNX Runtime loads, got: {error}") from error
        folded = onnx.load(str(path))
    for number, node in enumerate(folded.graph.node):
        node.name = f"{node.op_type}.{number}"
    _only_used_domains(folded)
    del folded.metadata_props[:], folded.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(folded, data_prop=True)


def import_onnx():
    """The packages onnx and onnxruntime; raises EngineError, naming what is missing."""
    try:
        import onnx
        import onnx.shape_inference
        import onnxruntime
    except ImportError as error:
        raise EngineError(
            f"expected the packages onnx and onnxruntime to prepare a model, got: {error} "
            "(pip install both)"
        ) from error
    return onnx, onnxruntime


def _only_used_domains(model) -> None:
    """Drop the operator sets that ONNX Runtime lists because it knows them."""
    used = {node.domain for node in model.graph.node} | {""}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
