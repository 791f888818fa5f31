"""The shipped models from the node's parameters to the GPU's answers: all is real but compiler,
library and GPU.

The engine file is the converted graph itself, which ONNX Runtime runs where the library would: in
half precision, from memory that the simulated GPU holds. Graph, key, cache, both gates, change of
engines and estimator are what they are.
"""

import gc
import threading

import numpy as np
import pytest

from depth_ros.cli.build import build_engine
from depth_ros.engine.load import default_model
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.tensorrt import api
from depth_ros.engine.tensorrt import build as build_module
from depth_ros.engine.tensorrt.cache import EngineCache
from depth_ros.estimator.fused import rendered
from depth_ros.nodes.factory import close_engines, make_estimator
from depth_ros.nodes.parameters import Parameters

SIZE = (90, 150)  # neither side fits the networks
_NAMES = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}


def opened(content):
    """Inputs, outputs and network of a converted graph."""
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    tensors = (
        {t.name: (tuple(t.shape), _NAMES[t.type]) for t in side}
        for side in (session.get_inputs(), session.get_outputs())
    )
    return *tensors, lambda arrays: dict(zip(names, session.run(names, arrays), strict=True))


def compiled(trt, content, *arguments):
    inputs, outputs, _ = opened(content)
    return content, inputs | outputs


@pytest.fixture
def library(make_library, tmp_path, monkeypatch):
    found = make_library({}, {}, None)
    found.load = opened
    for module in (build_module, api):
        monkeypatch.setattr(module, "import_library", found.module)
    monkeypatch.setattr(build_module, "compile_network", compiled)
    monkeypatch.setenv("DEPTH_ROS_CACHE", str(tmp_path))
    return found


def worked(work):
    """What the node's worker gives, a thread of its own."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize("mode", ["stereo", "mono"])
def test_from_parameters_to_the_gpu_and_back(library, mode):
    if default_model(mode) is None:
        pytest.skip(f"no {mode} model is shipped")
    frames = rendered(OnnxEngine(default_model("stereo")).spec, SIZE)
    estimator = make_estimator(Parameters(mode=mode, backend="auto"))
    engines = [estimator.engine] + (
        [estimator.motion.engine] if mode == "mono" and estimator.motion.engine else []
    )
    before = [worked(lambda frame=frame: estimator.estimate(frame)) for frame in frames]
    assert [engine.name for engine in engines] == ["onnxruntime"] * len(engines)
    for engine in engines:
        engine.wait(120)
    after = [worked(lambda frame=frame: estimator.estimate(frame)) for frame in frames]
    assert [engine.name for engine in engines] == ["tensorrt"] * len(engines), [
        engine.note for engine in engines
    ]
    assert all("CUDA graph" not in engine.note for engine in engines), [
        engine.note for engine in engines
    ]
    for first, second in zip(before, after):
        assert second.depth.dtype == np.float32 and second.depth.shape == SIZE
        both = np.isfinite(first.depth) & np.isfinite(second.depth)
        assert both.mean() > 0.99
        off = np.abs(second.depth - first.depth)[both] / first.depth[both]
        assert 0 < np.median(off) < 0.01, "half precision, and right"
    assert len(list(EngineCache().folder.glob("*.engine"))) == len(engines)
    assert library.gpu.used()["executables"] == len(engines)
    # Built ahead by hand it is the same engine: nothing is built twice.
    path = str(default_model(mode))
    build_engine(path, "fp16", "90x150", 0, "auto", "", None, None, mode == "stereo", None, False)
    assert len(list(EngineCache().folder.glob("*.engine"))) == len(engines)
    close_engines(estimator)
    gc.collect()
    assert not any(library.gpu.used().values()) and not any(library.gpu.stacks.values())
    np.testing.assert_array_equal(
        worked(lambda: estimator.estimate(frames[0])).depth, before[0].depth
    )
