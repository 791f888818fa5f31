"""Choose the engine that a user asked for; what was asked for by name is never replaced by something else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..core.errors import EngineError
from .base import Engine

BACKENDS = ("auto", "onnxruntime", "sgbm")
_TREE_MODELS = Path(__file__).resolve().parents[2] / "models"


def load_engine(
    model: str | Path | None = None, backend: str = "auto", max_disparity_px: int = 128, task: str = "stereo"
) -> Engine:
    """Load an engine.

    model: an ONNX file; None or "" = the released one of the task. backend: "auto" = the model, and SGBM only in stereo
    where no model was named and none is installed; "onnxruntime"; "sgbm". max_disparity_px: what SGBM searches, pixels.
    Raises EngineError for an unknown backend, a file that is absent or corrupt; SpecError for a spec that does not fit.

    >>> load_engine(backend="sgbm").name
    'sgbm'
    """
    if backend not in BACKENDS:
        raise EngineError(f"backend: expected one of {BACKENDS}, got {backend!r}")
    path = Path(model) if model else default_model(task)
    if task != "stereo" and backend == "sgbm":
        raise EngineError(f"backend: expected 'auto' or 'onnxruntime' for {task}, got 'sgbm', which needs two cameras")
    if task == "stereo" and (backend == "sgbm" or (backend == "auto" and path is None)):
        from .sgbm_engine import SgbmEngine

        return SgbmEngine(max_disparity_px)
    if path is None:
        raise EngineError(f"expected a model ({task}) for onnxruntime, got none, and no released one is installed")
    from .onnx_engine import OnnxEngine

    return OnnxEngine(path)


def default_model(task: str = "stereo") -> Path | None:
    """Find the released model of a task: the source tree's models/, else share/depth_ros/models.

    The tree first, so that a model installed earlier does not stand in for the one beside the code.
    """
    prefixes = [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    installed = [prefix / "share" / "depth_ros" / "models" for prefix in (*prefixes, Path(sys.prefix))]
    return next((path for folder in (_TREE_MODELS, *installed) if (path := folder / f"{task}.onnx").is_file()), None)
