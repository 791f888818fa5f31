"""Losses, each a pure function of predictions and of what they are judged by."""

from train.losses.masked import masked_mean
from train.losses.regularization import explainability, left_right_consistency, smoothness
from train.losses.reprojection import (
    auto_mask,
    mean_reprojection,
    minimum_reprojection,
    photometric,
    ssim,
)
from train.losses.stereo import capped_l1, soft_bad, stereo_loss
from train.losses.supervised import depth_nll, gauss_nll, laplace_nll, silog

__all__ = [
    "auto_mask",
    "capped_l1",
    "depth_nll",
    "explainability",
    "gauss_nll",
    "laplace_nll",
    "left_right_consistency",
    "masked_mean",
    "mean_reprojection",
    "minimum_reprojection",
    "photometric",
    "silog",
    "smoothness",
    "soft_bad",
    "ssim",
    "stereo_loss",
]
