"""Losses of the stereo network against true disparity."""

from __future__ import annotations

from torch import Tensor

from train.losses.masked import masked_mean
from train.losses.supervised import laplace_nll


def capped_l1(prediction: Tensor, truth: Tensor, mask: Tensor, cap_px: float = 16.0) -> Tensor:
    """Mean of min(|e|, cap): every miss pulls alike, one beyond hope does not pull at all.

    prediction, truth (B,1,H,W) px; mask (B,1,H,W) bool, pixels to judge. Returns a scalar, 0 where
    the mask is empty. A logarithmic loss was tried first: it spent itself on hundredths of a pixel
    and left holes as they were.
    """
    return masked_mean((prediction - truth).abs().clamp(max=cap_px), mask)


def soft_bad(prediction: Tensor, truth: Tensor, mask: Tensor, scale_px: float = 2.0) -> Tensor:
    """Mean of e^2 / (e^2 + scale^2): a smooth count of the pixels that are wrong by more than
    `scale_px`.

    The Geman-McClure loss (Barron 2019, "A General and Adaptive Robust Loss", alpha = -2).
    prediction, truth (B,1,H,W) px; mask (B,1,H,W) bool. Returns a scalar in [0,1), 0 where the mask
    is empty.
    """
    square = (prediction - truth) ** 2
    return masked_mean(square / (square + scale_px**2), mask)


def stereo_loss(
    early: list[Tensor], disparity: Tensor, log_sigma: Tensor, truth: Tensor, mask: Tensor
) -> Tensor:
    """Loss of the stages of a stereo network against truth (B,1,H,W) px where mask (B,1,H,W) is
    true.

    early: disparities (B,1,H/s,W/s) px on the way, each judged at the top left of its s x s pixels.
    """
    step = truth.shape[-1] // early[0].shape[-1]
    few = truth[..., ::step, ::step], mask[..., ::step, ::step]
    on_the_way = sum(capped_l1(x, *few) for x in early)
    spread = laplace_nll((disparity - truth).detach().clamp(-50, 50), log_sigma, mask)
    miss = capped_l1(disparity, truth, mask) + 4 * soft_bad(disparity, truth, mask)
    return miss + 0.3 * on_the_way + 0.1 * spread
