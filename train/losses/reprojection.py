"""How unlike two pictures are, and which pixels and sources may judge."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_C1, _C2 = 0.01**2, 0.03**2  # of Wang 2004 for a range of 1


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of each pixel (Wang 2004, eq. 13) over 3 x 3 windows of equal weight
    (Godard 2017).

    a, b (B,C,H,W) in [0,1], H and W above 1. Returns (B,C,H,W) in [-1,1], 1 where alike. Borders
    are reflected.
    """
    a, b = (F.pad(x, (1, 1, 1, 1), mode="reflect") for x in (a, b))
    mean_a = _box(a)
    mean_b = _box(b)
    product = mean_a * mean_b
    squares = mean_a * mean_a + mean_b * mean_b
    covariance = _box(a * b) - product
    variances = _box(a * a + b * b) - squares  # of both together: one window fewer
    return (2 * product + _C1) * (2 * covariance + _C2) / ((squares + _C1) * (variances + _C2))


def photometric(a: Tensor, b: Tensor, alpha: float = 0.85) -> Tensor:
    """Error of each pixel: alpha (1 - SSIM) / 2 + (1 - alpha) |a - b|, mean of the channels (Godard
    2017, eq. 5).

    a, b (B,C,H,W) in [0,1]; alpha in [0,1], 0 is plain L1 without the cost of SSIM. Returns
    (B,1,H,W), in [0,1].
    """
    error = (a - b).abs().mean(1, keepdim=True)
    if alpha == 0:
        return error
    return (1 - alpha) * error + 0.5 * alpha * (1 - ssim(a, b).mean(1, keepdim=True))


def minimum_reprojection(errors: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Keep for each pixel the least error of its sources, so that an occlusion in one is no error
    (Godard 2019, eq. 4).

    errors (B,S,H,W), one channel a source; valid (B,S,H,W) bool: the source sees the pixel at all.
    Returns error (B,1,H,W), 0 where no source is valid, and judged (B,1,H,W) bool: some source is.
    """
    least = errors.masked_fill(~valid, float("inf")).min(1, keepdim=True).values
    judged = valid.any(1, keepdim=True)
    return least.masked_fill(~judged, 0.0), judged


def mean_reprojection(
    errors: Tensor, valid: Tensor, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Average each pixel's error over the sources that see it; as minimum_reprojection, the plainer
    way.

    weight (B,S,H,W) in [0,1]: explainability, how far a source is believed at a pixel (Zhou 2017,
    eq. 3).
    """
    seen = valid.to(errors)
    kept = errors.masked_fill(~valid, 0.0)
    if weight is not None:
        kept = kept * weight
    return kept.sum(1, keepdim=True) / seen.sum(1, keepdim=True).clamp(min=1), valid.any(
        1, keepdim=True
    )


def auto_mask(reprojection: Tensor, identity: Tensor, noise: float = 0.0) -> Tensor:
    """Mark pixels that warping explains better than not moving at all (Godard 2019, eq. 5).

    reprojection, identity (B,1,H,W): errors of the warped sources and of the sources as they are,
    reduced alike. False for what stands still in the picture: a camera at rest, an object that
    moves with it, a plain surface. Ties are False; noise > 0 breaks them at random by so much (1e-5
    is enough). Returns (B,1,H,W) bool, without gradient.
    """
    if noise:
        identity = identity + noise * torch.randn_like(identity)
    return reprojection.detach() < identity.detach()


def _box(x: Tensor) -> Tensor:
    """Mean of each 3 x 3 window: shifted sums, on a CPU three times as fast as avg_pool2d, there
    and back.
    """
    x = x[..., :-2] + x[..., 1:-1] + x[..., 2:]
    return (x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]) / 9
