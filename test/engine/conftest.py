"""A network small enough to know by heart: disparity = mean over channels of left - right,
log_sigma = 0.
"""

import sys
import types

import numpy as np
import pytest

from depth_ros.engine.options import CUDA_BINDINGS
from depth_ros.engine.spec import METADATA_KEY, ModelSpec
from depth_ros.engine.tensorrt import engine

from .tensorrt.simulated_gpu import Gpu
from .tensorrt.simulated_tensorrt import TensorRT


@pytest.fixture
def make_model(tmp_path):
    """A factory: write the network as ONNX; spec=None leaves the metadata out; shape is that of
    the graph's inputs.
    """
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    def make(spec="fits", height="H", width="W", inputs=("left", "right"), kind=TensorProto.FLOAT):
        def tensor(name, channels):
            return helper.make_tensor_value_info(name, kind, [1, channels, height, width])

        nodes = [
            helper.make_node("Sub", ["left", "right"], ["difference"]),
            helper.make_node("ReduceMean", ["difference"], ["disparity"], axes=[1], keepdims=1),
            helper.make_node("Sub", ["disparity", "disparity"], ["log_sigma"]),
        ]
        graph = helper.make_graph(
            nodes,
            "tiny",
            [tensor(name, 3) for name in inputs],
            [tensor("disparity", 1), tensor("log_sigma", 1)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        if spec == "fits":
            size = (0, 0) if isinstance(height, str) else (height, width)
            spec = ModelSpec(
                "tiny", "stereo", ("left", "right"), ("disparity", "log_sigma"), *size, divisor=8
            ).to_json()
        if spec is not None:
            entry = model.metadata_props.add()
            entry.key, entry.value = METADATA_KEY, spec
        path = tmp_path / "tiny.onnx"
        onnx.save(model, str(path))
        return path

    return make


PAIR, MAP = ((1, 3, 16, 24), "float32"), ((1, 1, 16, 24), "float32")


def tiny_network(arrays):
    """What make_model writes, in NumPy."""
    disparity = (arrays["left"] - arrays["right"]).mean(1, keepdims=True)
    return {"disparity": disparity, "log_sigma": np.zeros_like(disparity)}


@pytest.fixture
def make_library(monkeypatch):
    """A factory: put a simulated GPU and a TensorRT, which has engines of one network, in place of
    the real ones.

    binding: by which package the driver is called; the other one is not installed.
    """

    def make(inputs, outputs, network, binding="cuda-bindings", **options):
        gpu = Gpu(**options)
        library = TensorRT(gpu, inputs, outputs, network)
        install_binding(monkeypatch, gpu, binding)
        monkeypatch.setattr(engine, "import_library", library.module)
        monkeypatch.setattr("ctypes.CDLL", lambda name: gpu.driver)
        return library

    return make


def install_binding(monkeypatch, gpu, binding):
    """Make one package, or none ("none"), importable that calls the driver of a simulated GPU."""
    modules = {
        "cuda-bindings": ("cuda.bindings.driver", gpu.bindings),
        "pycuda": ("pycuda.driver", gpu.cuda),
    }
    for name, (module, content) in modules.items():
        for parent in (module.split(".")[0], module.rpartition(".")[0]):
            monkeypatch.setitem(
                sys.modules, parent, types.ModuleType(parent) if name == binding else None
            )
        monkeypatch.setitem(sys.modules, module, content if name == binding else None)


@pytest.fixture(params=CUDA_BINDINGS[1:])
def library(make_library, request):
    """TensorRT with the tiny network at 16x24; its .gpu."""
    tensors = {"left": PAIR, "right": PAIR}, {"disparity": MAP, "log_sigma": MAP}
    return make_library(*tensors, tiny_network, request.param)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test finds or locks what the user's cache has."""
    monkeypatch.setenv("DEPTH_ROS_CACHE", str(tmp_path_factory.mktemp("cache")))
