"""The one-graph form says what estimator and cloud say, in ONNX Runtime; and compiles."""

import numpy as np
import pytest

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.errors import EngineError
from depth_ros.core.pointcloud import depth_to_cloud
from depth_ros.core.types import Frame
from depth_ros.engine.load import default_model
from depth_ros.engine.onnx import OnnxEngine
from depth_ros.engine.spec import ModelSpec
from depth_ros.engine.tensorrt.api import compile_network
from depth_ros.engine.tensorrt.convert import at_size, to_fp16
from depth_ros.engine.tensorrt.emulated import EmulatedGraph
from depth_ros.engine.tensorrt.fused_graph import area_matrix, with_io
from depth_ros.estimator.mono import MonoEstimator
from depth_ros.estimator.preprocess import tensor_size, to_tensors, working_size
from depth_ros.estimator.stereo import StereoEstimator
from depth_ros.synthetic.renderer import render
from depth_ros.synthetic.scenes import clip_pose, clip_scene

onnx = pytest.importorskip("onnx", reason="no package onnx: graphs cannot be made")
CAMERA = Camera(150, 90, 120.0, 126.0, 70.25, 46.5)  # neither side fits the network
RIG = StereoRig(CAMERA, 0.21)


def load(task, camera=CAMERA, halve=False):
    """Path, spec and graph of a shipped model with its input and output."""
    path = default_model(task)
    if path is None:
        pytest.skip(f"no {task} model is shipped")
    spec = OnnxEngine(path).spec
    image = (camera.height, camera.width)
    model = at_size(onnx.load(str(path)), spec, tensor_size(*image, spec))
    model = to_fp16(model) if halve else model
    return path, spec, with_io(model, spec, image, working_size(*image, spec))


def pictures():
    step = np.eye(4)
    step[0, 3] = RIG.baseline_m
    poses = [clip_pose(3) @ side for side in (np.eye(4), step)]
    return [
        np.rint(255 * render(clip_scene(), CAMERA, pose)["rgb"]).astype(np.uint8) for pose in poses
    ]


def run(model, feed):
    """What a GPU answers: ONNX Runtime's CPU provider itself would compute halves in float32."""
    return EmulatedGraph(model, ("metres", "sigma_m", "points")).run(feed)


def assert_same(got, wanted, camera, image, within):
    """Relative, on average and for nearly all pixels; unknown in the same places."""
    for name, value in (("metres", wanted.depth), ("sigma_m", wanted.sigma_m)):
        assert got[name].dtype == np.float32 and got[name].shape == value.shape
        np.testing.assert_array_equal(np.isnan(got[name]), np.isnan(value))
        off = np.abs(got[name] / value - 1)
        assert np.nanmean(off) < within and np.nanpercentile(off, 99) < 10 * within, (
            name,
            np.nanmean(off),
        )
    cloud = depth_to_cloud(got["metres"], camera, image)
    np.testing.assert_allclose(got["points"][..., :3], cloud[..., :3], rtol=1e-5, atol=1e-6)
    colours = got["points"].view(np.uint32)[..., 3]
    np.testing.assert_array_equal(colours & 0x00FFFFFF, cloud.view(np.uint32)[..., 3])


@pytest.mark.parametrize("halve, within", [(False, 1e-5), (True, 2e-3)], ids=["fp32", "fp16"])
def test_stereo_says_what_the_estimator_says(halve, within):
    path, spec, model = load("stereo", halve=halve)
    left, right = pictures()
    frame = Frame(1, "left", left, right, RIG)
    numbers = np.array([CAMERA.fx, CAMERA.fy, CAMERA.cx, CAMERA.cy, RIG.baseline_m, 0], np.float32)
    feed = {"left": left, "right": right, "camera": numbers}
    if "prior" in spec.inputs:
        feed["prior"] = to_tensors(frame, spec, 64)["prior"]
    wanted = StereoEstimator(OnnxEngine(path), 64).estimate(frame)
    assert 1 < np.nanmedian(wanted.depth) < 20
    assert_same(run(model, feed), wanted, CAMERA, left, within)


@pytest.mark.parametrize("halve, within", [(False, 3e-3), (True, 2e-2)], ids=["fp32", "fp16"])
def test_mono_says_what_the_estimator_says(halve, within):
    camera = Camera(450, 270, 360.0, 378.0, 210.75, 139.5)  # larger than the network works at
    path, spec, model = load("mono", camera, halve)
    image = np.kron(pictures()[0], np.ones((3, 3, 1), np.uint8))
    numbers = np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32)
    wanted = MonoEstimator(OnnxEngine(path)).estimate(
        Frame(1, "camera", image, None, None, camera=camera)
    )
    assert working_size(270, 450, spec) != (270, 450)
    assert_same(run(model, {"image": image, "camera": numbers}), wanted, camera, image, within)


@pytest.mark.parametrize("task", ["stereo", "mono"])
def test_it_compiles(task):
    rtx = pytest.importorskip(
        "tensorrt_rtx", reason="no package tensorrt_rtx: nothing can be compiled"
    )
    _, spec, model = load(task, halve=True)
    content, tensors = compile_network(rtx, model.SerializeToString(), "fp16", "8.6")
    images = {name: ((90, 150, 3), "uint8") for name in spec.inputs if name != "prior"}
    assert len(content) > 100_000 and images.items() <= tensors.items()
    assert tensors["metres"] == tensors["sigma_m"] == ((90, 150), "float")
    assert tensors["points"] == ((90, 150, 4), "float")


def test_areas_are_averaged():
    cv2 = pytest.importorskip("cv2")
    row = np.random.default_rng(2).random((1, 40)).astype(np.float32)
    tall = np.repeat(row, 3, axis=0)
    for new in (7, 13, 20, 39, 40):
        wanted = cv2.resize(tall, (new, 3), interpolation=cv2.INTER_AREA)[0]
        np.testing.assert_allclose(area_matrix(40, new) @ row[0], wanted, atol=1e-5)
        np.testing.assert_allclose(area_matrix(40, new).sum(1), 1, atol=1e-5)
    wider = cv2.resize(tall, (50, 3), interpolation=cv2.INTER_LINEAR)[0]
    np.testing.assert_allclose(area_matrix(40, 50) @ row[0], wider, atol=1e-5)


def test_other_models_are_refused(make_model):
    spec = ModelSpec(
        "p", "pose", ("first", "second"), ("pose",), 0, 0, pose_direction="first_T_second"
    )
    with pytest.raises(EngineError, match="with-io: expected a stereo or mono model"):
        with_io(None, spec, (90, 150), (90, 150))
    spec = OnnxEngine(make_model()).spec
    model = at_size(onnx.load(str(make_model())), spec, (16, 24))
    with pytest.raises(EngineError, match="with-io: expected images of at most"):
        with_io(model, spec, (17, 24), (17, 24))
