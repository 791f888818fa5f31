"""Losses, each a pure function of predictions and truth."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor


def robust_disparity(prediction: Tensor, truth: Tensor, mask: Tensor, scale_px: float = 0.5) -> Tensor:
    """Mean of log(1 + |e| / scale): like L1 near zero, and a miss of 60 px weighs little more than one of 20.

    prediction, truth (B,1,H,W) px; mask (B,1,H,W) bool, pixels to judge. Returns a scalar, 0 where the mask is empty.
    It is the logarithm of a t-distribution's tail (Barron 2019, "A General and Adaptive Robust Loss", alpha near 0).
    """
    error = (prediction - truth).abs()
    return _masked_mean((error / scale_px).log1p() + 0.05 * error.clamp(max=20), mask)


def laplace_nll(error: Tensor, log_sigma: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood of a Laplace error with standard deviation sigma (Kendall & Gal 2017, eq. 8 with L1).

    b = sigma / sqrt 2; the mean of |e| / b + log b is least where sigma = sqrt 2 * mean |e|. error, log_sigma
    (B,1,H,W) of px, mask bool. Returns a scalar.
    """
    log_b = log_sigma - 0.5 * math.log(2)
    return _masked_mean(error.abs() * (-log_b).exp() + log_b, mask)


def stereo_loss(half: Tensor, disparity: Tensor, log_sigma: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Loss of StereoNet.stages against truth (B,1,H,W) px where mask (B,1,H,W) is true."""
    few = F.pixel_unshuffle(truth, 2)[:, :1], F.pixel_unshuffle(mask.to(truth), 2)[:, :1] > 0
    error = (disparity - truth).detach().clamp(-50, 50)
    spread = laplace_nll(error, log_sigma.clamp(-4, 5), mask)
    return robust_disparity(disparity, truth, mask) + 0.5 * robust_disparity(half, *few) + 0.1 * spread


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    weight = mask.to(values)
    return (values * weight).sum() / weight.sum().clamp(min=1)
