"""The depth network: where it starts, its bounds, its scales, that it learns, and its export."""

import math

import pytest

torch = pytest.importorskip("torch")

from depth_ros.core.errors import InputError  # noqa: E402
from train.model.depth import LOG_SIGMA, START_DEPTH_M, DepthNet  # noqa: E402

from .onnx_export import export, largest_relative_difference, resizes  # noqa: E402


def make(**options):
    torch.manual_seed(0)
    return DepthNet(pretrained=False, **options)


def answer_everywhere(net, raw):
    """Make every head answer `raw` whatever it sees."""
    for layer in [*net.heads, *([net.sigma_head] if net.sigma_head else [])]:
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.constant_(layer.bias, raw)


def test_scales_channels_and_types():
    net = make(left_right=True, log_sigma=True)
    inv_depth, log_sigma = net(torch.rand(2, 3, 64, 96))
    assert [tuple(x.shape) for x in inv_depth] == [
        (2, 2, 64, 96),
        (2, 2, 32, 48),
        (2, 2, 16, 24),
        (2, 2, 8, 12),
    ]
    assert log_sigma.shape == (2, 1, 64, 96) and log_sigma.dtype == torch.float32
    inv_depth, log_sigma = make(scales=1)(torch.rand(2, 3, 32, 64))
    assert [tuple(x.shape) for x in inv_depth] == [(2, 1, 32, 64)] and log_sigma is None


@pytest.mark.parametrize(
    "options", [{}, {"min_depth_m": 0.5, "max_depth_m": 80.0}, {"encoder": "resnet18"}]
)
def test_it_starts_at_a_depth_that_scenes_have(options):
    inv_depth, log_sigma = make(log_sigma=True, **options)(torch.rand(2, 3, 64, 96))
    for x in inv_depth:
        assert float((1 / x.detach()).log().mean().exp()) == pytest.approx(START_DEPTH_M, rel=0.3)
    assert float(log_sigma.detach().mean().exp()) == pytest.approx(0.3, rel=0.2)


def test_a_range_that_does_not_hold_the_usual_start_starts_in_its_geometric_middle():
    x = make(min_depth_m=1.0, max_depth_m=4.0)(torch.rand(2, 3, 32, 64)).inv_depth[0]
    assert float((1 / x.detach()).log().mean().exp()) == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize(
    "raw, depth_m, sigma",
    [(-200, 80.0, 0.01), (0, math.sqrt(40.0), math.sqrt(0.02)), (200, 0.5, 2.0)],
)
def test_depth_and_sigma_keep_their_bounds_and_are_logarithmic_between(raw, depth_m, sigma):
    net = make(min_depth_m=0.5, max_depth_m=80.0, log_sigma=True)
    answer_everywhere(net, raw)
    inv_depth, log_sigma = net(torch.rand(1, 3, 32, 64))
    for x in inv_depth:
        torch.testing.assert_close(1 / x, torch.full_like(x, depth_m))
    torch.testing.assert_close(log_sigma.exp(), torch.full_like(log_sigma, sigma))
    assert pytest.approx([0.01, 2.0]) == [math.exp(x) for x in LOG_SIGMA]


def test_every_parameter_learns_from_the_first_step():
    net = make(left_right=True, log_sigma=True)
    inv_depth, log_sigma = net(torch.rand(2, 3, 64, 64))
    (sum(x.log().square().mean() for x in inv_depth) + log_sigma.square().mean()).backward()
    assert not [
        name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]


def test_forward_is_features_then_decode():
    net, x = make().eval(), torch.rand(1, 3, 32, 64)
    with torch.no_grad():
        torch.testing.assert_close(net(x).inv_depth[0], net.decode(net.features(x)).inv_depth[0])


def test_it_learns_that_the_bright_half_is_near():
    """Left half dark and 20 m away, right half bright and 2 m: the decoder has it to a third in
    60 steps.
    """
    net = make()
    image, depth = torch.rand(2, 3, 32, 64) * 0.3, torch.full((2, 1, 32, 64), 20.0)
    image[..., 32:] += 0.6
    depth[..., 32:] = 2.0
    features = [x.detach() for x in net.features(image)]
    optimizer = torch.optim.AdamW([*net.decoder.parameters(), *net.heads.parameters()], lr=3e-3)
    for _ in range(60):
        error = net.decode(features).inv_depth[0].log() + depth.log()
        optimizer.zero_grad()
        error.abs().mean().backward()
        optimizer.step()
    found = 1 / net.decode(features).inv_depth[0].detach()
    for half, wanted in ((found[..., 2:28], 20.0), (found[..., 36:62], 2.0)):
        assert float(half.log().mean().exp()) == pytest.approx(wanted, rel=0.33)


@pytest.mark.parametrize(
    "options",
    [
        {"min_depth_m": 0.0},
        {"min_depth_m": 5.0, "max_depth_m": 5.0},
        {"scales": 0},
        {"scales": 5},
        {"encoder": "vgg"},
    ],
)
def test_senseless_options_are_refused(options):
    with pytest.raises(InputError, match="expected .* got"):
        make(**options)


class Answer(torch.nn.Module):
    """What is exported: the finest depth, and sigma."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, image):
        inv_depth, log_sigma = self.net(image)
        return 1 / inv_depth[0], log_sigma


def test_onnx_runtime_answers_the_same_at_other_sizes(tmp_path):
    pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
    net = Answer(make(log_sigma=True)).eval()
    path = export(net, tmp_path / "depth.onnx", ["image"], ["depth", "log_rel_sigma"])
    assert largest_relative_difference(net, path, [(64, 96), (32, 160), (96, 64)]) < 1e-4
    assert set(resizes(path)) == {
        ("linear", "half_pixel")
    }  # the one that ONNX Runtime and TensorRT agree on
