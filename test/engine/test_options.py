from dataclasses import fields, replace

import pytest

from depth_ros.core.errors import EngineError
from depth_ros.engine.options import EngineOptions
from depth_ros.nodes.factory import engine_options
from depth_ros.nodes.parameters import Parameters

CHANGED = EngineOptions("tensorrt", "int8", 512, "/engines/mine.engine", "cuda,cpu", "pycuda", True)


@pytest.mark.parametrize(
    "values, words",
    [
        ({"backend": "cuda"}, "backend: expected one of .*, got 'cuda'"),
        ({"precision": "fp8"}, "precision: expected one of"),
        ({"cuda_binding": "cupy"}, "cuda_binding: expected one of"),
        ({"workspace_mib": -1}, "workspace_mib: expected 0 to"),
        (
            {"engine": "a.engine", "backend": "onnxruntime"},
            "engine: expected backend tensorrt for a.engine, got 'onnx",
        ),
        ({"providers": "cuda", "backend": "sgbm"}, "providers: expected a network for cuda"),
    ],
)
def test_what_contradicts_itself_is_refused(values, words):
    with pytest.raises(EngineError, match=words):
        EngineOptions(**values)


@pytest.mark.parametrize("options", [EngineOptions(), CHANGED])
def test_options_reach_the_node_as_parameters_and_come_back(options):
    """An evaluation that replays starts a node of the same options: none may be lost on the way."""
    assert engine_options(Parameters(**options.to_parameters())) == options


def test_every_option_is_a_parameter():
    for item in fields(EngineOptions):
        changed = replace(EngineOptions("tensorrt"), **{item.name: getattr(CHANGED, item.name)})
        assert engine_options(Parameters(**changed.to_parameters())) == changed


def test_a_path_holds_in_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert EngineOptions(engine="mine.engine").to_parameters()["engine"] == str(
        tmp_path / "mine.engine"
    )
