"""The GPU bench's rehearsal: the ONNX graphs in PyTorch say what ONNX Runtime says, and every
row is written.
"""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no PyTorch")
onnx = pytest.importorskip("onnx", reason="no package onnx")
ort = pytest.importorskip("onnxruntime")
BENCH = Path(__file__).resolve().parents[3] / "experiments" / "gpu"
sys.path.insert(0, str(BENCH))

import gpu  # noqa: E402
from gpu_graphs import Model, count  # noqa: E402
from gpu_report import Report, table  # noqa: E402
from onnx_torch import to_torch  # noqa: E402

from depth_ros.engine.load import default_model  # noqa: E402


@pytest.mark.parametrize(
    "task, kind", [("stereo", "network"), ("stereo", "step"), ("mono", "step"), ("pose", "network")]
)
def test_the_graph_in_pytorch_is_the_graph(task, kind):
    if default_model(task) is None:
        pytest.skip(f"no {task} model is shipped")
    model = Model(task, (64, 96), half=False, tensors=(64, 96))
    graph, inputs = (
        (model.network, model.inputs) if kind == "network" else (model.step, model.step_inputs)
    )
    arrays = model.ordered(graph, inputs)
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = session.run(None, {item.name: array for item, array in zip(graph.graph.input, arrays)})
    with torch.inference_mode():
        got = to_torch(graph)(*[torch.from_numpy(array) for array in arrays])
    for a, b in zip(got, wanted):
        np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
        np.testing.assert_allclose(np.nan_to_num(a.numpy()), np.nan_to_num(b), rtol=2e-3, atol=2e-3)


def test_a_convolution_is_counted():
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.zeros((8, 3, 5, 5), np.float32), "w")
    tensors = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s)
        for n, s in (("x", [1, 3, 10, 20]), ("y", None))
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[2] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", tensors[:1], tensors[1:], [weight])
    found = count(helper.make_model(graph), [np.zeros((1, 3, 10, 20), np.float32)])
    outputs = 8 * 5 * 10
    assert found["flops"] == 2 * outputs * 3 * 25 + outputs
    assert found["bytes_weights"] == 4 * 8 * 3 * 25
    assert found["bytes_least"] == 4 * (3 * 200 + 8 * 75 + outputs)
    assert found["bytes_unfused"] == 4 * (600 + 600 + outputs + 2 * outputs)


def test_the_rehearsal_writes_every_row(tmp_path):
    if default_model("pose") is None:
        pytest.skip("no pose model is shipped")
    command = [
        sys.executable,
        BENCH / "gpu.py",
        "--rehearse",
        "--no-compile",
        "--tasks",
        "pose",
        "--repeats",
        "1",
        "--out",
        tmp_path / "r.json",
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    (eager, *others) = report["rows"]
    assert (eager["name"], eager["way"]) == ("pose 64x96 fp32", "eager") and 0 < eager[
        "p50_ms"
    ] <= eager["p99_ms"]
    assert (
        eager["off"] < 1e-5
        and eager["not_finite"] == 0
        and not [row for row in others if "failed" in row]
    )
    counts = report["counts"]["pose 64x96 fp32"]
    assert (
        counts["roofline_ms"] > 0
        and counts["bytes_unfused"] > counts["bytes_least"] > counts["bytes_weights"]
    )
    assert "--rehearse" in report["machine"]["command"] and set(report["tensorrt"]) == {
        "tensorrt",
        "tensorrt_rtx",
    }
    assert "pose 64x96 fp32" in result.stdout and not list(tmp_path.glob("*.part*"))
    assert set(report["checks"]) == {"driver", "graph", "pycuda", "engine", "tensorrt"}
    assert "check engine" in result.stdout and all(
        "seconds" not in check for check in report["checks"].values()
    )


def test_what_is_not_finite_is_counted_and_not_left_out():
    wanted = [torch.ones(10), torch.ones(10)]
    got = [torch.ones(10), torch.ones(10)]
    got[1][3] = torch.nan
    assert gpu.difference(got, wanted) == {"off": 0.0, "not_finite": pytest.approx(0.1)}
    found = {
        "machine": {},
        "counts": {},
        "rows": [
            {
                "name": "n",
                "kind": "network",
                "way": "eager",
                "p50_ms": 1.0,
                "p95_ms": 1.0,
                "p99_ms": 1.0,
                "not_finite": 0.1,
            }
        ],
    }
    assert "NOT FINITE 10.0%" in table(found)
    got[1][3] = 2.0
    assert gpu.difference(got, wanted) == {"off": pytest.approx(0.1), "not_finite": 0.0}


def test_halves_are_compared_with_float32_and_made_as_the_product_makes_them():
    if default_model("pose") is None:
        pytest.skip("no pose model is shipped")
    model = Model("pose", (64, 96), half=True, tensors=(64, 96))
    assert any(
        tensor.data_type == onnx.TensorProto.FLOAT16 for tensor in model.network.graph.initializer
    )
    arrays = model.ordered(model.plain, model.inputs)
    wanted = gpu.float_answers(model.plain, arrays, torch.device("cpu"))
    found = gpu.difference(gpu.float_answers(model.network, arrays, torch.device("cpu")), wanted)
    assert found["not_finite"] == 0 and 1e-5 < found["off"] < 0.05


def options(**changes):
    found = {
        "rehearse": False,
        "no_compile": False,
        "tasks": ["stereo", "mono", "pose"],
        "precisions": ["fp16", "fp32"],
    }
    return SimpleNamespace(**{**found, **changes})


def test_what_is_worth_most_comes_first():
    """A lease may end early: every model in fp16, called and on TensorRT, ahead of the first
    that is compiled.
    """
    works = gpu.plan(options())
    assert [work.way for work in works] == sorted(
        (work.way for work in works), key=list(gpu.LEAST_S).index
    )
    assert len(works) == 3 * 2 * (5 + 4) and len(gpu.plan(options(no_compile=True))) == 2 * 2 * 9
    first = next(work for work in works if work.way == "compile")
    assert (first.task, first.size, first.precision, first.kind) == (
        "stereo",
        (480, 640),
        "fp16",
        "network",
    )


def test_one_failure_costs_one_row(tmp_path, monkeypatch):
    report = Report(
        {"machine": {}, "counts": {}, "peaks": {}, "seconds": {}, "rows": []}, tmp_path / "r.json"
    )
    work = gpu.Work("pose", (64, 96), (64, 96), "fp32", "network", "eager")

    def out_of_memory(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(gpu, "torch_rows", out_of_memory)
    report.add(work, *gpu.timed_rows(work, {}, report, torch.device("cpu"), 1))
    report.part("peaks", out_of_memory)
    kept = json.loads((tmp_path / "r.json").read_text())
    assert kept["rows"] == [
        {
            "name": "pose 64x96 fp32",
            "kind": "network",
            "way": "eager",
            "failed": "OutOfMemoryError: CUDA out of memory",
        }
    ]
    assert (
        "out of memory" in kept["peaks"]["failed"]
        and kept["counts"]["pose 64x96 fp32"]["flops"] > 1e6
    )
    assert "out of memory" in table(report.found)


def test_what_hangs_is_ended_with_a_table(tmp_path):
    code = f"""
import sys, time
sys.path.insert(0, {str(BENCH)!r})
import gpu
gpu.GRACE_S, gpu.all_checks, gpu.peaks = 0, dict, lambda device: {{}}
gpu.timed_rows = lambda *arguments: time.sleep(60)
sys.argv = ["gpu.py", "--rehearse", "--seconds", "0.5", "--out", {str(tmp_path / "r.json")!r}]
gpu.main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert (
        ended.returncode == 3 and "gave up" in ended.stdout and (tmp_path / "r.json").is_file()
    ), ended.stderr
