"""float32 or int8 by what this CPU does, measured once."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from depth_ros.engine import probe
from depth_ros.engine.probe import fits_cpu
from depth_ros.engine.spec import ModelSpec

SPEC = ModelSpec("m", "stereo", ("left", "right"), ("disparity",), 0, 0, divisor=32)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Two models and how long each takes, ms, by a clock of its own; .runs counts frames."""

    class Machine:
        now_s = 0.0
        times_ms = {"model.onnx": 4.0, "model_int8.onnx": 4.0}
        runs = 0
        sizes = set()

    class Engine:
        def __init__(self, path):
            self.spec, self.path = SPEC, path

        def run(self, inputs):
            Machine.runs += 1
            Machine.sizes.add(inputs["left"].shape)
            Machine.now_s += 1e-3 * Machine.times_ms[self.path.name]

    monkeypatch.setattr(probe, "OnnxEngine", Engine)
    clock = SimpleNamespace(perf_counter=lambda: Machine.now_s)
    monkeypatch.setattr(probe, "time", clock)
    Machine.files = [tmp_path / name for name in Machine.times_ms]
    for file in Machine.files:
        file.write_bytes(file.name.encode())
    Machine.runs, Machine.folder = 0, tmp_path / "kept"
    return Machine


def choose(machine):
    return fits_cpu(*machine.files, machine.folder).name


@pytest.mark.parametrize(
    "int8_ms, expected",
    [
        (5.0, "model_int8.onnx"),
        (40.0, "model.onnx"),
        (18.5, "model.onnx"),
        (17.5, "model_int8.onnx"),
    ],
)
def test_int8_has_to_be_faster_by_a_tenth(machine, int8_ms, expected):
    machine.times_ms = {"model.onnx": 20.0, "model_int8.onnx": int8_ms}
    assert choose(machine) == expected
    assert machine.sizes == {(1, 3, 192, 320)}


def test_it_is_measured_once_for_a_machine_and_its_files(machine, monkeypatch):
    machine.times_ms = {"model.onnx": 6.0, "model_int8.onnx": 2.0}
    assert choose(machine) == "model_int8.onnx"
    frames = machine.runs
    machine.times_ms = {"model.onnx": 2.0, "model_int8.onnx": 6.0}
    assert choose(machine) == "model_int8.onnx" and machine.runs == frames
    monkeypatch.setattr(probe, "_cpu", lambda: "another CPU")
    assert choose(machine) == "model.onnx" and machine.runs == 2 * frames
    machine.files[1].write_bytes(b"retrained")
    choose(machine)
    assert machine.runs == 3 * frames
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(64)))
    choose(machine)
    assert machine.runs == 4 * frames


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", json.dumps({"float_ms": "x", "int8_ms": 1}).encode()]
)
def test_what_cannot_be_read_is_measured_anew(machine, content):
    machine.times_ms = {"model.onnx": 6.0, "model_int8.onnx": 2.0}
    choose(machine)
    (kept,) = machine.folder.iterdir()
    kept.write_bytes(content)
    frames = machine.runs
    assert choose(machine) == "model_int8.onnx" and machine.runs == 2 * frames
    assert set(json.loads(kept.read_text())) == {"float_ms", "int8_ms"}


def test_a_folder_that_cannot_be_written_is_no_error(machine):
    machine.folder.write_text("a file where the folder should be")
    machine.times_ms = {"model.onnx": 6.0, "model_int8.onnx": 2.0}
    assert choose(machine) == "model_int8.onnx"


def test_this_cpu_is_described():
    assert probe._cpu() and np.unique(probe._cpu()).size == 1
