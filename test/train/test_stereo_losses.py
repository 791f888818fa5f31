"""Losses of the stereo training, and its pool: values from geometry."""

import math

import pytest

torch = pytest.importorskip("torch")

from train import losses  # noqa: E402
from train.data.pool import fill_pool  # noqa: E402


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


def test_the_pool_resumes(tmp_path):
    fill_pool(tmp_path, 2, height=96, width=128)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    fill_pool(tmp_path, 2, height=96, width=128)
    assert len(before) == 2 and before == {p: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
