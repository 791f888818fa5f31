"""Network, losses and data of the stereo training: values from geometry."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from train import losses  # noqa: E402
from train.data.pool import fill_pool  # noqa: E402
from train.data.stereo import StereoPairs, spoil_pair  # noqa: E402
from train.model import stereo  # noqa: E402


def test_local_volume_is_zero_at_the_true_disparity():
    wide = torch.rand(1, 4, 6, 60, generator=torch.Generator().manual_seed(1))
    here, there = (
        wide[..., :40],
        wide[..., 5:45],
    )  # there[u - d] = here[u] with d = 5 half-resolution pixels
    cost = stereo.local_volume(here, there, torch.full((1, 1, 6, 40), 8.0))[
        ..., 10:
    ]  # 4 half pixels, one too few
    assert cost.shape == (1, 7, 6, 30)
    assert cost[:, stereo.OFFSETS_PX.index(1)].abs().max() < 1e-6
    assert cost[:, stereo.OFFSETS_PX.index(0)].mean() > 0.1


def test_local_volume_is_linear_between_columns():
    here = torch.zeros(1, 1, 1, 12)
    there = torch.arange(12.0).view(1, 1, 1, 12)
    cost = stereo.local_volume(here, there, torch.full((1, 1, 1, 12), 5.0))  # 2.5 half pixels
    assert cost[0, 3, 0, 8].item() == pytest.approx(5.5)


def test_propagation_copies_a_neighbour_without_mixing():
    x = torch.arange(35.0).view(1, 1, 5, 7)
    logits = torch.full((1, 9, 5, 7), -100.0)
    logits[:, 5] = 100  # the middle row, one step to the right
    out = stereo.propagate(x, logits, 2)
    torch.testing.assert_close(out[..., :5], x[..., 2:])


def test_upsampling_takes_the_matched_value_where_it_is_trusted():
    prior = torch.rand(1, 1, 6, 10)
    logits = torch.full((1, 40, 3, 5), -100.0)
    logits[:, 36:] = 100
    torch.testing.assert_close(stereo.upsample(torch.zeros(1, 1, 3, 5), prior, logits), prior)
    logits = torch.full((1, 40, 3, 5), -100.0)
    logits[:, 16:20] = 100  # the centre of the 3 x 3
    half = torch.rand(1, 1, 3, 5)
    expected = torch.nn.functional.interpolate(half, scale_factor=2, mode="nearest")
    torch.testing.assert_close(stereo.upsample(half, prior, logits), expected)


def test_the_untrained_network_returns_a_flat_prior():
    prior = torch.full((1, 2, 64, 96), 12.0)
    disparity, _ = stereo.StereoNet().eval()(
        torch.rand(1, 3, 64, 96), torch.rand(1, 3, 64, 96), prior
    )
    torch.testing.assert_close(disparity, prior[:, :1])


def test_network_keeps_size_and_is_small():
    net = stereo.StereoNet().eval()
    assert sum(p.numel() for p in net.parameters()) < 5e6
    disparity, log_sigma = net(
        torch.rand(1, 3, 64, 96), torch.rand(1, 3, 64, 96), torch.rand(1, 2, 64, 96)
    )
    assert disparity.shape == log_sigma.shape == (1, 1, 64, 96)


def test_likelihood_is_least_at_the_true_spread():
    error = torch.tensor([1.0, -3.0]).view(1, 1, 1, 2)
    mask = torch.ones(1, 1, 1, 2, dtype=torch.bool)
    log_sigma = torch.tensor(math.log(2 * math.sqrt(2)), requires_grad=True)  # mean |e| = 2 = b
    losses.laplace_nll(error, log_sigma.expand(1, 1, 1, 2), mask).backward()
    assert log_sigma.grad.item() == pytest.approx(0, abs=1e-6)


def test_losses_ignore_what_is_masked_and_have_true_gradients():
    truth = torch.rand(1, 1, 2, 4, dtype=torch.float64) * 9
    mask = torch.tensor([1, 1, 0, 1, 0, 1, 1, 1], dtype=torch.bool).view(1, 1, 2, 4)
    broken = torch.where(mask, truth, truth + 50)
    assert losses.capped_l1(broken, truth, mask).item() == 0
    assert losses.capped_l1(truth, truth, mask & False).item() == 0
    assert losses.capped_l1(truth + 99, truth, mask, cap_px=32.0).item() == pytest.approx(32)
    assert losses.soft_bad(truth + 2, truth, mask, 2.0).item() == pytest.approx(0.5)
    guess = (truth + 1.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: losses.capped_l1(x, truth, mask), guess)
    assert torch.autograd.gradcheck(lambda x: losses.soft_bad(x, truth, mask), guess)
    assert torch.autograd.gradcheck(lambda s: losses.laplace_nll(truth - 3, s, mask), guess)


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    fill_pool(folder, 3, height=96, width=128)
    return folder


def test_samples_repeat_by_seed_and_differ_by_epoch(pool):
    pairs = StereoPairs(sorted(pool.glob("*.npz")), (64, 96))
    one, again, next_epoch = pairs[0, 0], pairs[0, 0], pairs[0, 1]
    for key in one:
        torch.testing.assert_close(one[key], again[key])
    assert not torch.equal(one["left"], next_epoch["left"])
    assert one["prior"].shape == (2, 64, 96) and set(one["prior"][1].unique().tolist()) <= {
        0.0,
        1.0,
    }


def test_the_pool_resumes(pool):
    before = {p: p.stat().st_mtime_ns for p in pool.iterdir()}
    fill_pool(pool, 3, height=96, width=128)
    assert before == {p: p.stat().st_mtime_ns for p in pool.iterdir()}


def test_spoiling_keeps_size_and_type():
    image = np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8)
    for seed in range(6):
        left, right = spoil_pair(np.random.default_rng(seed), image, image)
        assert left.shape == right.shape == image.shape and left.dtype == right.dtype == np.uint8
