"""The int8 form of a stereo model: the same answers, nearly, and its spec; one that is worse is
not written.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from depth_ros.core.errors import EngineError, InputError  # noqa: E402
from depth_ros.engine.onnx import OnnxEngine  # noqa: E402
from train.export import onnx, quantize  # noqa: E402
from train.model.stereo_cascade import FastStereoNet  # noqa: E402
from train.model.stereo_stage import StageSize  # noqa: E402
from train.recipe import Recipe  # noqa: E402

SHIFT_PX = 8

SMALL = StageSize(cell_px=4, widths=(8, 12, 16, 16), tail=8)


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Five pairs of a noise wall, 64 x 96, whose right picture lies 8 px to the left."""
    folder = tmp_path_factory.mktemp("pool")
    for seed in range(5):
        wide = np.random.default_rng(seed).integers(0, 255, (64, 96 + SHIFT_PX, 3), dtype=np.uint8)
        truth = np.full((64, 96), SHIFT_PX, np.float32)
        np.savez(
            folder / f"{seed}.npz", left=wide[:, :96], right=wide[:, SHIFT_PX:], disparity=truth
        )
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(1)
    recipe = Recipe.from_dict({"task": "stereo", "network": {"prior_scale": 2}})
    path = tmp_path_factory.mktemp("model") / "net.onnx"
    onnx.export(
        FastStereoNet(SMALL).eval(), onnx.make_spec(recipe, "stereo", None, "", "net"), path
    )
    return path


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(quantize, "_HELD_OUT", 2)


def test_int8_answers_as_the_model_does(model, pool, tmp_path):
    whole, less = quantize.quantise(model, tmp_path / "net_int8.onnx", pool)
    assert whole < 10 and less < 10  # untrained, both give the match, which finds a wall of noise
    rounded = OnnxEngine(tmp_path / "net_int8.onnx")
    assert (rounded.spec.name, rounded.spec.prior_scale) == ("net_int8", 2)
    answer = rounded.run(quantize.arrays(sorted(pool.glob("*.npz"))[0], rounded.spec))["disparity"][
        0, 0
    ]
    assert np.median(answer[:, 16:]) == pytest.approx(SHIFT_PX, abs=0.3)
    assert (tmp_path / "net_int8.onnx").stat().st_size < model.stat().st_size


def test_int8_that_is_worse_is_not_written(model, pool, tmp_path, monkeypatch):
    monkeypatch.setattr(
        quantize, "_bad2", lambda file, engine: 10.0 + 5 * (engine.spec.name == "bad")
    )
    with pytest.raises(EngineError, match="got 15.00 %"):
        quantize.quantise(model, tmp_path / "bad.onnx", pool)
    assert not list(tmp_path.iterdir())


def test_a_pool_without_enough_pairs(model, tmp_path):
    with pytest.raises(InputError, match="0 pairs"):
        quantize.quantise(model, tmp_path / "out.onnx", tmp_path)
