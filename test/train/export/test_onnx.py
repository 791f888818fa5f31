"""Exports compute what PyTorch computes, carry their spec, and can be trained on."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from worlds import MovingCamera  # noqa: E402

from depth_ros.core.errors import EngineError, InputError  # noqa: E402
from depth_ros.engine.base import blank_inputs  # noqa: E402
from depth_ros.engine.onnx import OnnxEngine  # noqa: E402
from train.export import onnx  # noqa: E402
from train.fit import fit  # noqa: E402
from train.model.stereo_cascade import CascadeStereoNet, FastStereoNet  # noqa: E402
from train.model.stereo_stage import StageSize  # noqa: E402
from train.objective import make_objective  # noqa: E402
from train.recipe import Recipe  # noqa: E402

RECIPE = {
    "data": {"sizes": [[32, 64]], "offsets": [-1]},
    "network": {
        "pretrained": False,
        "log_sigma": True,
        "focal_px": 70,
        "min_depth_m": 0.5,
        "max_depth_m": 40,
    },
    "pose": {"use": True, "pretrained": False},
    "loss": {"silog": 1.0, "pose": 1.0},
    "fit": {"steps": 1, "batch": 2, "workers": 0},
}

SMALL = StageSize(cell_px=4, widths=(8, 12, 16, 16), tail=8)
SMALL_FINE = StageSize(cell_px=2, widths=(8, 12, 16, 16), dilations=(2, 1), tail=8, follows=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    frames = MovingCamera(4)
    fit(Recipe.from_dict(RECIPE), out, frames, frames)
    return out


def test_depth_says_what_it_is(run, tmp_path):
    worst, unit = onnx.export_run(run, tmp_path / "mine.onnx", trained_on="a test")
    spec = OnnxEngine(tmp_path / "mine.onnx").spec
    assert worst < 1e-3 and unit == "of the depth"
    assert (spec.name, spec.task, spec.outputs) == ("mine", "mono", ("depth", "log_rel_sigma"))
    assert (spec.focal_px, spec.value_range, spec.working_pixels) == (70, (0.5, 40), 2048)
    assert (spec.scale_source, spec.trained_on) == ("procedural metric", "a test")
    assert json.loads(spec.recipe)["network"]["focal_px"] == 70


def test_the_spec_does_not_tell_where_the_data_lay():
    recipe = Recipe.from_dict({"data": {"path": "/home/somebody/secret/clips"}})
    spec = onnx.make_spec(recipe, "depth", None, "", "m")
    assert json.loads(spec.recipe)["data"]["path"] == "clips" and "somebody" not in spec.to_json()


def test_depth_answers_within_its_range(run, tmp_path):
    onnx.export_run(run, tmp_path / "m.onnx")
    engine = OnnxEngine(tmp_path / "m.onnx")
    for size in ((32, 64), (96, 32)):
        depth = engine.run({"image": np.random.default_rng(0).random((1, 3, *size), np.float32)})[
            "depth"
        ]
        assert depth.shape == (1, 1, *size) and depth.min() >= 0.5 and depth.max() <= 40


def test_pose_says_its_direction(run, tmp_path):
    worst, _ = onnx.export_run(run, tmp_path / "pose.onnx", "pose")
    spec = OnnxEngine(tmp_path / "pose.onnx").spec
    assert worst < 1e-4 and (spec.task, spec.pose_direction) == ("pose", "first_T_second")


def test_a_training_can_start_from_a_model(run, tmp_path):
    onnx.export_run(run, tmp_path / "m.onnx")
    spec, weights = onnx.onnx_weights(tmp_path / "m.onnx")
    objective = make_objective(Recipe.from_dict(json.loads(spec.recipe)))
    kept = onnx.average_weights(run)
    idle = ("num_batches_tracked", "heads.1", "heads.2", "heads.3")  # the coarse heads only train
    names = [
        name for name in objective.depth.state_dict() if not any(part in name for part in idle)
    ]
    assert {f"depth.{name}" for name in names} <= set(weights)
    for name in names:
        torch.testing.assert_close(weights[f"depth.{name}"], kept[f"depth.{name}"])


def test_a_network_that_is_not_there_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="stereo"):
        onnx.export_run(run, tmp_path / "m.onnx", "stereo")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "source"),
    [
        ({"loss": {"photometric": 1.0}, "data": {"stereo": True}}, "stereo baseline"),
        (
            {"loss": {"photometric": 1.0}, "data": {"offsets": [-1, 1]}, "pose": {"use": True}},
            "none",
        ),
        ({"loss": {"silog": 1.0}}, "procedural metric"),
        ({"loss": {"silog": 1.0}, "data": {"reader": "nyu"}}, "ground truth of nyu"),
        ({"task": "stereo"}, "stereo baseline"),
    ],
)
def test_scale_comes_from_what_the_training_saw(changes, source):
    assert onnx.implied_scale(Recipe.from_dict(changes)) == source


def test_stereo_agrees_with_torch_and_carries_its_spec(tmp_path):
    torch.manual_seed(1)
    spec = onnx.make_spec(Recipe.from_dict({"task": "stereo"}), "stereo", None, "a test", "net")
    worst, unit = onnx.export(
        CascadeStereoNet(SMALL, SMALL_FINE).eval(), spec, tmp_path / "net.onnx"
    )
    engine = OnnxEngine(tmp_path / "net.onnx")
    assert worst < 0.01 and unit == "px"
    assert engine.spec.inputs == ("left", "right", "prior") and engine.spec.trained_on == "a test"


def test_the_fast_stereo_network_takes_a_smaller_prior(tmp_path):
    torch.manual_seed(1)
    recipe = Recipe.from_dict({"task": "stereo", "network": {"prior_scale": 2}})
    net = FastStereoNet(SMALL).eval()
    for layer in (net.stage.guess, net.stage.affinity, net.stage.choice):
        torch.nn.init.normal_(
            layer.weight, std=0.3
        )  # as made it hardly changes the prior, which would prove little
    worst, _ = onnx.export(
        net, onnx.make_spec(recipe, "stereo", None, "", "net"), tmp_path / "net.onnx"
    )
    engine = OnnxEngine(tmp_path / "net.onnx")
    assert worst < 0.01 and engine.spec.prior_scale == 2
    assert blank_inputs(engine.spec)["prior"].shape == (1, 2, 64, 64)
    engine.warmup()


def test_what_differs_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx, "parity", lambda *a: 0.5)
    (tmp_path / "net.onnx").write_bytes(b"the old one")
    spec = onnx.make_spec(Recipe.from_dict({"task": "stereo"}), "stereo", None, "", "net")
    with pytest.raises(EngineError, match="got 0.5"):
        onnx.export(CascadeStereoNet(SMALL, SMALL_FINE).eval(), spec, tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").read_bytes() == b"the old one"
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]
