"""Disparities mixed with their neighbours by learned weights."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

DECISIVENESS = 5.0  # a softmax this sharp chooses; a softer one blurs depth edges
_LARGEST_LOGIT = 30.0


def propagate(disparity: Tensor, affinity: Tensor, dilations: tuple[int, ...]) -> Tensor:
    """Replace each value by a weighted mean of its 3 x 3 neighbourhood, once for each dilation.

    Args:
        disparity: (B,1,h,w).
        affinity: (B,9 len(dilations),h,w) logits, see to_weights.
        dilations: steps between neighbours, cells, in the order in which they are applied.

    Returns:
        (B,1,h,w), within the range of `disparity`. Source: Cheng et al. 2018, "Depth Estimation via
        Affinity Learned with Convolutional Spatial Propagation", eq. 1.
    """
    weights = to_weights(affinity).split(1, 1)
    for number, dilation in enumerate(dilations):
        nine = weights[9 * number : 9 * number + 9]
        disparity = mix(neighbourhood(disparity, dilation), nine)
    return disparity


def mix(options: list[Tensor], weights: tuple[Tensor, ...]) -> Tensor:
    """Mean of the options by weights above 0."""
    total = sum(weight * option for option, weight in zip(options, weights, strict=True))
    return total / sum(weights)


def to_weights(logits: Tensor) -> Tensor:
    """Turn logits into weights above 0; bounded, since a softmax without its maximum taken off
    is five passes cheaper.
    """
    return (DECISIVENESS * logits).clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT).exp()


def neighbourhood(x: Tensor, dilation: int) -> list[Tensor]:
    """The nine shifted copies (B,1,h,w) of a map, row by row, borders repeated; the fifth is the
    map itself.
    """
    height, width = x.shape[2:]
    padded = F.pad(x, (dilation,) * 4, mode="replicate")
    steps = (0, dilation, 2 * dilation)
    return [padded[:, :, v : v + height, u : u + width] for v in steps for u in steps]
