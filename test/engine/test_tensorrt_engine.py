"""The order in which the GPU is used, with fakes of pycuda and TensorRT: what a GPU answers is not tested here."""

import sys
import types

import numpy as np
import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine import tensorrt_engine
from depth_ros.engine.cache import CacheKey, EngineCache
from depth_ros.engine.load import load_engine, on_tensorrt, tensorrt_lacks
from depth_ros.engine.onnx_engine import OnnxEngine
from depth_ros.engine.parity import Answers
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt_engine import TensorrtEngine, import_cuda, open_checked

SPEC = ModelSpec("tiny", "stereo", ("left", "right"), ("disparity", "log_sigma"), 0, 0, divisor=8)
SHAPES = {"left": (1, 3, 16, 24), "right": (1, 3, 16, 24)}
KEY = CacheKey("ab" * 32, "tensorrt", "10.3.0", "Orin", "8.7", "fp16", SHAPES)


class Gpu:
    """Device memory is a dict of arrays by address; the network is mean(left - right) + error, where it is executed."""

    class Error(Exception):
        pass

    def __init__(self):
        self.memory, self.tensors, self.calls, self.error, self.broken = {}, {}, [], 0.0, ""

    # pycuda.driver
    def init(self):
        self._maybe("init")

    def Device(self, index):
        calls = self.calls
        context = types.SimpleNamespace(**{n: lambda n=n: calls.append(n) for n in ("push", "pop", "detach")})
        return types.SimpleNamespace(retain_primary_context=lambda: context)

    Device.count = staticmethod(lambda: 1)

    def Stream(self):
        return types.SimpleNamespace(handle=1, synchronize=lambda: self._maybe("synchronize"))

    def pagelocked_zeros(self, shape, dtype):
        return np.zeros(shape, dtype)

    def mem_alloc(self, size):
        self._maybe("mem_alloc")
        address = 1000 + len(self.memory)
        self.memory[address] = None
        return address

    def memcpy_htod_async(self, address, array, stream):
        self.memory[address] = array.copy()

    def memcpy_dtoh_async(self, array, address, stream):
        array[...] = self.memory[address]

    # TensorRT
    def library(self, name):
        gpu = self

        class Runtime:
            def __init__(self, log):
                pass

            def deserialize_cuda_engine(self, content):
                names = ["left", "right", "disparity", "log_sigma"]
                engine = types.SimpleNamespace(num_io_tensors=4, get_tensor_name=lambda i: names[i])
                engine.create_execution_context = lambda: None if gpu.broken == "memory" else gpu
                return None if gpu.broken == "foreign" else engine

        class Logger:
            ERROR = 1

            def __init__(self):
                pass

        return types.SimpleNamespace(Runtime=Runtime, ILogger=Logger, __name__=name)

    def set_tensor_address(self, name, address):
        self.tensors[name] = address

    def execute_async_v3(self, stream):
        left, right = (self.memory[self.tensors[name]] for name in ("left", "right"))
        self.memory[self.tensors["disparity"]] = (left - right).mean(1, keepdims=True) + np.float32(self.error)
        self.memory[self.tensors["log_sigma"]] = np.zeros((1, 1, 16, 24), np.float32)
        return self.broken != "execute"

    def _maybe(self, what):
        if self.broken == what:
            raise self.Error(f"{what} failed: unspecified launch failure")


@pytest.fixture
def gpu(monkeypatch):
    fake = Gpu()
    fake.Device.__func__.count = lambda: 1
    monkeypatch.setattr(tensorrt_engine, "import_cuda", lambda: fake)
    monkeypatch.setattr(tensorrt_engine, "import_library", fake.library)
    monkeypatch.setattr("ctypes.CDLL", lambda name: types.SimpleNamespace())  # a driver without graphs
    return fake


@pytest.fixture
def cache(tmp_path):
    found = EngineCache(tmp_path / "engines")
    found.store(KEY, SPEC, b"engine")
    return found


def pair(left=5.0, width=24):
    shape = (1, 3, 16, width)
    return {"left": np.full(shape, left, np.float32), "right": np.ones(shape, np.float32)}


def test_copies_in_runs_and_copies_out(gpu, cache):
    engine = TensorrtEngine(cache.load(KEY))
    assert (engine.spec, engine.model_hash, gpu.calls) == (SPEC, "ab" * 6, ["push", "pop"])
    first = engine.run(pair())
    assert set(first) == {"disparity", "log_sigma"} and np.all(first["disparity"] == 4)
    again = engine.run(pair(3.0))
    assert np.all(again["disparity"] == 2) and again["disparity"] is first["disparity"], "no buffer is made after start"
    assert len(gpu.memory) == 4
    engine.close()
    assert gpu.calls == ["push", "pop"] * 4 + ["detach"]


def test_refuses_another_size(gpu, cache):
    engine = TensorrtEngine(cache.load(KEY))
    with pytest.raises(EngineError, match=r"expected \(1, 3, 16, 24\) as the engine is built"):
        engine.run(pair(width=32))


@pytest.mark.parametrize(
    "broken, words",
    [
        ("foreign", "expected an engine for this GPU"),
        ("memory", "out of GPU memory"),
        ("mem_alloc", "the GPU failed: mem_alloc failed"),
        ("execute", "the engine failed"),
    ],
)
def test_a_gpu_that_refuses_is_named_and_given_back(gpu, cache, broken, words):
    gpu.broken = broken
    with pytest.raises(EngineError, match=words):
        TensorrtEngine(cache.load(KEY))
    assert gpu.calls == ["push", "pop"] * 2 + ["detach"]


def test_a_gpu_that_fails_later(gpu, cache):
    engine = TensorrtEngine(cache.load(KEY))
    gpu.broken = "synchronize"
    with pytest.raises(EngineError, match="the GPU failed: synchronize failed"):
        engine.run(pair())
    assert gpu.calls == ["push", "pop"] * 2, "no context may stay behind in a thread"


class GraphDriver:
    """A driver that can record: what is put on the stream while it does is put there again by a launch."""

    def __init__(self):
        self.calls, self.code = [], 0

    def __getattr__(self, name):
        def call(*arguments):
            self.calls.append(name)
            if name in ("cuStreamEndCapture", "cuGraphInstantiateWithFlags"):
                (arguments[1] if name == "cuStreamEndCapture" else arguments[0])._obj.value = 77
            return self.code

        return call


def test_a_frame_is_one_graph(gpu, cache, monkeypatch):
    driver = GraphDriver()
    monkeypatch.setattr("ctypes.CDLL", lambda name: driver)
    engine = TensorrtEngine(cache.load(KEY))
    assert driver.calls[0] == "cuStreamBeginCapture_v2" and "cuGraphInstantiateWithFlags" in driver.calls
    engine.run(pair())
    assert driver.calls[-1] == "cuGraphLaunch"
    driver.code = 719
    with pytest.raises(EngineError, match="CUDA error 719"):
        engine.run(pair())


def test_the_gate_is_passed_once(gpu, cache, make_model):
    reference = Answers(OnnxEngine(make_model()), frames := [pair()])
    open_checked(cache, KEY, reference, frames).close()
    assert cache.load(KEY).about["parity"] == {
        "output": "disparity", "mean": 0.0, "max": 0.0, "limit": 0.05, "unit": "px", "frames": 1
    }  # fmt: skip
    gpu.error = 9.0
    open_checked(cache, KEY, None, [])


def test_a_wrong_engine_is_refused_for_good(gpu, cache, make_model):
    reference, frames = OnnxEngine(make_model()), [pair()]
    gpu.error = 0.5
    with pytest.raises(EngineError, match=r"parity: expected disparity within 0.05 px .* got 0.5"):
        open_checked(cache, KEY, reference, frames)
    assert gpu.calls == ["push", "pop"] * 3 + ["detach"]
    gpu.error = 0.0
    with pytest.raises(EngineError, match="refused before: parity"):
        open_checked(cache, KEY, reference, frames)


def test_the_whole_way(gpu, cache, make_model, monkeypatch):
    """From the first frame on ONNX Runtime to the engine, by way of a build that is a fake."""
    monkeypatch.setattr("depth_ros.engine.build.build", lambda request, cache: types.SimpleNamespace(key=KEY))
    monkeypatch.setenv("DEPTH_ROS_CACHE", str(cache.folder))
    said = []
    engine = on_tensorrt(OnnxEngine(make_model()), said.append)
    assert float(engine.run(pair())["disparity"].mean()) == 4 and engine.name == "onnxruntime"
    engine.wait(60)
    assert float(engine.run(pair())["disparity"].mean()) == 4 and engine.name == "tensorrt", said
    assert cache.load(KEY).about["parity"]["frames"] == 3


def test_what_is_missing_is_said(make_model, monkeypatch):
    def absent(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", absent)
    assert "expected an NVIDIA driver" in tensorrt_lacks()
    with pytest.raises(EngineError, match="backend tensorrt: expected an NVIDIA driver"):
        load_engine(make_model(), "tensorrt")
    assert load_engine(make_model()).name == "onnxruntime"


def test_pycuda_that_is_missing_or_finds_no_gpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(EngineError, match="expected pycuda"):
        import_cuda()
    package, fake = types.ModuleType("pycuda"), Gpu()
    package.driver = fake
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", fake)
    fake.broken = "init"
    with pytest.raises(EngineError, match="expected an NVIDIA driver that works, got: init failed"):
        import_cuda()
