"""Builds with tensorrt_rtx where it is installed: it compiles without a GPU.

No engine is run here.
"""

import json
import subprocess
import sys
import threading
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.load import default_model
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.parity import check_parity, rendered_frames
from depth_ros.engine.spec import TASKS, ModelSpec
from depth_ros.engine.tensorrt.api import import_library
from depth_ros.engine.tensorrt.build import (
    Converted,
    Request,
    build,
    find,
    find_or_build,
    import_engine,
)
from depth_ros.engine.tensorrt.cache import EngineCache, StaleEngine, read_engine
from depth_ros.engine.tensorrt.compiler import compile_apart
from depth_ros.engine.tensorrt.convert import at_size, convert, input_shapes
from depth_ros.engine.tensorrt.gpu import Gpu, find_gpu
from depth_ros.engine.tensorrt.request import frames_digest, make_key
from depth_ros.engine.tensorrt.tensors import Tensors

from .simulated_gpu import Gpu as SimulatedGpu

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
        compiled.append(compile_apart(*arguments))
        return compiled[-1]

    monkeypatch.setattr("depth_ros.engine.tensorrt.build.compile_apart", compile_and_tell)
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
    assert set(found.about["conversion"]["outputs"]) == set(spec.outputs)
    if precision != "fp32":
        assert found.about["conversion"]["mean"] > 0, (
            "a comparison of float32 with itself proves nothing"
        )
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
    monkeypatch.setattr("depth_ros.engine.tensorrt.build.compile_apart", None)  # would fail
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
    assert not cache.folder.exists()


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
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert not list(tmp_path.glob("*.engine"))


def test_a_graph_that_the_library_cannot_build_says_why(rtx, cache, make_model, monkeypatch):
    """Its error recorder hears it: the logger of the library keeps silent but for errors, which
    it prints.
    """
    empty = onnx_graph_without_outputs()
    monkeypatch.setattr(
        "depth_ros.engine.tensorrt.build.convert_checked",
        lambda *arguments: Converted(empty, {}, {}),
    )
    with pytest.raises(
        EngineError,
        match="expected an engine, got none: .*[Nn]etwork must have at least one output",
    ):
        build(tiny(make_model), cache)


def onnx_graph_without_outputs():
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("left", TensorProto.FLOAT, [1, 3, 16, 24])
    graph = helper.make_graph([], "empty", [image], [])
    opset = helper.make_opsetid("", 13)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def test_an_int8_engine_is_found_by_a_node_that_has_no_recording(rtx, cache, make_model):
    calibration = [
        {
            "left": np.full((1, 3, 16, 24), v, np.float32),
            "right": np.zeros((1, 3, 16, 24), np.float32),
        }
        for v in (0, 1)
    ]
    of_node = tiny(make_model, precision="int8")
    spec = OnnxEngine(of_node.model).spec
    with pytest.raises(
        EngineError,
        match="int8: expected an engine that was built ahead for 24x16.*--calibrate BAG",
    ):
        find_or_build(of_node, cache, spec)
    path = cache.store(
        make_key(replace(of_node, calibration=calibration), rtx, spec), spec, b"engine"
    )
    assert cache.path(find_or_build(of_node, cache, spec)) == path


def test_an_engine_with_less_scratch_is_found(rtx, cache, make_model):
    built = build(tiny(make_model, workspace_mib=64), cache)
    spec = OnnxEngine(make_model()).spec
    assert find_or_build(tiny(make_model), cache, spec) == built.key
    with pytest.raises(StaleEngine, match="no engine is built"):
        find(tiny(make_model, workspace_mib=32), cache, spec)


def test_an_engine_of_trtexec_is_imported(rtx, cache, make_model, tmp_path):
    request = tiny(make_model)
    made = build(request, EngineCache(tmp_path / "elsewhere")).path.read_bytes()
    (tmp_path / "mine.plan").write_bytes(made)
    built = import_engine(request, cache, tmp_path / "mine.plan")
    found = read_engine(cache.path(find_or_build(request, cache, OnnxEngine(request.model).spec)))
    assert (
        found.path == built.path
        and found.content == made
        and found.about["imported"] == "mine.plan"
    )
    assert found.about["parity"] is None, "the gate is still to be passed"
    (tmp_path / "empty.plan").write_bytes(b"")
    for file in (tmp_path / "empty.plan", request.model):
        with pytest.raises(
            EngineError, match="expected a TensorRT engine, got a file of another kind"
        ):
            import_engine(request, cache, file)
    with pytest.raises(EngineError, match="expected a TensorRT engine, got No such file"):
        import_engine(request, cache, tmp_path / "absent.plan")


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
    nonsense = Converted(b"no", {}, {})
    monkeypatch.setattr(
        "depth_ros.engine.tensorrt.build.convert_checked", lambda *arguments: nonsense
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
        (lambda x: x + 0.004, None),
        (lambda x: x + 0.06, "expected disparity within 0.02 px .* got 0.06 over 2 frames"),
        (lambda x: x * np.float32(np.nan), "0.0% finite"),
        (lambda x: x[..., 1:], "shape"),
        ("reference", "0.0% finite"),
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
        ] == pytest.approx(0.004, rel=1e-3)
        return
    with pytest.raises(EngineError, match=words):
        check_parity(Off(reference, change), reference, "fp16", frames)


def test_the_first_gate_sees_what_halves_do(rtx, cache, make_model, monkeypatch):
    """A graph in which halves overflow is refused ahead of the build, although ONNX Runtime itself
    computes it in float32 and finds nothing."""
    from onnx import helper

    def halved(path, spec, size, precision, calibration):
        model = convert(path, spec, size, "fp32")
        for node in model.graph.node:
            node.output[:] = [
                f"{name}.float" if name == "disparity" else name for name in node.output
            ]
            node.input[:] = [
                f"{name}.float" if name == "disparity" else name for name in node.input
            ]
        constant = helper.make_tensor("large", 10, [], np.float16(60000).tobytes(), raw=True)
        model.graph.initializer.append(constant)
        steps = (
            ("Cast", ["disparity.float"], "half"),
            ("Add", ["half", "large"], "sum"),
            ("Sub", ["sum", "large"], "rest"),
            ("Cast", ["rest"], "disparity"),
        )
        for kind, inputs, output in steps:
            target = {"to": 10 if output == "half" else 1} if kind == "Cast" else {}
            model.graph.node.append(helper.make_node(kind, inputs, [output], **target))
        return model

    monkeypatch.setattr("depth_ros.engine.tensorrt.build.convert", halved)
    monkeypatch.setattr("depth_ros.engine.tensorrt.build.compile_apart", None)  # would fail
    frames = [
        {
            "left": np.ones((1, 3, 16, 24), np.float32),
            "right": np.full((1, 3, 16, 24), 0.3, np.float32),
        }
    ]
    with pytest.raises(
        EngineError, match="expected disparity within .*cure: build with precision fp32"
    ):
        build(tiny(make_model, frames=frames), cache)


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


def test_the_cure_fits_the_machine(monkeypatch):
    """TensorRT-RTX has wheels for x86-64 only: on a Jetson they cannot be what is missing."""

    def refuse(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setattr("depth_ros.engine.tensorrt.api.importlib.import_module", refuse)
    with pytest.raises(
        EngineError, match="apt install python3-libnvinfer.*--system-site-packages"
    ) as found:
        import_library()
    assert "pip install" not in str(found.value) and "rtx-cu" not in str(found.value)


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """A simulated Orin."""
    found = SimulatedGpu()
    found.name = b"Orin"
    monkeypatch.setattr("ctypes.CDLL", lambda name: found.driver)
    monkeypatch.setattr("depth_ros.engine.tensorrt.gpu._DRIVER_FILE", tmp_path / "version")
    return found


def test_the_gpu_is_asked_for(gpu, monkeypatch, tmp_path):
    assert find_gpu() == Gpu("Orin", "8.7", "13.0", 16, False, 8192)
    (tmp_path / "version").write_text("540.4.0\n")
    assert find_gpu().driver == "13.0 540.4.0"
    monkeypatch.setattr(gpu.driver, "cuInit", lambda flags: 100)
    with pytest.raises(EngineError, match="CUDA error 100"):
        find_gpu()

    def absent(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", absent)
    with pytest.raises(EngineError, match="expected an NVIDIA driver"):
        find_gpu()


def test_what_differs_between_gpus_is_in_the_key(gpu, make_model):
    library = types.SimpleNamespace(__name__="tensorrt", __version__="10.3.0")
    spec, request = OnnxEngine(make_model()).spec, Request(make_model(), (16, 24))
    key = make_key(request, library, spec)
    assert (key.gpu, key.driver, key.multiprocessors) == ("Orin", "13.0", 16)
    assert set(key.makers) == {"onnx", "onnxruntime"} and all(key.makers.values())
    gpu.multiprocessors = 8
    assert make_key(request, library, spec).digest != key.digest
    gpu.multiprocessors, gpu.driver_version = 16, 12060
    assert make_key(request, library, spec).digest != key.digest
    rtx_library = types.SimpleNamespace(__name__="tensorrt_rtx", __version__="1.7")
    finished_on_the_device = make_key(request, rtx_library, spec)
    assert (finished_on_the_device.driver, finished_on_the_device.multiprocessors) == ("", 0)


def test_scratch_is_capped_where_memory_is_shared(gpu, make_model):
    """On a Jetson no allocation fails: the kernel kills whoever is largest, the node."""
    library = types.SimpleNamespace(__name__="tensorrt", __version__="10.3.0")
    spec = OnnxEngine(make_model()).spec
    assert make_key(Request(make_model(), (16, 24)), library, spec).workspace_mib == 0
    gpu.integrated = 1
    assert make_key(Request(make_model(), (16, 24)), library, spec).workspace_mib == 1024
    assert (
        make_key(Request(make_model(), (16, 24), workspace_mib=4096), library, spec).workspace_mib
        == 4096
    )
    with pytest.raises(
        EngineError, match="workspace_mib: expected at most 4096 on Orin, whose 8192 MiB are shared"
    ):
        make_key(Request(make_model(), (16, 24), workspace_mib=4097), library, spec)


def test_metadata_is_json_for_people(rtx, cache, make_model):
    about = json.loads(build(tiny(make_model), cache).path.with_suffix(".json").read_text())
    assert (
        about["spec"]["name"] == "tiny"
        and about["key"]["precision"] == "fp16"
        and about["parity"] is None
    )


def test_the_simulated_library_asks_for_nothing_that_the_real_one_lacks(rtx):
    """What the tests stand in for is there, by name, in the bindings that are installed."""
    from depth_ros.engine.tensorrt.api import _configure, logger, native_logger, type_name

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
    assert isinstance(logger(rtx), rtx.ILogger)
    assert {"create_timing_cache", "set_timing_cache", "get_timing_cache"} <= set(
        dir(rtx.IBuilderConfig)
    )
    config = rtx.Builder(native_logger(rtx)).create_builder_config()
    _configure(rtx, config, "fp32", True, "8.6", 64)
    assert config.get_flag(rtx.BuilderFlag.REQUIRE_USER_ALLOCATION), (
        "else no frame of it need be recordable"
    )
    assert config.get_memory_pool_limit(rtx.MemoryPoolType.WORKSPACE) == 64 << 20
    assert rtx.ILogger.INTERNAL_ERROR <= rtx.ILogger.ERROR < rtx.ILogger.WARNING
