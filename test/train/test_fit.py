"""The fit loop and the export on a pool small enough for seconds: it learns, resumes, and refuses."""

import pytest

torch = pytest.importorskip("torch")

from depth_ros.core.errors import EngineError, InputError  # noqa: E402
from depth_ros.engine.onnx_engine import OnnxEngine  # noqa: E402
from train import export, fit  # noqa: E402
from train.data.pool import fill_pool  # noqa: E402
from train.model.stereo import StereoNet  # noqa: E402


def test_a_run_saves_and_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "_HELD_OUT", 1)
    fill_pool(tmp_path / "pool", 4, height=96, width=128)
    recipe = fit.Recipe(pool=str(tmp_path / "pool"), minutes=0.02, batch=2, height=64, width=96, width_channels=8)
    first = torch.load(fit.fit(recipe, tmp_path / "run"), weights_only=True)
    more = fit.Recipe(**{**recipe.__dict__, "minutes": 2 * first["spent"] / 60})
    second = torch.load(fit.fit(more, tmp_path / "run"), weights_only=True)
    assert second["step"] > first["step"] >= 1 and second["spent"] > first["spent"]
    assert any((second["net"][k] != first["net"][k]).any() for k in first["net"])
    assert not list((tmp_path / "run").glob("*.part"))


def test_recipe_refuses_unknown_keys(tmp_path):
    (tmp_path / "r.yaml").write_text("minuets: 3\n")
    with pytest.raises(InputError, match="minuets"):
        fit.Recipe.load(tmp_path / "r.yaml")


def test_an_empty_pool_is_an_error(tmp_path):
    with pytest.raises(InputError, match="got 0"):
        fit.fit(fit.Recipe(pool=str(tmp_path / "none")), tmp_path / "run")


def test_export_agrees_with_torch_and_carries_its_spec(tmp_path):
    torch.manual_seed(1)
    worst = export.export_stereo(StereoNet(8).eval(), tmp_path / "net.onnx", "a test")
    engine = OnnxEngine(tmp_path / "net.onnx")
    assert worst < 0.01
    assert engine.spec.inputs == ("left", "right", "prior") and engine.spec.trained_on == "a test"


def test_export_refuses_what_differs(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "parity", lambda *a: 0.5)
    (tmp_path / "net.onnx").write_bytes(b"the old one")
    with pytest.raises(EngineError, match="0.5000"):
        export.export_stereo(StereoNet(8).eval(), tmp_path / "net.onnx", "a test")
    assert (tmp_path / "net.onnx").read_bytes() == b"the old one"
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]
