"""Depth against truth: scale-invariant error and likelihoods."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from depth_ros.core.errors import InputError
from train.losses.masked import masked_mean, only


def silog(
    depth: Tensor, truth: Tensor, mask: Tensor, lam: float = 0.5, root: bool = False
) -> Tensor:
    """Scale-invariant log error: mean d^2 - lam (mean d)^2 with d = log depth - log truth (Eigen
    2014, eq. 4).

    depth, truth (B,1,H,W) m; mask (B,1,H,W) bool, pixels to judge (elsewhere anything, NaN too).
    lam in [0,1]: 0 asks for metres, 1 forgives any factor of a picture. root: the root of each
    picture's error (Lee 2019). Returns the mean of the pictures that have pixels to judge, as a
    scalar; 0 where none has.
    """
    d = only(depth, mask, 1.0).log() - only(truth, mask, 1.0).log()
    count = mask.sum((1, 2, 3))
    some = count.clamp(min=1)
    error = (d * d).sum((1, 2, 3)) / some - lam * (d.sum((1, 2, 3)) / some) ** 2
    if root:
        error = error.clamp(min=0).add(1e-12).sqrt()  # the root's slope at zero is infinite
    return masked_mean(error, count > 0)


def laplace_nll(error: Tensor, log_sigma: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood of a Laplace error with standard deviation sigma (Kendall & Gal 2017,
    eq. 8 with L1).

    b = sigma / sqrt 2; the mean of |e| / b + log b is least where sigma = sqrt 2 * mean |e|. error,
    log_sigma (B,1,H,W), sigma in the unit of the error; mask bool. Returns a scalar, 0 where the
    mask is empty.
    """
    log_b = log_sigma - 0.5 * math.log(2)
    return masked_mean(only(error, mask).abs() * (-log_b).exp() + log_b, mask)


def gauss_nll(error: Tensor, log_sigma: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood of a normal error, e^2 / (2 sigma^2) + log sigma (Kendall & Gal 2017,
    eq. 5).

    As laplace_nll; least where sigma^2 = mean e^2.
    """
    return masked_mean(0.5 * only(error, mask) ** 2 * (-2 * log_sigma).exp() + log_sigma, mask)


_LIKELIHOODS = {"laplace": laplace_nll, "gauss": gauss_nll}


def depth_nll(
    depth: Tensor, truth: Tensor, log_sigma: Tensor, mask: Tensor, likelihood: str = "laplace"
) -> Tensor:
    """Negative log-likelihood of the truth, spread in log depth (Kendall & Gal 2017).

    depth, truth (B,1,H,W) m, log_sigma (B,1,H,W): natural log of one standard deviation of log
    depth, that is of depth relative to itself. mask (B,1,H,W) bool, elsewhere anything. Trains
    depth and log_sigma together. Raises InputError for a likelihood other than "laplace" or
    "gauss".
    """
    if likelihood not in _LIKELIHOODS:
        raise InputError(f"likelihood: expected one of {sorted(_LIKELIHOODS)}, got {likelihood!r}")
    error = torch.log(only(depth, mask, 1.0)) - torch.log(only(truth, mask, 1.0))
    return _LIKELIHOODS[likelihood](error, log_sigma, mask)
