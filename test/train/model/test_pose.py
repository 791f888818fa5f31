"""The pose network: shapes, units, order of the pictures, and its export."""

import pytest

torch = pytest.importorskip("torch")

from depth_ros.core.errors import InputError  # noqa: E402
from train.model.depth import DepthNet  # noqa: E402
from train.model.pose import ROTATION_UNIT_RAD, TRANSLATION_UNIT_M, PoseNet  # noqa: E402

from .onnx_export import export, largest_relative_difference  # noqa: E402

LITE = "efficientnet_lite0"


def make(**options):
    torch.manual_seed(0)
    return PoseNet(backbone=LITE, **options)


def pictures(count, size=(32, 64)):
    return [torch.rand(2, 3, *size) for _ in range(count)]


def test_one_pair_gives_one_motion_that_is_nearly_none():
    pose = make()(*pictures(2))
    assert pose.shape == (2, 6) and pose.abs().max() < 0.02


def test_several_sources_give_a_motion_and_a_mask_each():
    pose, masks = make(sources=3, explain=True)(pictures(1)[0], pictures(3))
    assert pose.shape == (2, 3, 6)
    assert [tuple(m.shape) for m in masks] == [
        (2, 3, 32, 64),
        (2, 3, 16, 32),
        (2, 3, 8, 16),
        (2, 3, 4, 8),
    ]
    assert all(
        0.5 < float(torch.sigmoid(m.detach()).mean()) < 0.9 for m in masks
    )  # it starts by believing the motion


def test_shared_features_replace_pictures():
    depth = DepthNet(LITE, pretrained=False)
    features = [depth.features(x) for x in pictures(3)]
    assert make(encoder="shared")(*features[:2]).shape == (2, 6)
    pose, masks = make(encoder="shared", sources=2, explain=True)(features[0], features[1:])
    assert pose.shape == (2, 2, 6) and masks[0].shape == (2, 2, 32, 64)


def test_answers_come_in_their_units():
    net = make(sources=2)
    torch.nn.init.zeros_(net.head[-1].weight)
    with torch.no_grad():
        net.head[-1].bias.copy_(torch.arange(12.0))
    pose = net(pictures(1)[0], pictures(2))
    unit = torch.tensor([ROTATION_UNIT_RAD] * 3 + [TRANSLATION_UNIT_M] * 3)
    torch.testing.assert_close(pose, (torch.arange(12.0).view(2, 6) * unit).expand(2, 2, 6))


@pytest.mark.parametrize("encoder", ["separate", "shared"])
def test_the_order_of_the_pictures_matters(encoder):
    net, inputs = (
        make(encoder=encoder).eval(),
        [torch.rand(2, 3, 32, 64) * bright for bright in (0.3, 1)],
    )
    if encoder == "shared":
        depth = DepthNet(LITE, pretrained=False).eval()
        inputs = [depth.features(x) for x in inputs]
    assert not torch.allclose(net(*inputs), net(*inputs[::-1]), rtol=1e-3, atol=0)


def test_every_parameter_learns_from_the_first_step():
    net = make(sources=2, explain=True)
    pose, masks = net(*(pictures(1, (64, 64)) + [pictures(2, (64, 64))]))
    (pose.square().sum() + sum(m.square().mean() for m in masks)).backward()
    assert not [
        name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]


def test_it_learns_which_way_the_picture_moved():
    """Pictures shifted by some columns left or right: the head learns the yaw of both in 60
    steps.
    """
    depth, net = DepthNet(LITE, pretrained=False), make(encoder="shared")
    wide = torch.nn.functional.interpolate(torch.rand(2, 3, 8, 10), scale_factor=4, mode="bilinear")
    centre, left, right = wide[..., 4:36], wide[..., 0:32], wide[..., 8:40]
    with torch.no_grad():
        first, second = (
            depth.features(torch.cat([centre, centre])),
            depth.features(torch.cat([left, right])),
        )
    yaw = torch.tensor([0.05] * 2 + [-0.05] * 2)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    for _ in range(60):
        error = net(first, second)[:, 1] - yaw
        optimizer.zero_grad()
        error.abs().mean().backward()
        optimizer.step()
    assert (net(first, second)[:, 1] - yaw).abs().max() < 0.02


@pytest.mark.parametrize("options", [{"encoder": "joint"}, {"sources": 0}])
def test_senseless_options_are_refused(options):
    with pytest.raises(InputError, match="expected .* got"):
        make(**options)
    with pytest.raises(InputError, match="expected 2 sources, got 1"):
        make(sources=2)(pictures(1)[0], pictures(1))
    with pytest.raises(InputError, match="got 'vgg'"):
        PoseNet(backbone="vgg")


def test_onnx_runtime_answers_the_same_at_other_sizes(tmp_path):
    pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
    net = make().eval()
    path = export(net, tmp_path / "pose.onnx", ["first", "second"], ["pose"])
    assert largest_relative_difference(net, path, [(64, 96), (32, 160)], count=2) < 1e-4
