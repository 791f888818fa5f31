"""Losses of the stereo network against true disparity."""

from __future__ import annotations

from torch import Tensor

from train.losses.masked import masked_mean
from train.losses.supervised import laplace_nll
from train.model.stereo_stage import StageOutput


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


def stereo_loss(stages: list[StageOutput], truth: Tensor, mask: Tensor) -> Tensor:
    """Loss of a stereo network's stages, coarse first, against truth (B,1,H,W) px where mask
    (B,1,H,W) is true.

    The last stage counts fully and is judged at half a pixel too, earlier ones count by half.
    """
    last = stage_loss(stages[-1], truth, mask)
    return last + 0.5 * sum(stage_loss(stage, truth, mask) for stage in stages[:-1])


def stage_loss(stage: StageOutput, truth: Tensor, mask: Tensor) -> Tensor:
    """Loss of one stage: misses, near misses, what it passes through (at the top left of each
    cell), and its sigma.
    """
    cell_px = truth.shape[-1] // stage.moved.shape[-1]
    few = truth[..., ::cell_px, ::cell_px], mask[..., ::cell_px, ::cell_px]
    passed = capped_l1(stage.guess, *few) + capped_l1(stage.moved, *few)
    final = stage.disparity
    miss = (
        capped_l1(final, truth, mask)
        + 4 * soft_bad(final, truth, mask, 1.5)
        + 2 * soft_bad(final, truth, mask, 0.5)
    )
    sigma = laplace_nll((final - truth).detach().clamp(-50, 50), stage.log_sigma, mask)
    return miss + 0.3 * passed + 0.1 * sigma
