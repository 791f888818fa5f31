"""Builds with tensorrt_rtx where it is installed: it compiles without a GPU.

No engine is run here.
"""

import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.load import default_model
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.parity import check_parity, rendered_frames
from depth_ros.engine.spec import TASKS, ModelSpec
from depth_ros.engine.tensorrt.api import compile_network, find_gpu, import_library
from depth_ros.engine.tensorrt.build import Request, build, frames_digest, make_key
from depth_ros.engine.tensorrt.cache import EngineCache, read_engine
from depth_ros.engine.tensorrt.convert import at_size, convert, input_shapes
from depth_ros.engine.tensorrt.tensors import Tensors

SIZE = (96, 128)


@pytest.fixture(scope="module")
def rtx():
    pytest.importorskip("onnx", reason="no package onnx: models cannot be converted")
    return pytest.importorskip(
        "tensorrt_rtx", reason="no package tensorrt_rtx: nothing can be compiled"
    )


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / "engines")


MAP, IMAGE = ((1, 1, *SIZE), "float"), ((1, 3, *SIZE), "float")
COMPILED = {
    "stereo": {
        "left": IMAGE,
        "right": IMAGE,
        "prior": ((1, 2, *SIZE), "float"),
        "disparity": MAP,
        "log_sigma": MAP,
    },
    "mono": {"image": IMAGE, "depth": MAP, "log_rel_sigma": MAP},
    "pose": {"first": IMAGE, "second": IMAGE, "pose": ((1, 6), "float")},
}


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("task", TASKS)
def test_every_shipped_model_builds(rtx, cache, task, precision, monkeypatch):
    path = default_model(task)
    if path is None:
        pytest.skip(f"no {task} model is shipped")
    spec = OnnxEngine(path).spec
    frames = rendered_frames(spec, SIZE) if precision == "int8" else []
    request = Request(path, SIZE, precision, compute_capability="8.6", calibration=frames)
    compiled = []

    def compile_and_tell(*arguments):
        compiled.append(compile_network(*arguments))
        return compiled[-1]

    monkeypatch.setattr("depth_ros.engine.tensorrt.build.compile_network", compile_and_tell)
    built = build(request, cache)
    found = read_engine(built.path, built.key)
    expected = dict(COMPILED[task])
    if "prior" in expected:
        expected["prior"] = ((1, 2, *(side // spec.prior_scale for side in SIZE)), "float")
    # Names, shapes and types as the compiled network has them. A model that takes other inputs must
    # say so here.
    assert {name: tensor for name, tensor in compiled[0][1].items() if name in expected} == expected
    assert set(compiled[0][1]) == {*spec.inputs, *spec.outputs}
    assert built.reason.endswith("no engine is built for this yet")
    assert found.spec == spec and len(found.content) > 100_000
    assert found.about["conversion"]["mean"] <= found.about["conversion"]["limit"]
    assert (built.key.library, built.key.gpu, built.key.compute_capability) == (
        "tensorrt_rtx",
        "any",
        "8.6",
    )


def tiny(make_model, **changes):
    return Request(
        make_model(), (16, 24), **{"precision": "fp16", "compute_capability": "8.6", **changes}
    )


def test_the_second_time_it_is_there(rtx, cache, make_model, monkeypatch):
    first = build(tiny(make_model), cache)
    assert build(tiny(make_model), cache, force=True).reason == "asked to build anew"
    monkeypatch.setattr("depth_ros.engine.tensorrt.build.compile_network", None)  # would fail
    second = build(tiny(make_model), cache)
    assert second.reason == "" and second.path == first.path and second.parity == first.parity


def test_a_damaged_engine_is_built_again(rtx, cache, make_model):
    path = build(tiny(make_model), cache).path
    good = path.read_bytes()
    path.write_bytes(good[:-10])
    again = build(tiny(make_model), cache)
    assert "truncated" in again.reason
    assert read_engine(again.path, again.key).about["bytes"] == path.stat().st_size


def test_progress_rises_to_the_end(rtx, cache, make_model):
    shares = []
    build(tiny(make_model), cache, progress=shares.append)
    assert shares and shares == sorted(shares) and 0.5 < shares[-1] <= 1


def test_an_interrupted_build_writes_nothing(rtx, cache, make_model):
    cancelled = threading.Event()
    with pytest.raises(EngineError, match="interrupted"):
        build(tiny(make_model), cache, progress=lambda share: cancelled.set(), cancelled=cancelled)
    assert {path.suffix for path in cache.folder.iterdir()} <= {".lock"}


@pytest.mark.parametrize("moment", ["converting", "compiling"])
def test_a_process_that_ends_while_it_builds_does_not_crash(rtx, tmp_path, moment):
    """A library torn down under its thread ends in a segmentation fault; a node is often stopped
    while it builds.
    """
    if (path := default_model("stereo")) is None:
        pytest.skip("no stereo model is shipped")
    code = f"""
import threading, time
from depth_ros.engine.tensorrt.build import Request, build
from depth_ros.engine.tensorrt.cache import EngineCache
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.parity import rendered_frames
from depth_ros.engine.background import UpgradingEngine
began = threading.Event()
def prepare(inputs, cancelled):
    if {moment == "converting"}:
        began.set()
    request = Request({str(path)!r}, (96, 128), compute_capability="8.6")
    build(request, EngineCache({str(tmp_path)!r}), False, lambda share: began.set(), cancelled)
first = OnnxEngine({str(path)!r})
UpgradingEngine(first, prepare).run(rendered_frames(first.spec, (96, 128))[0])
assert began.wait(60)
time.sleep(0.2)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert not list(tmp_path.glob("*.engine"))


def test_another_gpu_than_asked_for_is_not_built_for(rtx, cache, make_model):
    with pytest.raises(EngineError, match=r"compute capability: expected one of 7.5, .*, got 8.7"):
        build(tiny(make_model, compute_capability="8.7"), cache)


def test_key_of_the_request(rtx, make_model):
    spec = OnnxEngine(make_model()).spec
    key = make_key(tiny(make_model), rtx, spec)
    assert (
        key.shapes == {"left": (1, 3, 16, 24), "right": (1, 3, 16, 24)}
        and key.version == rtx.__version__
    )
    for other in ({"precision": "fp32"}, {"workspace_mib": 64}, {"compute_capability": "8.9"}):
        assert make_key(tiny(make_model, **other), rtx, spec).digest != key.digest
    assert (
        make_key(Request(make_model(spec="fits"), (16, 32), compute_capability="8.6"), rtx, spec)
        != key
    )
    black, white = ([{"left": np.full((1, 3, 16, 24), v, np.float32)}] for v in (0, 1))
    assert frames_digest(black) != frames_digest(white)


def test_a_graph_that_is_refused(rtx, cache, make_model, monkeypatch):
    nonsense = type("Model", (), {"SerializeToString": lambda self: b"no"})()
    monkeypatch.setattr("depth_ros.engine.tensorrt.build.convert", lambda *arguments: nonsense)
    monkeypatch.setattr(
        "depth_ros.engine.tensorrt.build._Graph", lambda *a: OnnxEngine(make_model())
    )
    with pytest.raises(EngineError, match="expected a graph that TensorRT takes"):
        build(tiny(make_model), cache)


def test_sizes_are_fixed_in_the_graph(make_model):
    onnx = pytest.importorskip("onnx")
    spec = ModelSpec(
        "tiny", "stereo", ("left", "right"), ("disparity", "log_sigma"), 0, 0, divisor=8
    )
    model = at_size(onnx.load(make_model()), spec, (16, 24))
    sides = [
        [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*model.graph.input, *model.graph.output)
    ]
    assert sides == [[1, 3, 16, 24], [1, 3, 16, 24], [1, 1, 16, 24], [1, 1, 16, 24]]
    for size in ((15, 24), (0, 24), (-8, 8)):
        with pytest.raises(EngineError, match="expected multiples of 8"):
            input_shapes(spec, size)
    with pytest.raises(EngineError, match="expected 16x24 as the model is fixed"):
        input_shapes(ModelSpec("m", "mono", ("image",), ("depth",), 16, 24, divisor=8), (32, 24))
    with pytest.raises(EngineError, match="precision: expected one of"):
        convert(make_model(), spec, (16, 24), "fp8")
    with pytest.raises(EngineError, match="expected frames for calibration"):
        convert(make_model(), spec, (16, 24), "int8")


def test_compiled_tensors_are_compared_with_the_spec():
    spec = ModelSpec("m", "mono", ("image",), ("depth",), 0, 0, divisor=8)
    good = {"image": ((1, 3, 16, 24), "float"), "depth": ((1, 1, 16, 24), "float32")}
    tensors = Tensors.of(spec, {"image": (1, 3, 16, 24)})
    tensors.check_compiled(good)
    for bad in (
        {"image": good["image"]},
        {**good, "depth": ((1, 1, 16, 32), "float")},
        {**good, "depth": ((1, 1, 16, 24), "half")},
        {**good, "more": good["image"]},
    ):
        with pytest.raises(EngineError, match="compiled network: expected"):
            tensors.check_compiled(bad)


class Off:
    """An engine that answers what another does, changed."""

    def __init__(self, engine, change):
        self.engine, self.change = engine, change

    def run(self, inputs):
        return {name: self.change(value) for name, value in self.engine.run(inputs).items()}


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda x: x + 0.04, None),
        (lambda x: x + 0.06, "expected disparity within 0.05 px .* got 0.06 over 2 frames"),
        (lambda x: x * np.float32(np.nan), "0% finite"),
        (lambda x: x[..., 1:], "shape"),
        ("reference", "0% finite"),
    ],
)
def test_parity_gate(make_model, change, words):
    reference = OnnxEngine(make_model())
    frames = [
        {"left": np.ones((1, 3, 16, 24), np.float32), "right": np.zeros((1, 3, 16, 24), np.float32)}
    ] * 2
    if change == "reference":  # a mean over nothing proves nothing
        reference = change = Off(reference, lambda x: x * np.float32(np.nan))
        reference.spec, change = reference.engine.spec, lambda x: x
    if words is None:
        assert check_parity(Off(reference, change), reference, "fp16", frames)[
            "mean"
        ] == pytest.approx(0.04, rel=1e-3)
        return
    with pytest.raises(EngineError, match=words):
        check_parity(Off(reference, change), reference, "fp16", frames)


def test_parity_needs_frames(make_model):
    with pytest.raises(EngineError, match="over 0 frames"):
        check_parity(OnnxEngine(make_model()), OnnxEngine(make_model()), "fp16", [])


def test_rendered_frames_have_something_to_match():
    spec = ModelSpec("m", "stereo", ("left", "right", "prior"), ("disparity",), 0, 0)
    frames = rendered_frames(spec, (96, 128))
    assert [frame["prior"].shape for frame in frames] == [(1, 2, 96, 128)] * 2
    assert all(
        0 <= frame["left"].min() and frame["left"].max() <= 1 and frame["left"].std() > 0.1
        for frame in frames
    )
    assert all(frame["prior"][0, 1].mean() > 0.5 for frame in frames)  # SGBM answers most of it


def test_what_is_missing_is_named(monkeypatch):
    with pytest.raises(EngineError, match="library: expected one of"):
        import_library("tensorflow")

    def refuse(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("depth_ros.engine.tensorrt.api.importlib.import_module", refuse)
    with pytest.raises(EngineError, match=r"expected TensorRT, got.*tensorrt_rtx.*pip install"):
        import_library()


class FakeDriver:
    def __init__(self, code=0):
        self.code = code

    def cuInit(self, flags):
        return self.code

    def cuDeviceGet(self, device, index):
        return 0

    def cuDeviceGetName(self, name, size, device):
        name.value = b"Orin"
        return 0

    def cuDeviceGetAttribute(self, value, attribute, device):
        value._obj.value = {75: 8, 76: 7}[attribute]
        return 0


def test_the_gpu_is_asked_for(monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda name: FakeDriver())
    gpu = find_gpu()
    assert (gpu.name, gpu.compute_capability) == ("Orin", "8.7")
    monkeypatch.setattr("ctypes.CDLL", lambda name: FakeDriver(100))
    with pytest.raises(EngineError, match="CUDA error 100"):
        find_gpu()

    def absent(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", absent)
    with pytest.raises(EngineError, match="expected an NVIDIA driver"):
        find_gpu()


def test_metadata_is_json_for_people(rtx, cache, make_model):
    about = json.loads(build(tiny(make_model), cache).path.with_suffix(".json").read_text())
    assert (
        about["spec"]["name"] == "tiny"
        and about["key"]["precision"] == "fp16"
        and about["parity"] is None
    )


def test_the_simulated_library_asks_for_nothing_that_the_real_one_lacks(rtx):
    """What the tests stand in for is there, by name, in the bindings that are installed."""
    from depth_ros.engine.tensorrt.api import _configure, logger, type_name

    from .simulated_tensorrt import TensorRT, _Engine, _Execution

    library = TensorRT(None, {}, {}, None)
    used = {
        name for name in (*vars(_Engine), *vars(_Engine(library, None))) if not name.startswith("_")
    }
    assert used - {"library", "log", "tensors", "inputs", "network"} <= set(dir(rtx.ICudaEngine))
    used = {name for name in vars(_Execution) if not name.startswith("_")} | {
        "is_stream_capturable"
    }
    assert used <= set(dir(rtx.IExecutionContext)) and "deserialize_cuda_engine" in dir(rtx.Runtime)
    assert (type_name(rtx.DataType.FLOAT), type_name(rtx.DataType.UINT8)) == ("float", "uint8")
    config = rtx.Builder(logger(rtx)).create_builder_config()
    _configure(rtx, config, "fp32", True, "8.6", 64)
    assert config.get_flag(rtx.BuilderFlag.REQUIRE_USER_ALLOCATION), (
        "else no frame of it need be recordable"
    )
    assert config.get_memory_pool_limit(rtx.MemoryPoolType.WORKSPACE) == 64 << 20
    assert rtx.ILogger.INTERNAL_ERROR <= rtx.ILogger.ERROR < rtx.ILogger.WARNING
