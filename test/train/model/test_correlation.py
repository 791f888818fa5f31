"""The correlation volume and the flow it shows, on pictures that are shifted by a known amount."""

import pytest

torch = pytest.importorskip("torch")

from depth_ros.core.errors import InputError  # noqa: E402
from train.model.correlation import CorrelationEncoder, correlation, flow, places  # noqa: E402
from train.model.pose import PoseNet  # noqa: E402

from .onnx_export import export, largest_relative_difference  # noqa: E402


def shifted(u: int, v: int, channels=64, height=12, width=20):
    """Two cuts of one noise: what is at (x, y) in the first is at (x + u, y + v) in the second."""
    noise = torch.randn(1, channels, height + 8, width + 8, generator=torch.Generator().manual_seed(1))
    first = noise[:, :, 4 : 4 + height, 4 : 4 + width]
    return first, noise[:, :, 4 - v : 4 - v + height, 4 - u : 4 - u + width]


@pytest.mark.parametrize(("u", "v"), [(0, 0), (3, -1), (-2, 4)])
def test_flow_is_the_shift(u, v):
    volume = correlation(*shifted(u, v))
    assert volume.shape == (1, 81, 12, 20)
    inner = volume[:, :, 4:-4, 4:-4]
    assert (inner.argmax(1) == 9 * (v + 4) + u + 4).all()
    torch.testing.assert_close(inner[:, 9 * (v + 4) + u + 4], torch.ones(1, 4, 12), atol=1e-3, rtol=0)
    found = flow(volume)[0, :, 4:-4, 4:-4]
    assert (found[0] - u).abs().max() < 0.05 and (found[1] - v).abs().max() < 0.05


def test_what_left_the_picture_meets_zeros():
    volume = correlation(torch.ones(1, 2, 3, 5), torch.ones(1, 2, 3, 5), reach=1)
    assert volume[0, 0, 0, 0] == 0 and volume[0, 4, 0, 0] == pytest.approx(1, abs=1e-5)


def test_places_are_centres_of_cells():
    u, v = places(torch.zeros(1, 7, 4, 5))[0]
    torch.testing.assert_close(u[2], torch.tensor([-0.8, -0.4, 0.0, 0.4, 0.8]))
    torch.testing.assert_close(v[:, 3], torch.tensor([-0.75, -0.25, 0.25, 0.75]))


def test_onnx_runtime_answers_the_same_at_other_sizes(tmp_path):
    net = PoseNet("correlation").eval()
    path = export(net, tmp_path / "pose.onnx", ["first", "second"], ["pose"])
    assert largest_relative_difference(net, path, [(64, 96), (96, 160)], 2) < 1e-3


def test_pose_network_of_pairs():
    net = PoseNet("correlation").eval()
    pose = net(torch.rand(2, 3, 64, 96), torch.rand(2, 3, 64, 96))
    assert pose.shape == (2, 6) and pose.abs().max() < 0.2  # hardly any motion before it is trained
    with pytest.raises(InputError, match="one source"):
        PoseNet("correlation", sources=2)
    with pytest.raises(InputError, match="multiples of 32"):
        CorrelationEncoder()(torch.rand(1, 3, 60, 96), torch.rand(1, 3, 60, 96))
