"""Means over the pixels that count."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of values where mask (bool, broadcastable to them) is true, as a scalar; 0 with gradient
    0 where nowhere.

    Values outside may be NaN: they reach neither the mean nor its gradient with respect to
    `values`.
    """
    mask = mask.expand_as(values)
    return torch.where(mask, values, torch.zeros_like(values)).sum() / mask.sum().clamp(min=1)


def only(values: Tensor, mask: Tensor, filler: float = 0.0) -> Tensor:
    """Values where mask is true, `filler` elsewhere: what comes after has finite values and
    gradients.
    """
    return torch.where(mask, values, torch.full_like(values, filler))
