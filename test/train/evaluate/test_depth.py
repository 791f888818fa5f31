"""Evaluation of depth networks and of baselines that do not look at the picture."""

import doctest
from types import SimpleNamespace

import numpy as np
import pytest

import train.evaluate.baselines
import train.evaluate.depth
from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from train.data.view import View
from train.evaluate.baselines import (
    constant,
    ground_plane,
    ground_plane_depth,
    mean_depth,
    mean_picture,
)
from train.evaluate.depth import blend_mirrored, evaluate, network, onnx_run, table, torch_run

CAMERA = Camera(96, 56, 80.0, 84.0, 44.25, 30.5)


def view(depth, camera=CAMERA, image=None, **more):
    if np.isscalar(depth):
        depth = np.full((camera.height, camera.width), depth, np.float32)
    image = np.zeros((camera.height, camera.width, 3), np.uint8) if image is None else image
    return View(image, camera, depth=depth, **more)


def test_every_view_counts_alike_and_every_alignment_is_named():
    frames = [view(2.0), view(8.0), view(None), view(500.0)]
    figures = evaluate(constant(4.0), frames, ("none", "median"))
    assert figures["none"]["abs_rel"] == pytest.approx(
        (1.0 + 0.5) / 2
    )  # 2 m too far of 2 m; 4 m too near of 8 m
    assert (
        figures["median"]["abs_rel"] == pytest.approx(0)
        and figures["median"]["scaling"] == "median"
    )
    assert figures["none"]["views"] == 2  # one has no truth, one none within 80 m
    rows = table({"constant": figures}, ("abs_rel",)).splitlines()
    assert rows[2:] == ["| constant | none | 0.750 |", "| constant | median | 0.000 |"]


def test_crop_judges_only_what_is_inside():
    depth = np.full((100, 200), 1.0, np.float32)
    depth[40:99, 7:192] = 2.0  # Garg's rows 40 to 98, columns 7 to 191
    frames = [view(depth, Camera(200, 100, 90.0, 90.0, 100.0, 50.0))]
    assert evaluate(constant(2.0), frames, ("none",), crop="garg")["none"]["abs_rel"] == 0
    assert evaluate(constant(2.0), frames, ("none",))["none"]["abs_rel"] > 0.3


def test_disparity_is_truth_too():
    frame = View(
        np.zeros((56, 96, 3), np.uint8),
        CAMERA,
        baseline_m=0.5,
        disparity=np.full((56, 96), 10.0, np.float32),
    )
    assert evaluate(constant(4.0), [frame], ("none",))["none"]["abs_rel"] == pytest.approx(
        0
    )  # 80 * 0.5 / 10


@pytest.mark.parametrize("wrong", [{"alignments": ("best",)}, {"crop": "eigen"}, {"cap_m": 1.0}])
def test_refuses(wrong):
    with pytest.raises(InputError, match="expected"):
        evaluate(constant(1.0), [view(2.0)], **wrong)


def test_blend_has_flat_ends_and_ramps():
    mirrored_share = blend_mirrored(np.zeros((2, 101)), np.ones((2, 101)))[0]
    np.testing.assert_allclose(mirrored_share[:6], 1)
    np.testing.assert_allclose(mirrored_share[95:], 0)
    np.testing.assert_allclose(mirrored_share[10:91], 0.5, atol=1e-6)
    assert mirrored_share[7] == pytest.approx(
        (1 + 0.6) / 2, abs=1e-5
    )  # 2 of 5 columns down the ramp
    np.testing.assert_allclose(mirrored_share + mirrored_share[::-1], 1, atol=1e-6)


def test_flip_shows_the_network_the_mirror_image_and_turns_its_answer_back():
    def left_half_is_blind(
        image,
    ):  # the red channel is the inverse depth, but not in the left tenth
        inverse = image[0].copy()
        inverse[:, :3] = 9.0
        return inverse

    image = np.zeros((32, 64, 3), np.uint8)
    image[..., 0] = np.arange(64) * 4
    frame = view(1.0, Camera(64, 32, 50.0, 50.0, 32.0, 16.0), image)
    inverse = 1 / np.maximum(network(left_half_is_blind, (32, 64), flip=True)(frame), 1e-6)
    np.testing.assert_allclose(inverse[:, 1:], image[:, 1:, 0] / 255, rtol=1e-4)


def test_same_answer_through_two_focal_lengths_is_two_depths():
    cameras = [Camera(64, 32, fx, fx, 32.0, 16.0) for fx in (50.0, 100.0)]
    predict = network(
        lambda image: np.full(image.shape[1:], 0.5, np.float32), (64, 128), focal_px=200.0
    )
    depths = [predict(view(1.0, camera))[3, 5] for camera in cameras]
    np.testing.assert_allclose(
        depths, [2 * 100 / 200, 2 * 200 / 200]
    )  # fx at the input size is twice the camera's


def test_size_keeps_the_aspect_of_the_view():
    seen = []
    predict = network(
        lambda image: seen.append(image.shape) or np.ones(image.shape[1:], np.float32), 61440
    )
    depth = predict(view(1.0, Camera(1242, 375, 700.0, 700.0, 600.0, 180.0)))
    assert seen == [(3, 128, 448)] and depth.shape == (375, 1242)


def test_ground_plane():
    depth = ground_plane_depth(CAMERA, 1.65, far_m=50.0)
    assert depth.shape == (56, 96) and (depth[:31] == 50).all()
    assert depth[55, 3] == pytest.approx(1.65 * 84 / (55 - 30.5))
    # The ray through v that meets the ground after z metres ends 1.65 m below the camera, also when
    # that looks down.
    pitch, y = 0.2, (50 - 30.5) / 84
    z = ground_plane(1.65, pitch_rad=pitch)(view(1.0))[50, 0]
    assert z * (np.sin(pitch) + y * np.cos(pitch)) == pytest.approx(1.65, rel=1e-6)
    with pytest.raises(InputError, match="camera height"):
        ground_plane_depth(CAMERA, 0.0)


def test_means_of_a_training_set():
    top_far = np.full((56, 96), 2.0, np.float32)
    top_far[:28] = 6.0
    frames = [view(top_far), view(top_far), view(np.where(top_far > 3, np.nan, np.float32(2.0)))]
    assert mean_depth(frames)(frames[0])[0, 0] == pytest.approx((4 + 4 + 2) / 3)
    picture = mean_picture(frames)(frames[0])
    assert picture.shape == (56, 96) and (picture[0, 0], picture[-1, 0]) == (6.0, 2.0)
    with pytest.raises(InputError, match="depth to take the mean of"):
        mean_depth([view(None)])


def test_torch_network():
    torch = pytest.importorskip("torch")

    class Net(torch.nn.Module):
        def forward(self, image):
            return SimpleNamespace(inv_depth=[torch.cat([image[:, :1], 0 * image[:, :1]], 1)])

    image = np.full((56, 96, 3), 51, np.uint8)  # 0.2 of 255: 5 m
    figures = evaluate(network(torch_run(Net()), (32, 64)), [view(5.0, image=image)], ("none",))
    assert figures["none"]["abs_rel"] == pytest.approx(0, abs=1e-5)


def test_onnx_network_gets_what_its_spec_says():
    engine = SimpleNamespace(
        spec=SimpleNamespace(task="mono", inputs=("image",), mean=(127.0,) * 3, std=(128.0,) * 3)
    )
    engine.run = lambda inputs: {"depth": 1 / (1 + inputs["image"][:, :1])}
    inverse = onnx_run(engine)(np.full((3, 32, 64), 191 / 255, np.float32))
    np.testing.assert_allclose(inverse, 1.5, rtol=1e-6)  # (191 - 127) / 128 = 0.5
    with pytest.raises(InputError, match="mono"):
        onnx_run(SimpleNamespace(spec=SimpleNamespace(task="stereo")))


@pytest.mark.parametrize("module", [train.evaluate.baselines, train.evaluate.depth])
def test_examples(module):
    assert doctest.testmod(module).failed == 0
