"""The way of a frame through a GPU that is simulated by its rules: what a real one answers is
not tested here.
"""

import gc
import importlib
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.load import load_engine, on_tensorrt, tensorrt_lacks
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.options import EngineOptions
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt import engine as tensorrt_engine
from depth_ros.engine.tensorrt.cache import CacheKey, EngineCache, StaleEngine
from depth_ros.engine.tensorrt.cuda_driver import BindingsSession, PycudaSession, import_cuda
from depth_ros.engine.tensorrt.engine import TensorrtEngine, open_checked
from engine.conftest import install_binding

from . import simulated_tensorrt
from .simulated_gpu import Gpu

SPEC = ModelSpec("tiny", "stereo", ("left", "right"), ("disparity", "log_sigma"), 0, 0, divisor=8)
SHAPES = {"left": (1, 3, 16, 24), "right": (1, 3, 16, 24)}
KEY = CacheKey("ab" * 32, "tensorrt", "10.3.0", "Orin", "8.7", "fp16", SHAPES)


@pytest.fixture
def gpu(library):
    return library.gpu


@pytest.fixture
def cache(tmp_path):
    found = EngineCache(tmp_path / "engines")
    found.store(KEY, SPEC, b"engine")
    return found


def pair(left=5.0, width=24):
    shape = (1, 3, 16, width)
    return {"left": np.full(shape, left, np.float32), "right": np.ones(shape, np.float32)}


def in_thread(work):
    """Do something in a thread of its own; returns what it gives, and raises what it raises."""
    found = []

    def run():
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again below
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def nothing_left(gpu):
    """True where all is freed and no thread has a context: pycuda ends the process when a thread
    ends with one.
    """
    gc.collect()
    no_context = not any(gpu.stacks.values())
    return no_context and not any(gpu.used().values())


def test_copies_in_runs_and_copies_out(gpu, cache):
    engine = TensorrtEngine(cache.load(KEY))
    assert (engine.spec, engine.model_hash, engine.note) == (SPEC, "ab" * 6, "") and not any(
        gpu.stacks.values()
    )
    before = gpu.used()
    assert (before["memory"], before["pinned"], before["executables"], before["graphs"]) == (
        4,
        4,
        1,
        0,
    )
    first = engine.run(pair())
    assert set(first) == {"disparity", "log_sigma"} and np.all(first["disparity"] == 4)
    again = engine.run(pair(3.0))
    assert np.all(again["disparity"] == 2) and again["disparity"] is first["disparity"]
    assert gpu.used() == before, "nothing is allocated after start"
    del first, again
    engine.close()
    assert nothing_left(gpu)
    engine.close()
    with pytest.raises(EngineError, match="got one that was closed"):
        engine.run(pair())


def test_threads_that_end_take_nothing_along(gpu, cache):
    """A worker opens and runs, the next one runs after it, and the node closes when both have
    ended.
    """
    engine = in_thread(lambda: TensorrtEngine(cache.load(KEY)))
    for left in (5.0, 3.0):
        assert in_thread(lambda left=left: np.all(engine.run(pair(left))["disparity"] == left - 1))
    engine.close()
    assert nothing_left(gpu)


def test_refuses_another_size(gpu, cache):
    engine = TensorrtEngine(cache.load(KEY))
    with pytest.raises(EngineError, match=r"expected \(1, 3, 16, 24\) as the engine is built"):
        engine.run(pair(width=32))


def test_an_engine_of_other_tensors_is_never_run(library, cache):
    library.outputs["disparity"] = ((1, 1, 32, 24), "float32")  # more than our buffer holds
    with pytest.raises(EngineError, match="compiled network: expected"):
        TensorrtEngine(cache.load(KEY))
    assert nothing_left(library.gpu)


@pytest.mark.parametrize(
    "broken, words",
    [
        ("runtime", "expected a TensorRT runtime, got none"),
        ("foreign", "expected an engine for this GPU, got: expecting compute 8.7"),
        ("memory", "out of GPU memory"),
        ("execute", "the engine failed: enqueueV3"),
    ],
)
def test_a_library_that_refuses_is_named_and_the_gpu_given_back(library, cache, broken, words):
    library.broken = broken
    with pytest.raises(EngineError, match=words):
        TensorrtEngine(cache.load(KEY))
    assert nothing_left(library.gpu)


def test_a_gpu_that_fails_later(gpu, cache):
    engine = TensorrtEngine(cache.load(KEY))
    gpu.fault = 719
    for _ in range(2):
        with pytest.raises(EngineError, match="unspecified launch failure"):
            engine.run(pair())
    engine.close()
    assert not any(gpu.stacks.values()), "no context may stay behind in a thread"


def test_a_builder_beside_it_spoils_no_graph(library, cache):
    """Another thread builds, on the default stream, while this one records: of a blocking stream
    that is the end.
    """
    library.meanwhile = library.gpu.default_stream_work
    assert TensorrtEngine(cache.load(KEY)).note == ""


@pytest.mark.parametrize(
    "why", ["old driver", "cuStreamBeginCapture_v2", "capture", "uncapturable"]
)
def test_without_a_graph_frames_go_one_by_one(library, cache, why, monkeypatch):
    if why == "capture":
        library.broken = "capture"
    elif why == "uncapturable":  # tensorrt_rtx can be asked
        execution = simulated_tensorrt._Execution
        monkeypatch.setattr(
            execution, "is_stream_capturable", lambda self, stream: False, raising=False
        )
    else:
        library.gpu.forbidden = ("cuGraphInstantiateWithFlags",) if why == "old driver" else (why,)
    engine = TensorrtEngine(cache.load(KEY))
    assert engine.note.startswith("no CUDA graph: ") and library.gpu.used()["executables"] == 0
    assert not library.gpu.capturing() and not library.gpu.graphs
    assert np.all(engine.run(pair())["disparity"] == 4) and np.all(
        engine.run(pair(3.0))["disparity"] == 2
    )
    engine.close()
    assert nothing_left(library.gpu)


def test_the_gate_is_passed_once(library, cache, make_model):
    reference, frames = OnnxEngine(make_model()), [pair()]
    open_checked(cache, KEY, reference, frames).close()
    outcome = cache.load(KEY).about["parity"]
    judged_by = outcome.pop("judged_by")
    assert judged_by == {"gpu": "Simulated 8.7 x16", "driver": "13.0"}
    assert (outcome["output"], outcome["mean"], outcome["max"], outcome["frames"]) == (
        "disparity",
        0.0,
        0.0,
        1,
    )
    assert outcome["outputs"]["log_sigma"]["max"] == 0
    library.network = lambda arrays: {
        "disparity": arrays["left"][:, :1] + 9,
        "log_sigma": arrays["left"][:, :1],
    }

    def frames_of_the_second_time():
        pytest.fail("frames were made for a gate that was passed before")
        yield

    open_checked(cache, KEY, None, frames_of_the_second_time()).close()


@pytest.mark.parametrize("cause", ["driver", "GPU", "tolerance"])
def test_a_refusal_lasts_no_longer_than_its_cause(library, cache, make_model, cause, monkeypatch):
    right, reference = library.network, OnnxEngine(make_model())
    library.network = lambda arrays: {
        name: value + np.float32(0.5) for name, value in right(arrays).items()
    }
    for words in ("parity: expected disparity", "refused before: parity"):
        with pytest.raises(EngineError, match=words + ".*build with precision fp32"):
            open_checked(cache, KEY, reference, [pair()])
    library.network = right
    if cause == "driver":
        library.gpu.driver_version = 13010
    elif cause == "GPU":
        library.gpu.multiprocessors = 14
    else:
        monkeypatch.setattr("depth_ros.engine.parity.TOLERANCES", "other")
    engine = open_checked(cache, KEY, reference, [pair()])
    assert np.all(engine.run(pair())["disparity"] == 4)
    engine.close()


def test_a_wrong_engine_is_refused_until_what_judges_it_changes(
    library, cache, make_model, monkeypatch
):
    right, reference, frames = library.network, OnnxEngine(make_model()), [pair()]
    library.network = lambda arrays: {
        name: value + np.float32(0.5) for name, value in right(arrays).items()
    }
    with pytest.raises(EngineError, match=r"parity: expected disparity within 0.02 px .* got 0.5"):
        open_checked(cache, KEY, reference, frames)
    assert nothing_left(library.gpu)
    library.network = right
    with pytest.raises(
        EngineError, match="refused before: parity.*cure: build with precision fp32"
    ):
        open_checked(cache, KEY, reference, frames)
    monkeypatch.setattr("depth_ros.engine.parity.TOLERANCES", "other ones")
    open_checked(cache, KEY, reference, frames).close()
    assert cache.load(KEY).about["parity"]["mean"] == 0


def test_a_gpu_that_fails_in_the_gate_is_tried_again(library, cache, make_model):
    """Memory that another process held, or a fault, says nothing about the engine."""
    reference, frames = OnnxEngine(make_model()), [pair()]
    right = library.network

    def faulty(arrays):  # with images; not with the zeros of the warm-up
        library.gpu.fault = 719 if arrays["left"].any() else 0
        return right(arrays)

    library.network = faulty
    with pytest.raises(EngineError, match="unspecified launch failure"):
        open_checked(cache, KEY, reference, frames)
    assert cache.load(KEY).about.get("parity") is None
    library.network, library.gpu.fault = right, 0
    open_checked(cache, KEY, reference, frames)
    assert cache.load(KEY).about["parity"]["mean"] == 0


def test_a_cache_that_cannot_be_written_costs_no_engine(library, cache, make_model, monkeypatch):
    def refuse(*arguments, **keywords):
        raise OSError("read-only file system")

    monkeypatch.setattr(tensorrt_engine, "note", refuse)
    engine = open_checked(cache, KEY, OnnxEngine(make_model()), [pair()])
    assert np.all(engine.run(pair())["disparity"] == 4)


def test_what_tensorrt_does_not_take_is_removed(library, cache):
    library.broken, library.words = (
        "foreign",
        "Requested amount of GPU memory could not be allocated",
    )
    with pytest.raises(EngineError):
        open_checked(cache, KEY, None, [])
    cache.load(KEY)  # a lack of memory is no fault of the engine
    library.words = ""
    with pytest.raises(StaleEngine, match="expecting compute 8.7 .*the next start builds it anew"):
        open_checked(cache, KEY, None, [])
    with pytest.raises(StaleEngine, match="no engine is built"):
        cache.load(KEY)


def test_the_whole_way(library, cache, make_model, monkeypatch):
    """From the first frame on ONNX Runtime to the engine and back, by way of a build that is a
    fake.
    """
    monkeypatch.setattr(
        "depth_ros.engine.tensorrt.build.find_or_build",
        lambda request, cache, spec, cancelled, say: KEY,
    )
    monkeypatch.setenv("DEPTH_ROS_CACHE", str(cache.folder))
    said = []
    engine = on_tensorrt(OnnxEngine(make_model()), said.append)
    frame = lambda left: in_thread(lambda: float(engine.run(pair(left))["disparity"].mean()))  # noqa: E731
    assert frame(5.0) == 4 and engine.name == "onnxruntime"
    engine.wait(60)
    assert frame(5.0) == 4 and frame(3.0) == 2 and engine.name == "tensorrt", said
    assert cache.load(KEY).about["parity"]["frames"] == 3
    engine.close()
    assert nothing_left(library.gpu) and frame(5.0) == 4 and engine.name == "onnxruntime"


def test_what_is_missing_is_said(make_model, monkeypatch):
    def absent(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", absent)
    assert "expected an NVIDIA driver" in tensorrt_lacks()
    with pytest.raises(EngineError, match="backend tensorrt: expected an NVIDIA driver"):
        load_engine(make_model(), "tensorrt")
    assert load_engine(make_model()).name == "onnxruntime"


def test_the_package_onnx_that_is_missing_is_said(library, make_model, monkeypatch):
    """Without it nothing can be converted, which a user must learn at the start and not from a
    build that fails.
    """
    monkeypatch.setattr(
        "depth_ros.engine.tensorrt.api.importlib.import_module", real_but_for_tensorrt(library)
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        EngineError, match="backend tensorrt: expected the package onnx .*pip install onnx"
    ):
        load_engine(make_model(), "tensorrt")
    assert load_engine(make_model()).name == "onnxruntime"
    assert tensorrt_lacks(EngineOptions(engine="any.engine")) == "", (
        "a named engine is not converted"
    )


def test_bindings_that_are_missing_are_said(library, make_model, monkeypatch):
    monkeypatch.setattr(
        "depth_ros.engine.tensorrt.api.importlib.import_module", real_but_for_tensorrt(library)
    )
    install_binding(monkeypatch, library.gpu, "none")
    with pytest.raises(
        EngineError,
        match="backend tensorrt: expected cuda-bindings or pycuda .*pip install cuda-bind",
    ):
        load_engine(make_model(), "tensorrt")


def real_but_for_tensorrt(library):
    real = importlib.import_module
    return lambda name: library.module() if name.startswith("tensorrt") else real(name)


def test_which_binding_is_taken(monkeypatch):
    gpu = Gpu()
    for name, kind in (("cuda-bindings", BindingsSession), ("pycuda", PycudaSession)):
        install_binding(monkeypatch, gpu, name)
        for asked in ("auto", name):
            session = import_cuda(asked)()
            assert type(session) is kind
            session.close()
    with pytest.raises(
        EngineError,
        match="expected cuda-bindings to call the GPU's driver on .*, got cuda-bindings: ",
    ):
        import_cuda("cuda-bindings")  # pycuda is there, and stays what somebody else asked for
    with pytest.raises(EngineError, match="cuda_binding: expected one of"):
        import_cuda("cupy")
    gc.collect()
    assert not any(gpu.used().values())


def test_cuda_bindings_has_what_is_called():
    """By name and by the number of results, without a GPU; what needs the driver says that there
    is none.
    """
    driver = pytest.importorskip("cuda.bindings.driver", reason="no package cuda-bindings")
    called = {name for name in dir(Gpu().bindings) if name.startswith("cu")}
    assert called <= set(dir(driver))
    assert (
        int(driver.CUresult.CUDA_SUCCESS) == 0
        and int(driver.CUstream_flags.CU_STREAM_NON_BLOCKING) == 1
    )
    assert (int(driver.CUstream(5)), int(driver.CUdeviceptr(7))) == (5, 7)
    if not Path("/dev/nvidiactl").exists():
        with pytest.raises(EngineError, match="expected an NVIDIA driver"):
            import_cuda("cuda-bindings")


def test_pycuda_that_is_missing_broken_or_finds_no_gpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(EngineError, match="expected pycuda"):
        import_cuda("pycuda")

    class Broken(types.ModuleType):
        def __getattr__(self, name):
            raise AttributeError("module 'numpy' has no attribute 'bool'")

    monkeypatch.setitem(sys.modules, "pycuda", Broken("pycuda"))
    monkeypatch.delitem(sys.modules, "pycuda.driver", raising=False)
    with pytest.raises(EngineError, match="expected pycuda"):
        import_cuda("pycuda")

    def init():
        raise fake.Error("cuInit failed: no CUDA-capable device is detected")

    package = types.ModuleType("pycuda")
    fake = types.SimpleNamespace(Error=type("Error", (Exception,), {}), init=init)
    package.driver = fake
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", fake)
    with pytest.raises(
        EngineError, match="expected an NVIDIA driver that works, got: cuInit failed"
    ):
        import_cuda("pycuda")
