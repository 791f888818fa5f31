"""Calibration of sigma, against errors whose spread is known."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from train.export.sigma_calibration import fit_spread  # noqa: E402


def test_a_sigma_twice_too_wide_is_halved():
    rng = np.random.default_rng(3)
    log_sigma = rng.uniform(-2, 3, 5000)
    slope, offset = fit_spread(np.abs(rng.normal(0, np.exp(log_sigma) / 2)), log_sigma)
    assert slope == pytest.approx(1, abs=0.051) and offset == pytest.approx(-np.log(2), abs=0.11)
