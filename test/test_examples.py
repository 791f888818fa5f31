"""The scripts of examples/ on rendered images, judged by the geometry that was rendered."""

import pydoc
import re
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import depth_ros
from depth_ros.core.camera import Camera, StereoRig
from depth_ros.engine.load import default_model
from depth_ros.engine.spec import METADATA_KEY, ModelSpec
from depth_ros.synthetic.renderer import render_stereo
from depth_ros.synthetic.scenes import clip_scene

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
API_PAGE = ROOT / "docs" / "api.md"
FX = 232.5
BASELINE_M = 0.12
HEIGHT_M = 1.2
SIZE = (240, 320)
RIG = StereoRig(Camera(SIZE[1], SIZE[0], FX, FX, 159.5, 119.5), BASELINE_M)


def run_example(monkeypatch, name, *arguments):
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def at(x, z):
    """world_T_camera of a camera that looks along z, level, at y = 0."""
    pose = np.eye(4)
    pose[:3, 3] = (x, 0.0, z)
    return pose


def save(path, image):
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return path


@pytest.mark.skipif(default_model("stereo") is None, reason="no stereo model is installed")
def test_stereo_images(tmp_path, monkeypatch):
    pair = render_stereo(clip_scene(), RIG)
    left = save(tmp_path / "left.png", pair["left"])
    right = save(tmp_path / "right.png", pair["right"])
    out = tmp_path / "scene.npz"
    run_example(
        monkeypatch,
        "stereo_images.py",
        left,
        right,
        "--fx",
        FX,
        "--baseline-m",
        BASELINE_M,
        "--out",
        out,
    )
    found = np.load(out)
    off_px = FX * BASELINE_M * np.abs(1 / found["depth"] - 1 / pair["depth"])
    assert np.nanmedian(off_px) < 0.25 and np.isfinite(found["depth"]).mean() > 0.9
    assert found["sigma_m"].shape == SIZE
    assert (found["sigma_m"][np.isfinite(found["depth"])] > 0).all()
    # Every point projects to the pixel whose depth it has
    u = found["points"][:, 0] / found["points"][:, 2] * FX + 159.5
    v = found["points"][:, 1] / found["points"][:, 2] * FX + 119.5
    rows, columns = np.rint(v).astype(int), np.rint(u).astype(int)
    np.testing.assert_allclose([u, v], [columns, rows], atol=1e-2)
    np.testing.assert_array_equal(found["depth"][rows, columns], found["points"][:, 2])


def floor_depth(height, width):
    """Depth of a level floor HEIGHT_M under a camera of FX, far above the horizon."""
    rows = np.arange(height) - (height - 1) / 2
    column = np.where(rows > 0, FX * HEIGHT_M / np.maximum(rows, 0.5), 1e3)
    return np.repeat(column[:, None], width, axis=1).astype(np.float32)


def floor_model(path, unit_m):
    """A network that sees the floor in every image, in units of unit_m."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    floor = (floor_depth(*SIZE) / unit_m)[None, None]
    image = helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, *SIZE])
    depth = helper.make_tensor_value_info("depth", onnx.TensorProto.FLOAT, [1, 1, *SIZE])
    constants = [
        numpy_helper.from_array(np.zeros((), np.float32), "nothing"),
        numpy_helper.from_array(floor, "floor"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["grey", "nothing"], ["zero"]),
        helper.make_node("Add", ["zero", "floor"], ["depth"]),
    ]
    graph = helper.make_graph(nodes, "floor", [image], [depth], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    spec = ModelSpec(
        "floor", "mono", ("image",), ("depth",), *SIZE, divisor=16, scale_source="none"
    )
    helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.save(model, path)
    return path


def test_mono_scale(tmp_path, monkeypatch, capsys):
    model = floor_model(tmp_path / "floor.onnx", unit_m=2.5)
    monkeypatch.setattr("depth_ros.engine.load.default_model", lambda task: model)
    grey = np.full((*SIZE, 3), 128, np.uint8)
    images = [save(tmp_path / "images" / f"{i}.png", grey) for i in range(5)]
    out = tmp_path / "depth.npz"
    run_example(
        monkeypatch, "mono_scale.py", *images, "--fx", FX, "--height-m", HEIGHT_M, "--out", out
    )
    lines = capsys.readouterr().out.splitlines()
    assert "no metres yet: 4 of 5" in lines[3] and "by camera height" in lines[4]
    np.testing.assert_allclose(np.load(out)["depth"], floor_depth(*SIZE), rtol=1e-4)


@pytest.mark.skipif(default_model("stereo") is None, reason="no stereo model is installed")
def test_motion(tmp_path, monkeypatch):
    steps = [(0.02 * i, 0.05 * i) for i in range(4)]
    for i, (x, z) in enumerate(steps):
        pair = render_stereo(clip_scene(), RIG, at(x, z))
        save(tmp_path / "left" / f"{i}.png", pair["left"])
        save(tmp_path / "right" / f"{i}.png", pair["right"])
    out = tmp_path / "poses.npz"
    run_example(
        monkeypatch,
        "motion.py",
        tmp_path / "left",
        tmp_path / "right",
        "--fx",
        FX,
        "--baseline-m",
        BASELINE_M,
        "--out",
        out,
    )
    found = np.load(out)
    # odom has body axes: forward is x, left is y
    expected = [(z, -x, 0.0) for x, z in steps]
    np.testing.assert_allclose(found["odom_T_camera"][:, :3, 3], expected, atol=0.01)
    assert (np.linalg.eigvalsh(found["covariance"][1:]) > 0).all()


def test_the_public_api():
    assert len(depth_ros.__all__) == 8
    for name in depth_ros.__all__:
        assert getattr(depth_ros, name).__name__ == name
        assert name in dir(depth_ros)
    with pytest.raises(AttributeError, match="no attribute 'StereoCamera'"):
        getattr(depth_ros, "StereoCamera")  # noqa: B009 - the attribute is what is tested


def test_the_import_loads_nothing_heavy():
    code = (
        "import sys, depth_ros; before = set(sys.modules)\n"
        "print([m for m in ('numpy', 'cv2', 'onnxruntime', 'rclpy', 'torch') if m in before])\n"
        "from depth_ros import Camera, Frame\n"
        "print([m for m in ('cv2', 'onnxruntime', 'rclpy', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"], done.stderr


def test_the_api_page_names_what_there_is():
    rendered = set()
    for dotted in re.findall(r"^::: (\S+)$", API_PAGE.read_text(), re.MULTILINE):
        rendered.add(pydoc.locate(dotted))
    assert None not in rendered, "a name on the page that does not exist"
    assert {getattr(depth_ros, name) for name in depth_ros.__all__} <= rendered


@pytest.mark.skipif(default_model("stereo") is None, reason="no stereo model is installed")
def test_the_snippet_of_the_api_page_runs():
    (snippet,) = re.findall(r"```python\n(.*?)```", API_PAGE.read_text(), re.DOTALL)
    texture = np.random.default_rng(0).integers(0, 256, (480, 660, 3), np.uint8)
    texture = cv2.GaussianBlur(texture, (0, 0), 1.5)
    left = np.ascontiguousarray(texture[:, :640])
    right = np.ascontiguousarray(texture[:, 20:])  # a wall at 465 * 0.12 / 20 m
    names = {"pairs": [(0, left, right)]}
    exec(snippet, names)
    assert np.nanmedian(names["estimate"].depth) == pytest.approx(465 * 0.12 / 20, rel=0.02)
