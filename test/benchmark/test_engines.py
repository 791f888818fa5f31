"""The engine bench: every row beside its baseline, nothing judged on what is not there."""

import sys

import numpy as np
import pytest

from depth_ros.benchmark import engines as bench
from depth_ros.core.types import Frame
from depth_ros.engine.load import default_model
from depth_ros.engine.spec import ModelSpec
from depth_ros.evaluation.accuracy import truth_errors
from depth_ros.recordings.sample import Sample
from depth_ros.synthetic.renderer import render_stereo
from depth_ros.synthetic.scenes import clip_pose, clip_rig, clip_scene


class Bar:
    def __init__(self):
        self.total, self.done = None, 0

    def reset(self, total):
        self.total = total

    def update(self):
        self.done += 1


def test_rows_ratios_and_what_is_absent(monkeypatch, tmp_path):
    pytest.importorskip("onnx", reason="no package onnx: int8 cannot be made")
    path = default_model("pose")
    if path is None:
        pytest.skip("no pose model is shipped")
    monkeypatch.setitem(sys.modules, "openvino", None)
    bar = Bar()
    result = bench.run(bar, tmp_path / "none", repeats=2, models={"pose": path}, calibration=2)
    rows = {row["name"]: row for row in result["rows"]}
    assert list(rows) == [
        bench.BASELINE,
        "pose 128x160 onnxruntime fp32",
        "pose 128x160 onnxruntime int8",
    ]
    assert rows[bench.BASELINE]["ratio"] == 1
    for row in result["rows"]:
        assert 0 < row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"]
        assert row["ratio"] == pytest.approx(row["p50_ms"] / rows[bench.BASELINE]["p50_ms"])
    assert (
        rows["pose 128x160 onnxruntime fp32"]["ratio"] < 1
    )  # 10 MFLOP at 128x160 against matching 640x480
    assert bar.total == bar.done == 3
    assert (
        set(result["absent"]) == {"pose openvino fp32", "pose openvino int8"}
        and result["accuracy"] == {}
    )
    words = bench.table(result)
    assert (
        "accuracy: not measured: no folder of real pairs" in words
        and "pip install openvino" in words
    )


class Fixed:
    """Answers the same disparity everywhere."""

    name, model_hash = "fixed", ""
    spec = ModelSpec("f", "stereo", ("left", "right"), ("disparity",), 0, 0, divisor=1)

    def __init__(self, disparity):
        self.disparity = disparity

    def run(self, inputs):
        return {"disparity": np.full((1, 1, *inputs["left"].shape[2:]), self.disparity, np.float32)}


def test_errors_against_the_truth():
    rig = clip_rig(48, 64)
    found = render_stereo(clip_scene(), rig, clip_pose(0))
    truth = np.full((48, 64), 10.0, np.float32)
    frame = Frame(0, "left", found["left"], found["right"], rig)
    samples = [
        Sample("a", frame, truth_disparity=truth),
        Sample("b", frame),
        Sample("c", frame, truth, metric=False),
    ]
    result = truth_errors(samples, {"near": Fixed(11.5), "far": Fixed(12.5)})
    assert result["near"]["bad1_pct"] == 100 and result["near"]["bad2_pct"] == 0
    assert result["far"]["bad2_pct"] == 100 and result["far"]["epe_px"] == pytest.approx(2.5)
    assert result["near"]["abs_rel"] == pytest.approx(1 - 10 / 11.5, rel=1e-5)
    assert (result["near"]["frames"], result["near"]["frames_depth"]) == (2, 1)
    assert truth_errors(samples[1:2], {"near": Fixed(1.0)}) == {}
