import numpy as np
import pytest

from depth_ros.core.errors import EngineError, SpecError
from depth_ros.engine.load import default_model, load_engine
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.options import EngineOptions
from depth_ros.engine.spec import ModelSpec


def spec(**changes):
    values = {
        "inputs": ("left", "right"),
        "outputs": ("disparity", "log_sigma"),
        "height": 0,
        "width": 0,
        "divisor": 8,
    }
    return ModelSpec(**{"name": "tiny", "task": "stereo", **values, **changes}).to_json()


def image(value, height=16, width=24):
    return np.full((1, 3, height, width), value, np.float32)


def test_runs_any_size_that_fits(make_model):
    engine = OnnxEngine(make_model())
    engine.warmup()
    for size in ((16, 24), (8, 40)):
        outputs = engine.run(
            {"left": image(0.75, *size), "right": image(0.5, *size), "unused": None}
        )
        assert set(outputs) == {"disparity", "log_sigma"}
        np.testing.assert_array_equal(
            outputs["disparity"], np.full((1, 1, *size), 0.25, np.float32)
        )


def test_hash_tells_models_apart(make_model):
    first = OnnxEngine(make_model()).model_hash
    assert OnnxEngine(make_model()).model_hash == first
    assert OnnxEngine(make_model(spec=spec(divisor=4))).model_hash != first


def test_run_refuses(make_model):
    engine = OnnxEngine(make_model())
    for inputs in (
        {"left": image(1)},
        {"left": image(1), "right": image(1, 16, 32)},
        {"left": image(1, 15, 24), "right": image(1, 15, 24)},
        {"left": image(1).astype(np.float64), "right": image(1)},
        {"left": image(1, 0, 0), "right": image(1, 0, 0)},
    ):
        with pytest.raises(EngineError, match="expected"):
            engine.run(inputs)


def test_corrupted_file(make_model):
    path = make_model()
    content = path.read_bytes()
    for broken in (
        b"",
        b"not a model at all" * 40,
        content[: len(content) // 2],
        content[:40] + b"\xff" * 60 + content[100:],
    ):
        path.write_bytes(broken)
        with pytest.raises((EngineError, SpecError), match="expected"):
            OnnxEngine(path)


def test_absent_file(tmp_path):
    for path in (tmp_path / "absent.onnx", tmp_path):
        with pytest.raises(EngineError, match="expected an ONNX file"):
            load_engine(path)


@pytest.mark.parametrize(
    "model, named",
    [
        ({"spec": None}, "metadata"),
        ({"spec": "{"}, "JSON"),
        ({"spec": spec(inputs=("left", "right", "prior"))}, "prior"),
        ({"spec": spec(outputs=("disparity",))}, "log_sigma"),
        ({"spec": spec(height=16, width=24), "height": 32, "width": 24}, "32"),
        ({"spec": spec(), "height": 16, "width": 24}, "any"),
    ],
)
def test_spec_that_does_not_fit(make_model, model, named):
    with pytest.raises(SpecError, match=f"expected.*{named}"):
        OnnxEngine(make_model(**model))


def test_load(make_model, monkeypatch, tmp_path):
    path = make_model()
    assert load_engine(path).name == "onnxruntime"
    assert load_engine(str(path), "onnxruntime").name == "onnxruntime"
    assert load_engine(None, "sgbm", 64).max_disparity_px == 64
    with pytest.raises(EngineError, match="backend sgbm: expected no model.*got '.*onnx'"):
        load_engine(path, "sgbm")
    with pytest.raises(EngineError, match="backend: expected one of"):
        load_engine(path, "caffe")
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    installed = tmp_path / "share" / "depth_ros" / "models" / "stereo.onnx"
    installed.parent.mkdir(parents=True)
    path.rename(installed)
    monkeypatch.setattr("depth_ros.engine.load._TREE_MODELS", tmp_path / "tree")
    assert default_model("stereo") == installed
    assert load_engine().spec.name == "tiny"
    assert default_model("no_such_task") is None
    monkeypatch.setattr("depth_ros.engine.load._TREE_MODELS", installed.parent)
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/nowhere")
    assert default_model("stereo") == installed


@pytest.mark.parametrize("fast, expected", [(True, "small"), (False, "whole")])
def test_int8_where_this_cpu_is_faster_at_it(make_model, monkeypatch, fast, expected):
    whole = make_model(spec=spec(name="whole"))
    whole = whole.rename(whole.with_name("stereo.onnx"))
    small = make_model(spec=spec(name="small"))
    small = small.rename(small.with_name("stereo_int8.onnx"))
    monkeypatch.setattr("depth_ros.engine.load._TREE_MODELS", whole.parent)
    monkeypatch.setattr(
        "depth_ros.engine.probe.fits_cpu", lambda model, int8: int8 if fast else model
    )
    assert load_engine(backend="onnxruntime").spec.name == expected
    assert load_engine(whole, "onnxruntime").spec.name == "whole"  # what was named is what runs
    small.unlink()
    assert load_engine(backend="onnxruntime").spec.name == "whole"


def test_without_any_model(monkeypatch):
    monkeypatch.setattr("depth_ros.engine.load.default_model", lambda task: None)
    assert load_engine().name == "sgbm"
    with pytest.raises(EngineError, match="expected a model"):
        load_engine(backend="onnxruntime")


class Session:
    """ONNX Runtime with a GPU's providers, of which some start; the network is the real one, on
    the CPU.
    """

    def __init__(self, started):
        self.started, self.asked = started, []

    def open(self, path, options, providers, **more):
        self.asked.append(providers)
        session = self.real(path, options, providers=["CPUExecutionProvider"], **more)
        session.get_providers = lambda: [*self.started, "CPUExecutionProvider"]
        return session


@pytest.fixture
def with_cuda(monkeypatch):
    ort = pytest.importorskip("onnxruntime")
    found = Session(["CUDAExecutionProvider"])
    found.real = ort.InferenceSession
    installed = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(ort, "get_available_providers", lambda: installed)
    monkeypatch.setattr(ort, "InferenceSession", found.open)
    return found


@pytest.mark.parametrize("backend", ["auto", "onnxruntime"])
@pytest.mark.parametrize("name", ["cuda", "CUDAExecutionProvider"])
def test_execution_providers_are_those_that_were_asked_for(make_model, with_cuda, backend, name):
    engine = load_engine(make_model(), EngineOptions(backend, providers=f"{name}, cpu"))
    assert (
        with_cuda.asked == [["CUDAExecutionProvider", "CPUExecutionProvider"]]
        and engine.name == "onnxruntime"
    )


def test_an_execution_provider_that_is_absent_or_does_not_start_is_refused(make_model, with_cuda):
    with pytest.raises(
        EngineError,
        match=r"expected one of \['tensorrt', 'cuda', 'cpu'\], got 'openvino'.*-openvino",
    ):
        load_engine(make_model(), EngineOptions(providers="openvino"))
    with_cuda.started = []
    with pytest.raises(EngineError, match="expected CUDAExecutionProvider to start"):
        load_engine(make_model(), EngineOptions(providers="cuda"))


def test_the_cpu_alone_is_what_runs_by_default(make_model, with_cuda):
    OnnxEngine(make_model())
    assert with_cuda.asked == [["CPUExecutionProvider"]]
