"""What a GPU may lack when an engine is built or opened, with fakes: each is named, and the memory is given back."""

import types

import numpy as np
import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine import tensorrt_engine
from depth_ros.engine.cache import CacheKey, EngineCache
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt_engine import TensorrtEngine
from depth_ros.engine.tensorrt_library import compile_network

SPEC = ModelSpec("m", "mono", ("image",), ("depth", "log_rel_sigma"), 0, 0, divisor=8)
WORDS = "[memory] Requested amount of GPU memory (1073741824 bytes) could not be allocated"


def library(words: str, builder: bool = True, parses: bool = True):
    """A TensorRT that complains and builds nothing, as when other processes hold the GPU's memory."""

    class Logger:
        ERROR = 1

        def __init__(self):
            pass

    class Builder:
        def __new__(cls, log):
            if not builder:
                log.log(1, words)
            return super().__new__(cls) if builder else None

        def __init__(self, log):
            self.log = log

        def create_network(self, flags):
            return types.SimpleNamespace(num_inputs=0, num_outputs=0)

        def create_builder_config(self):
            return types.SimpleNamespace(set_memory_pool_limit=lambda *a: None, clear_flag=lambda flag: None)

        def build_serialized_network(self, network, config):
            self.log.log(1, words)

    parser = types.SimpleNamespace(parse=lambda content: parses, num_errors=1, get_error=lambda i: words)
    return types.SimpleNamespace(
        ILogger=Logger, Builder=Builder, OnnxParser=lambda network, log: parser,
        NetworkDefinitionCreationFlag=types.SimpleNamespace(STRONGLY_TYPED=0),
        BuilderFlag=types.SimpleNamespace(TF32=1), MemoryPoolType=types.SimpleNamespace(WORKSPACE=0),
    )  # fmt: skip


@pytest.mark.parametrize(
    "fails, expected",
    [
        ({}, r"expected an engine, got none: \[memory\] Requested amount of GPU memory"),
        ({"builder": False}, r"expected a TensorRT builder, got none: \[memory\]"),
        ({"parses": False}, r"expected a graph that TensorRT takes, got: \[memory\]"),
    ],
)
def test_a_build_that_runs_out_of_memory_says_so(fails, expected):
    with pytest.raises(EngineError, match=expected):
        compile_network(library(WORDS, **fails), b"graph", "fp32", "", 64)


class Cuda:
    """Memory for so many buffers; the rest is another process's."""

    class Error(Exception):
        pass

    def __init__(self, buffers):
        self.left, self.calls, self.kinds = buffers, [], []

    def Device(self, index):
        context = types.SimpleNamespace(**{n: lambda n=n: self.calls.append(n) for n in ("push", "pop", "detach")})
        return types.SimpleNamespace(retain_primary_context=lambda: context)

    def Stream(self):
        return types.SimpleNamespace(handle=1, synchronize=lambda: None)

    def pagelocked_zeros(self, shape, dtype):
        self.kinds.append((shape, np.dtype(dtype).name))
        return np.zeros(shape, dtype)

    def mem_alloc(self, size):
        self.left -= 1
        if self.left < 0:
            raise self.Error("cuMemAlloc failed: out of memory")
        return self.left

    def memcpy_htod_async(self, *arguments):
        pass

    memcpy_dtoh_async = memcpy_htod_async


@pytest.fixture
def open_step(tmp_path, monkeypatch):
    """A factory: open an engine of the whole step on a GPU with room for so many buffers."""
    shapes = {"image": (90, 150, 3), "camera": (4,)}
    key = CacheKey("ab", "tensorrt", "10.3", "Orin", "8.7", "fp16", shapes, {"with_io": "1"})
    cache = EngineCache(tmp_path)
    cache.store(key, SPEC, b"engine")
    names = ["image", "camera", "metres", "sigma_m", "points"]
    execution = types.SimpleNamespace(set_tensor_address=lambda *a: None, execute_async_v3=lambda stream: True)
    engine = types.SimpleNamespace(num_io_tensors=5, get_tensor_name=lambda i: names[i],
                                   create_execution_context=lambda: execution)  # fmt: skip
    runtime = types.SimpleNamespace(deserialize_cuda_engine=lambda content: engine)
    trt = types.SimpleNamespace(Runtime=lambda log: runtime, ILogger=library("").ILogger)
    monkeypatch.setattr(tensorrt_engine, "import_library", lambda name: trt)
    monkeypatch.setattr("ctypes.CDLL", lambda name: types.SimpleNamespace())  # a driver without graphs

    def make(buffers):
        cuda = Cuda(buffers)
        monkeypatch.setattr(tensorrt_engine, "import_cuda", lambda: cuda)
        return cuda, lambda: TensorrtEngine(cache.load(key))

    return make


def test_another_process_has_the_memory(open_step):
    cuda, opened = open_step(3)
    with pytest.raises(EngineError, match="the GPU failed: cuMemAlloc failed: out of memory"):
        opened()
    assert cuda.calls[-1] == "detach" and cuda.calls.count("push") == cuda.calls.count("pop")


def test_the_whole_step_takes_bytes(open_step):
    cuda, opened = open_step(5)
    engine = opened()
    maps = [((90, 150), "float32")] * 2
    assert sorted(cuda.kinds) == sorted(
        [((90, 150, 3), "uint8"), ((4,), "float32"), *maps, ((90, 150, 4), "float32")]
    )
    found = engine.run({"image": np.zeros((90, 150, 3), np.uint8), "camera": np.ones(4, np.float32)})
    assert list(found) == ["metres", "sigma_m", "points"] and len(cuda.kinds) == 5
    with pytest.raises(EngineError, match="input image: expected .* uint8, got .* float32"):
        engine.run({"image": np.zeros((90, 150, 3), np.float32), "camera": np.ones(4, np.float32)})
    with pytest.raises(EngineError, match="missing"):
        engine.run({"camera": np.ones(4, np.float32)})
