"""Matching costs around a disparity, and what disparities alone say of occlusion."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_OCCLUDER_REACH = 7  # an occluder is looked for within 2 ** 7 columns


def local_costs(here: Tensor, there: Tensor, shift: Tensor, offsets: tuple[int, ...]) -> Tensor:
    """Compare left features with right ones around a disparity, at whole columns.

    here, there (B,C,h,w); shift (B,1,h,w) px of them, rounded here. Returns (B,len(offsets),h,w):
    mean absolute difference at shift + offset, borders repeated.
    """
    width = here.shape[3]
    column = _columns(here) - torch.round(shift[:, 0])
    gathered = _RightFeatures(there)
    costs = [gathered.cost(here, (column - offset).clamp(0, width - 1)) for offset in offsets]
    return torch.cat(costs, 1)


def local_costs_subpixel(
    here: Tensor, there: Tensor, shift: Tensor, offsets: tuple[float, ...]
) -> Tensor:
    """As local_costs at fractions of a column: right features are interpolated linearly, with a
    slope for `shift`.
    """
    width = here.shape[3]
    gathered = _RightFeatures(there)
    costs = []
    for offset in offsets:
        column = (_columns(here) - shift[:, 0] - offset).clamp(0, width - 1)
        whole = column.detach().floor().clamp(max=width - 2)
        costs.append(gathered.cost(here, whole, column - whole))
    return torch.cat(costs, 1)


class _RightFeatures:
    """Feature vectors of the right image, gathered by row and column."""

    def __init__(self, there: Tensor):
        batch, self.channels, height, width = there.shape
        self.shape = batch, 1, height, width
        self.flat = there.permute(0, 2, 3, 1).reshape(-1, self.channels)
        row = torch.arange(batch * height, device=there.device, dtype=there.dtype)
        self.row = row.view(batch, height, 1) * width
        # A product instead of a mean: ONNX Runtime is slow at means of few channels.
        self.mean = torch.full(
            (self.channels, 1), 1 / self.channels, device=there.device, dtype=there.dtype
        )

    def cost(self, here: Tensor, column: Tensor, fraction: Tensor | None = None) -> Tensor:
        """Mean absolute difference of left features (B,C,h,w) and those at columns (B,h,w),
        (B,1,h,w).
        """
        index = (self.row + column).long().view(-1)
        found = self.flat[index]
        if fraction is not None:
            found = found + (self.flat[index + 1] - found) * fraction.reshape(-1, 1)
        wanted = here.permute(0, 2, 3, 1).reshape(-1, self.channels)
        return ((found - wanted).abs() @ self.mean).view(self.shape)


def occlusion_margin(shift: Tensor) -> Tensor:
    """How far left pixels lie hidden in the right image, from their disparities alone.

    shift (B,1,h,w): disparity in columns of itself. A pixel at column x lands at x - shift; where
    one further to the right lands at or before it, the nearer of them hides the other. Returns
    (B,2,h,w): columns by which a pixel to the right reaches past this one, 0 or more where hidden,
    and columns outside the right image, both within [-2, 2].

    >>> flat_then_near = torch.tensor(
    ...     [[[[1.0, 1.0, 1.0, 1.0, 3.0, 3.0]]]]
    ... )  # the last two hide the two before them
    >>> occlusion_margin(flat_then_near)[0, 0, 0].tolist()
    [-1.0, -1.0, 0.0, 1.0, -1.0, -2.0]
    """
    lands = _columns(shift)[None] - shift
    width = shift.shape[3]
    least = F.pad(lands, (0, 1), value=1e4)[
        ..., 1:
    ]  # of the columns strictly to the right, by doubling the reach
    for power in range(_OCCLUDER_REACH):
        reach = 2**power
        least = torch.minimum(
            least, F.pad(least, (0, reach), value=1e4)[..., reach : reach + width]
        )
    return torch.cat([lands - least, -lands], 1).clamp(-2, 2)


def _columns(like: Tensor) -> Tensor:
    """Column numbers of a map (B,C,h,w) as (1,1,w)."""
    return torch.arange(like.shape[3], device=like.device, dtype=like.dtype).view(1, 1, -1)
