"""Calibration of sigma, against errors whose spread is known."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from train.export.sigma_calibration import fit_spread  # noqa: E402
from train.model.stereo_fast import FastStereoNet  # noqa: E402


def test_a_sigma_twice_too_wide_is_halved():
    rng = np.random.default_rng(3)
    log_sigma = rng.uniform(-2, 3, 5000)
    slope, offset = fit_spread(np.abs(rng.normal(0, np.exp(log_sigma) / 2)), log_sigma)
    assert slope == pytest.approx(1, abs=0.051) and offset == pytest.approx(-np.log(2), abs=0.11)


def test_the_network_answers_the_scaled_sigma():
    torch.manual_seed(0)
    net = FastStereoNet(8).eval()
    torch.nn.init.normal_(net.spread.weight, std=0.1)
    inputs = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64), torch.rand(1, 2, 32, 32)
    disparity, before = net(*inputs)
    net.scale_spread(1.5, -0.5)
    again, after = net(*inputs)
    torch.testing.assert_close(after, 1.5 * before - 0.5)
    assert torch.equal(disparity, again)
