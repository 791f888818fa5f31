"""What a GPU may lack when an engine is built or opened, with fakes: each is named, and the
memory is given back.
"""

import types

import numpy as np
import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt.api import BuildOptions, compile_network
from depth_ros.engine.tensorrt.cache import CacheKey, EngineCache
from depth_ros.engine.tensorrt.engine import TensorrtEngine

SPEC = ModelSpec("m", "mono", ("image",), ("depth", "log_rel_sigma"), 0, 0, divisor=8)
WORDS = "[memory] Requested amount of GPU memory (1073741824 bytes) could not be allocated"


def library(words: str, builder: bool = True, parses: bool = True):
    """A TensorRT that complains and builds nothing, as when other processes hold the GPU's
    memory.
    """

    class Logger:
        """The library's own, which prints."""

        ERROR = 1

        def __init__(self, severity):
            assert severity == self.ERROR

    class Recorder:
        def __init__(self):
            pass

    class Builder:
        error_recorder = None

        def __init__(self, log):
            if not builder:  # as the bindings do where the library gives no object
                raise TypeError("pybind11::init(): factory function returned nullptr")

        def create_network(self, flags):
            return types.SimpleNamespace(num_inputs=0, num_outputs=0)

        def create_builder_config(self):
            return types.SimpleNamespace(
                set_memory_pool_limit=lambda *a: None, clear_flag=lambda flag: None
            )

        def build_serialized_network(self, network, config):
            self.error_recorder.report_error(5, words)

    parser = types.SimpleNamespace(
        parse=lambda content: parses, num_errors=1, get_error=lambda i: words
    )
    return types.SimpleNamespace(
        Logger=Logger,
        IErrorRecorder=Recorder,
        Builder=Builder,
        OnnxParser=lambda network, log: parser,
        NetworkDefinitionCreationFlag=types.SimpleNamespace(STRONGLY_TYPED=0),
        BuilderFlag=types.SimpleNamespace(TF32=1),
        MemoryPoolType=types.SimpleNamespace(WORKSPACE=0),
    )


@pytest.mark.parametrize(
    "fails, expected",
    [
        ({}, r"expected an engine, got none: \[memory\] Requested amount of GPU memory"),
        (
            {"builder": False},
            "expected a TensorRT builder, got none: no reason given",
        ),  # it is printed, see compiler
        ({"parses": False}, r"expected a graph that TensorRT takes, got: \[memory\]"),
    ],
)
def test_a_build_that_runs_out_of_memory_says_so(fails, expected):
    with pytest.raises(EngineError, match=expected):
        compile_network(library(WORDS, **fails), b"graph", "fp32", "", BuildOptions(64))


SHAPES = {"image": ((90, 150, 3), "uint8"), "camera": ((4,), "float32")}
MADE = {
    "metres": ((90, 150), "float32"),
    "sigma_m": ((90, 150), "float32"),
    "points": ((90, 150, 4), "float32"),
}


def step(arrays):
    """Bytes as metres."""
    grey = arrays["image"].mean(-1, dtype=np.float32) * arrays["camera"][0]
    return {"metres": grey, "sigma_m": grey / 2, "points": np.dstack([grey] * 4)}


@pytest.fixture
def open_step(tmp_path, make_library):
    """A factory: open an engine of the whole step on a GPU with so many bytes; others have the
    rest.
    """
    shapes = {name: shape for name, (shape, _) in SHAPES.items()}
    key = CacheKey("ab", "tensorrt", "10.3", "Orin", "8.7", "fp16", shapes, {"with_io": "1"})
    cache = EngineCache(tmp_path)
    cache.store(key, SPEC, b"engine")

    def make(room):
        gpu = make_library(SHAPES, MADE, step, room=room).gpu
        return gpu, lambda: TensorrtEngine(cache.load(key))

    return make


NEEDED = 90 * 150 * (3 + 4 + 4 + 16) + 16


@pytest.mark.parametrize(
    "room, call", [(NEEDED - 1, "cuMemAlloc"), (0, "cuDevicePrimaryCtxRetain")]
)
def test_another_process_has_the_memory(open_step, room, call):
    gpu, opened = open_step(room)
    with pytest.raises(EngineError, match=f"the GPU failed: {call} failed: out of memory"):
        opened()
    assert not any(gpu.used().values()) and not any(gpu.stacks.values())


def test_the_whole_step_takes_bytes(open_step):
    gpu, opened = open_step(NEEDED)
    engine = opened()
    wide = np.full((90, 300, 3), 7, np.uint8)
    found = engine.run(
        {"image": wide[:, ::2], "camera": np.ones(4, np.float32)}
    )  # a view with steps is no fault
    assert (
        list(found) == list(MADE)
        and np.all(found["metres"] == 7)
        and found["points"].shape == (90, 150, 4)
    )
    engine.read_only(("metres", "sigma_m"))
    assert [len(work) for work in gpu.executables.values()] == [2 + 1 + 2], (
        "two copies in, a frame, two copies out"
    )
    found = engine.run({"image": wide[:, ::2], "camera": np.full(4, 2, np.float32)})
    assert list(found) == ["metres", "sigma_m"] and np.all(found["metres"] == 14)
    with pytest.raises(EngineError, match="input image: expected .* uint8, got .* float32"):
        engine.run({"image": np.zeros((90, 150, 3), np.float32), "camera": np.ones(4, np.float32)})
    with pytest.raises(EngineError, match="missing"):
        engine.run({"camera": np.ones(4, np.float32)})
