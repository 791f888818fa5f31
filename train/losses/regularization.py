"""What is asked of a prediction without truth: smooth, the same in both pictures, and willing to
explain.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from train.losses.masked import masked_mean
from train.warp import warp_disparity


def smoothness(inv_depth: Tensor, image: Tensor, normalise: bool = True) -> Tensor:
    """Mean slope of the inverse depth where the picture has none: |dx d| exp(-|dx I|) + |dy d|
    exp(-|dy I|).

    Godard 2019, eq. 3; inv_depth (B,1,H,W), divided by its mean in each picture unless normalise is
    false (Godard 2017, eq. 6), so that shrinking everything does not pay. image (B,3,H,W) in [0,1].
    Slopes are per pixel.
    """
    if normalise:
        inv_depth = inv_depth / inv_depth.mean((2, 3), keepdim=True).clamp(min=1e-7)
    total = 0.0
    for axis in (2, 3):
        edge = image.diff(dim=axis).abs().mean(1, keepdim=True)
        total = total + (inv_depth.diff(dim=axis).abs() * (-edge).exp()).mean()
    return total


def left_right_consistency(left: Tensor, right: Tensor) -> Tensor:
    """Mean |d_left(u) - d_right(u - d_left)| and its mirror image, each over the pixels whose match
    is in the picture.

    Godard 2017, eq. 7, both sides added. left, right (B,1,H,W) px: the disparities of the two
    pictures. Returns a scalar in px: divide by the width for the unit of the paper.
    """
    total = 0.0
    for own, other, sign in ((left, right, -1), (right, left, 1)):
        match, valid = warp_disparity(other, own, sign)
        total = total + masked_mean((own - match).abs(), valid)
    return total


def explainability(logits: Tensor) -> Tensor:
    """Mean cross-entropy of the mask sigmoid(logits) with 1 (Zhou 2017, L_reg of eq. 4): doubting
    has a price.

    logits of any shape. Returns a scalar: log 2 at logits 0, towards 0 for a mask that believes
    everything.
    """
    return F.softplus(-logits).mean()
