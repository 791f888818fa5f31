"""The shipped models from the node's parameters to the GPU's answers: all is real but compiler,
library and GPU.

The engine file is the converted graph itself, which ONNX Runtime runs where the library would: in
half precision, from memory that the simulated GPU holds. Graph, key, cache, both gates, change of
engines and estimator are what they are.
"""

import gc
import json
import threading

import numpy as np
import pytest
from click.testing import CliRunner

from depth_ros.cli import main as cli
from depth_ros.cli.build import BuildCommand, build_engine
from depth_ros.core.errors import EngineError
from depth_ros.engine.load import default_model
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.options import EngineOptions
from depth_ros.engine.tensorrt import api
from depth_ros.engine.tensorrt import build as build_module
from depth_ros.engine.tensorrt.cache import EngineCache
from depth_ros.engine.tensorrt.engine import TensorrtEngine
from depth_ros.estimator.factory import make_ready
from depth_ros.estimator.fused import rendered
from depth_ros.nodes.factory import close_engines, make_estimator
from depth_ros.nodes.parameters import Parameters
from depth_ros.recordings.output import encode_image
from depth_ros.recordings.sample import open_source

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


def compiled(job, progress=None, cancelled=None):
    inputs, outputs, _ = opened(job.model)
    return job.model, inputs | outputs


@pytest.fixture
def library(make_library, tmp_path, monkeypatch, request):
    found = make_library({}, {}, None, getattr(request, "param", "cuda-bindings"))
    found.load = opened
    for module in (build_module, api):
        monkeypatch.setattr(module, "import_library", found.module)
    monkeypatch.setattr(build_module, "compile_apart", compiled)
    monkeypatch.setenv("DEPTH_ROS_CACHE", str(tmp_path))
    return found


def worked(work):
    """What the node's worker gives, a thread of its own."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize(
    "library, mode", [("cuda-bindings", "stereo"), ("pycuda", "mono")], indirect=["library"]
)
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
    build_engine(path, BuildCommand(shape="90x150", with_io=mode == "stereo"))
    assert len(list(EngineCache().folder.glob("*.engine"))) == len(engines)
    close_engines(estimator)
    gc.collect()
    assert not any(library.gpu.used().values()) and not any(library.gpu.stacks.values())
    np.testing.assert_array_equal(
        worked(lambda: estimator.estimate(frames[0])).depth, before[0].depth
    )


def test_an_engine_of_the_network_alone_is_used_by_the_stereo_node(library, monkeypatch):
    """Built ahead without --with-io, as docs/deployment.md once said: nothing is built a second
    time.
    """
    frames = rendered(OnnxEngine(default_model("stereo")).spec, SIZE)
    build_engine(str(default_model("stereo")), BuildCommand(shape="90x150", workspace=64))
    built = set(EngineCache().folder.glob("*.engine"))
    estimator = make_estimator(Parameters(backend="tensorrt"))
    before = worked(lambda: estimator.estimate(frames[0]))
    estimator.engine.wait(120)
    after = worked(lambda: estimator.estimate(frames[0]))
    assert estimator.engine.name == "tensorrt", estimator.engine.note
    assert set(EngineCache().folder.glob("*.engine")) == built
    both = np.isfinite(before.depth) & np.isfinite(after.depth)
    assert 0 < np.median(np.abs(after.depth - before.depth)[both] / before.depth[both]) < 0.01
    close_engines(estimator)
    gc.collect()
    assert not any(library.gpu.used().values())
    # The second start finds engine and outcome, and renders nothing.
    monkeypatch.setattr(
        "depth_ros.engine.parity.rendered_pairs", lambda size: pytest.fail("rendered")
    )
    again = make_estimator(Parameters(backend="tensorrt"))
    worked(lambda: again.estimate(frames[0]))
    again.engine.wait(120)
    worked(lambda: again.estimate(frames[0]))
    assert again.engine.name == "tensorrt", again.engine.note
    close_engines(again)


def test_a_named_engine_is_the_one_that_runs(library, tmp_path, monkeypatch):
    """Moved to another folder, and found by its path alone; of another model or size it is
    refused by name.
    """
    frames = rendered(OnnxEngine(default_model("stereo")).spec, SIZE)
    build_engine(
        str(default_model("stereo")), BuildCommand(precision="fp32", shape="90x150", with_io=True)
    )
    (built,) = EngineCache().folder.glob("*.engine")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for file in (built, built.with_suffix(".json")):
        file.rename(folder / f"mine{file.suffix}")
    options = Parameters(engine=str(folder / "mine.engine"), wait_for_engine=True)
    estimator = make_estimator(options)
    worked(lambda: estimator.estimate(frames[0]))
    assert estimator.engine.name == "tensorrt" and not list(EngineCache().folder.glob("*.engine"))
    close_engines(estimator)
    other = make_estimator(options)
    with pytest.raises(
        EngineError, match=r"mine.engine: expected an engine for tensors .*\[60, 90, 3\]"
    ):
        other.estimate(rendered(OnnxEngine(default_model("stereo")).spec, (60, 90))[0])
    close_engines(other)

    def absent(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr("ctypes.CDLL", absent)
    with pytest.raises(EngineError, match="backend tensorrt: expected an NVIDIA driver"):
        make_estimator(options)  # what was asked for by name is not replaced by ONNX Runtime


@pytest.fixture
def scenes(tmp_path):
    """Two scenes of the procedural room, of different sizes."""
    spec = OnnxEngine(default_model("stereo")).spec
    for number, size in enumerate((SIZE, (64, 96))):
        frame = rendered(spec, size)[number]
        folder = tmp_path / "scenes" / f"room{number}"
        folder.mkdir(parents=True)
        for name, image in (("im0.png", frame.left), ("im1.png", frame.right)):
            (folder / name).write_bytes(encode_image(image))
        camera = frame.rig.left
        matrix = f"[{camera.fx} 0 {camera.cx}; 0 {camera.fy} {camera.cy}; 0 0 1]"
        lines = [
            f"cam0={matrix}",
            f"cam1={matrix}",
            "doffs=0",
            f"baseline={1000 * frame.rig.baseline_m}",
            f"width={size[1]}",
            f"height={size[0]}",
            "ndisp=32",
        ]
        (folder / "calib.txt").write_text("\n".join(lines))
    return tmp_path / "scenes"


def test_an_evaluation_waits_for_its_engine(library, scenes, tmp_path, monkeypatch):
    """Every frame of a report is answered by the engine that it names, the first one and other
    sizes too.
    """
    answered = []
    run_frame = TensorrtEngine.run
    monkeypatch.setattr(
        TensorrtEngine, "run", lambda *a: answered.append(a[1]["left"].shape[:2]) or run_frame(*a)
    )
    options = (
        "--backend",
        "tensorrt",
        "--precision",
        "fp32",
        "--mode",
        "stereo",
        "--egomotion",
        "off",
    )
    result = CliRunner().invoke(
        cli.main, ["evaluate", str(scenes), *options, "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["backend"], report["frames"]["out"]) == ("tensorrt", 2)
    assert answered[-1] == (64, 96) and SIZE in answered and "frames wait for it" in result.stderr


def test_engines_are_ready_before_a_replay_starts_its_node(library, scenes):
    """Built here, opened there: the node's first frame finds them, and the GPU is free again."""
    options = EngineOptions("tensorrt", precision="fp32", waits=True)
    make_ready(open_source(scenes, "stereo"), None, options, 128)
    shapes = {
        json.loads(file.read_text())["key"]["shapes"]["left"][0]
        for file in EngineCache().folder.glob("*.json")
    }
    assert shapes == {SIZE[0], 64}
    gc.collect()
    assert not any(library.gpu.used().values())


@pytest.mark.parametrize("backend, code, name", [("tensorrt", 2, ""), ("auto", 0, "onnxruntime")])
def test_an_engine_that_cannot_be_built_answers_no_frame(
    library, scenes, tmp_path, backend, code, name, monkeypatch
):
    """Asked for by name it is not replaced; where nobody insisted, ONNX Runtime answers them
    all.
    """

    def crash(job, progress=None, cancelled=None):
        raise EngineError("the build crashed (SIGSEGV)")

    monkeypatch.setattr(build_module, "compile_apart", crash)
    options = (
        "--backend",
        backend,
        "--precision",
        "fp32",
        "--mode",
        "stereo",
        "--egomotion",
        "off",
    )
    result = CliRunner().invoke(
        cli.main, ["evaluate", str(scenes), *options, "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == code and "the build crashed (SIGSEGV)" in result.stderr, (
        result.output
    )
    if name:
        report = json.loads((tmp_path / "out" / "report.json").read_text())
        assert (report["backend"], report["frames"]["out"]) == (name, 2)
